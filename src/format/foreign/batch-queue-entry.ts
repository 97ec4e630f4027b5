import { readInt64, writeInt64 } from '../../base/bytes.js';

/**
 * An entry of RocketMQ's batch queues, 46 bytes; this engine reads none, and knows them to say what a directory holds.
 *
 *   0 i64 physicalOffset   8 i32 recordBytes   12 i64 tagsCode   20 i64 storedAt   28 i64 queue offset of the first message
 *   36 i16 messages        38 i32 -1           42 i32 0
 */
const batchQueueEntryBytes = 46;

export interface BatchQueueEntry {
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly tagsCode: number;
  readonly storedAt: number;
  readonly baseQueueOffset: number;
  readonly messageCount: number;
}

export function encodeBatchQueueEntry(entry: BatchQueueEntry): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(batchQueueEntryBytes);
  writeInt64(bytes, entry.physicalOffset, 0);
  bytes.writeInt32BE(entry.recordBytes, 8);
  writeInt64(bytes, entry.tagsCode, 12);
  writeInt64(bytes, entry.storedAt, 20);
  writeInt64(bytes, entry.baseQueueOffset, 28);
  bytes.writeInt16BE(entry.messageCount, 36);
  bytes.writeInt32BE(-1, 38);
  return bytes;
}

/** `undefined`: too few bytes, or no valid entry. */
export function decodeBatchQueueEntry(bytes: Buffer, at: number = 0): BatchQueueEntry | undefined {
  if (at < 0 || bytes.length - at < batchQueueEntryBytes) return undefined;
  const entry: BatchQueueEntry = {
    physicalOffset: readInt64(bytes, at),
    recordBytes: bytes.readInt32BE(at + 8),
    tagsCode: readInt64(bytes, at + 12),
    storedAt: readInt64(bytes, at + 20),
    baseQueueOffset: readInt64(bytes, at + 28),
    messageCount: bytes.readInt16BE(at + 36),
  };
  const isValid = entry.physicalOffset >= 0 && entry.recordBytes > 0 && entry.baseQueueOffset >= 0 && entry.messageCount > 0;
  return isValid ? entry : undefined;
}
