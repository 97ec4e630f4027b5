import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/base/checksum.js';
import type { NewMessage } from '../../src/format/message.js';
import { encodeBlank, RecordEncoder, sealBatchHead, type EncoderOptions } from '../../src/format/record-encoder.js';
import { RecordView } from '../../src/format/record-view.js';
import { bornAt, bornHost, hex, recordSmallest, recordV1, recordV1Checksum, recordV2, storedAt, storeHost, uniqueKey } from './vectors.js';

const options: EncoderOptions = { storeHost, recordChecksum: false, messageBytesMax: 4 << 20, systemMessages: true };

function encode(encoder: RecordEncoder, message: NewMessage, physicalOffset: number, queueOffset: number, at = 0): Buffer {
  const bytes = encoder.stage(message, bornAt, false);
  const into = Buffer.alloc(at + bytes + 16, 0xee);
  encoder.write(into, at, physicalOffset, queueOffset, storedAt);
  expect(into.subarray(0, at).every((byte) => byte === 0xee)).toBe(true);
  expect(into.subarray(at + bytes).every((byte) => byte === 0xee)).toBe(true);
  return into.subarray(at, at + bytes);
}

describe('records as RocketMQ writes them', () => {
  it('encodes the smallest record', () => {
    const message = { topic: 'T', body: '', bornAt, system: { bornHost } };
    expect(encode(new RecordEncoder(options), message, 0, 0)).toEqual(hex(recordSmallest));
  });

  it('encodes a V2 record with IPv6 hosts', () => {
    const encoder = new RecordEncoder({ ...options, storeHost: { address: '::1', port: 10_911 } });
    const message: NewMessage = {
      topic: `%RETRY%${'g'.repeat(121)}`,
      body: 'v2',
      flag: 5,
      properties: { RETRY_TOPIC: 'T' },
      bornAt,
      system: { reconsumeTimes: 2, bornHost: { address: '2001:db8::1', port: 65_535 } },
    };
    const bytes = encoder.stage(message, 0, false);
    const into = Buffer.alloc(bytes);
    encoder.write(into, 0, 1_073_741_824, 0, 1_700_000_000_456);
    expect(into).toEqual(hex(recordV2));
  });

  it.each([false, true])('encodes the common record, record checksum %s, but for the order of properties', (recordChecksum) => {
    const encoder = new RecordEncoder({ ...options, recordChecksum });
    const message: NewMessage = {
      topic: 'TopicTest',
      queueId: 3,
      body: Buffer.from('Hello RocketMQ'),
      tag: 'TagA',
      keys: ['order-1001', 'order-1002'],
      properties: { UNIQ_KEY: uniqueKey, CLUSTER: 'DefaultCluster', WAIT: 'true' },
      bornAt: new Date(bornAt),
      system: { bornHost },
    };
    const encoded = encode(encoder, message, 4_096, 7, 13);
    const expected = hex(recordChecksum ? recordV1Checksum : recordV1);
    expect(encoded.length).toBe(expected.length);
    expect(encoded.subarray(0, 114)).toEqual(expected.subarray(0, 114));
    const properties = encoded.subarray(114).toString('latin1').split('\x02');
    if (recordChecksum) {
      const digits = String(crc32(encoded, 0, 226) & 0x7fffffff).padStart(10, '0');
      expect(properties[5]).toBe(`__CRC32#\x01${[...digits].reverse().join('')}`);
    }
    expect(properties.slice(0, 5)).toEqual([
      'KEYS\x01order-1001 order-1002',
      'TAGS\x01TagA',
      `UNIQ_KEY\x01${uniqueKey}`,
      'CLUSTER\x01DefaultCluster',
      'WAIT\x01true',
    ]);
    expect(encoder.tagsCode).toBe(2_598_919);
    expect([...encoder.keyHashes.subarray(0, encoder.keyCount)]).toEqual([510_233_109, 1_043_804_929, 1_043_804_930]);
  });

  it('encodes a blank', () => {
    const into = Buffer.alloc(8);
    encodeBlank(into, 0, 300);
    expect(into).toEqual(hex('0000012CCBD43194'));
  });

  it('gives scheduled messages their time of delivery as tags code', () => {
    const encoder = new RecordEncoder(options);
    const codeOf = (properties: Record<string, string>): number => {
      encode(encoder, { topic: 'SCHEDULE_TOPIC_XXXX', body: 'x', tag: 'TagA', properties }, 0, 0);
      return encoder.tagsCode;
    };
    expect(codeOf({ DELAY: '3' })).toBe(storedAt + 10_000);
    expect(codeOf({ DELAY: '18' })).toBe(storedAt + 7_200_000);
    expect(codeOf({ DELAY: '99' })).toBe(storedAt + 7_200_000);
    expect(codeOf({ DELAY: '0' })).toBe(2_598_919);
    expect(codeOf({ A: 'b' })).toBe(2_598_919);
    encode(encoder, { topic: 'Other', body: 'x', tag: 'TagA', properties: { DELAY: '3' } }, 0, 0);
    expect(encoder.tagsCode).toBe(2_598_919);
  });
});

