import { StoreError, systemErrorCode } from '../base/errors.js';
import { damagedEntryCountMax, entryPhysicalOffset, leadsNowhere, queueEntryBytes } from '../format/queue-entry.js';
import type { QueueRef } from './contract.js';
import { queueName } from './read-options.js';
import type { ReadableQueues, ReadView } from './read-view.js';

/** Holes of damaged queues are passed over in such steps. */
const ENTRIES_AT_ONCE = 512;
/** Beyond as many missing entries, or files of them, what follows counts as missing too. */
const MISSING_COUNT_MAX = 1024;
const entries: Buffer = Buffer.alloc(ENTRIES_AT_ONCE * queueEntryBytes);

/** As much of a view as it takes to look at entries. */
export interface EntryView {
  readonly queues: Pick<ReadableQueues, 'readEntries' | 'firstHeld'>;
}

/** What is readable of a queue now; { 0, 0 } for one that nobody has written to. */
export function bounds(view: ReadView, queue: QueueRef): { readonly min: number; readonly max: number } {
  view.assertReadable();
  const { topic, queueId } = queueName(view, queue);
  const slot = view.registry.find(topic, queueId);
  if (slot < 0) return { min: 0, max: 0 };
  const { min, max } = view.queues.bounds(slot);
  return { min, max };
}

/**
 * The first message of a queue, from number `from` on, that is still in the log. Retention deletes segments before it trims queues, so
 * that for a moment the bounds of a queue are behind: where a record turned out to be gone, this says where to go on. Where entries are
 * damaged it may be a number too low, and never one too high: who reads there meets the damage.
 */
export async function firstReadable(view: ReadView, slot: number, from: number = 0): Promise<number> {
  await queueSettled(view, slot);
  const { min, max } = view.queues.bounds(slot);
  return pastLastBelow(view, slot, Math.min(max, Math.max(min, from)), max, view.segments.minOffset);
}

/** A queue that is being made anew has come to an end with that: until then, none of the entries in its files can be read. */
export async function queueSettled(view: ReadView, slot: number): Promise<void> {
  await view.queues.rebuilding(slot)?.catch(() => undefined);
  view.assertReadable();
}

/**
 * Whether an entry is damaged that leads below the log: its message has not expired. Either it is known that no entry within the bounds may lead
 * there any more, or one in front of it leads into the log.
 */
export function leadsAstray(view: ReadView, slot: number, queueOffset: number): boolean {
  const { min, max } = view.queues.bounds(slot);
  const { minOffset } = view.segments;
  if (queueOffset < min || queueOffset >= max || physicalOffsetAt(view, slot, queueOffset) >= minOffset) return false;
  return view.queues.isTrimmedTo(slot, minOffset) || pastLastBelow(view, slot, min, max, minOffset) <= queueOffset;
}

/**
 * One past the last entry of [from, to) that leads below `offset`, or `from`. What cannot be read is passed over: it says neither. Where entries are
 * damaged it may be a number too low, and never one too high: a search believes few entries, so those in front of where it ends are looked at too.
 */
export function pastLastBelow(view: EntryView, slot: number, from: number, to: number, offset: number): number {
  let found = searchPastBelow(view, slot, from, to, offset);
  for (;;) {
    const before = firstAtOrAbove(view, slot, Math.max(from, found - damagedEntryCountMax), found, offset);
    if (before === found) return found;
    found = searchPastBelow(view, slot, from, before, offset);
  }
}

/** The first entry of [from, to) that can be read and leads to `offset` or above, or `to`. */
function firstAtOrAbove(view: EntryView, slot: number, from: number, to: number, offset: number): number {
  let first = to;
  eachPlace(view, slot, from, to, (place, queueOffset) => {
    if (place >= offset) first = queueOffset;
    return first === to;
  });
  return first;
}

