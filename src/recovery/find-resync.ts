import { LogScanner } from '../commit-log/log-scanner.js';
import { RecordView } from '../format/record-view.js';
import { shortFillerBytesMin } from '../format/repair-records.js';
import { isInSpans } from './manifest.js';
import type { SkipOptions } from './skip-damage.js';

const CHUNK_BYTES = 1024 * 1024;
const OVERLAP_BYTES = 8;
const MAGIC_AT = 4;
const magics: readonly Buffer[] = [Buffer.from('daa320a7', 'hex'), Buffer.from('daa320ab', 'hex')];

/**
 * Where the log can be read again behind damage at `start`: a record that a queue entry names; else one that begins where the damaged
 * record says it ends; else one found by search, believed only if records follow it without a break to the segment's end or to an offset
 * that a queue entry names (a record forged inside a message's body has no such place). The segment's end if there is none.
 */
export async function findResync(options: SkipOptions, start: number, segmentEnd: number): Promise<number> {
  const { segments } = options;
  // Nearer than the smallest record there is no other, and nothing could stand in between.
  const nearest = start + shortFillerBytesMin({ storeHost: options.storeHost, recordChecksum: isInSpans(options.spans, start) });
  const places = options.placesIn(nearest, segmentEnd);
  for (const place of places) {
    const record = await recordAt(options, place.physicalOffset);
    if (record?.recordBytes === place.recordBytes && record.topic === place.topic && record.queueId === place.queueId)
      return place.physicalOffset;
  }
  const named = new Set(places.map((place) => place.physicalOffset));
  const head = Buffer.alloc(MAGIC_AT + 4);
  await segments.read(head, start);
  const claimed = start + head.readInt32BE(0);
  if (claimed >= nearest && claimed < segmentEnd && (await isConnected(options, claimed, segmentEnd, named))) return claimed;
  return (await search(options, nearest, segmentEnd, named)) ?? segmentEnd;
}

interface FoundRecord {
  readonly topic: string;
  readonly queueId: number;
  readonly recordBytes: number;
}

async function recordAt(options: SkipOptions, offset: number): Promise<FoundRecord | undefined> {
  let found: FoundRecord | undefined;
  await new LogScanner(options.segments).scan(
    { from: offset, limit: offset + 1, verify: true, isOurs: (at) => isInSpans(options.spans, at) },
    (view) => {
      found = { topic: view.topic, queueId: view.queueId, recordBytes: view.recordBytes };
      return false;
    },
  );
  return found;
}

/** Whether records follow each other from `offset` to the segment's end, to the log's end, or to a place that a queue entry names. */
async function isConnected(options: SkipOptions, offset: number, segmentEnd: number, named: ReadonlySet<number>): Promise<boolean> {
  let isNamed = false;
  const stopped = await new LogScanner(options.segments).scan(
    { from: offset, limit: segmentEnd, verify: true, isOurs: (at) => isInSpans(options.spans, at), signal: options.signal },
    (view, at) => {
      isNamed ||= named.has(at + view.recordBytes);
      return !isNamed;
    },
  );
  return isNamed || stopped.reason === 'limit' || (stopped.count > 0 && stopped.offset >= options.durable);
}

async function search(options: SkipOptions, from: number, segmentEnd: number, named: ReadonlySet<number>): Promise<number | undefined> {
  const { segments } = options;
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const view = new RecordView();
  for (let at = from; at < segmentEnd; at += CHUNK_BYTES - OVERLAP_BYTES) {
    options.signal?.throwIfAborted();
    const bytes = await segments.read(chunk, at);
    for (const candidate of candidates(chunk, bytes)) {
      const offset = at + candidate;
      // The head alone tells most of them apart.
      const kind = view.read(chunk, candidate, bytes);
      const mayBe =
        kind === 'record'
          ? view.physicalOffset === offset
          : view.bytesNeeded > bytes - candidate && offset + view.bytesNeeded <= segmentEnd;
      if (mayBe && (await isConnected(options, offset, segmentEnd, named))) return offset;
    }
    if (bytes < CHUNK_BYTES) return undefined;
  }
  return undefined;
}

function candidates(chunk: Buffer, bytes: number): readonly number[] {
  const found: number[] = [];
  for (const magic of magics) {
    for (let at = chunk.indexOf(magic, MAGIC_AT); at >= 0 && at + MAGIC_AT <= bytes; at = chunk.indexOf(magic, at + 1))
      found.push(at - MAGIC_AT);
  }
  return found.sort((a, b) => a - b);
}
