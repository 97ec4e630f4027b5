import { LogScanner } from '../commit-log/log-scanner.js';
import { endOfRepairAt } from '../commit-log/repaired-place.js';
import { entryPhysicalOffset, entryRecordBytes, isEmptyEntry, queueEntryBytes } from '../format/queue-entry.js';
import { RecordView } from '../format/record-view.js';
import { StoreError, systemErrorCode } from '../base/errors.js';
import { ascendAround, lowestPlaceAbove, pastLastBelow, physicalOffsetAt, queueSettled } from './bounds.js';
import { mendQueue, turn, withRecordAt } from './read-log.js';
import type { ReadView } from './read-view.js';

/**
 * Where records begin. The bytes themselves do not tell: a message body may hold what looks like a record. The queues do: a record
 * begins where an entry says so, and where one that is found in this way ends.
 */
const entry: Buffer = Buffer.alloc(queueEntryBytes);
const QUEUES_PER_TURN = 64;
/** Beyond as many queues, damage is not told apart from a place where no record ever began: that takes a look into each of them. */
const QUEUES_SEARCHED_MAX = 4096;

/**
 * What the queue says that the record belongs to. `yes`: its entry leads here. `no`: there is no such entry. `elsewhere`: it leads elsewhere.
 * `unreadable`: the entry itself is damaged; `onUnreadable` is told what the disk said, if it said anything.
 */
export function entryLeadsTo(
  view: ReadView,
  record: RecordView,
  offset: number,
  onUnreadable?: (cause: unknown) => void,
): 'yes' | 'no' | 'elsewhere' | 'unreadable' {
  const slot = record.hasQueueOffset ? view.registry.find(record.topic, record.queueId) : -1;
  if (slot < 0) return 'no';
  const { min, max } = view.queues.bounds(slot);
  const { queueOffset } = record;
  if (queueOffset < min || queueOffset >= max) return 'no';
  try {
    if (view.queues.readEntries(slot, queueOffset, entry, 1) !== 1) return 'no';
  } catch (error) {
    if (!StoreError.is(error, 'CORRUPT')) throw error;
    if (systemErrorCode(error.cause) !== undefined) onUnreadable?.(error);
    return 'unreadable';
  }
  if (isEmptyEntry(entry, 0)) return 'unreadable';
  return entryPhysicalOffset(entry, 0) === offset && entryRecordBytes(entry, 0) === record.recordBytes ? 'yes' : 'elsewhere';
}

/** Whether an entry that leads to `offset` is right about that: there stands its record, or, where the log is damaged, one must begin there. */
export async function isPlaceOf(view: ReadView, slot: number, queueOffset: number, offset: number): Promise<boolean> {
  return (await isRecordAt(view, slot, queueOffset, offset)) ?? (await recordsEndAt(view, offset));
}

/** As `isPlaceOf`, where only a good record counts against the entry: another one that begins there, or one that lies over the place. */
export async function mayBePlaceOf(view: ReadView, slot: number, queueOffset: number, offset: number): Promise<boolean> {
  const isThere = await isRecordAt(view, slot, queueOffset, offset);
  return isThere ?? (await mayBeginAt(view, offset));
}

/** Whether no good record lies over `offset`: there the records in front of it end, or what is damaged stands in front of it. */
export async function mayBeginAt(view: ReadView, offset: number): Promise<boolean> {
  const from = await certainPlaceBefore(view, offset);
  const isOurs = (at: number): boolean => view.isOurs(at);
  const end = await new LogScanner(view.segments).scan({ from, limit: offset, verify: true, isOurs }, () => undefined);
  return end.reason !== 'limit' || end.offset <= offset;
}