/** Whether the entries around one that can be read ascend. Where they do not, one of them is damaged. */
export function ascendAround(view: ReadView, slot: number, queueOffset: number): boolean {
  const { min, max } = view.queues.bounds(slot);
  let before = Number.NEGATIVE_INFINITY;
  let isAscending = true;
  eachPlace(view, slot, Math.max(min, queueOffset - damagedEntryCountMax), Math.min(max, queueOffset + damagedEntryCountMax), (place) => {
    isAscending = place > before;
    before = place;
    return isAscending;
  });
  return isAscending;
}

/** The lowest place above `offset` that an entry from `from` on, or one of those just behind it, leads to; Infinity: there is none. */
export function lowestPlaceAbove(view: EntryView, slot: number, from: number, to: number, offset: number): number {
  let lowest = Number.POSITIVE_INFINITY;
  const first = firstEntry(view, slot, from, to);
  eachPlace(view, slot, first, Math.min(to, first + damagedEntryCountMax), (place) => {
    if (place > offset && place < lowest) lowest = place;
    return true;
  });
  return lowest;
}

/** Has `visit` look at the entries of [from, to) that can be read, until it returns false. */
function eachPlace(view: EntryView, slot: number, from: number, to: number, visit: (place: number, queueOffset: number) => boolean): void {
  for (let queueOffset = firstEntry(view, slot, from, to); queueOffset < to; queueOffset = firstEntry(view, slot, queueOffset, to)) {
    // The file may be too short for as many.
    const count =
      readEntries(view, slot, queueOffset, Math.min(ENTRIES_AT_ONCE, to - queueOffset)) || readEntries(view, slot, queueOffset, 1);
    for (let i = 0; i < count; i += 1) {
      const at = i * queueEntryBytes;
      if (leadsNowhere(entries, at)) continue;
      if (!visit(entryPhysicalOffset(entries, at), queueOffset + i)) return;
    }
    queueOffset += Math.max(1, count);
  }
}

function searchPastBelow(view: EntryView, slot: number, from: number, to: number, offset: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const readable = firstEntry(view, slot, middle, high);
    if (readable < high && physicalOffsetAt(view, slot, readable) < offset) low = readable + 1;
    else high = middle;
  }
  return low;
}

/** The first entry of [from, to) that can be read, or `to`. */
export function firstEntry(view: EntryView, slot: number, from: number, to: number): number {
  let countMax = 1;
  let missing = 0;
  for (let queueOffset = from; queueOffset < to && missing < MISSING_COUNT_MAX; ) {
    const count = readEntries(view, slot, queueOffset, Math.min(countMax, to - queueOffset));
    for (let i = 0; i < count; i += 1) if (!leadsNowhere(entries, i * queueEntryBytes)) return queueOffset + i;
    if (count > 0) {
      queueOffset += count;
      countMax = ENTRIES_AT_ONCE;
    } else if (countMax > 1) {
      // The file may just be too short for as many.
      countMax = 1;
    } else {
      queueOffset = view.queues.firstHeld(slot, queueOffset + 1);
      missing += 1;
    }
  }
  return to;
}

/** Where entry `queueOffset` says its record is; -1 where there is none. What the disk does not let us read is not taken for missing: it throws. */
export function physicalOffsetAt(view: EntryView, slot: number, queueOffset: number): number {
  return readEntries(view, slot, queueOffset, 1) !== 1 || leadsNowhere(entries, 0) ? -1 : entryPhysicalOffset(entries, 0);
}

/** Has up to `count` entries in `entries`; 0: they are missing. */
function readEntries(view: EntryView, slot: number, queueOffset: number, count: number): number {
  try {
    return view.queues.readEntries(slot, queueOffset, entries, count);
  } catch (error) {
    if (StoreError.is(error, 'CORRUPT') && systemErrorCode(error.cause) === undefined) return 0;
    throw error;
  }
}

export function offsetOutOfRange(what: string, offset: number, min: number, max: number): StoreError {
  return new StoreError('OFFSET_OUT_OF_RANGE', `${what}: offset ${offset} is not in [${min}, ${max}]`, { details: { min, max } });
}

/** A queue as error messages name it. */
export function queueText(view: ReadView, slot: number): string {
  return `queue ${view.registry.queueIdOf(slot)} of ${view.registry.topicOf(slot)}`;
}
