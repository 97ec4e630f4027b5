import { readInt64, writeInt64 } from '../base/bytes.js';

/**
 * The file `checkpoint`: five i64, the rest of its 4,096 bytes zero. No magic, no checksum. Times are those of messages (storedAt).
 *
 *    0  log flushed up to     16  index: end time of the last file that became full     32  confirmed offset
 *    8  queues written up to  24  master's flushed offset
 */
export const checkpointFileBytes = 4_096;
const fieldsBytes = 40;
const marginMs = 3_000;

export interface Checkpoint {
  readonly logTime: number;
  readonly queuesTime: number;
  readonly indexTime: number;
  readonly masterFlushedOffset: number;
  readonly confirmedOffset: number;
}

export function encodeCheckpoint(checkpoint: Checkpoint): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(checkpointFileBytes);
  writeInt64(bytes, checkpoint.logTime, 0);
  writeInt64(bytes, checkpoint.queuesTime, 8);
  writeInt64(bytes, checkpoint.indexTime, 16);
  writeInt64(bytes, checkpoint.masterFlushedOffset, 24);
  writeInt64(bytes, checkpoint.confirmedOffset, 32);
  return bytes;
}

/** `undefined` for a file too short or with a value that no checkpoint has. Older, shorter sets of fields end in zeros. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint | undefined {
  if (bytes.length < fieldsBytes) return undefined;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, fieldsBytes);
  const fields = [0, 8, 16, 24, 32].map((at) => readInt64(buffer, at));
  if (!fields.every((value) => Number.isSafeInteger(value) && value >= 0)) return undefined;
  const [logTime = 0, queuesTime = 0, indexTime = 0, masterFlushedOffset = 0, confirmedOffset = 0] = fields;
  return { logTime, queuesTime, indexTime, masterFlushedOffset, confirmedOffset };
}

/** Everything stored before it is in the log and in the queues; by this RocketMQ chooses where recovery begins. */
export function checkpointMinTime(checkpoint: Checkpoint): number {
  return Math.max(0, Math.min(checkpoint.logTime, checkpoint.queuesTime) - marginMs);
}
