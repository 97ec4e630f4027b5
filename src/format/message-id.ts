import { hostText } from './host-address.js';

/**
 * Offset message id: host address (4 or 16 bytes), i32 port, i64 physical offset, in upper-case hex: 32 or 56 digits.
 */
const two32 = 4_294_967_296;

export interface ParsedMessageId {
  readonly address: string;
  readonly port: number;
  readonly physicalOffset: number;
}

/** `hostHex`: address and port of the store, 16 or 40 digits (`EncodedHost.hex`). */
export function encodeMessageId(hostHex: string, physicalOffset: number): string {
  const high = Math.floor(physicalOffset / two32);
  return hostHex + hexWord(high) + hexWord(physicalOffset - high * two32);
}

function hexWord(word: number): string {
  return (word >>> 0).toString(16).toUpperCase().padStart(8, '0');
}

/** `undefined` for what is no message id, or names an offset that no store can have. */
export function parseMessageId(text: string): ParsedMessageId | undefined {
  if (!/^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{56})$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'hex');
  const hostEnd = bytes.length - 12;
  const port = bytes.readInt32BE(hostEnd);
  const physicalOffset = bytes.readInt32BE(hostEnd + 4) * two32 + bytes.readUInt32BE(hostEnd + 8);
  if (port < 0 || port > 65_535 || physicalOffset < 0 || !Number.isSafeInteger(physicalOffset)) return undefined;
  return { address: hostText(bytes.subarray(0, hostEnd)), port, physicalOffset };
}
