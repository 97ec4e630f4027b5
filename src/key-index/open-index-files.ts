import { isAllZero } from '../base/bytes.js';
import { indexHeaderBytes } from '../format/index-layout.js';
import type { IndexHeader } from '../format/index-layout.js';
import { IndexFile } from './index-file.js';
import type { IndexFileState, IndexMark } from './index-file.js';
import type { IndexStorage } from './index-storage.js';
import { rebuildSlots } from './rebuild-slots.js';
import { setAside } from './set-aside.js';

export interface OpenedIndexFiles {
  readonly files: IndexFile[];
  readonly refeedFrom: number | undefined;
  readonly asideCount: number;
}

/** A name that a stock broker takes for an index file: any number. Others it skips, and so do we. */
export function isIndexFileName(name: string): boolean {
  return /^\d+$/.test(name);
}

/**
 * Decides which of the files in the directory are those that the state names, and takes the others out of it.
 *
 * Believed are the leading files that stand there in the order of the state, each confirmed by its header, its first and its last
 * entry. All but the newest were full and durable when the state was written. The newest may have gone on after it (unless the stop
 * was clean): its first N entries are taken, the rest is zeroed, its slots are made anew. From the first file that is missing, foreign
 * or contradicts the state, everything is set aside. An unnamed file with a zero header was made after the state, and what it holds
 * is fed again: it is removed.
 */
export async function openIndexFiles(
  storage: IndexStorage,
  asideDirectory: string,
  states: readonly IndexFileState[],
  clean: boolean,
): Promise<OpenedIndexFiles> {
  const names = storage.fs.list(storage.directory).filter(isIndexFileName);
  let kept = clean && names.length === states.length ? confirmLeading(storage, names, states, true) : [];
  if (!clean || kept.length < states.length) {
    kept = confirmLeading(storage, names, states, false);
    const newest = kept.at(-1);
    if (newest !== undefined && kept.length === states.length && !(await rebuildNewest(storage, newest))) kept.pop();
  }
  const asideCount = await takeAway(storage, asideDirectory, names.slice(kept.length), states);
  if (kept.length === states.length) return { files: kept, refeedFrom: undefined, asideCount };
  return { files: kept, refeedFrom: kept.at(-1)?.endPhysicalOffset ?? 0, asideCount };
}

/** The leading files that are as the state says; `exactly`: the newest too. */
function confirmLeading(storage: IndexStorage, names: readonly string[], states: readonly IndexFileState[], exactly: boolean): IndexFile[] {
  const files: IndexFile[] = [];
  for (const [i, state] of states.entries()) {
    const file = new IndexFile(storage.directory, state.name, 0);
    const isNewest = i === states.length - 1;
    if (names[i] !== state.name || !confirm(storage, file, state, exactly || !isNewest)) break;
    file.isSealed = file.entryCount === storage.usableEntryCount && !(isNewest && !exactly);
    files.push(file);
  }
  return files;
}

/** Whether the file holds what the state says: exactly that, or at least that. */
function confirm(storage: IndexStorage, file: IndexFile, state: IndexFileState, exactly: boolean): boolean {
  const entryCount = state.entryCount;
  if (!/^\d{17}$/.test(file.name) || !Number.isInteger(entryCount) || entryCount < 1 || entryCount > storage.usableEntryCount) return false;
  try {
    const bytes = storage.files.use(file.path, 'read').sizeBytes();
    if (exactly ? bytes !== storage.fileBytes : bytes < storage.entryPosition(entryCount + 1)) return false;
    const header = storage.readHeader(file);
    if (header === undefined || header.nextEntry - 1 < entryCount) return false;
    if (exactly && (header.nextEntry - 1 !== entryCount || header.endOffset !== state.endPhysicalOffset)) return false;
    restore(file, header, state, storage.pending.end);
    return (
      storage.physicalOffsetOf(file, 1) === file.beginPhysicalOffset &&
      storage.physicalOffsetOf(file, entryCount) === state.endPhysicalOffset
    );
  } catch {
    return false;
  }
}

function restore(file: IndexFile, header: IndexHeader, state: IndexFileState, nextSequence: number): void {
  file.beginTime = header.beginTime;
  file.beginPhysicalOffset = header.beginOffset;
  const mark: IndexMark = {
    entryCount: state.entryCount,
    slotsUsed: header.slotsUsed,
    endTime: header.endTime,
    endPhysicalOffset: state.endPhysicalOffset,
  };
  file.restore(mark, nextSequence);
}

async function rebuildNewest(storage: IndexStorage, file: IndexFile): Promise<boolean> {
  try {
    await rebuildSlots(storage, file, file.entryCount, file.endTime);
    return true;
  } catch {
    return false;
  }
}

/** Returns how many were set aside. */
async function takeAway(
  storage: IndexStorage,
  asideDirectory: string,
  names: readonly string[],
  states: readonly IndexFileState[],
): Promise<number> {
  const named = new Set(states.map((state) => state.name));
  const worthless = names.filter((name) => !named.has(name) && hasZeroHeader(storage, name));
  for (const name of worthless) {
    await storage.files.forget(`${storage.directory}/${name}`);
    await storage.fs.remove(`${storage.directory}/${name}`);
  }
  if (worthless.length > 0) await storage.fs.syncDirectory(storage.directory);
  const others = names.filter((name) => !worthless.includes(name));
  await setAside(storage.fs, storage.files, storage.directory, others, asideDirectory);
  return others.length;
}

function hasZeroHeader(storage: IndexStorage, name: string): boolean {
  const bytes = Buffer.alloc(indexHeaderBytes);
  try {
    storage.files.use(`${storage.directory}/${name}`, 'read').readSync(bytes, 0);
    return isAllZero(bytes);
  } catch {
    return false;
  }
}
