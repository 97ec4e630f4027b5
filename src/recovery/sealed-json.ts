import { crc32 } from '../base/checksum.js';

/**
 * JSON with a checksum: eight hex digits of CRC-32 over the text, a line feed, the text. Undefined: it does not verify.
 * What comes back is still to be checked field by field.
 */
export function unsealJson(bytes: Buffer | undefined): unknown {
  if (bytes === undefined || bytes.length < 9 || bytes[8] !== 0x0a) return undefined;
  const expected = bytes.toString('latin1', 0, 8);
  if (expected !== hexOf(crc32(bytes, 9, bytes.length))) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8', 9));
  } catch {
    return undefined;
  }
}

export function sealJson(value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value), 'utf8');
  return Buffer.concat([Buffer.from(`${hexOf(crc32(text, 0, text.length))}\n`, 'latin1'), text]);
}

function hexOf(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