/** Whether the record with that number stands there. Undefined: what stands there is damaged, and tells nothing. */
async function isRecordAt(view: ReadView, slot: number, queueOffset: number, offset: number): Promise<boolean | undefined> {
  if (offset < view.segments.minOffset || offset >= view.visible()) return false;
  const record = new RecordView(view.segments.segmentBytes);
  return await withRecordAt(view, record, offset, (kind) => {
    if (kind !== 'record' || record.physicalOffset !== offset || !record.verify(view.isOurs(offset))) return undefined;
    const isOfQueue = record.queueId === view.registry.queueIdOf(slot) && record.topic === view.registry.topicOf(slot);
    return record.hasQueueOffset && record.queueOffset === queueOffset && isOfQueue;
  });
}

/** The places around an offset that queue entries lead to. */
export interface Neighbours {
  /** The last at or below it; -1: there is none. */
  readonly before: number;
  /** The first above it; Infinity: there is none. */
  readonly after: number;
  /** Of the queue whose entry `before` is. */
  readonly slotBefore: number;
}

/** Looks into every queue, in turns of the event loop: for what happens rarely. */
export async function neighboursOf(view: ReadView, offset: number): Promise<Neighbours> {
  let before = -1;
  let after = Number.POSITIVE_INFINITY;
  let slotBefore = -1;
  for (let slot = 0; slot < view.registry.count; slot += 1) {
    if (slot % QUEUES_PER_TURN === QUEUES_PER_TURN - 1) {
      await turn(view);
      view.assertReadable();
    }
    await queueSettled(view, slot);
    let { min, max } = view.queues.bounds(slot);
    if (min === max) continue;
    let behind = pastLastBelow(view, slot, min, max, offset + 1);
    if (!ascendAround(view, slot, behind)) {
      await mendQueue(view, slot);
      ({ min, max } = view.queues.bounds(slot));
      behind = pastLastBelow(view, slot, min, max, offset + 1);
    }
    const below = behind > min ? physicalOffsetAt(view, slot, behind - 1) : -1;
    if (below > before && below <= offset) {
      before = below;
      slotBefore = slot;
    }
    after = Math.min(after, lowestPlaceAbove(view, slot, behind, max, offset));
  }
  return { before, after, slotBefore };
}

/** The queue that has an entry for that place, or -1. */
export async function slotLeadingTo(view: ReadView, offset: number): Promise<number> {
  if (view.registry.count > QUEUES_SEARCHED_MAX) return -1;
  const { before, slotBefore } = await neighboursOf(view, offset);
  return before === offset ? slotBefore : -1;
}

/** Whether a record, or what stands where records have come to their end, begins at `offset`, which readers may see up to. */
export async function isRecordBoundary(view: ReadView, offset: number): Promise<boolean> {
  const { segments } = view;
  const base = segments.baseOf(offset);
  if (offset === view.visible() || offset === base) return true;
  const record = new RecordView(segments.segmentBytes);
  const leads = await withRecordAt(view, record, offset, (kind) => kind === 'record' && entryLeadsTo(view, record, offset) === 'yes');
  if (leads) return true;
  const { before } = await neighboursOf(view, offset);
  return before === offset || (await recordsEndAt(view, offset));
}

/** Whether the records in front of `offset` come to their end exactly there. */
export async function recordsEndAt(view: ReadView, offset: number): Promise<boolean> {
  const { segments } = view;
  const base = segments.baseOf(offset);
  if (offset === base) return true;
  const from = await certainPlaceBefore(view, offset);
  const end = await new LogScanner(segments).scan({ from, limit: offset, verify: false, isOurs: () => false }, () => undefined);
  return end.reason === 'limit' && end.offset === offset;
}

/** Where a reader goes on that has kept `offset`, if a repair has laid something over it. */
export async function placeBehindRepair(view: ReadView, offset: number): Promise<number | undefined> {
  if (offset === view.segments.baseOf(offset)) return undefined;
  return await endOfRepairAt(view.segments, await certainPlaceBefore(view, offset), offset, (at) => view.isOurs(at));
}

/** The last one in the segment: behind it are at most records that have none in a queue. */
async function certainPlaceBefore(view: ReadView, offset: number): Promise<number> {
  return Math.max(view.segments.baseOf(offset), (await neighboursOf(view, offset - 1)).before);
}
