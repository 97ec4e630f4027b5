import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import { RecordView } from '../format/record-view.js';
import { shortFillerBytesMin } from '../format/repair-records.js';
import { endOfDamaged } from './damaged-record.js';
import { isInSpans } from './manifest.js';
import { believedRuns, RUN_QUEUE_COUNT_MAX, type Run } from './believed-runs.js';
import type { Continued } from './queue-numbers.js';
import type { QueuePlace } from './queue-places.js';
import { recordAt } from './record-at.js';
import type { SkipOptions } from './skip-damage.js';

const CHUNK_BYTES = 1024 * 1024;
const OVERLAP_BYTES = 8;
const MAGIC_AT = 4;
const magics: readonly Buffer[] = [Buffer.from('daa320a7', 'hex'), Buffer.from('daa320ab', 'hex')];
/** Runs of records between two damaged places of a segment that are looked into. */
const RUN_COUNT_MAX = 1024;

/**
 * Where the log can be read again behind damage at `start`; the segment's end if there is no such place. In this order:
 *
 * 1. the end of the damaged record, where what is left of it says so for certain (`endOfDamaged`);
 * 2. a record found by search, if records follow it without a break to the segment's end or to a place that a queue entry names;
 * 3. a record that a queue entry names;
 * 4. one after which there is further damage, if its records have the numbers that are missing in their queues (`believedRuns`).
 *
 * A message's body may hold what looks like records, in the right place and with the right checksums; they must not be taken for any.
 */
export async function findResync(options: SkipOptions, start: number): Promise<number> {
  const decided = options.resyncs.get(start);
  if (decided !== undefined) return decided;
  const { certain, runs } = await look(options, start);
  return runs.length === 0 ? certain : await amongRuns(options, start, certain, runs);
}

/** As `findResync`, for who only reads on. */
export async function readOnBehind(options: SkipOptions, stopped: ScanEnd): Promise<number> {
  const { segments } = options;
  const isThere = stopped.reason !== 'missing' && stopped.offset < options.durable;
  return isThere ? await findResync(options, stopped.offset) : segments.baseOf(stopped.offset) + segments.segmentBytes;
}

/** As `findResync`, of damage that is met further on, without what its numbers could tell. */
async function certainResync(options: SkipOptions, stopped: ScanEnd): Promise<number> {
  if (stopped.reason === 'missing') return options.segments.baseOf(stopped.offset) + options.segments.segmentBytes;
  const known = options.resyncs.get(stopped.offset) ?? options.certainResyncs.get(stopped.offset);
  if (known !== undefined) return known;
  const { certain } = await look(options, stopped.offset);
  options.certainResyncs.set(stopped.offset, certain);
  return certain;
}

/** Where each queue goes on behind `from`. */
export async function queuesBehind(options: SkipOptions, from: number): Promise<ReadonlyMap<string, Continued>> {
  return await options.numbersBehind.from({ ...options, resync: async (stopped) => await certainResync(options, stopped) }, from);
}

/** The first place that is certain, or the segment's end, and what looks like records in front of it. */
async function look(options: SkipOptions, start: number): Promise<{ readonly certain: number; readonly runs: readonly Run[] }> {
  const { segments, goesOnAt } = options;
  const fileEnd = segments.baseOf(start) + segments.segmentBytes;
  const segmentEnd = goesOnAt !== undefined && goesOnAt > start ? Math.min(goesOnAt, fileEnd) : fileEnd;
  // Nearer than the smallest record there is no other, and nothing could stand in between.
  const nearest = start + shortFillerBytesMin({ storeHost: options.storeHost, recordChecksum: isInSpans(options.spans, start) });
  const end = await endOfDamaged(options, start, segmentEnd);
  if (end !== undefined && end >= nearest) return { certain: end, runs: [] };
  const places = await options.placesIn(nearest, segmentEnd);
  const named = new Set(places.map((place) => place.physicalOffset));
  if (options.lastRecordStart !== undefined) named.add(options.lastRecordStart);
  // In front of the first place that is known there may be records that no entry names any more.
  return await search(options, nearest, (await firstNamed(options, places)) ?? segmentEnd, named);
}

