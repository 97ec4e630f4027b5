/**
 * 64-bit integers of the format, as safe-integer numbers in two 32-bit halves (ten times cheaper than BigInt).
 * Values outside the safe range cannot be an offset or a time of this store; readers treat them as damage.
 */
const TWO_32 = 4_294_967_296;

export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * TWO_32 + bytes.readUInt32BE(at + 4);
}

export function writeInt64(bytes: Buffer, value: number, at: number): void {
  const high = Math.floor(value / TWO_32);
  bytes.writeInt32BE(high | 0, at);
  bytes.writeUInt32BE(value - high * TWO_32, at + 4);
}

/** Bytes of any view as a Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether nothing but zeros stands in `bytes[from, to)`. */
export function isAllZero(bytes: Uint8Array, from: number = 0, to: number = bytes.length): boolean {
  if (to - from < SHORT_BYTES) {
    for (let i = from; i < to; i += 1) if (bytes[i] !== 0) return false;
    return true;
  }
  const buffer = asBuffer(bytes);
  for (let at = from; at < to; at += zeros.length) {
    const end = Math.min(to, at + zeros.length);
    if (buffer.compare(zeros, 0, end - at, at, end) !== 0) return false;
  }
  return true;
}

/** Below it a loop is quicker than a call. */
const SHORT_BYTES = 64;
const zeros: Buffer = Buffer.alloc(64 * 1024);

/** The whole groups of four bytes, as big-endian integers. */
export function wordsOf(bytes: Buffer): Int32Array {
  return Int32Array.from({ length: bytes.length >> 2 }, (_, i) => bytes.readInt32BE(4 * i));
}
