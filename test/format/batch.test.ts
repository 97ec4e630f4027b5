import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import { encodeBatch, unpackBatch } from '../../src/format/batch.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import { RecordView } from '../../src/format/record-view.js';
import { batchBody, batchRecords, bornAt, bornHost, hex, storedAt, storeHost, uniqueKey } from './vectors.js';

describe('classic batches', () => {
  const properties = Buffer.from(`UNIQ_KEY\x01${uniqueKey}\x02TAGS\x01TagA\x02`);

  it('are what a producer sends', () => {
    const elements = ['m0', 'm1'].map((text) => ({ flag: 0, body: Buffer.from(text), properties }));
    expect(encodeBatch(elements)).toEqual(hex(batchBody));
    expect(unpackBatch(hex(batchBody))).toEqual(elements);
    expect(unpackBatch(Buffer.alloc(0))).toEqual([]);
  });

  it('become ordinary records one after the other', () => {
    const encoder = new RecordEncoder({ storeHost, recordChecksum: false, messageBytesMax: 4 << 20, systemMessages: true });
    const view = new RecordView();
    const log = Buffer.alloc(308);
    unpackBatch(hex(batchBody)).forEach(({ body }, i) => {
      const message = {
        topic: 'TopicTest',
        queueId: 1,
        body,
        tag: 'TagA',
        properties: { UNIQ_KEY: uniqueKey },
        bornAt,
        system: { bornHost },
      };
      expect(encoder.stage(message, 0, false)).toBe(154);
      encoder.write(log, 154 * i, 5_000 + 154 * i, 20 + i, storedAt);
      const expected = hex(batchRecords[i] ?? '');
      const record = log.subarray(154 * i, 154 * (i + 1));
      // Up to the properties, which the producer put into another order.
      expect(record.subarray(0, 102)).toEqual(expected.subarray(0, 102));
      expect(view.read(expected, 0, 154)).toBe('record');
      expect([view.verify(false), view.tagsCode(), view.queueOffset, view.physicalOffset]).toEqual([
        true,
        encoder.tagsCode,
        20 + i,
        5_000 + 154 * i,
      ]);
      expect(view.readKeys()).toBe(1);
      expect(view.keyHashes[0]).toBe(encoder.keyHashes[0]);
    });
  });

  it('survive a round trip', () => {
    const element = fc.record({ flag: fc.integer(), body: fc.uint8Array({ maxLength: 50 }), properties: fc.uint8Array({ maxLength: 50 }) });
    fc.assert(
      fc.property(fc.array(element, { maxLength: 5 }), (elements) => {
        const unpacked = unpackBatch(encodeBatch(elements));
        expect(
          unpacked.map(({ flag, body, properties: bytes }) => ({ flag, body: Uint8Array.from(body), properties: Uint8Array.from(bytes) })),
        ).toEqual(elements);
      }),
    );
  });

  it('refuse properties that their length field cannot hold', () => {
    expect(() => encodeBatch([{ flag: 0, body: Buffer.alloc(0), properties: Buffer.alloc(32_768) }])).toThrow(StoreError);
  });

  it('that were cut off or are damaged are MESSAGE_INVALID, never another error', () => {
    const whole = hex(batchBody);
    for (let end = 1; end < whole.length; end += 1) {
      if (end === 76) continue;
      expect(() => unpackBatch(whole.subarray(0, end))).toThrow(expect.objectContaining({ code: 'MESSAGE_INVALID' }) as Error);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          unpackBatch(Buffer.from(noise));
        } catch (error) {
          expect(StoreError.is(error, 'MESSAGE_INVALID')).toBe(true);
        }
      }),
    );
  });
});
