import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import { encodeBlank } from '../format/record-encoder.js';
import {
  encodeFiller,
  encodeTombstone,
  fillerBytesMin,
  type LostRecord,
  type RepairOptions,
  tombstoneBytes,
} from '../format/repair-records.js';
import { recordBytesMin } from '../format/record-layout.js';
import { findResync } from './find-resync.js';
import { isInSpans, type OwnSpan } from './manifest.js';
import { keepAside, type MendOptions } from './mend-log.js';
import { withFile, withOwnSegment } from './own-segment.js';
import type { StoreFile } from '../platform/platform.js';
import type { QueuePlace } from './queue-places.js';

/** One span that recovery skipped or cut; as in the recovery report. */
export interface DamageNote {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly what: string;
  readonly quarantinePath: string | undefined;
}

export interface SkipOptions extends MendOptions {
  readonly spans: readonly OwnSpan[];
  readonly storeHost: { readonly address: string; readonly port: number };
  /** Entries known to lead into a stretch of the log, ascending. */
  readonly placesIn: (from: number, to: number) => readonly QueuePlace[];
  /** Next number of each queue, by `topic/queueId`, at the offset `from` of the log. */
  readonly numbersAt: { readonly from: number; readonly next: ReadonlyMap<string, number> };
  /** Where everything after it may be torn as well as damaged. */
  readonly durable: number;
  /** Of a log that is being written: a record begins there, or will. */
  readonly goesOnAt?: number | undefined;
}

export interface Skipped {
  /** Where the log can be read on; undefined: nothing could be done. */
  readonly next: number | undefined;
  readonly bytes: number;
  readonly notes: readonly DamageNote[];
  /** Queues whose entries have to be made anew: they led to what is lost. */
  readonly queues: readonly { readonly topic: string; readonly queueId: number }[];
}

const BLANK_BYTES = 8;
const FILLER_BYTES_MAX = 1024 * 1024;

/**
 * Makes a span that does not verify readable again, in place, after its bytes have been copied to `stratalog/aside/`:
 *
 *   | tombstone | tombstone | … | filler up to the next good record     or, if there is none in this segment, a blank |
 *
 * a tombstone for each queue offset that was lost there, so that every queue stays dense.
 */
export async function skipDamage(options: SkipOptions, stopped: ScanEnd): Promise<Skipped> {
  const { segments, spans } = options;
  const start = stopped.offset;
  const base = segments.baseOf(start);
  const segmentEnd = base + segments.segmentBytes;
  if (stopped.reason === 'missing') await makeMissing(options, base);
  const knownEnd = options.goesOnAt !== undefined && options.goesOnAt > start ? Math.min(options.goesOnAt, segmentEnd) : segmentEnd;
  const resync = stopped.reason === 'missing' ? segmentEnd : await findResync(options, start, knownEnd);
  const lost = await lostNumbers(options, start, resync);
  const repair: RepairOptions = { storeHost: options.storeHost, recordChecksum: isInSpans(spans, start) };
  const written = layOut(lost, start, resync, segmentEnd, repair);
  const path = segments.pathOf(base);
  let quarantinePath: string | undefined;
  await changing(options, base, async (file) => {
    if (stopped.reason !== 'missing') quarantinePath = await keepAside(options, file, base, start - base, resync - base);
    if (file.sizeBytes() < segments.segmentBytes) await file.truncate(segments.segmentBytes);
    let at = start - base;
    for (const part of written) {
      await file.write([part], at);
      at += part.length;
    }
    await file.sync('all');
  });
  const note = { path, offset: start - base, bytes: resync - start, what: stopped.what, quarantinePath };
  return { next: start, bytes: resync - start, notes: [note], queues: lost };
}

/** A segment that is being written keeps its descriptor, and is the store's own since it was opened. */
async function changing(options: SkipOptions, base: number, work: (file: StoreFile) => Promise<void>): Promise<void> {
  const { segments } = options;
  if (segments.activeAt(base) !== undefined) return await withFile(options.fs, segments.pathOf(base), 'read-write', work);
  await segments.forget(base);
  await withOwnSegment(options, base, work);
}

/** A segment that is gone comes back as an empty one of full length; what was in it becomes tombstones and a blank. */
async function makeMissing(options: SkipOptions, base: number): Promise<void> {
  const { fs, segments, paths } = options;
  const making = segments.makingPathOf(base);
  if (fs.exists(making)) await fs.remove(making);
  const file = fs.open(making, 'create');
  try {
    const blank = Buffer.alloc(BLANK_BYTES);
    encodeBlank(blank, 0, segments.segmentBytes);
    await file.write([blank], 0);
    await file.truncate(segments.segmentBytes);
    await file.sync('all');
  } finally {
    await file.close();
  }
  await fs.rename(making, segments.pathOf(base));
  await fs.syncDirectory(paths.commitLog);
  segments.setBases([...segments.bases, base].sort((a, b) => a - b));
}

interface Lost extends Omit<LostRecord, 'physicalOffset'> {}

