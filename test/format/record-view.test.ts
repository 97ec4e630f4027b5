import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage } from '../../src/format/decode-message.js';
import type { NewMessage } from '../../src/format/message.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import { RecordView } from '../../src/format/record-view.js';
import { javaHash } from '../../src/base/java-hash.js';
import { indexKeyHash } from '../../src/format/index-layout.js';
import { bornAt, hex, recordSmallest, recordV1, recordV1Checksum, recordV2, storedAt, storeHost, uniqueKey, withByte } from './vectors.js';

const view = new RecordView();
const v1 = hex(recordV1);
const v1Checksum = hex(recordV1Checksum);

/** A record with these bytes as properties, no body, topic `T`. */
function withProperties(properties: Buffer, topic = 'T'): Buffer {
  const bytes = Buffer.concat([
    hex(recordSmallest).subarray(0, 88),
    Buffer.from([topic.length]),
    Buffer.from(topic),
    Buffer.alloc(2),
    properties,
  ]);
  bytes.writeInt32BE(bytes.length, 0);
  bytes.writeInt16BE(properties.length, 89 + topic.length);
  return bytes;
}

describe('a number that no record has makes it invalid', () => {
  const long = hex(recordV2);
  for (const [bytes, field, at] of [
    [v1, 'a negative queue', 12],
    [v1, 'a negative number', 20],
    [v1, 'a number beyond 2^53', 21],
    [v1, 'a time before 1970', 56],
    [v1, 'a time beyond 2^53', 57],
    [long, 'a time beyond 2^53, hosts of IPv6', 69],
  ] as const) {
    it(field, () => {
      const damaged = withByte(bytes, at, (bytes[at] ?? 0) | 0xa0);
      expect(view.read(damaged, 0, damaged.length)).toBe('invalid');
      expect(view.what).toBe('a queue, a number or a time that no record has');
    });
  }
});

describe('records as RocketMQ writes them', () => {
  it('reads every field of the common record', () => {
    const within = Buffer.concat([Buffer.alloc(5, 0xff), v1, Buffer.alloc(5, 0xff)]);
    expect(view.read(within, 5, within.length)).toBe('record');
    expect(view).toMatchObject({ recordBytes: 226, bodyStart: 93, bodyEnd: 107, topicStart: 108, topicEnd: 117, propertiesStart: 119 });
    expect(view.propertiesEnd).toBe(231);
    expect([view.queueId, view.flag, view.queueOffset, view.physicalOffset, view.sysFlag]).toEqual([3, 0, 7, 4_096, 0]);
    expect([view.bornAt, view.storedAt, view.reconsumeTimes, view.preparedTransactionOffset]).toEqual([bornAt, storedAt, 0, 0]);
    expect([view.topic, view.bodyCrc, view.hasQueueOffset, view.isTombstone, view.isFiller]).toEqual([
      'TopicTest',
      0x69c865ed,
      true,
      false,
      false,
    ]);
    expect(view.tagsCode()).toBe(2_598_919);
    expect(view.readKeys()).toBe(3);
    expect([...view.keyHashes.subarray(0, 3)]).toEqual([510_233_109, 1_043_804_929, 1_043_804_930]);
    expect(view.verify(false)).toBe(true);
    expect(view.verify(true)).toBe(false);
    expect(view.what).toBe('record checksum is missing');
  });

  it('verifies the record checksum', () => {
    expect(view.read(v1Checksum, 0, v1Checksum.length)).toBe('record');
    expect(view.verify(true)).toBe(true);
    const damaged = withByte(v1Checksum, 12, 1);
    expect(view.read(damaged, 0, damaged.length)).toBe('record');
    expect(view.verify(false)).toBe(true);
    expect(view.verify(true)).toBe(false);
    expect(view.what).toBe('record checksum differs');
  });

  it('reads a V2 record with IPv6 hosts', () => {
    const bytes = hex(recordV2);
    expect(view.read(bytes, 0, bytes.length)).toBe('record');
    expect(view).toMatchObject({ bodyStart: 112, bodyEnd: 114, topicStart: 116, propertiesStart: 246, recordBytes: 260 });
    expect([view.topic.length, view.reconsumeTimes, view.storedAt, view.flag]).toEqual([128, 2, 1_700_000_000_456, 5]);
    expect([view.property('RETRY_TOPIC'), view.property('TOPIC'), view.verify(false)]).toEqual(['T', undefined, true]);
  });

  it('reads the smallest record', () => {
    const bytes = hex(recordSmallest);
    expect(view.read(bytes, 0, bytes.length)).toBe('record');
    expect([view.tagsCode(), view.readKeys(), view.verify(false), view.batchMark()]).toEqual([0, 0, true, undefined]);
  });
});

