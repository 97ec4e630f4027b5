import { crc32 as nativeCrc32 } from 'node:zlib';

/**
 * CRC-32 (IEEE 802.3, as zlib), unsigned.
 *
 * A call into zlib costs about 100 ns before the first byte and next to nothing for each one after; a table in JavaScript
 * costs nothing before and half a nanosecond for each. Hence both, and the length decides.
 */
const polynomial = 0xedb88320;
const nativeBytesMin = 640;

/** Slice by 8: entry 256 k + b is what the byte b adds when k more bytes follow it. */
const table = makeTable();

function makeTable(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
    made[byte] = crc;
  }
  for (let i = 256; i < made.length; i += 1) {
    const before = made[i - 256] as number;
    made[i] = (before >>> 8) ^ (made[before & 0xff] as number);
  }
  return made;
}

/** CRC-32 of `bytes[from, to)`; `seed` is the CRC of what comes before it. The range must lie inside `bytes`. */
export function crc32(bytes: Uint8Array, from: number, to: number, seed: number = 0): number {
  if (to - from >= nativeBytesMin) return nativeCrc32(new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from), seed);
  return tableCrc32(bytes, from, to, seed);
}

function tableCrc32(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let crc = ~seed;
  let at = from;
  for (const last = to - 8; at <= last; at += 8) {
    crc =
      (table[1792 + (((bytes[at] as number) ^ crc) & 0xff)] as number) ^
      (table[1536 + (((bytes[at + 1] as number) ^ (crc >>> 8)) & 0xff)] as number) ^
      (table[1280 + (((bytes[at + 2] as number) ^ (crc >>> 16)) & 0xff)] as number) ^
      (table[1024 + ((bytes[at + 3] as number) ^ (crc >>> 24))] as number) ^
      (table[768 + (bytes[at + 4] as number)] as number) ^
      (table[512 + (bytes[at + 5] as number)] as number) ^
      (table[256 + (bytes[at + 6] as number)] as number) ^
      (table[bytes[at + 7] as number] as number);
  }
  for (; at < to; at += 1) crc = (crc >>> 8) ^ (table[((bytes[at] as number) ^ crc) & 0xff] as number);
  return ~crc >>> 0;
}

/** The product of two polynomials modulo the CRC's; bit 31 is x^0. */
function multiply(left: number, right: number): number {
  let product = 0;
  let factor = left | 0;
  let shifted = right | 0;
  while (factor !== 0) {
    product ^= shifted & (factor >> 31);
    factor <<= 1;
    shifted = (shifted >>> 1) ^ (polynomial & -(shifted & 1));
  }
  return product;
}

/** Entry k is x^(2^k). As x^(2^32) = x again, 32 of them serve every length. */
const powers = makePowers();

function makePowers(): Int32Array {
  const made = new Int32Array(32);
  made[0] = 0x40000000;
  for (let k = 1; k < 32; k += 1) made[k] = multiply(made[k - 1] as number, made[k - 1] as number);
  return made;
}

/** x^(8 n): what n bytes that follow do to a CRC. */
function shiftOf(byteCount: number): number {
  let shift = 0x80000000 | 0;
  let k = 3;
  for (let rest = byteCount; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(shift, powers[k & 31] as number);
    k += 1;
  }
  return shift;
}

let lastByteCount = 0;
let lastShift: number = 0x80000000 | 0;

/** The CRC-32 of A followed by B, from the two CRCs and the length of B. Quickest when lengths repeat. */
export function crc32Combine(crcA: number, crcB: number, lengthB: number): number {
  if (lengthB !== lastByteCount) {
    lastShift = shiftOf(lengthB);
    lastByteCount = lengthB;
  }
  return (multiply(crcA, lastShift) ^ crcB) >>> 0;
}
