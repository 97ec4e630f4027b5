import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import { encodeBlank } from '../format/record-encoder.js';
import {
  encodeFiller,
  encodeTombstone,
  fillerBytesMin,
  type LostRecord,
  type RepairOptions,
  shortHostOptions,
  tombstoneBytes,
} from '../format/repair-records.js';
import { recordBytesMin } from '../format/record-layout.js';
import { segmentName } from '../format/segment-name.js';
import { findResync, queuesBehind } from './find-resync.js';
import { isInSpans, type OwnSpan } from './manifest.js';
import { keepAside, type MendOptions } from './mend-log.js';
import { withFile, withOwnSegment } from './own-segment.js';
import type { StoreFile } from '../platform/platform.js';
import type { NumbersBefore, NumbersBehind } from './queue-numbers.js';
import type { PlacesIn } from './queue-places.js';

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
  readonly placesIn: PlacesIn;
  /** Of the place that repairing has come to; it goes with it from one damaged span to the next. */
  readonly numbersBefore: NumbersBefore;
  /** What has been read of the log behind damage. */
  readonly numbersBehind: NumbersBehind;
  /** Numbers below these are known to have been given out, by `topic/queueId`. */
  readonly queueEnds: ReadonlyMap<string, number>;
  /** Where to go on behind damage further on, by where that begins: as decided; and as it is certain whatever is decided. */
  readonly resyncs: Map<number, number>;
  readonly certainResyncs: Map<number, number>;
  /** Where the last durable record begins, if that is known. */
  readonly lastRecordStart?: number | undefined;
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
  // The last segment too: below the end of what was durable there was one, and no number or place of it is given out again.
  const isMissing = stopped.reason === 'missing' || stopped.reason === 'end';
  const base = segments.baseOf(stopped.offset);
  const start = isMissing ? base : stopped.offset;
  const segmentEnd = base + segments.segmentBytes;
  const resync = isMissing ? segmentEnd : await findResync(options, start);
  const lost = await lostNumbers(options, start, resync);
  const repair: RepairOptions = { storeHost: options.storeHost, recordChecksum: isInSpans(spans, start) };
  const written = layOut(lost, options.numbersBefore.storedAt, start, resync, segmentEnd, repair);
  let quarantinePath: string | undefined;
  if (isMissing) await makeMissing(options, base, written);
  else {
    await changing(options, base, async (file) => {
      quarantinePath = await keepAside(options, file, base, start - base, resync - base);
      await writeParts(file, start - base, written, segments.segmentBytes);
    });
  }
  const what = isMissing ? 'the segment is missing' : stopped.what;
  const note = { path: segments.pathOf(base), offset: start - base, bytes: resync - start, what, quarantinePath };
  return { next: start, bytes: resync - start, notes: [note], queues: lost };
}

async function writeParts(file: StoreFile, from: number, parts: readonly Buffer[], segmentBytes: number): Promise<void> {
  if (file.sizeBytes() < segmentBytes) await file.truncate(segmentBytes);
  let at = from;
  for (const part of parts) {
    await file.write([part], at);
    at += part.length;
  }
  await file.sync('all');
}

/** A segment that is being written keeps its descriptor, and is the store's own since it was opened. */
async function changing(options: SkipOptions, base: number, work: (file: StoreFile) => Promise<void>): Promise<void> {
  const { segments } = options;
  if (segments.activeAt(base) !== undefined) return await withFile(options.fs, segments.pathOf(base), 'read-write', work);
  await segments.forget(base);
  await withOwnSegment(options, base, work);
}

/**
 * A segment that is gone comes back at full length, with what stands for its records already in it: an empty one would say, after a
 * crash, that nothing was lost.
 */
async function makeMissing(options: SkipOptions, base: number, parts: readonly Buffer[]): Promise<void> {
  const { fs, segments, paths } = options;
  // No segment's name: what recovery finds here under one is a segment on its way into the log.
  const making = `${paths.making}/${segmentName(base)}.repaired`;
  await fs.makeDirectory(paths.making);
  if (fs.exists(making)) await fs.remove(making);
  const file = fs.open(making, 'create');
  try {
    await writeParts(file, 0, parts, segments.segmentBytes);
  } finally {
    await file.close();
  }
  await segments.forget(base);
  await fs.rename(making, segments.pathOf(base));
  await fs.syncDirectory(paths.commitLog);
  // One that has gone missing while the store is open is still known.
  if (!segments.has(base)) segments.setBases([...segments.bases, base].sort((a, b) => a - b));
}

interface Lost extends Omit<LostRecord, 'physicalOffset'> {}

interface Missing {
  /** Undefined: what comes after the records in front of the span. */
  readonly from: number | undefined;
  /** Numbers below it were lost here. */
  readonly certainTo: number;
  /** From `certainTo` to this, some may have been lost in damage further on. */
  readonly to: number;
}

