import { readInt64, writeInt64 } from '../../base/bytes.js';

/**
 * RocketMQ's replication, default wire form. Slave to master: i64 offset up to which it holds the log. Master to slave:
 * i64 offset, i32 bytes, as many bytes of the log; none of them: a heartbeat.
 */
const haReportBytes = 8;
const haHeaderBytes = 12;

export interface HaFrame {
  readonly physicalOffset: number;
  /** A view into the bytes that were read. */
  readonly body: Uint8Array;
}

export function encodeHaReport(heldUpTo: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(haReportBytes);
  writeInt64(bytes, heldUpTo, 0);
  return bytes;
}

/** The last whole report counts; `undefined`: none yet, or one that is no offset. */
export function decodeHaReport(bytes: Buffer): number | undefined {
  const whole = Math.floor(bytes.length / haReportBytes);
  if (whole === 0) return undefined;
  const heldUpTo = readInt64(bytes, haReportBytes * (whole - 1));
  return heldUpTo >= 0 && Number.isSafeInteger(heldUpTo) ? heldUpTo : undefined;
}

export function encodeHaFrame(physicalOffset: number, body: Uint8Array): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(haHeaderBytes + body.length);
  writeInt64(bytes, physicalOffset, 0);
  bytes.writeInt32BE(body.length, 8);
  bytes.set(body, haHeaderBytes);
  return bytes;
}

/** `incomplete`: more bytes are needed; `invalid`: the peer is to be disconnected. `bodyBytesMax` bounds what it can make us hold. */
export function decodeHaFrame(bytes: Buffer, bodyBytesMax: number): HaFrame | 'incomplete' | 'invalid' {
  if (bytes.length < haHeaderBytes) return 'incomplete';
  const physicalOffset = readInt64(bytes, 0);
  const bodyBytes = bytes.readInt32BE(8);
  if (physicalOffset < 0 || !Number.isSafeInteger(physicalOffset) || bodyBytes < 0 || bodyBytes > bodyBytesMax) return 'invalid';
  if (bytes.length - haHeaderBytes < bodyBytes) return 'incomplete';
  return { physicalOffset, body: bytes.subarray(haHeaderBytes, haHeaderBytes + bodyBytes) };
}
