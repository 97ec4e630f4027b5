import { crc32 as nativeCrc32 } from 'node:zlib';

/**
 * CRC-32 (IEEE 802.3, as zlib), unsigned.
 *
 * A call into zlib costs some 150 ns before the first byte and little for each one after; a table in JavaScript
 * costs nothing before and two to three times as much for each. Hence both, and the length decides.
 */
const polynomial = 0xedb88320;
const nativeBytesMin = 448;

/** Slice by 16: entry 256 k + b is what the byte b adds when k more bytes follow it. */
const table: Int32Array = makeTable();

function makeTable(): Int32Array {
  const made = new Int32Array(16 * 256);
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

let lastBytes: Uint8Array = new Uint8Array(0);
let lastView: DataView = new DataView(lastBytes.buffer);

/** CRC-32 of `bytes[from, to)`; `seed` is the CRC of what comes before it. The range must lie inside `bytes`. */
export function crc32(bytes: Uint8Array, from: number, to: number, seed: number = 0): number {
  if (bytes !== lastBytes) {
    // Callers go through one buffer at a time, and a view costs as much as the checksum of a short record.
    lastBytes = bytes;
    lastView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  return crc32View(lastView, from, to, seed);
}

/** The same, for those who have a view of the bytes already. */
export function crc32View(view: DataView, from: number, to: number, seed: number = 0): number {
  if (to - from >= nativeBytesMin) return nativeCrc32(new Uint8Array(view.buffer, view.byteOffset + from, to - from), seed);
  return tableCrc32(view, from, to, seed);
}

function tableCrc32(view: DataView, from: number, to: number, seed: number): number {
  let crc = ~seed;
  let at = from;
  for (const last = to - 16; at <= last; at += 16) {
    const a = view.getInt32(at, true) ^ crc;
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    crc =
      (table[3840 + (a & 0xff)] as number) ^
      (table[3584 + ((a >>> 8) & 0xff)] as number) ^
      (table[3328 + ((a >>> 16) & 0xff)] as number) ^
      (table[3072 + (a >>> 24)] as number) ^
      (table[2816 + (b & 0xff)] as number) ^
      (table[2560 + ((b >>> 8) & 0xff)] as number) ^
      (table[2304 + ((b >>> 16) & 0xff)] as number) ^
      (table[2048 + (b >>> 24)] as number) ^
      (table[1792 + (c & 0xff)] as number) ^
      (table[1536 + ((c >>> 8) & 0xff)] as number) ^
      (table[1280 + ((c >>> 16) & 0xff)] as number) ^
      (table[1024 + (c >>> 24)] as number) ^
      (table[768 + (d & 0xff)] as number) ^
      (table[512 + ((d >>> 8) & 0xff)] as number) ^
      (table[256 + ((d >>> 16) & 0xff)] as number) ^
      (table[d >>> 24] as number);
  }
  for (const last = to - 4; at <= last; at += 4) {
    const a = view.getInt32(at, true) ^ crc;
    crc =
      (table[768 + (a & 0xff)] as number) ^
      (table[512 + ((a >>> 8) & 0xff)] as number) ^
      (table[256 + ((a >>> 16) & 0xff)] as number) ^
      (table[a >>> 24] as number);
  }
  for (; at < to; at += 1) crc = (crc >>> 8) ^ (table[(view.getUint8(at) ^ crc) & 0xff] as number);
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

/**
 * Shifts ready for use, as products with each value of each of the eight nibbles of a CRC. A store has few lengths of body,
 * or so many that remembering them would not help: one per remainder is enough.
 */
const knownLengths = 32;
const productsOfLength = 128;
const lengths: Float64Array = new Float64Array(knownLengths).fill(-1);
const lengthsMissed: Float64Array = new Float64Array(knownLengths).fill(-1);
const products: Int32Array = new Int32Array(knownLengths * productsOfLength);

function learnLength(slot: number, length: number): void {
  // Bits from x^0, which is bit 31, downwards.
  let product = shiftOf(length);
  const base = slot * productsOfLength;
  for (let bit = 31; bit >= 0; bit -= 1) {
    products[base + (bit >> 2) * 16 + (1 << (bit & 3))] = product;
    product = (product >>> 1) ^ (polynomial & -(product & 1));
  }
  for (let nibble = 0; nibble < 8; nibble += 1) {
    const row = base + 16 * nibble;
    for (let value = 3; value < 16; value += 1) {
      const lowest = value & -value;
      if (value !== lowest) products[row + value] = (products[row + lowest] as number) ^ (products[row + value - lowest] as number);
    }
  }
  lengths[slot] = length;
}

/**
 * Whether joining two CRCs is cheaper than going over a B of this length again. For a short one only if its length is known;
 * a length becomes known when it is asked for twice in a row.
 */
export function combinePays(lengthB: number): boolean {
  if (lengthB >= alwaysCombineBytesMin) return true;
  const slot = lengthB % knownLengths;
  if (lengths[slot] === lengthB) return lengthB >= combineBytesMin;
  const again = lengthsMissed[slot] === lengthB;
  lengthsMissed[slot] = lengthB;
  return again && lengthB >= combineBytesMin;
}

const combineBytesMin = 32;
const alwaysCombineBytesMin = 512;

/** The CRC-32 of A followed by B, from the two CRCs and the length of B. Quickest when lengths repeat. */
export function crc32Combine(crcA: number, crcB: number, lengthB: number): number {
  const slot = lengthB % knownLengths;
  if (lengths[slot] !== lengthB) learnLength(slot, lengthB);
  const at = slot * productsOfLength;
  return (
    ((products[at + (crcA & 15)] as number) ^
      (products[at + 16 + ((crcA >>> 4) & 15)] as number) ^
      (products[at + 32 + ((crcA >>> 8) & 15)] as number) ^
      (products[at + 48 + ((crcA >>> 12) & 15)] as number) ^
      (products[at + 64 + ((crcA >>> 16) & 15)] as number) ^
      (products[at + 80 + ((crcA >>> 20) & 15)] as number) ^
      (products[at + 96 + ((crcA >>> 24) & 15)] as number) ^
      (products[at + 112 + (crcA >>> 28)] as number) ^
      crcB) >>>
    0
  );
}
