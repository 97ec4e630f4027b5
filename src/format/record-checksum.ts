import { crc32, crc32Combine } from '../base/checksum.js';
import { checksumPropertyBytes, checksumPropertyName } from './record-layout.js';

/**
 * The last property of a record: `__CRC32#` 01 ten digits 02, the digits least significant first, padded with zeros.
 * The CRC, masked to 31 bits, covers every byte of the record before the property.
 */
const nameBytes: Buffer = Buffer.from(`${checksumPropertyName}\x01`, 'latin1');

/** From here on it is cheaper to join the body's CRC to the rest than to go over the body again. */
const combineBodyBytesMin = 256;

/**
 * CRC of `bytes[from, to)`, where the CRC of the body inside it, `bodyCrc` (all 32 bits), is known already. Masked to 31 bits.
 */
export function recordCrc(bytes: Uint8Array, from: number, to: number, bodyStart: number, bodyEnd: number, bodyCrc: number): number {
  if (bodyEnd - bodyStart < combineBodyBytesMin) return crc32(bytes, from, to) & 0x7fffffff;
  const throughBody = crc32Combine(crc32(bytes, from, bodyStart), bodyCrc, bodyEnd - bodyStart);
  return crc32(bytes, bodyEnd, to, throughBody) & 0x7fffffff;
}

/** Writes the property, 20 bytes, at `at`. */
export function writeChecksumProperty(into: Uint8Array, at: number, crc: number): void {
  for (let i = 0; i < 9; i += 1) into[at + i] = nameBytes[i] as number;
  let rest = crc & 0x7fffffff;
  for (let i = 9; i < 19; i += 1) {
    const tenth = (rest / 10) | 0;
    into[at + i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
  into[at + 19] = 2;
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
