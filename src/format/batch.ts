import { messageInvalid } from './refusals.js';

/**
 * A classic batch, as producers send several messages of one topic in one body:
 *
 *   ( i32 element bytes, i32 magic 0, i32 CRC 0, i32 flag, i32 body bytes, body, i16 property bytes, properties )*
 *
 * The element's own size, magic and CRC are ignored, as RocketMQ does.
 */
export interface BatchElement {
  readonly flag: number;
  readonly body: Uint8Array;
  /** Encoded: (name 01 value 02)*. */
  readonly properties: Uint8Array;
}

const fixedBytes = 22;
const headBytes = 20;

export function encodeBatch(elements: readonly BatchElement[]): Buffer<ArrayBuffer> {
  const total = elements.reduce((sum, element) => sum + fixedBytes + element.body.length + element.properties.length, 0);
  const bytes = Buffer.alloc(total);
  let at = 0;
  for (const { flag, body, properties } of elements) {
    if (properties.length > 0x7fff) throw messageInvalid('properties', properties.length, 'more than 32767 bytes');
    const elementBytes = fixedBytes + body.length + properties.length;
    bytes.writeInt32BE(elementBytes, at);
    bytes.writeInt32BE(flag | 0, at + 12);
    bytes.writeInt32BE(body.length, at + 16);
    bytes.set(body, at + headBytes);
    bytes.writeInt16BE(properties.length, at + headBytes + body.length);
    bytes.set(properties, at + fixedBytes + body.length);
    at += elementBytes;
  }
  return bytes;
}

/**
 * The elements of a batch; their bytes are views into `bytes`. MESSAGE_INVALID for what is no batch: the bytes come from a
 * network, so nothing in them is believed.
 */
export function unpackBatch(bytes: Buffer): BatchElement[] {
  const elements: BatchElement[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < fixedBytes) throw messageInvalid('body', at, 'the batch ends inside an element');
    const flag = bytes.readInt32BE(at + 12);
    const bodyStart = at + headBytes;
    const bodyEnd = bodyStart + bytes.readInt32BE(at + 16);
    if (bodyEnd < bodyStart || bodyEnd + 2 > bytes.length) throw messageInvalid('body', at, 'the batch ends inside the body of an element');
    const propertiesStart = bodyEnd + 2;
    const propertiesEnd = propertiesStart + bytes.readInt16BE(bodyEnd);
    if (propertiesEnd < propertiesStart || propertiesEnd > bytes.length) {
      throw messageInvalid('body', at, 'the batch ends inside the properties of an element');
    }
    elements.push({ flag, body: bytes.subarray(bodyStart, bodyEnd), properties: bytes.subarray(propertiesStart, propertiesEnd) });
    at = propertiesEnd;
  }
  return elements;
}
