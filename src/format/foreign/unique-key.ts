import { hostText } from '../host-address.js';

/**
 * UNIQ_KEY, the id that RocketMQ's clients give a message, in upper-case hex of: address (4 or 16 bytes), u16 process id,
 * i32 hash of the class loader, u32 milliseconds into the month (local time), u16 counter.
 */
export interface UniqueKey {
  readonly address: string;
  readonly processId: number;
  readonly loaderHash: number;
  readonly monthMs: number;
  readonly counter: number;
}

/** `undefined`: not of this form; the store treats every UNIQ_KEY as opaque text. */
export function decodeUniqueKey(text: string): UniqueKey | undefined {
  if (!/^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{56})$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'hex');
  const at = bytes.length - 12;
  return {
    address: hostText(bytes.subarray(0, at)),
    processId: bytes.readUInt16BE(at),
    loaderHash: bytes.readInt32BE(at + 2),
    monthMs: bytes.readUInt32BE(at + 6),
    counter: bytes.readUInt16BE(at + 10),
  };
}
