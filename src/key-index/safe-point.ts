import { defined } from '../base/assert.js';
import { StoreError, systemErrorCode } from '../base/errors.js';
import type { StoreFile } from '../platform/platform.js';
import { indexSlotAt } from '../format/index-layout.js';
import type { IndexFile, IndexMark } from './index-file.js';
import type { IndexStorage } from './index-storage.js';

const pagesPerWrite = 256;
const pageBytes = 4096;

/** The disk is full: what failed may be tried again. Only of writes; after a failed sync nothing is known of any page. */
export function isDiskFull(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/**
 * Makes the entries up to `mark`, then slots and header that speak of exactly those, durable. Entries above `mark` may exist in memory, and
 * come in while this runs: they stay out of the slots that are written. `onSlotsWritten` is called when they no longer matter.
 */
export async function makeDurable(storage: IndexStorage, file: IndexFile, mark: IndexMark, onSlotsWritten: () => void): Promise<void> {
  try {
    await storage.files.with(file.path, 'read-write', async (handle) => {
      if (file.synced.entryCount < mark.entryCount) await syncOnce(handle);
      await writeSlots(storage, file, mark, handle);
      onSlotsWritten();
      await handle.write([storage.encodeHeader(file, mark)], 0);
      await syncOnce(handle);
    });
  } catch (error) {
    file.slots?.markAllDirty();
    throw error;
  }
  file.synced = mark;
  if (mark.entryCount === storage.usableEntryCount) {
    file.isSealed = true;
    file.slots = undefined;
  }
}

async function writeSlots(storage: IndexStorage, file: IndexFile, mark: IndexMark, handle: StoreFile): Promise<void> {
  const table = defined(file.slots, 'slots of a file that is behind');
  const scratch = Buffer.alloc(Math.min(pagesPerWrite * pageBytes, storage.slotCount * 4));
  const previousOf = (entryNumber: number): number => storage.previousOf(file, entryNumber);
  let run = table.nextDirtyRun(0, pagesPerWrite);
  while (run !== undefined) {
    const bytes = table.encode(run.fromPage, run.toPage, scratch, mark.entryCount, previousOf);
    await handle.write([bytes], indexSlotAt(table.firstSlotOf(run.fromPage)));
    run = table.nextDirtyRun(run.toPage, pagesPerWrite);
  }
}

async function syncOnce(handle: StoreFile): Promise<void> {
  try {
    await handle.sync('data');
  } catch (cause) {
    throw new StoreError('IO', `${handle.path}: the sync of an index file failed; it is to be built anew`, { cause });
  }
}
