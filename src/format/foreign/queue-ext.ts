import { readInt64, writeInt64 } from '../../base/bytes.js';

/**
 * A record of RocketMQ's queue extension files: i16 bytes of the record, i64 tagsCode, i64 storedAt, i16 bitmap bytes, bitmap.
 * A queue entry then holds, in place of the tags code, an address: byte offset + the smallest 64-bit integer.
 */
const fixedBytes = 20;
const extBytesMax = 32_767;
/** Tags codes are hashes of 32 bits, so that all below them are addresses. */
const addressMax = -2_147_483_649n;
const smallestInt64 = -9_223_372_036_854_775_808n;

export interface QueueExt {
  readonly tagsCode: number;
  readonly storedAt: number;
  readonly bitmap: Uint8Array;
}

export function encodeQueueExt(ext: QueueExt): Buffer<ArrayBuffer> {
  const total = fixedBytes + ext.bitmap.length;
  if (total > extBytesMax) throw new RangeError(`bitmap must be at most ${extBytesMax - fixedBytes} bytes, got ${ext.bitmap.length}`);
  const bytes = Buffer.alloc(total);
  bytes.writeInt16BE(total, 0);
  writeInt64(bytes, ext.tagsCode, 2);
  writeInt64(bytes, ext.storedAt, 10);
  bytes.writeInt16BE(ext.bitmap.length, 18);
  bytes.set(ext.bitmap, fixedBytes);
  return bytes;
}

/** `undefined`: no record begins there (also the -1 that ends a file). */
export function decodeQueueExt(bytes: Buffer, at: number = 0): QueueExt | undefined {
  if (at < 0 || bytes.length - at < fixedBytes) return undefined;
  const total = bytes.readInt16BE(at);
  const bitmapBytes = bytes.readInt16BE(at + 18);
  if (bitmapBytes < 0 || total !== fixedBytes + bitmapBytes || bytes.length - at < total) return undefined;
  const bitmap = Buffer.from(bytes.subarray(at + fixedBytes, at + total));
  return { tagsCode: readInt64(bytes, at + 2), storedAt: readInt64(bytes, at + 10), bitmap };
}

/** What stands in a queue entry for the record at this byte of the extension files. */
export function extAddress(extOffset: number): bigint {
  return BigInt(extOffset) + smallestInt64;
}

/** The byte in the extension files, or `undefined` if the entry's tags code is no address. */
export function extOffsetOf(tagsCode: bigint): number | undefined {
  return tagsCode > addressMax ? undefined : Number(tagsCode - smallestInt64);
}
