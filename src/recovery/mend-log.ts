import { isAllZero } from '../base/bytes.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import { RecordView } from '../format/record-view.js';
import { parseSegmentName, segmentName } from '../format/segment-name.js';
import type { FileSystem, StoreFile } from '../platform/platform.js';
import { withFile, withOwnSegment } from './own-segment.js';
import type { StorePaths } from './side-files.js';

const CHUNK_BYTES = 1024 * 1024;

/**
 * How far behind the last byte that is not zero a segment is searched for bytes worth keeping. A 1 GiB segment is mostly a hole: to
 * read all of it would make an opening cost a GiB of page cache. The cut itself does not depend on what was seen.
 */
const ZERO_SEARCH_BYTES = 64 * 1024 * 1024;

export interface MendOptions {
  readonly fs: FileSystem;
  readonly paths: StorePaths;
  readonly segments: LogSegments;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes that were cut and where they are kept, if they held a record. */
export interface CutTail {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly asidePath: string | undefined;
}

/**
 * Writes [from, to) once more, the same bytes in the same place, and syncs it. A page that reads well may be one that the disk has
 * refused before: only writing it again makes it dirty, and only then a sync means something.
 */
export async function rewrite(options: MendOptions, from: number, to: number): Promise<void> {
  const { segments } = options;
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (const base of segments.bases) {
    const start = Math.max(0, from - base);
    const end = Math.min(segments.segmentBytes, to - base);
    if (start >= end) continue;
    await withOwnSegment(options, base, async (file) => {
      for (let at = start; at < end; ) {
        options.signal?.throwIfAborted();
        const bytes = await file.read(chunk.subarray(0, Math.min(CHUNK_BYTES, end - at)), at);
        if (bytes === 0) break;
        await file.write([chunk.subarray(0, bytes)], at);
        at += bytes;
      }
      await file.sync('data');
    });
  }
}

/**
 * Ends the log at `end` on the disk: the rest of its segment becomes zeros, later segments go. What holds a record is kept aside, unless
 * more than 64 MiB of zeros stand before it.
 */
export async function cutLog(options: MendOptions, end: number): Promise<readonly CutTail[]> {
  const { fs, segments } = options;
  const cuts: CutTail[] = [];
  for (const base of [...segments.bases].reverse()) {
    if (base >= end) cuts.push(...(await removeSegment(options, base)));
  }
  segments.setBases(segments.bases.filter((base) => base < end));
  await removeEmpty(options, end);
  const last = segments.bases.at(-1);
  if (last === undefined || end >= last + segments.segmentBytes) return cuts;
  const path = segments.pathOf(last);
  const { tail, sizeBytes } = await withFile(fs, path, 'read', async (file) => {
    return { tail: await readTail(file, end - last, segments.segmentBytes), sizeBytes: file.sizeBytes() };
  });
  if (!tail.hasBytes && tail.readAll && sizeBytes === segments.segmentBytes) return cuts;
  await withOwnSegment(options, last, async (file) => {
    if (tail.hasBytes) {
      const asidePath = tail.hasRecord ? await keepAside(options, file, last, end - last, tail.lastByte + 1) : undefined;
      cuts.push({ path, offset: end - last, bytes: tail.lastByte + 1 - (end - last), asidePath });
    }
    // Also where nothing was seen: a record left there would be found by a later recovery, once the log has grown up to it.
    if (tail.hasBytes || !tail.readAll) await file.truncate(end - last);
    await file.truncate(segments.segmentBytes);
    await file.sync('all');
  });
  return cuts;
}

/** Where the log ends; if no segment is left of it, it goes on with a whole one, since nothing can be read in front. */
export function goOnWithout(segments: LogSegments, end: number): number {
  if (segments.bases.length > 0) return end;
  const firstBase = Math.ceil(end / segments.segmentBytes) * segments.segmentBytes;
  segments.setBases([], firstBase);
  return firstBase;
}

/** A file without bytes, left by a kill between making and lengthening it, is no segment; a later opening must not meet it again. */
async function removeEmpty(options: MendOptions, end: number): Promise<void> {
  const { fs, segments, paths } = options;
  for (const name of fs.exists(paths.commitLog) ? fs.list(paths.commitLog) : []) {
    const base = parseSegmentName(name);
    if (base === undefined || base < end || segments.has(base)) continue;
    const path = segments.pathOf(base);
    const isEmpty = await withFile(fs, path, 'read', (file) => Promise.resolve(file.sizeBytes() === 0)).catch(() => false);
    if (isEmpty) await fs.remove(path);
  }
}

async function removeSegment(options: MendOptions, base: number): Promise<readonly CutTail[]> {
  const { fs, segments } = options;
  const path = segments.pathOf(base);
  const cut = await withFile(fs, path, 'read', async (file) => {
    const tail = await readTail(file, 0, segments.segmentBytes);
    if (!tail.hasBytes) return [];
    const asidePath = tail.hasRecord ? await keepAside(options, file, base, 0, tail.lastByte + 1) : undefined;
    return [{ path, offset: 0, bytes: tail.lastByte + 1, asidePath }];
  });
  await segments.forget(base);
  await fs.remove(path);
  await fs.syncDirectory(options.paths.commitLog);
  return cut;
}

interface Tail {
  readonly hasBytes: boolean;
  readonly hasRecord: boolean;
  readonly lastByte: number;
  /** The search went to the end; otherwise it gave up after so many zeros. */
  readonly readAll: boolean;
}

/** Whether anything but zeros stands behind `from`, and whether a record begins there somewhere. */
async function readTail(file: StoreFile, from: number, to: number): Promise<Tail> {
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const view = new RecordView();
  let lastByte = -1;
  let hasRecord = false;
  let at = from;
  while (at < to && at < Math.max(from, lastByte) + ZERO_SEARCH_BYTES) {
    const bytes = await file.read(chunk.subarray(0, Math.min(CHUNK_BYTES, to - at)), at);
    if (bytes === 0) break;
    if (!isAllZero(chunk, 0, bytes)) {
      let last = bytes - 1;
      while (chunk[last] === 0) last -= 1;
      lastByte = at + last;
      hasRecord ||= holdsRecord(view, chunk, bytes);
    }
    // Chunks overlap, so that a record's head is never torn between two.
    at += bytes === CHUNK_BYTES ? bytes - 128 : bytes;
  }
  return { hasBytes: lastByte >= 0, hasRecord, lastByte, readAll: at >= Math.min(to, file.sizeBytes()) };
}

/** A magic number is enough to keep the bytes: a record that is not whole is evidence as well. */
function holdsRecord(view: RecordView, bytes: Buffer, end: number): boolean {
  for (const second of [0xa7, 0xab]) {
    const magic = Buffer.from([0xda, 0xa3, 0x20, second]);
    for (let at = bytes.indexOf(magic); at >= 4 && at < end; at = bytes.indexOf(magic, at + 1)) {
      const kind = view.read(bytes, at - 4, end);
      if (kind === 'record' || view.bytesNeeded > end - (at - 4)) return true;
    }
  }
  return false;
}

/** Copies [from, to) of a segment to `stratalog/aside/`, durably. */
export async function keepAside(options: MendOptions, file: StoreFile, base: number, from: number, to: number): Promise<string> {
  const { fs, paths } = options;
  await fs.makeDirectory(paths.aside);
  const stem = `${paths.aside}/commitlog-${segmentName(base)}-${from}`;
  let path = stem;
  for (let i = 1; fs.exists(path); i += 1) path = `${stem}-${i}`;
  const copy = fs.open(path, 'create');
  try {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (let at = from; at < to; ) {
      const bytes = await file.read(chunk.subarray(0, Math.min(CHUNK_BYTES, to - at)), at);
      if (bytes === 0) break;
      await copy.write([chunk.subarray(0, bytes)], at - from);
      at += bytes;
    }
    await copy.sync('all');
  } finally {
    await copy.close();
  }
  await fs.syncDirectory(paths.aside);
  return path;
}
