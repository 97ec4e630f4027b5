import { QueueRegistry } from '../../src/base/queue-registry.js';
import { ConsumeQueues } from '../../src/consume-queue/consume-queues.js';
import { entryPhysicalOffset, queueEntryBytes } from '../../src/format/queue-entry.js';
import { RecordFacts } from '../../src/format/record-facts.js';
import type { Platform } from '../../src/platform/platform.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';

export const directory = '/store/consumequeue';
export const rebuildDirectory = '/store/stratalog/rebuild';
const noKeys = new Int32Array(0);

export interface Harness {
  readonly platform: Platform;
  readonly registry: QueueRegistry;
  readonly openFiles: OpenFiles;
  readonly queues: ConsumeQueues;
}

export function openQueues(platform: Platform, entriesPerFile: number, openFilesMax: number = 8): Harness {
  const registry = new QueueRegistry();
  const openFiles = new OpenFiles(platform.fs, openFilesMax);
  const queues = new ConsumeQueues({ directory, rebuildDirectory, entriesPerFile, fs: platform.fs, files: openFiles, registry });
  return { platform, registry, openFiles, queues };
}

/** A disk on which the store's root is durable, as opening makes it. */
export async function preparedPlatform(seed: number = 1): Promise<MemoryPlatform> {
  const platform = memoryPlatform({ seed });
  await platform.fs.makeDirectory('/store/stratalog');
  await platform.fs.syncDirectory('/store');
  await platform.fs.syncDirectory('/');
  return platform;
}

export interface Row {
  readonly slot: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
}

/** A record at every multiple of 100 of the log, of 100 bytes and with a tag code that follows from its place. */
export function accept(queues: ConsumeQueues, rows: readonly Row[]): void {
  const facts = new RecordFacts(Math.max(1, rows.length));
  for (const row of rows) facts.push(row.physicalOffset, 100, row.slot, row.queueOffset, tagsCodeOf(row.physicalOffset), 0, noKeys, 0);
  queues.accept(facts, 0, facts.count);
}

export function tagsCodeOf(physicalOffset: number): number {
  return -physicalOffset * 3;
}

/** `count` rows of one queue from `queueOffset` on, their records 100 bytes apart from `physicalOffset` on. */
export function rowsOf(slot: number, queueOffset: number, count: number, physicalOffset: number = queueOffset * 100): Row[] {
  return Array.from({ length: count }, (_, i) => ({ slot, queueOffset: queueOffset + i, physicalOffset: physicalOffset + i * 100 }));
}

/** Physical offsets of the entries [from, to), read in calls of `countMax`. */
export function physicalOffsets(queues: ConsumeQueues, slot: number, from: number, to: number, countMax: number = 7): number[] {
  const into = Buffer.alloc(countMax * queueEntryBytes);
  const found: number[] = [];
  for (let at = from; at < to; ) {
    const count = queues.readEntries(slot, at, into, Math.min(countMax, to - at));
    if (count === 0) throw new Error(`nothing at ${at} of [${from}, ${to})`);
    for (let i = 0; i < count; i += 1) found.push(entryPhysicalOffset(into, i * queueEntryBytes));
    at += count;
  }
  return found;
}

/** All of what a queue's folder holds: name and bytes. */
export function filesOf(platform: Platform, topic: string, queueId: number): { name: string; bytes: Buffer }[] {
  const folder = `${directory}/${topic}/${queueId}`;
  return platform.fs.list(folder).map((name) => ({ name, bytes: bytesOf(platform, `${folder}/${name}`) }));
}

export function bytesOf(platform: Platform, path: string): Buffer {
  const file = platform.fs.open(path, 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  // A power cut that follows may break it off.
  file.close().catch(() => undefined);
  return bytes;
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made up`), { code });
}