describe('the caches', () => {
  it('hold more topics and tags than they keep, and forget nothing that matters', () => {
    const encoder = new RecordEncoder(options);
    const fresh = (i: number): Buffer => encode(new RecordEncoder(options), message(i), 0, 0);
    const message = (i: number): NewMessage => ({ topic: `topic-${i}`, body: 'x', tag: `tag-${i}`, keys: ['k'] });
    const few = new Map([0, 1, 4_096, 16_384, 16_385].map((i) => [i, fresh(i)]));
    for (let i = 0; i < 17_000; i += 1) {
      const encoded = encode(encoder, message(i), 0, 0);
      if (few.has(i)) expect(encoded).toEqual(few.get(i));
    }
    for (const [i, expected] of few) expect(encode(encoder, message(i), 0, 0)).toEqual(expected);
  });

  it('give tags and topics of every length', () => {
    const encoder = new RecordEncoder({ ...options, recordChecksum: true });
    const view = new RecordView();
    for (let length = 1; length <= 300; length += 1) {
      const message = { topic: 't'.repeat(1 + (length % 127)), body: 'b'.repeat(length), tag: 'é'.repeat(length), properties: { p: 'v' } };
      for (let again = 0; again < 2; again += 1) {
        const record = encode(encoder, message, 0, 0, length % 5);
        expect(view.read(record, 0, record.length)).toBe('record');
        expect([view.verify(true), view.topic, view.property('TAGS'), view.property('p')]).toEqual([true, message.topic, message.tag, 'v']);
      }
    }
  });

  it('know the host as message ids begin', () => {
    expect(new RecordEncoder(options).hostHex).toBe('C0A8010A00002A9F');
  });
});

describe('the fields that system messages set', () => {
  it.each([
    [0x0, true],
    [0x4, false],
    [0x8, true],
    [0xc, false],
  ])('of transaction type %d: place in a queue %s', (sysFlag, hasQueueOffset) => {
    const encoder = new RecordEncoder(options);
    const record = encode(encoder, { topic: 'T', body: 'x', system: { sysFlag, preparedTransactionOffset: 2 ** 40 + 7 } }, 5, 9);
    expect(encoder.hasQueueOffset).toBe(hasQueueOffset);
    const view = new RecordView();
    expect(view.read(record, 0, record.length)).toBe('record');
    expect(view.transactionType).toBe(sysFlag);
    expect(view.queueOffset).toBe(hasQueueOffset ? 9 : 0);
    expect(view.preparedTransactionOffset).toBe(2 ** 40 + 7);
  });

  it.each([
    ['none', 0x0, 3],
    ['prepared', 0x4, 3],
    ['committed', 0x8, 3],
    ['rolled back', 0xc, 0],
  ])('of transaction type %s (%i) gives %d keys to the index', (_name, sysFlag, keyCount) => {
    const encoder = new RecordEncoder(options);
    const message = { topic: 'T', body: 'x', keys: ['a', 'b'], properties: { UNIQ_KEY: uniqueKey }, system: { sysFlag } };
    const record = encode(encoder, message, 5, 9);
    expect(encoder.keyCount).toBe(keyCount);
    const view = new RecordView();
    expect(view.read(record, 0, record.length)).toBe('record');
    expect(view.readKeys()).toBe(keyCount);
  });

  it('lets the addresses, not the flags given, say which hosts are IPv6', () => {
    const record = encode(new RecordEncoder(options), { topic: 'T', body: 'x', system: { sysFlag: 0x31 } }, 0, 0);
    expect(record.readInt32BE(36)).toBe(1);
    const sixes = new RecordEncoder({ ...options, storeHost: { address: '::ffff:1.2.3.4', port: 1 } });
    const view = new RecordView();
    const both = encode(sixes, { topic: 'T', body: 'x' }, 0, 0);
    expect(both.readInt32BE(36)).toBe(0x30);
    expect(view.read(both, 0, both.length)).toBe('record');
    expect(both.subarray(view.storeHostStart, view.storeHostEnd)).toEqual(hex('00000000 00000000 0000FFFF 01020304 00000001'));
    const mixed = encode(sixes, { topic: 'T', body: 'x', system: { bornHost } }, 0, 0);
    expect(mixed.readInt32BE(36)).toBe(0x20);
  });

  it('forgets them with the next message', () => {
    const encoder = new RecordEncoder(options);
    encode(encoder, { topic: 'T', body: 'x', system: { sysFlag: 4, reconsumeTimes: 3, bornHost: { address: '::1', port: 1 } } }, 0, 0);
    const plain = encode(encoder, { topic: 'T', body: 'x' }, 0, 0);
    expect(plain).toEqual(encode(new RecordEncoder(options), { topic: 'T', body: 'x' }, 0, 0));
  });
});