/** The queue offsets that were in [start, resync): what queue entries say, and what is missing between the records before and after. */
async function lostNumbers(options: SkipOptions, start: number, resync: number): Promise<readonly Lost[]> {
  const { segments, numbersAt } = options;
  const next = new Map(numbersAt.next);
  let storedAt = 0;
  const visit = async (from: number, limit: number, see: (name: string, queueOffset: number, storedAt: number) => void): Promise<ScanEnd> =>
    await new LogScanner(segments).scan({ from, limit, verify: false, isOurs: () => false, signal: options.signal }, (view) => {
      if (view.hasQueueOffset) see(`${view.topic}/${view.queueId}`, view.queueOffset, view.storedAt);
    });
  await visit(numbersAt.from, start, (name, queueOffset, at) => {
    next.set(name, queueOffset + 1);
    storedAt = at;
  });
  const ends = new Map<string, { from: number | undefined; to: number }>();
  for (const place of options.placesIn(start, resync)) {
    const name = `${place.topic}/${place.queueId}`;
    const known = ends.get(name);
    ends.set(name, { from: known?.from ?? place.queueOffset, to: place.queueOffset + 1 });
  }
  const seen = new Set<string>();
  const restOfLog = async (from: number): Promise<void> => {
    const stopped = await visit(from, Number.MAX_SAFE_INTEGER, (name, queueOffset) => {
      if (seen.has(name)) return;
      seen.add(name);
      ends.set(name, { from: ends.get(name)?.from, to: queueOffset });
    });
    // Further damage behind it: what follows that in the next segments still tells where the queues go on.
    if (stopped.reason === 'invalid' || stopped.reason === 'missing')
      await restOfLog(segments.baseOf(stopped.offset) + segments.segmentBytes);
  };
  await restOfLog(resync);
  await addLastOfQueue(options, start, next, ends);
  const lost: Lost[] = [];
  // No more than can have been there: what a record says of its number is not believed. Queues that are known come first.
  const countMax = Math.ceil((resync - start) / recordBytesMin);
  for (const [name, end] of [...ends].sort(([a], [b]) => Number(next.has(b)) - Number(next.has(a)))) {
    const split = name.lastIndexOf('/');
    const from = next.get(name) ?? end.from ?? (segments.minOffset === 0 ? 0 : end.to);
    for (let queueOffset = Math.max(from, end.to - countMax); queueOffset < end.to; queueOffset += 1) {
      lost.push({ topic: name.slice(0, split), queueId: Number(name.slice(split + 1)), queueOffset, storedAt });
    }
  }
  return lost;
}

/**
 * The last record of a queue, and no queue entry speaks of it: nobody but its own damaged bytes tells that it was there. They are
 * believed only where they name the very number that comes next in a queue that is known, so that it is not given out again.
 */
async function addLastOfQueue(
  options: SkipOptions,
  start: number,
  next: ReadonlyMap<string, number>,
  ends: Map<string, { from: number | undefined; to: number }>,
): Promise<void> {
  await new LogScanner(options.segments).scan(
    { from: start, limit: start + 1, verify: false, isOurs: () => false, signal: options.signal },
    (view) => {
      const name = `${view.topic}/${view.queueId}`;
      if (view.hasQueueOffset && !ends.has(name) && next.get(name) === view.queueOffset)
        ends.set(name, { from: undefined, to: view.queueOffset + 1 });
    },
  );
}

/** The bytes of [start, resync): as many tombstones as fit, then filler, or a blank where nothing follows in the segment. */
function layOut(lost: readonly Lost[], start: number, resync: number, segmentEnd: number, repair: RepairOptions): readonly Buffer[] {
  const parts: Buffer[] = [];
  const endsSegment = resync === segmentEnd;
  const roomEnd = endsSegment ? resync - BLANK_BYTES : resync;
  let at = start;
  let storedAt = 0;
  for (const [i, each] of lost.entries()) {
    storedAt = each.storedAt;
    let bytes = tombstoneBytes(each.topic, repair);
    if (at + bytes > roomEnd) break;
    const rest = roomEnd - at - bytes;
    const following = lost[i + 1];
    const isLast = following === undefined || rest < tombstoneBytes(following.topic, repair);
    // A rest too short for a filler becomes the last tombstone's body.
    if (isLast && !endsSegment && rest < fillerBytesMin(repair)) bytes += rest;
    const part = Buffer.alloc(bytes);
    encodeTombstone(part, 0, bytes, { ...each, physicalOffset: at }, repair);
    parts.push(part);
    at += bytes;
  }
  if (endsSegment) {
    const blank = Buffer.alloc(BLANK_BYTES);
    encodeBlank(blank, 0, segmentEnd - at);
    parts.push(blank);
    return parts;
  }
  while (at < resync) {
    const rest = resync - at;
    const bytes = rest > FILLER_BYTES_MAX + fillerBytesMin(repair) ? FILLER_BYTES_MAX : rest;
    const part = Buffer.alloc(bytes);
    encodeFiller(part, 0, bytes, at, storedAt, repair);
    parts.push(part);
    at += bytes;
  }
  return parts;
}
