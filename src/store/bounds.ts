import { StoreError, systemErrorCode } from '../base/errors.js';
import { entryPhysicalOffset, isEmptyEntry, queueEntryBytes } from '../format/queue-entry.js';
import type { QueueRef } from './contract.js';
import { queueName } from './read-options.js';
import type { ReadView } from './read-view.js';

const entry: Buffer = Buffer.alloc(queueEntryBytes);

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
 * The first message of a queue that is still in the log. Retention deletes segments before it trims queues, so that for a moment the
 * bounds of a queue are behind: where a record turned out to be gone, this says where to go on.
 */
export function firstReadable(view: ReadView, slot: number): number {
  const { min, max } = view.queues.bounds(slot);
  const logMin = view.segments.minOffset;
  let low = min;
  let high = max;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if (physicalOffsetAt(view, slot, middle) < logMin) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Where entry `queueOffset` says its record is; -1 where there is none. What the disk does not let us read is not taken for missing: it throws. */
export function physicalOffsetAt(view: ReadView, slot: number, queueOffset: number): number {
  try {
    if (view.queues.readEntries(slot, queueOffset, entry, 1) !== 1 || isEmptyEntry(entry, 0)) return -1;
    return entryPhysicalOffset(entry, 0);
  } catch (error) {
    if (StoreError.is(error, 'CORRUPT') && systemErrorCode(error.cause) === undefined) return -1;
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
