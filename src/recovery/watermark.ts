import { readInt64, writeInt64 } from '../base/bytes.js';
import { crc32 } from '../base/checksum.js';

export const SLOT_BYTES: number = 4096;
const USED_BYTES = 100;
const MAGIC = 0x534c574d;
const VERSION = 1;

/**
 * One slot of `stratalog/watermark`, big-endian:
 *
 *    0  magic 4   version 4
 *    8  store id 16          24  run id 16
 *   40  sequence 8           48  flushedOffset 8     56  writtenOffset 8
 *   64  start of the last record below flushedOffset 8
 *   72  XXH64 of its first 64 KiB 8
 *   80  highest storedAt 8   88  flush mode 4 (1 sync, 0 async)   92  reserved 4
 *   96  CRC-32 of the 96 bytes before it
 *
 * Two slots are written in turn, so a torn write costs the newer one only. The slot can lag behind the log, never lead it:
 * it is written after the sync that it speaks of has returned.
 */
export interface Watermark {
  readonly storeId: string;
  readonly runId: string;
  readonly sequence: number;
  readonly flushedOffset: number;
  readonly writtenOffset: number;
  /** -1: none is named; `flushedOffset` is then the start of the log. */
  readonly lastRecordStart: number;
  readonly lastRecordHash: string;
  readonly lastStoredAt: number;
  readonly flush: 'sync' | 'async';
}

export function encodeWatermark(watermark: Watermark, into: Buffer): void {
  into.fill(0, 0, SLOT_BYTES);
  into.writeUInt32BE(MAGIC, 0);
  into.writeUInt32BE(VERSION, 4);
  into.write(watermark.storeId, 8, 16, 'hex');
  into.write(watermark.runId, 24, 16, 'hex');
  writeInt64(into, watermark.sequence, 40);
  writeInt64(into, watermark.flushedOffset, 48);
  writeInt64(into, watermark.writtenOffset, 56);
  writeInt64(into, watermark.lastRecordStart, 64);
  into.write(watermark.lastRecordHash.padStart(16, '0'), 72, 8, 'hex');
  writeInt64(into, watermark.lastStoredAt, 80);
  into.writeUInt32BE(watermark.flush === 'sync' ? 1 : 0, 88);
  into.writeUInt32BE(crc32(into, 0, 96), 96);
}

/** Undefined: the slot was never written, is torn, or is not ours. */
function decodeWatermark(slot: Buffer): Watermark | undefined {
  if (slot.length < USED_BYTES || slot.readUInt32BE(0) !== MAGIC || slot.readUInt32BE(4) !== VERSION) return undefined;
  if (slot.readUInt32BE(96) !== crc32(slot, 0, 96)) return undefined;
  const watermark: Watermark = {
    storeId: slot.toString('hex', 8, 24),
    runId: slot.toString('hex', 24, 40),
    sequence: readInt64(slot, 40),
    flushedOffset: readInt64(slot, 48),
    writtenOffset: readInt64(slot, 56),
    lastRecordStart: readInt64(slot, 64),
    lastRecordHash: slot.toString('hex', 72, 80),
    lastStoredAt: readInt64(slot, 80),
    flush: slot.readUInt32BE(88) === 1 ? 'sync' : 'async',
  };
  const numbers = [watermark.sequence, watermark.flushedOffset, watermark.writtenOffset, watermark.lastStoredAt];
  if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) return undefined;
  if (!Number.isSafeInteger(watermark.lastRecordStart) || watermark.lastRecordStart >= watermark.flushedOffset + 1) return undefined;
  return watermark;
}

/** The newer of the two slots of the file's bytes. */
export function newestWatermark(bytes: Buffer | undefined): Watermark | undefined {
  if (bytes === undefined) return undefined;
  const slots = [decodeWatermark(bytes.subarray(0, SLOT_BYTES)), decodeWatermark(bytes.subarray(SLOT_BYTES, 2 * SLOT_BYTES))];
  let newest: Watermark | undefined;
  for (const slot of slots) if (slot !== undefined && (newest === undefined || slot.sequence > newest.sequence)) newest = slot;
  return newest;
}
