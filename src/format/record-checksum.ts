import { combinePays, crc32Combine, crc32View } from '../base/checksum.js';
import { checksumPropertyBytes, checksumPropertyName } from './record-layout.js';

/**
 * The last property of a record: `__CRC32#` 01 ten digits 02, the digits least significant first, padded with zeros.
 * The CRC, masked to 31 bits, covers every byte of the record before the property.
 */
const nameBytes: Buffer = Buffer.from(`${checksumPropertyName}\x01`, 'latin1');
const nameHigh: number = nameBytes.readInt32BE(0);
const nameLow: number = nameBytes.readInt32BE(4);
/** The two digits of 0 to 99, the lower one first. */
const digitPairs: Int16Array = Int16Array.from({ length: 100 }, (_, i) => ((48 + (i % 10)) << 8) | (48 + Math.floor(i / 10)));

/**
 * CRC of the bytes [from, to), where the CRC of the body inside it, `bodyCrc` (all 32 bits), is known already. Masked to 31 bits.
 */
export function recordCrc(view: DataView, from: number, to: number, bodyStart: number, bodyEnd: number, bodyCrc: number): number {
  if (!combinePays(bodyEnd - bodyStart)) return crc32View(view, from, to) & 0x7fffffff;
  const throughBody = crc32Combine(crc32View(view, from, bodyStart), bodyCrc, bodyEnd - bodyStart);
  return crc32View(view, bodyEnd, to, throughBody) & 0x7fffffff;
}

/** Writes the property, 20 bytes, at `at`. */
export function writeChecksumProperty(view: DataView, at: number, crc: number): void {
  view.setInt32(at, nameHigh);
  view.setInt32(at + 4, nameLow);
  view.setInt8(at + 8, 1);
  let rest = crc & 0x7fffffff;
  for (let i = 9; i < 19; i += 2) {
    const hundredth = (rest / 100) | 0;
    view.setInt16(at + i, digitPairs[rest - hundredth * 100] as number);
    rest = hundredth;
  }
  view.setInt8(at + 19, 2);
}

/** The CRC in the 20 bytes that end at `end`, or -1 if they are not exactly such a property. `from` bounds what may be read. */
export function readChecksumProperty(bytes: Uint8Array, from: number, end: number): number {
  const at = end - checksumPropertyBytes;
  if (at < from || bytes[end - 1] !== 2) return -1;
  for (let i = 0; i < 9; i += 1) if (bytes[at + i] !== nameBytes[i]) return -1;
  // A property of its own, not the end of a longer name.
  if (at > from && bytes[at - 1] !== 2) return -1;
  let crc = 0;
  for (let i = 18; i >= 9; i -= 1) {
    const digit = (bytes[at + i] as number) - 48;
    if (digit < 0 || digit > 9) return -1;
    crc = crc * 10 + digit;
  }
  return crc <= 0x7fffffff ? crc : -1;
}
