import { indexKeyHash } from '../../src/format/index-layout.js';
import { RecordFacts } from '../../src/format/record-facts.js';
import type { IndexFileState } from '../../src/key-index/index-file.js';
import { KeyIndex } from '../../src/key-index/key-index.js';
import type { FileSystem } from '../../src/platform/platform.js';
import { OpenFiles } from '../../src/segment/open-files.js';

export const topic = 'TopicTest';
export const directory = '/store/index';
export const asideDirectory = '/store/stratalog/aside';
/** 2023-11-14, in the local zone whatever it is. */
export const nowMs: number = new Date(2023, 10, 14, 22, 13, 20, 123).getTime();

/** A record as the index sees it. */
export interface Row {
  readonly physicalOffset: number;
  readonly storedAt: number;
  readonly keys: readonly string[];
}

export interface IndexShape {
  readonly slotCount: number;
  readonly entryCount: number;
}

export const tiny: IndexShape = { slotCount: 7, entryCount: 5 };
export const rocketmq: IndexShape = { slotCount: 5_000_000, entryCount: 20_000_000 };

export function makeIndex(fs: FileSystem, shape: IndexShape = tiny, now: () => number = () => nowMs): KeyIndex {
  return new KeyIndex({
    directory,
    asideDirectory,
    ...shape,
    fs,
    files: new OpenFiles(fs, 4),
    nowMs: now,
    nextTurn: (callback) => setImmediate(callback),
  });
}

/** The store's root is there, and durable, before anything is put into it. */
export async function makeRoot(fs: FileSystem): Promise<void> {
  await fs.makeDirectory('/store/stratalog');
  await fs.syncDirectory('/');
  await fs.syncDirectory('/store');
}

export async function openIndex(
  fs: FileSystem,
  states: readonly IndexFileState[] = [],
  clean = false,
  shape: IndexShape = tiny,
): Promise<KeyIndex> {
  await makeRoot(fs);
  const index = makeIndex(fs, shape);
  await index.open(states, clean);
  return index;
}

export function factsOf(rows: readonly Row[]): RecordFacts {
  const facts = new RecordFacts(Math.max(1, rows.length));
  for (const row of rows) {
    const hashes = Int32Array.from(row.keys, (key) => indexKeyHash(topic, key));
    facts.push(row.physicalOffset, 100, 0, 0, 0, row.storedAt, hashes, hashes.length);
  }
  return facts;
}

export function accept(index: KeyIndex, rows: readonly Row[]): void {
  index.accept(factsOf(rows), 0, rows.length);
}

export async function found(
  index: KeyIndex,
  key: string,
  since: number = -Infinity,
  until: number = Infinity,
  before: number = Infinity,
): Promise<number[]> {
  const offsets: number[] = [];
  for await (const physicalOffset of index.find(topic, key, since, until, before)) offsets.push(physicalOffset);
  return offsets;
}

/** What a caller keeps of the candidates, with the rows as its log. Once per key of the row, as the index has it. */
export async function foundRows(
  index: KeyIndex,
  rows: readonly Row[],
  key: string,
  since: number = -Infinity,
  until: number = Infinity,
  before: number = Infinity,
): Promise<number[]> {
  const byOffset = new Map(rows.map((row) => [row.physicalOffset, row]));
  const candidates = await found(index, key, since, until, before);
  const once = candidates.filter((offset, i) => i === 0 || candidates[i - 1] !== offset);
  return once.filter((offset) => {
    const row = byOffset.get(offset);
    return row !== undefined && row.keys.includes(key) && row.storedAt >= since && row.storedAt < until;
  });
}

export function expectedRows(
  rows: readonly Row[],
  key: string,
  since: number = -Infinity,
  until: number = Infinity,
  before: number = Infinity,
): number[] {
  return rows
    .filter((row) => row.keys.includes(key) && row.storedAt >= since && row.storedAt < until && row.physicalOffset < before)
    .map((row) => row.physicalOffset)
    .reverse();
}

export function readAll(fs: FileSystem, path: string): Buffer {
  const file = fs.open(path, 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  void file.close();
  return bytes;
}

export function readAt(fs: FileSystem, path: string, at: number, count: number): string {
  const file = fs.open(path, 'read');
  const bytes = Buffer.alloc(count);
  file.readSync(bytes, at);
  void file.close();
  return bytes.toString('hex').toUpperCase();
}

/** Puts a file there, as somebody else would. */
export async function plant(
  fs: FileSystem,
  path: string,
  size: number,
  pieces: readonly (readonly [at: number, hex: string])[],
): Promise<void> {
  await fs.makeDirectory(directory);
  const file = fs.open(path, 'create');
  if (size > 0) file.writeSync([Buffer.alloc(1)], size - 1);
  for (const [at, hex] of pieces) file.writeSync([Buffer.from(hex.replaceAll(' ', ''), 'hex')], at);
  await file.close();
}
