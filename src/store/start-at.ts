import { StoreError, systemErrorCode } from '../base/errors.js';
import { RecordView } from '../format/record-view.js';
import { outOfRange } from '../format/refusals.js';
import { ascendAround, physicalOffsetAt, queueText } from './bounds.js';
import { isRecordBoundary, placeBehindRepair } from './log-places.js';
import { Expired, positionAtTime, searchWhole, storedAtOf } from './offset-at.js';
import { damagedLog, turn, withRecordAt } from './read-log.js';
import type { Start } from './read-options.js';
import type { ReadView } from './read-view.js';

/** Where a reader begins. */
export interface Beginning {
  readonly position: number;
  /** Messages stored before it are passed over until the first that was not: the time may be still to come. */
  readonly since: number;
}

const noTime = Number.NEGATIVE_INFINITY;
/** With more queues than that, reading through a segment is no slower than asking each of them. */
const queuesAskedMax = 4096;
const queuesAtOnce = 16;
const queuesPerTurn = 64;

/** `latest` is what it is at the moment of the call. An offset is taken as it is, within the bounds or not. */
export async function queueBeginning(view: ReadView, slot: number, start: Start): Promise<Beginning> {
  const { min, max } = view.queues.bounds(slot);
  if (start.kind === 'earliest') return { position: min, since: noTime };
  if (start.kind === 'latest') return { position: max, since: noTime };
  if (start.kind === 'offset') return { position: start.offset, since: noTime };
  return { position: await positionAtTime(view, slot, start.time), since: start.time };
}

/** The same for the log as a whole. RangeError for an offset, within the log, where no record begins or ends. */
export async function logBeginning(view: ReadView, start: Start): Promise<Beginning> {
  const { minOffset } = view.segments;
  if (start.kind === 'earliest') return { position: minOffset, since: noTime };
  if (start.kind === 'latest') return { position: view.visible(), since: noTime };
  if (start.kind === 'time') return { position: await segmentAtTime(view, start.time), since: start.time };
  const { offset } = start;
  if (offset >= minOffset && offset <= view.visible() && !(await isRecordBoundary(view, offset))) {
    const behind = await placeBehindRepair(view, offset);
    if (behind !== undefined) return { position: behind, since: noTime };
    if (view.passedOver?.(offset) !== undefined) throw damagedLog(view, offset, 'behind damage, what may be a record');
    throw outOfRange('from', 'the physical offset of a record, or the end of one', offset);
  }
  return { position: offset, since: noTime };
}

/**
 * In the last segment whose first message was stored before `time`: what was stored at or after it begins in there, or behind. How far in
 * there, the queues tell; where they cannot be asked, the segment's beginning will do.
 *
 * In a segment that is not ours store times may go back, and a search by halves may then miss the first one: it is read as a whole.
 */
async function segmentAtTime(view: ReadView, time: number): Promise<number> {
  const bases = [...view.segments.bases];
  const visible = view.visible();
  const record = new RecordView(view.segments.segmentBytes);
  let low = 0;
  let high = bases.length;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const base = bases[middle] as number;
    if (await beginsBefore(view, record, base, time)) low = middle + 1;
    else high = middle;
  }
  const base = bases[low - 1] ?? 0;
  const end = Math.min(bases[low] ?? visible, visible);
  const isAsked = low > 0 && view.registry.count <= queuesAskedMax && view.isOurs(base) && view.isOurs(end - 1);
  const place = isAsked ? await placeAtTime(view, base, end, time).catch((error: unknown) => baseUnlessBroken(view, base, error)) : base;
  return Math.max(view.segments.minOffset, place);
}

/**
 * Whether the first message of a segment was stored before `time`. What a repair has put in the place of others does not tell when these were
 * stored. False also where nothing tells: the search then ends in front of the segment, and no message is passed over.
 */
async function beginsBefore(view: ReadView, record: RecordView, base: number, time: number): Promise<boolean> {
  const end = Math.min(view.visible(), base + view.segments.segmentBytes);
  let storedAt = Number.POSITIVE_INFINITY;
  for (let at = base; at < end; ) {
    at = await withRecordAt(view, record, at, (kind) => {
      if (kind !== 'record' || !record.verify(view.isOurs(at))) return end;
      if (record.isFiller || record.isTombstone) return at + record.recordBytes;
      storedAt = record.storedAt;
      return end;
    });
  }
  return storedAt < time;
}

function baseUnlessBroken(view: ReadView, base: number, error: unknown): number {
  view.assertReadable();
  if (error instanceof Expired || StoreError.is(error) || systemErrorCode(error) !== undefined) return base;
  throw error;
}

/** The first record in [from, to) that was stored at or after `time` and that a queue leads to, or `to`. */
async function placeAtTime(view: ReadView, from: number, to: number, time: number): Promise<number> {
  let place = to;
  const queueCount = view.registry.count;
  for (let slot = 0; slot < queueCount; slot += queuesAtOnce) {
    const slots = Array.from({ length: Math.min(queuesAtOnce, queueCount - slot) }, (_, i) => slot + i);
    // What was found so far is the end for those that follow: of most of them one record is read.
    const end = place;
    place = Math.min(...(await Promise.all(slots.map((each) => placeInQueue(view, each, from, end, time)))));
    if (slot % queuesPerTurn === 0) await turn(view);
    view.assertReadable();
  }
  return place;
}

/** The same of one queue. */
async function placeInQueue(view: ReadView, slot: number, from: number, to: number, time: number): Promise<number> {
  const first = entryAtOrAbove(view, slot, from);
  const end = entryAtOrAbove(view, slot, to);
  if (first === end) return to;
  // Of most queues the last message alone is read.
  const lowest = (await storedAtOf(view, slot, end - 1)) < time ? end - 1 : first;
  const found = await searchWhole(view, slot, lowest, end, time);
  return found === end ? to : placeOf(view, slot, found);
}

/** CORRUPT where the entries around it do not ascend: one that is wrong would lead the search past others. */
function entryAtOrAbove(view: ReadView, slot: number, offset: number): number {
  const { min, max } = view.queues.bounds(slot);
  let low = min;
  let high = max;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if (placeOf(view, slot, middle) < offset) low = middle + 1;
    else high = middle;
  }
  for (let queueOffset = Math.max(min, low - 2); queueOffset < Math.min(max, low + 2); queueOffset += 1) placeOf(view, slot, queueOffset);
  if (!ascendAround(view, slot, low)) {
    throw damagedLog(view, view.segments.minOffset, `${queueText(view, slot)} does not ascend around ${low}`);
  }
  return low;
}

function placeOf(view: ReadView, slot: number, queueOffset: number): number {
  const place = physicalOffsetAt(view, slot, queueOffset);
  if (place < 0 || place >= view.visible())
    throw damagedLog(view, view.segments.minOffset, `${queueText(view, slot)} leads nowhere at ${queueOffset}`);
  return place;
}