describe('the outcomes of RocketMQ’s own record check', () => {
  const check = (bytes: Buffer, end = bytes.length): [string, number, boolean] => {
    const kind = view.read(bytes, 0, end);
    return [kind, view.recordBytes, kind === 'record' && view.verify(false)];
  };

  it('unchanged', () => {
    expect(check(v1)).toEqual(['record', 226, true]);
  });
  it('one byte too few: invalid, but says how many it needs', () => {
    expect(check(v1, 225)[0]).toBe('invalid');
    expect(view.bytesNeeded).toBe(226);
    expect(check(v1.subarray(0, 225))[0]).toBe('invalid');
    expect(view.bytesNeeded).toBe(226);
  });
  it('a byte of the body changed: a record that does not verify', () => {
    expect(check(withByte(v1, 88, 0))).toEqual(['record', 226, false]);
    expect(view.what).toBe('body checksum differs');
  });
  it('magic 0, all zeros, a negative topic length', () => {
    const noMagic = Buffer.from(v1).fill(0, 4, 8);
    expect(check(noMagic)[0]).toBe('invalid');
    expect(check(Buffer.alloc(226))[0]).toBe('invalid');
    expect(check(withByte(v1, 102, 0xff))[0]).toBe('invalid');
    expect(view.bytesNeeded).toBe(0);
  });
  it('magic blank', () => {
    const blank = Buffer.from(v1);
    blank.writeInt32BE(0xcbd43194 | 0, 4);
    expect(check(blank).slice(0, 2)).toEqual(['blank', 226]);
    expect(check(hex('0000012CCBD43194')).slice(0, 2)).toEqual(['blank', 300]);
  });
  it('another physical offset is not its business', () => {
    expect(check(withByte(v1, 34, 7))).toEqual(['record', 226, true]);
  });
  it('a size that is not the sum of the parts: invalid, with the size claimed', () => {
    const spare = withByte(Buffer.concat([v1, Buffer.alloc(1)]), 3, 227);
    expect(check(spare).slice(0, 2)).toEqual(['invalid', 227]);
  });
});

