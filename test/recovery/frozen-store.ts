import { RecordView } from '../../src/format/record-view.js';
import type { Platform, Store, StoreOptions } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { filesBelow, isDirectory, readFile } from '../contract/disk-surgery.js';
import { openTiny, root } from '../contract/harness.js';

/** A disk as it was at one moment; each call gives a copy of its own to damage. */
export interface FrozenStore {
  copy(): MemoryPlatform;
  readonly records: readonly LogRecord[];
}

export interface LogRecord {
  readonly offset: number;
  readonly bytes: number;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly body: string;
  readonly flag: number;
}

/** A store that was written by `write` and then closed, or killed in the middle of its work. */
export async function frozenStore(
  ending: 'closed' | 'killed',
  write: (store: Store) => Promise<void>,
  options: StoreOptions = {},
): Promise<FrozenStore> {
  const platform = memoryPlatform();
  const store = await openTiny(platform, options);
  await write(store);
  if (ending === 'closed') await store.close();
  return await freeze(platform);
}

/** What a kill leaves, made durable: copies of it do not depend on what a power cut takes. */
export async function freeze(platform: MemoryPlatform): Promise<FrozenStore> {
  const disk = platform.crash('all');
  await syncTree(disk, root);
  await disk.fs.syncDirectory('/');
  const records = await walkLog(disk);
  return { copy: () => disk.crash('synced'), records };
}

async function syncTree(platform: Platform, directory: string): Promise<void> {
  for (const name of platform.fs.list(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory(platform, path)) {
      await syncTree(platform, path);
      continue;
    }
    const file = platform.fs.open(path, 'read-write');
    await file.sync('all');
    await file.close();
  }
  await platform.fs.syncDirectory(directory);
}

/**
 * Every record of the log as a stock reader finds them: one after the other, blanks to the end of their segments, up to the first
 * byte that begins neither. What is skipped over is nothing: a segment that breaks off before its blank ends the walk.
 */
export async function walkLog(platform: Platform, directory: string = root): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const view = new RecordView();
  let end: number | undefined;
  for (const path of filesBelow(platform, `${directory}/commitlog`).filter((each) => /\/\d{20}$/.test(each))) {
    const base = Number(path.slice(-20));
    const bytes = await readFile(platform, path);
    if (end !== undefined && end !== base) return records;
    let at = 0;
    for (end = base; at < bytes.length; end = base + at) {
      const kind = view.read(bytes, at, bytes.length);
      if (kind === 'invalid' || (kind === 'record' && (view.physicalOffset !== base + at || !view.verify(false)))) break;
      if (kind === 'record') {
        const { topic, queueId, queueOffset, recordBytes, flag } = view;
        const body = bytes.toString('utf8', view.bodyStart, view.bodyEnd);
        records.push({ offset: base + at, bytes: recordBytes, topic, queueId, queueOffset, body, flag });
      }
      at += view.recordBytes;
    }
  }
  return records;
}

/** Where a byte of the log lies. */
export function placeOf(offset: number, segmentBytes = 4096): { readonly path: string; readonly at: number } {
  const at = offset % segmentBytes;
  return { path: `${root}/commitlog/${String(offset - at).padStart(20, '0')}`, at };
}
