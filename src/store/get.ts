import type { PhysicalOffset } from '../base/quantities.js';
import { decodeMessage } from '../format/decode-message.js';
import type { Message } from '../format/message.js';
import { parseMessageId } from '../format/message-id.js';
import { RecordView, type RecordKind } from '../format/record-view.js';
import { outOfRange, wrongType } from '../format/refusals.js';
import { physicalOffsetAt, queueSettled } from './bounds.js';
import { entryLeadsTo, isPlaceOf, mayBeginAt, slotLeadingTo } from './log-places.js';
import { damagedLog, mendQueue, withRecordAt } from './read-log.js';
import type { ReadView } from './read-view.js';

/**
 * What stands at an offset. `suspect`: no record, or one that is damaged; `unlinked`: a good record, but its queue entry is damaged, or
 * the disk does not let it be read, for which `cause` is the reason, or it cannot be until `rebuilding` settles; `elsewhere`: a good record, or what looks like one in the body of
 * another, and the entry of its number leads elsewhere.
 */
type Finding =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unlinked'; readonly slot: number; readonly cause: unknown; readonly rebuilding: Promise<void> | undefined }
  | { readonly kind: 'elsewhere'; readonly slot: number; readonly queueOffset: number }
  | { readonly kind: 'suspect'; readonly what: string }
  | { readonly kind: 'damaged'; readonly what: string };

/** The record at an offset, or the one that a message id names. `undefined`: deleted by retention, or no record begins there. */
export async function get(view: ReadView, at: PhysicalOffset | string): Promise<Message | undefined> {
  view.assertReadable();
  const offset = offsetOf(at);
  const record = new RecordView(view.segments.segmentBytes);
  let mayMend = true;
  let mayReopen = true;
  for (;;) {
    const finding = await withRecordAt(view, record, offset, (kind, bytes) => findingOf(view, record, offset, kind, bytes));
    view.assertReadable();
    if (finding.kind === 'message') {
      view.countRead(1);
      return finding.message;
    }
    if (finding.kind === 'nothing') return undefined;
    if (
      mayReopen &&
      (finding.kind === 'suspect' || finding.kind === 'damaged') &&
      view.reopenLog?.(damagedLog(view, offset, finding.what)) === true
    ) {
      mayReopen = false;
      continue;
    }
    if (finding.kind === 'damaged') throw damagedLog(view, offset, finding.what);
    if (finding.kind === 'suspect') {
      // Where a queue leads here, or may have before it was damaged, and no good record lies over the place, there was a record.
      const isKnown = view.passedOver?.(offset) !== undefined || (await slotLeadingTo(view, offset)) >= 0;
      if (!isKnown || !(await mayBeginAt(view, offset))) return undefined;
      throw damagedLog(view, offset, finding.what);
    }
    const { slot } = finding;
    if (finding.kind === 'unlinked' && finding.rebuilding !== undefined) {
      await queueSettled(view, slot);
      continue;
    }
    if (finding.kind === 'elsewhere' && (await isEntryRight(view, slot, finding.queueOffset, offset))) return undefined;
    if (!mayMend) {
      if (finding.kind === 'elsewhere')
        throw damagedLog(view, offset, 'a record whose queue entry leads to where no record of its number is');
      if (finding.cause !== undefined) throw finding.cause;
      // A body may hold what looks like the record that the entry named.
      if (!(await mayBeginAt(view, offset)) || offset < view.segments.minOffset) return undefined;
      throw damagedLog(view, offset, 'a record whose queue entry is damaged');
    }
    mayMend = false;
    await mendQueue(view, slot);
  }
}

/** Whether entry `queueOffset` does well not to name the record at `offset`. */
async function isEntryRight(view: ReadView, slot: number, queueOffset: number, offset: number): Promise<boolean> {
  const { min, max } = view.queues.bounds(slot);
  if (queueOffset < min || queueOffset >= max) return true;
  const place = physicalOffsetAt(view, slot, queueOffset);
  return place !== offset && (await isPlaceOf(view, slot, queueOffset, place));
}

function offsetOf(at: unknown): number {
  if (typeof at === 'number') {
    if (!Number.isSafeInteger(at) || at < 0) throw outOfRange('at', 'an offset, a whole number of at least 0', at);
    return at;
  }
  if (typeof at !== 'string') throw wrongType('at', 'an offset or a message id', at);
  const parsed = parseMessageId(at);
  if (parsed === undefined) throw outOfRange('at', 'a message id of 32 or 56 hex digits', at);
  return parsed.physicalOffset;
}

function findingOf(view: ReadView, record: RecordView, offset: number, kind: RecordKind | 'gone', bytes: Buffer): Finding {
  if (kind === 'gone') return { kind: 'nothing' };
  if (kind !== 'record') return { kind: 'suspect', what: kind === 'blank' ? 'a blank in place of a record' : record.what };
  if (record.physicalOffset !== offset) return { kind: 'suspect', what: `a record that says it belongs at ${record.physicalOffset}` };
  let cause: unknown;
  const leads = entryLeadsTo(view, record, offset, (error) => {
    cause = error;
  });
  if (!record.verify(view.isOurs(offset))) return { kind: leads === 'yes' ? 'damaged' : 'suspect', what: record.what };
  const slot = view.registry.find(record.topic, record.queueId);
  if (leads === 'unreadable') return { kind: 'unlinked', slot, cause, rebuilding: view.queues.rebuilding(slot) };
  if (record.isTombstone) return { kind: 'nothing' };
  if (leads === 'no') {
    const isDoubtful = record.hasQueueOffset && view.passedOver?.(offset) !== undefined;
    return isDoubtful ? { kind: 'damaged', what: 'behind damage, what may be a record' } : { kind: 'nothing' };
  }
  if (leads === 'elsewhere') return { kind: 'elsewhere', slot, queueOffset: record.queueOffset };
  return { kind: 'message', message: decodeMessage(record, bytes, offset + record.recordBytes <= view.flushed()) };
}
