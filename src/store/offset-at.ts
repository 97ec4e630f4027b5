import { StoreError } from '../base/errors.js';
import type { EpochMs, QueueOffset } from '../base/quantities.js';
import { searchByTime } from '../consume-queue/search-by-time.js';
import { readInt64 } from '../base/bytes.js';
import { magicV1, magicV2, recordBytesMin, sysFlagBornHostIPv6 } from '../format/record-layout.js';
import { RecordView } from '../format/record-view.js';
import { firstReadable, leadsAstray, physicalOffsetAt, queueText } from './bounds.js';
import type { QueueRef } from './contract.js';
import { damagedLog, mendQueue, readLog, withRecordAt } from './read-log.js';
import { queueName, timeOf } from './read-options.js';
import type { ReadView } from './read-view.js';

/** Queue offset of the first message stored at or after `time`; the queue's end if there is none. */
export async function offsetAt(view: ReadView, queue: QueueRef, time: EpochMs | Date): Promise<QueueOffset> {
  view.assertReadable();
  const { topic, queueId } = queueName(view, queue);
  const ms = timeOf('time', time);
  const slot = view.registry.find(topic, queueId);
  return slot < 0 ? 0 : await positionAtTime(view, slot, ms);
}

/** A message that has gone while we looked for it, and all before it with it. */
export class Expired extends Error {
  readonly queueOffset: number;

  constructor(queueOffset: number) {
    super();
    this.queueOffset = queueOffset;
  }
}

/** The same, of a queue that is known. Reads a few bytes of log2(messages) records. */
export async function positionAtTime(view: ReadView, slot: number, time: EpochMs): Promise<number> {
  let { min } = view.queues.bounds(slot);
  let isMended = false;
  for (;;) {
    const { max } = view.queues.bounds(slot);
    try {
      return await searchWhole(view, slot, min, max, time);
    } catch (caught) {
      const isAstray = caught instanceof Expired && leadsAstray(view, slot, caught.queueOffset);
      const error: unknown = isAstray ? missing(view, slot, caught.queueOffset) : caught;
      if (error instanceof Expired) {
        min = Math.max(min, await firstReadable(view, slot, error.queueOffset + 1));
      } else {
        if (isMended || !StoreError.is(error, 'CORRUPT')) throw error;
        isMended = true;
        view.reopenLog?.(error);
        await mendQueue(view, slot);
        min = Math.max(min, view.queues.bounds(slot).min);
      }
    }
  }
}

/**
 * The first message of [from, to) stored at or after `time`, or `to`. The search reads no more than times, which nothing vouches for. Where one of
 * them is wrong it ends beside that message: so the two between which it ends are verified. CORRUPT where they are damaged.
 */
export async function searchWhole(view: ReadView, slot: number, from: number, to: number, time: EpochMs): Promise<number> {
  const found = await searchByTime(from, to, time, (queueOffset) => storedAtOf(view, slot, queueOffset));
  for (let queueOffset = Math.max(from, found - 1); queueOffset < Math.min(to, found + 1); queueOffset += 1) {
    await assertWhole(view, slot, queueOffset);
  }
  return found;
}

async function assertWhole(view: ReadView, slot: number, queueOffset: number): Promise<void> {
  if (queueOffset < view.queues.bounds(slot).min) throw new Expired(queueOffset);
  const offset = physicalOffsetAt(view, slot, queueOffset);
  if (offset < 0 || offset >= view.visible()) throw missing(view, slot, queueOffset);
  const record = new RecordView(view.segments.segmentBytes);
  await withRecordAt(view, record, offset, (kind) => {
    if (kind === 'gone') throw new Expired(queueOffset);
    if (kind !== 'record' || !record.verify(view.isOurs(offset))) throw damagedLog(view, offset, record.what);
  });
}

/** Reads the fixed fields only: as many bytes as every record has. Throws `Expired`, or CORRUPT where the message is not there. */
export async function storedAtOf(view: ReadView, slot: number, queueOffset: number): Promise<number> {
  const { segments } = view;
  if (queueOffset < view.queues.bounds(slot).min) throw new Expired(queueOffset);
  const offset = physicalOffsetAt(view, slot, queueOffset);
  const fits = offset >= 0 && offset + recordBytesMin <= view.visible();
  if (!fits || (offset % segments.segmentBytes) + recordBytesMin > segments.segmentBytes) {
    throw missing(view, slot, queueOffset);
  }
  const bytes = Buffer.alloc(recordBytesMin);
  if (!(await readLog(view, bytes, offset, recordBytesMin))) throw new Expired(queueOffset);
  const magic = bytes.readInt32BE(4);
  const isMeant = (magic === magicV1 || magic === magicV2) && readInt64(bytes, 20) === queueOffset && readInt64(bytes, 28) === offset;
  if (!isMeant || bytes.readInt32BE(12) !== view.registry.queueIdOf(slot)) {
    throw damagedLog(view, offset, `another record than message ${queueOffset} of ${queueText(view, slot)}`);
  }
  return readInt64(bytes, 48 + ((bytes.readInt32BE(36) & sysFlagBornHostIPv6) === 0 ? 8 : 20));
}

function missing(view: ReadView, slot: number, queueOffset: number): StoreError {
  return damagedLog(view, view.segments.minOffset, `message ${queueOffset} of ${queueText(view, slot)} is missing`);
}