/** The first place named by an entry at which there is the record that it names. */
async function firstNamed(options: SkipOptions, places: readonly QueuePlace[]): Promise<number | undefined> {
  for (const place of places) {
    const { record } = await recordAt(options.segments, options.spans, place.physicalOffset);
    if (record?.recordBytes === place.recordBytes && record.topic === place.topic && record.queueId === place.queueId)
      return place.physicalOffset;
  }
  return undefined;
}

/** The run of records that begins at `offset`; connected: it leads to the segment's end, to the log's, or to a place that is known. */
async function runFrom(
  options: SkipOptions,
  offset: number,
  limit: number,
  named: ReadonlySet<number>,
): Promise<{ readonly run: Run; readonly isConnected: boolean }> {
  const numbers = new Map<string, { readonly first: number; last: number }>();
  let isNamed = false;
  const stopped = await new LogScanner(options.segments).scan(
    { from: offset, limit, verify: true, isOurs: (at) => isInSpans(options.spans, at), signal: options.signal },
    (view, at) => {
      isNamed ||= named.has(at + view.recordBytes);
      if (view.hasQueueOffset && numbers.size <= RUN_QUEUE_COUNT_MAX) {
        const name = `${view.topic}/${view.queueId}`;
        const known = numbers.get(name);
        if (known === undefined) numbers.set(name, { first: view.queueOffset, last: view.queueOffset });
        else known.last = view.queueOffset;
      }
      return !isNamed;
    },
  );
  const isConnected = isNamed || stopped.offset === limit || (stopped.count > 0 && stopped.offset >= options.durable);
  return { run: { start: offset, end: stopped.offset, numbers }, isConnected };
}

/** The first run that leads to `limit` or to a place that is known, or `limit`, and the runs that lead nowhere in front of it. */
async function search(
  options: SkipOptions,
  from: number,
  limit: number,
  named: ReadonlySet<number>,
): Promise<{ readonly certain: number; readonly runs: readonly Run[] }> {
  const { segments } = options;
  const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, segments.segmentBytes));
  const view = new RecordView();
  const runs: Run[] = [];
  for (let at = from; at < limit; at += chunk.length - OVERLAP_BYTES) {
    options.signal?.throwIfAborted();
    const bytes = await segments.read(chunk, at);
    for (const candidate of candidates(chunk, bytes)) {
      const offset = at + candidate;
      if (offset >= limit) break;
      // What lies inside a run is part of its records.
      if (offset < (runs.at(-1)?.end ?? 0)) continue;
      // The head alone tells most of them apart.
      const kind = view.read(chunk, candidate, bytes);
      const mayBe =
        kind === 'record' ? view.physicalOffset === offset : view.bytesNeeded > bytes - candidate && offset + view.bytesNeeded <= limit;
      if (!mayBe) continue;
      const { run, isConnected } = await runFrom(options, offset, limit, named);
      if (isConnected) return { certain: offset, runs };
      if (run.end > offset && runs.length < RUN_COUNT_MAX) runs.push(run);
    }
    if (bytes < chunk.length) break;
  }
  return { certain: limit, runs };
}

function candidates(chunk: Buffer, bytes: number): readonly number[] {
  const found: number[] = [];
  for (const magic of magics) {
    for (let at = chunk.indexOf(magic, MAGIC_AT); at >= 0 && at + MAGIC_AT <= bytes; at = chunk.indexOf(magic, at + 1))
      found.push(at - MAGIC_AT);
  }
  return found.sort((a, b) => a - b);
}

/** Where to go on: with the first run that can be believed. What is believed now is not asked again where that run ends. */
async function amongRuns(options: SkipOptions, start: number, certain: number, runs: readonly Run[]): Promise<number> {
  const { numbersBefore, segments } = options;
  await numbersBefore.moveTo(options, start);
  const believed = believedRuns(runs, {
    before: numbersBefore.next,
    after: await queuesBehind(options, certain),
    isWholeLog: segments.minOffset === 0,
  });
  for (const [i, run] of believed.entries()) options.resyncs.set(run.end, believed[i + 1]?.start ?? certain);
  return believed[0]?.start ?? certain;
}
