import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type IndexHeader,
  indexEntryAt,
  indexEntryHash,
  indexEntryPhysicalOffset,
  indexFileBytes,
  indexSeconds,
  indexSlotAt,
  readIndexHeader,
  writeIndexEntry,
  writeIndexHeader,
} from '../../../src/format/index-layout.js';
import { capacities } from './capacities.js';

const { indexSlotCount, indexEntryCount } = capacities;
const entrySecondsAt = 12;
const differencesMax = 20;

/** All files below `directory`, with `/`, sorted. */
function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

/** Where `ours` and `theirs` part, file by file; empty: the same files with the same bytes. */
export function differences(ours: string, theirs: string): readonly string[] {
  const names = [...new Set([...filesBelow(ours), ...filesBelow(theirs)])].sort();
  const found: string[] = [];
  for (const name of names) {
    const [a, b] = [ours, theirs].map((directory) => read(join(directory, name)));
    if (a === undefined || b === undefined) found.push(`${name}: only ${a === undefined ? 'theirs' : 'ours'} has it`);
    else if (!a.equals(b)) found.push(`${name}: ${firstDifference(a, b)}`);
  }
  return found.slice(0, differencesMax);
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

export function firstDifference(a: Buffer, b: Buffer): string {
  if (a.length !== b.length) return `${a.length} bytes of ours, ${b.length} of theirs`;
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return `differs from byte ${at}: ours ${a.toString('hex', at, at + 20)}, theirs ${b.toString('hex', at, at + 20)}`;
}

export interface IndexContent {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Oldest first. */
export function indexFiles(store: string): readonly IndexContent[] {
  const directory = join(store, 'index');
  return filesBelow(directory).map((name) => ({ name, bytes: readFileSync(join(directory, name)) }));
}

/**
 * The one entry in which an index of the original differs from ours: in every file but the oldest, entry 1 counts its seconds from the end
 * of the file before, although readers take them from the file's own begin time. Gives `theirs` with that entry as we write it, after
 * making sure that it held exactly those seconds.
 */
export function withOwnSeconds(theirs: readonly IndexContent[]): {
  readonly files: readonly IndexContent[];
  readonly changedCount: number;
} {
  let previous: IndexHeader | undefined;
  let changedCount = 0;
  const files = theirs.map(({ name, bytes }) => {
    const header = readIndexHeader(bytes, 0);
    const changed = Buffer.from(bytes);
    const at = indexEntryAt(indexSlotCount, 1) + entrySecondsAt;
    if (previous !== undefined) {
      const seconds = indexSeconds(header.beginTime, previous.endTime);
      if (bytes.readInt32BE(at) !== seconds) throw new Error(`${name}: entry 1 holds ${bytes.readInt32BE(at)} seconds, not ${seconds}`);
      if (seconds !== 0) changedCount += 1;
      changed.writeInt32BE(0, at);
    }
    previous = header;
    return { name, bytes: changed };
  });
  return { files, changedCount };
}

/** What an index entry says, whatever file it stands in. */
export interface IndexedKey {
  readonly hash: number;
  readonly physicalOffset: number;
}

export function indexedKeys(files: readonly IndexContent[]): readonly IndexedKey[] {
  return files.flatMap(({ bytes }) =>
    Array.from({ length: readIndexHeader(bytes, 0).nextEntry - 1 }, (_, i) => {
      const at = indexEntryAt(indexSlotCount, i + 1);
      return { hash: indexEntryHash(bytes, at), physicalOffset: indexEntryPhysicalOffset(bytes, at) };
    }),
  );
}

/** The index files that `keys`, in this order, make by the rules of the format, each entry relative to its own file. */
export function indexOf(keys: readonly IndexedKey[], storedAtOf: (physicalOffset: number) => number): readonly Buffer[] {
  const files: Buffer[] = [];
  for (let start = 0; start < keys.length; start += indexEntryCount - 1) {
    files.push(indexFileOf(keys.slice(start, start + indexEntryCount - 1), storedAtOf));
  }
  return files;
}

function indexFileOf(keys: readonly IndexedKey[], storedAtOf: (physicalOffset: number) => number): Buffer {
  const bytes = Buffer.alloc(indexFileBytes(indexSlotCount, indexEntryCount));
  const [first, last] = [keys[0], keys.at(-1)];
  if (first === undefined || last === undefined) return bytes;
  const beginTime = storedAtOf(first.physicalOffset);
  let slotsUsed = 0;
  keys.forEach(({ hash, physicalOffset }, i) => {
    const slotAt = indexSlotAt(hash % indexSlotCount);
    const previous = bytes.readInt32BE(slotAt);
    if (previous === 0) slotsUsed += 1;
    const seconds = indexSeconds(storedAtOf(physicalOffset), beginTime);
    writeIndexEntry(bytes, indexEntryAt(indexSlotCount, i + 1), hash, physicalOffset, seconds, previous);
    bytes.writeInt32BE(i + 1, slotAt);
  });
  writeIndexHeader(bytes, 0, {
    beginTime,
    endTime: storedAtOf(last.physicalOffset),
    beginOffset: first.physicalOffset,
    endOffset: last.physicalOffset,
    slotsUsed,
    nextEntry: keys.length + 1,
  });
  return bytes;
}