/** The queue offsets that were in [start, resync): what queue entries say, and what is missing between the records before and after. */
async function lostNumbers(options: SkipOptions, start: number, resync: number): Promise<readonly Lost[]> {
  const { segments, numbersBefore } = options;
  await numbersBefore.moveTo(options, start);
  const { next, storedAt } = numbersBefore;
  const ends = new Map<string, Missing>();
  const namedTo = new Map<string, number>();
  for (const place of await options.placesIn(start, resync)) {
    const name = `${place.topic}/${place.queueId}`;
    namedTo.set(name, place.queueOffset + 1);
    ends.set(name, { from: ends.get(name)?.from ?? place.queueOffset, certainTo: place.queueOffset + 1, to: place.queueOffset + 1 });
  }
  const after = await queuesBehind(options, resync);
  // Entries may not have reached the disk: beyond the last one more may have been lost here.
  const share = (name: string, behind: number): void => {
    const { from, certainTo } = ends.get(name) ?? { from: undefined, certainTo: 0 };
    ends.set(name, { from, certainTo, to: Math.max(certainTo, behind) });
  };
  for (const [name, { queueOffset, isBehindDamage }] of after) {
    // Numbers ascend: whatever an entry says, none from this one on was in front of it.
    const { from, certainTo } = ends.get(name) ?? { from: undefined, certainTo: 0 };
    if (isBehindDamage) ends.set(name, { from, certainTo: Math.min(certainTo, queueOffset), to: queueOffset });
    else ends.set(name, { from: ends.get(name)?.from, certainTo: queueOffset, to: queueOffset });
  }
  // After those that have to be in front of a record that is there: of a queue that does not go on, numbers find room later too.
  for (const [name, end] of options.queueEnds) if (!after.has(name) && end > (next.get(name) ?? 0)) share(name, end);
  await addNamed(options, start, next, ends);
  const lost: Lost[] = [];
  // No more than can have been there: what a record says of its number is not believed.
  const countMax = Math.ceil((resync - start) / recordBytesMin);
  const lostTo = new Map<string, number>();
  const lose = (name: string, from: number, to: number): void => {
    const split = name.lastIndexOf('/');
    const first = Math.max(from, lostTo.get(name) ?? 0);
    const end = Math.min(to, first + countMax);
    for (let queueOffset = first; queueOffset < end; queueOffset += 1)
      lost.push({ topic: name.slice(0, split), queueId: Number(name.slice(split + 1)), queueOffset, storedAt });
    lostTo.set(name, Math.max(first, end));
  };
  // Of a queue that begins here, as far as that can be: in a log of which nothing is left, what was in front may have expired.
  const isFromBeginning = segments.minOffset === 0 && segments.bases.length > 0;
  const firstOf = (name: string, end: Missing): number => next.get(name) ?? end.from ?? (isFromBeginning ? 0 : end.to);
  // What entries name here comes first: others may find room in damage further on.
  for (const [name, end] of ends) lose(name, firstOf(name, end), Math.min(end.certainTo, namedTo.get(name) ?? 0));
  // Then queues that are known in front of the span, and of them the numbers that are certain to have been lost here.
  for (const isKnown of [true, false]) {
    const some = [...ends].filter(([name]) => next.has(name) === isKnown);
    for (const [name, end] of some) lose(name, firstOf(name, end), end.certainTo);
    for (const [name, end] of some) lose(name, Math.max(firstOf(name, end), end.certainTo), end.to);
  }
  return lost;
}

/**
 * What the damaged bytes themselves say. They are believed where they name a number that is missing and may have been lost here, rather
 * than others that may; and, as the last record of a queue of which no entry speaks, where they name the very number that comes next in
 * a queue that is known, so that it is not given out again.
 */
async function addNamed(options: SkipOptions, start: number, next: ReadonlyMap<string, number>, ends: Map<string, Missing>): Promise<void> {
  await new LogScanner(options.segments).scan(
    { from: start, limit: start + 1, verify: false, isOurs: () => false, signal: options.signal },
    (view) => {
      const name = `${view.topic}/${view.queueId}`;
      const { hasQueueOffset, queueOffset } = view;
      const end = ends.get(name);
      if (!hasQueueOffset) return;
      if (end === undefined) {
        if (next.get(name) === queueOffset) ends.set(name, { from: undefined, certainTo: queueOffset + 1, to: queueOffset + 1 });
      } else if (queueOffset >= end.certainTo && queueOffset < end.to) {
        ends.set(name, { ...end, certainTo: queueOffset + 1 });
      }
    },
  );
}

/**
 * The bytes of [start, resync): as many tombstones as fit, then filler, or a blank where nothing follows in the segment.
 *
 * @param storedAt of what lies in front
 */
function layOut(
  lost: readonly Lost[],
  storedAt: number,
  start: number,
  resync: number,
  segmentEnd: number,
  asked: RepairOptions,
): readonly Buffer[] {
  const parts: Buffer[] = [];
  const endsSegment = resync === segmentEnd;
  const roomEnd = endsSegment ? resync - BLANK_BYTES : resync;
  // Records of IPv4 hosts leave too little room for tombstones with our IPv6 address.
  const needed = lost.reduce((sum, each) => sum + tombstoneBytes(each.topic, asked), 0);
  const repair = needed <= roomEnd - start ? asked : shortHostOptions(asked);
  let at = start;
  for (const [i, each] of lost.entries()) {
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
