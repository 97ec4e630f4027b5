import { RecordEncoder } from '../../src/format/record-encoder.js';
import type { NewMessage } from '../../src/index.js';

/** Records of two sizes that all suites measure with: small ones show what a record costs, 1 KiB ones what its bytes cost. */
export const bodySizes: readonly number[] = [100, 1024];

export function sampleMessage(bodyBytes: number, ordinal: number = 0): NewMessage {
  return {
    topic: 'orders',
    queueId: ordinal & 15,
    tag: 'paid',
    keys: [`order-${1_000_000 + ordinal}`],
    body: Buffer.alloc(bodyBytes, 'a body of a message; '),
  };
}

export function makeEncoder(recordChecksum: boolean): RecordEncoder {
  return new RecordEncoder({
    storeHost: { address: '127.0.0.1', port: 10_911 },
    recordChecksum,
    messageBytesMax: 4 * 1024 ** 2,
    systemMessages: false,
  });
}

export interface EncodedRecords {
  readonly bytes: Buffer;
  readonly starts: readonly number[];
}

/** So many records, back to back. */
export function encodeRecords(count: number, bodyBytes: number, recordChecksum: boolean): EncodedRecords {
  const encoder = makeEncoder(recordChecksum);
  const starts: number[] = [];
  const storedAt = 1_700_000_000_000;
  const bytes = Buffer.alloc(count * (bodyBytes + 400));
  let at = 0;
  for (let ordinal = 0; ordinal < count; ordinal += 1) {
    const recordBytes = encoder.stage(sampleMessage(bodyBytes, ordinal), storedAt, false);
    encoder.write(bytes, at, at, ordinal, storedAt);
    starts.push(at);
    at += recordBytes;
  }
  return { bytes: bytes.subarray(0, at), starts };
}

/** Calls `work` with 0, 1, ... `count` - 1, again and again: a suite that measures one record over and over measures the cache. */
export function inTurn(count: number, work: (index: number) => void): () => void {
  let index = -1;
  return () => {
    index = index + 1 === count ? 0 : index + 1;
    work(index);
  };
}