describe('bodies', () => {
  const bodyOf = (body: string | Uint8Array): Buffer => {
    const record = encode(new RecordEncoder(options), { topic: 'T', body }, 0, 0);
    const view = new RecordView();
    expect(view.read(record, 0, record.length)).toBe('record');
    expect(view.verify(false)).toBe(true);
    return record.subarray(view.bodyStart, view.bodyEnd);
  };

  it.each(['', 'a', 'é', '\u{1f680}', 'x'.repeat(5_000), 'é'.repeat(5_000), `${'x'.repeat(2_000)}é`])('stores text %# as UTF-8', (text) => {
    expect(bodyOf(text)).toEqual(Buffer.from(text));
  });

  it('takes any view of bytes, and only its part of the memory', () => {
    const memory = new ArrayBuffer(100);
    new Uint8Array(memory).fill(1).fill(7, 10, 20);
    expect(bodyOf(new Uint8Array(memory, 10, 10))).toEqual(Buffer.alloc(10, 7));
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(5);
    expect(bodyOf(shared)).toEqual(Buffer.alloc(3, 5));
  });
});

describe('batches', () => {
  it.each([false, true])('patches count and size into the head, record checksum %s', (recordChecksum) => {
    const encoder = new RecordEncoder({ ...options, recordChecksum });
    const message = { topic: 'T', body: 'x'.repeat(700), tag: 'a', properties: { b: 'c', STRATALOG_BATCH: 'of an earlier life' } };
    const plainBytes = encoder.stage(message, bornAt, false);
    const recordBytes = encoder.stage(message, bornAt, true);
    expect(recordBytes).toBe(plainBytes + 38);
    const into = Buffer.alloc(3 + recordBytes);
    encoder.write(into, 3, 0, 0, storedAt);
    sealBatchHead(into, 3, recordBytes, 17, 1_234_567_890, recordChecksum);
    const view = new RecordView();
    expect(view.read(into, 3, into.length)).toBe('record');
    expect(view.verify(recordChecksum)).toBe(true);
    expect(view.batchMark()).toEqual({ recordCount: 17, bytes: 1_234_567_890 });
    expect(view.property('STRATALOG_BATCH')).toBe('0000000017,1234567890');
    expect(view.property('b')).toBe('c');
  });
});

describe('what was read may be appended again', () => {
  it('drops the checksum and the batch mark that came with it', () => {
    const encoder = new RecordEncoder(options);
    const record = encode(encoder, { topic: 'T', body: '', properties: { '__CRC32#': '8795326881', a: 'b' } }, 0, 0);
    expect(record.subarray(-4).toString()).toBe('a\x01b\x02');
  });

  it('stores properties with any other name, __proto__ included', () => {
    const properties = Object.fromEntries([
      ['constructor', '1'],
      ['7', '2'],
    ]);
    Object.defineProperty(properties, '__proto__', { value: '3', enumerable: true });
    const record = encode(new RecordEncoder(options), { topic: 'T', body: '', properties }, 0, 0);
    expect(record.toString('latin1').endsWith('7\x012\x02constructor\x011\x02__proto__\x013\x02')).toBe(true);
  });

  it('does not store properties that are only inherited', () => {
    const properties = Object.create({ inherited: 'x' }) as Record<string, string>;
    const record = encode(new RecordEncoder(options), { topic: 'T', body: '', properties }, 0, 0);
    expect(record.length).toBe(92);
  });
});