describe('parsing properties', () => {
  const cases: [string, Record<string, string>][] = [
    ['a^b', { a: 'b' }],
    ['a^b;', { a: 'b' }],
    ['a^;c^d;', { c: 'd' }],
    ['^b;c^d', { c: 'd' }],
    ['a^b^c;', { a: 'b\x01c' }],
    ['ab;c^d;', { c: 'd' }],
    ['a^b;a^c;', { a: 'c' }],
    [';;a^b', { a: 'b' }],
    ['', {}],
    ['__proto__^x;constructor^y', JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>],
  ];
  it.each(cases)('%j', (text, expected) => {
    const bytes = withProperties(Buffer.from(text.replaceAll('^', '\x01').replaceAll(';', '\x02')));
    expect(view.read(bytes, 0, bytes.length)).toBe('record');
    for (const name of ['a', 'ab', 'c', '__proto__', 'constructor', 'toString']) {
      expect(view.property(name)).toBe(Object.hasOwn(expected, name) ? expected[name] : undefined);
    }
    const { properties } = decodeMessage(view, bytes, true);
    expect(Object.entries(properties)).toEqual(Object.entries(expected));
    expect(Object.getPrototypeOf(properties)).toBe(Object.prototype);
  });

  it('finds the engine’s own names as it finds all others: the last one counts', () => {
    const text = 'TAGS\x01x\x02KEYS\x01a b\x02KEYS\x01  c   d \x02TAGS\x01y\x02UNIQ_KEY\x01u v\x02KEY\x01z\x02XTAGS\x01z';
    const bytes = withProperties(Buffer.from(text));
    expect(view.read(bytes, 0, bytes.length)).toBe('record');
    expect(view.tagsCode()).toBe(javaHash('y'));
    expect(view.readKeys()).toBe(3);
    expect([...view.keyHashes.subarray(0, 3)]).toEqual(['u v', 'c', 'd'].map((key) => indexKeyHash('T', key)));
    expect(['u v', 'c', 'd', 'a', 'b', 'u', '', ' ', 'c ', 'z'].map((key) => view.hasKey(key))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
      false,
      false,
      false,
    ]);
    expect(decodeMessage(view, bytes, true)).toMatchObject({
      tag: 'y',
      keys: ['c', 'd'],
      properties: { UNIQ_KEY: 'u v', KEY: 'z', XTAGS: 'z' },
    });
  });

  it('hashes keys and tags that are not ASCII as UTF-16', () => {
    const bytes = withProperties(Buffer.from('TAGS\x01\u8ba2\u5355\x02KEYS\x01\u{1f680} e\u0301'));
    view.read(bytes, 0, bytes.length);
    expect(view.tagsCode()).toBe(1_129_459);
    expect(view.readKeys()).toBe(2);
    expect([...view.keyHashes.subarray(0, 2)]).toEqual([indexKeyHash('T', '\u{1f680}'), indexKeyHash('T', 'e\u0301')]);
    expect(view.hasKey('\u{1f680}')).toBe(true);
  });

  it('grows its keys', () => {
    const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`);
    const bytes = withProperties(Buffer.from(`KEYS\x01${keys.join(' ')}`));
    view.read(bytes, 0, bytes.length);
    expect(view.readKeys()).toBe(500);
    expect([...view.keyHashes.subarray(0, 500)]).toEqual(keys.map((key) => indexKeyHash('T', key)));
  });

  it('takes a batch mark only in its exact form', () => {
    const markOf = (text: string): unknown => {
      const bytes = withProperties(Buffer.from(`STRATALOG_BATCH\x01${text}\x02`));
      view.read(bytes, 0, bytes.length);
      return view.batchMark();
    };
    expect(markOf('0000000002,0000000300')).toEqual({ recordCount: 2, bytes: 300 });
    for (const text of ['2,300', '0000000002,0000000300 ', '0000000002;0000000300', '000000000x,0000000300', '-000000002,0000000300']) {
      expect(markOf(text)).toBeUndefined();
    }
  });

  it('takes the time of delivery for scheduled messages, and the tag where DELAY is no level', () => {
    const codeOf = (delay: string): number => {
      const bytes = withProperties(Buffer.from(`DELAY\x01${delay}\x02TAGS\x01TagA\x02`), 'SCHEDULE_TOPIC_XXXX');
      view.read(bytes, 0, bytes.length);
      return view.tagsCode();
    };
    expect(codeOf('3')).toBe(1_700_000_010_123);
    expect(['x', '0', '-1', '99999999999'].map(codeOf)).toEqual([2_598_919, 2_598_919, 2_598_919, 2_598_919]);
  });
});

describe('topics that a record may not name', () => {
  it.each(['', '.', '..', '...', '../x', 'a/b', 'a\\b', 'a\x00', 'a\nb', '\x7f'])('%j', (topic) => {
    const bytes = withProperties(Buffer.alloc(0), topic);
    expect(view.read(bytes, 0, bytes.length)).toBe('invalid');
  });
  it('bytes that are no text', () => {
    const bytes = withProperties(Buffer.alloc(0), 'ab');
    bytes[90] = 0xff;
    expect(view.read(bytes, 0, bytes.length)).toBe('invalid');
  });
  it('but dots in the middle, as names of brokers have', () => {
    const bytes = withProperties(Buffer.alloc(0), 'host.example_REPLY_TOPIC');
    expect(view.read(bytes, 0, bytes.length)).toBe('record');
    expect(view.topic).toBe('host.example_REPLY_TOPIC');
  });
});

describe('the record checksum counts only in its exact form at the very end', () => {
  const stored = v1Checksum.subarray(226);
  it.each<[string, Buffer]>([
    ['followed by something', Buffer.concat([stored, Buffer.from('a\x01b\x02')])],
    ['unterminated', stored.subarray(0, 19)],
    ['a digit missing', Buffer.from('__CRC32#\x01879532688\x02')],
    ['no digit', withByte(stored, 9, 0x3a)],
    ['the end of a longer name', Buffer.concat([Buffer.from('x'), stored])],
    ['more than 31 bits', Buffer.from('__CRC32#\x019999999999\x02')],
  ])('%s', (_, properties) => {
    const bytes = withProperties(properties);
    expect(view.read(bytes, 0, bytes.length)).toBe('record');
    expect(view.verify(false)).toBe(true);
    expect(view.verify(true)).toBe(false);
    expect(view.what).toBe('record checksum is missing');
  });
});

describe('how many more bytes are needed', () => {
  it('is the size claimed, as long as what is there does not contradict it', () => {
    for (let end = 0; end < 226; end += 1) {
      expect(view.read(v1, 0, end)).toBe('invalid');
      expect(view.bytesNeeded).toBe(end < 8 ? 8 : 226);
    }
  });
  it('is nothing for a size beyond the largest, or that its own body length contradicts', () => {
    const small = new RecordView(225);
    expect(small.read(v1, 0, 225)).toBe('invalid');
    expect(small.bytesNeeded).toBe(0);
    const huge = Buffer.from(v1);
    huge.writeInt32BE(500_000_000, 0);
    expect(view.read(huge, 0, huge.length)).toBe('invalid');
    expect(view.bytesNeeded).toBe(0);
  });
});

const isPlain = (text: string): boolean => !text.includes('\x01') && !text.includes('\x02');

const messages = fc.record(
  {
    topic: fc
      .stringMatching(/^[%|a-zA-Z0-9_-]{1,127}$/)
      .filter((topic) => !/^(%|RMQ_|rmq_|STRATALOG|TBW|SCHED|SELF|OFFSET|TRANS|Bench)/.test(topic)),
    body: fc.oneof(fc.uint8Array({ maxLength: 2_000 }), fc.string({ unit: 'grapheme', maxLength: 500 })),
    queueId: fc.nat(2 ** 31 - 1),
    flag: fc.integer(),
    bornAt: fc.maxSafeNat(),
    tag: fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => isPlain(text)),
    keys: fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => isPlain(text) && !text.includes(' '))),
    properties: fc.dictionary(
      fc
        .string({ unit: 'grapheme', minLength: 1 })
        .filter((text) => isPlain(text))
        .map((text) => `x${text}`),
      fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => isPlain(text)),
    ),
  },
  { requiredKeys: ['topic', 'body'] },
);

describe('round trips', () => {
  it('what was encoded is what is read, whatever the message', () => {
    const encoders = [true, false].map(
      (recordChecksum) => new RecordEncoder({ storeHost, recordChecksum, messageBytesMax: 1 << 20, systemMessages: false }),
    );
    fc.assert(
      fc.property(
        messages,
        fc.boolean(),
        fc.boolean(),
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        (message: NewMessage, sums, head, offset, time) => {
          const encoder = encoders[sums ? 0 : 1] as RecordEncoder;
          const recordBytes = encoder.stage(message, 5, head);
          const into = Buffer.alloc(recordBytes + 20);
          encoder.write(into, 10, offset, 77, time);
          expect(view.read(into, 10, into.length)).toBe('record');
          expect(view.recordBytes).toBe(recordBytes);
          expect(view.verify(sums)).toBe(true);
          expect(view.tagsCode()).toBe(encoder.tagsCode);
          expect(view.readKeys()).toBe(encoder.keyCount);
          expect(view.keyHashes.subarray(0, encoder.keyCount)).toEqual(encoder.keyHashes.subarray(0, encoder.keyCount));
          expect((message.keys ?? []).every((key) => view.hasKey(key))).toBe(true);
          expect(encoder.tagsCode).toBe(javaHash(message.tag ?? ''));
          const decoded = decodeMessage(view, into, false);
          expect(decoded).toMatchObject({
            queueId: message.queueId ?? 0,
            flag: message.flag ?? 0,
            bornAt: message.bornAt ?? 5,
            topic: message.topic,
          });
          expect(decoded).toMatchObject({ physicalOffset: offset, queueOffset: 77, storedAt: time, durable: false, recordBytes });
          expect(decoded.body).toEqual(Buffer.from(message.body as string));
          expect([decoded.tag, decoded.keys]).toEqual([message.tag, message.keys ?? []]);
          expect({ ...decoded.properties }).toEqual({ ...message.properties });
          // And again, from what was read.
          expect(encoder.stage(decoded, 5, head)).toBe(recordBytes);
        },
      ),
    );
  });
});

describe('hostile bytes', () => {
  /** Everything that a reader may call; none of it may throw, whatever `read` said. */
  const useAll = (bytes: Buffer, at: number, end: number): void => {
    const kind = view.read(bytes, at, end);
    if (kind !== 'record') return;
    expect(view.propertiesEnd).toBeLessThanOrEqual(Math.min(end, bytes.length));
    expect(view.propertiesEnd).toBe(at + view.recordBytes);
    view.verify(true);
    view.tagsCode();
    view.readKeys();
    view.batchMark();
    view.hasKey('order-1001');
    view.property('a');
    JSON.stringify(decodeMessage(view, bytes, true));
  };

  it('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(20), fc.integer({ min: -5, max: 500 }), (noise, at, end) =>
        useAll(Buffer.from(noise), at, end),
      ),
      {
        numRuns: 2_000,
      },
    );
  });

  it('every single flipped bit of a record with checksum is noticed', () => {
    for (let bit = 0; bit < 8 * v1Checksum.length; bit += 1) {
      const bytes = Buffer.from(v1Checksum);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      useAll(bytes, 0, bytes.length);
      expect(view.read(bytes, 0, bytes.length) === 'record' && view.verify(true)).toBe(false);
    }
  });

  it('records with several bytes overwritten', () => {
    const changes = fc.array(fc.tuple(fc.nat(259), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(v1, v1Checksum, hex(recordV2), hex(recordSmallest)), changes, (record, edits) => {
        const bytes = Buffer.from(record);
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        useAll(bytes, 0, bytes.length);
      }),
      { numRuns: 5_000 },
    );
  });
});

it('a key as long as a message id is found by UNIQ_KEY', () => {
  view.read(v1, 0, v1.length);
  expect([
    view.hasKey(uniqueKey),
    view.hasKey(uniqueKey.slice(1)),
    view.hasKey('order-1001'),
    view.hasKey('order-1001 order-1002'),
  ]).toEqual([true, false, true, false]);
});
