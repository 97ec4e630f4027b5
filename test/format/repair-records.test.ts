import { describe, expect, it } from 'vitest';
import { RecordView } from '../../src/format/record-view.js';
import {
  encodeFiller,
  encodeTombstone,
  fillerBytesMin,
  shortFillerBytesMin,
  tombstoneBytes,
  tombstoneFits,
  type RepairOptions,
} from '../../src/format/repair-records.js';
import { storedAt } from './vectors.js';

const hosts = ['127.0.0.1', '::1'];
const all: RepairOptions[] = hosts.flatMap((address) =>
  [true, false].map((recordChecksum) => ({ storeHost: { address, port: 1 }, recordChecksum })),
);
const view = new RecordView();

describe.each(all)('repair records, host $storeHost.address, record checksum $recordChecksum', (options) => {
  const lost = { topic: 'TopicTest', queueId: 3, queueOffset: 7, physicalOffset: 2 ** 40, storedAt };

  it('a tombstone keeps the place of the record that was lost', () => {
    for (const topic of ['T', 'x'.repeat(127), `%RETRY%${'g'.repeat(240)}`]) {
      const bytes = tombstoneBytes(topic, options);
      const into = Buffer.alloc(bytes + 10, 0xff);
      encodeTombstone(into, 5, bytes, { ...lost, topic }, options);
      expect(view.read(into, 5, into.length - 5)).toBe('record');
      expect([view.topic, view.queueId, view.queueOffset, view.physicalOffset, view.storedAt]).toEqual([topic, 3, 7, 2 ** 40, storedAt]);
      expect([view.isTombstone, view.isFiller, view.hasQueueOffset, view.recordBytes]).toEqual([true, false, true, bytes]);
      expect(view.verify(options.recordChecksum)).toBe(true);
      expect([into[4], into[into.length - 5]]).toEqual([0xff, 0xff]);
    }
  });

  it('a tombstone can be as much longer as a rest that is too short for a filler', () => {
    const least = tombstoneBytes('T', options);
    for (let rest = 0; rest < fillerBytesMin(options); rest += 1) {
      expect(tombstoneFits('T', least + rest, options)).toBe(true);
      const into = Buffer.alloc(least + rest, 0xff);
      encodeTombstone(into, 0, least + rest, { ...lost, topic: 'T' }, options);
      expect(view.read(into, 0, into.length)).toBe('record');
      expect([view.isTombstone, view.recordBytes, view.verify(options.recordChecksum)]).toEqual([true, least + rest, true]);
    }
    expect([tombstoneFits('T', least - 1, options), tombstoneFits('T', least + 256, options)]).toEqual([false, false]);
    expect(() => encodeTombstone(Buffer.alloc(1_000), 0, least - 1, lost, options)).toThrow('invariant');
  });

  it('a filler has exactly the size of the span and no place in a queue', () => {
    const least = fillerBytesMin(options);
    for (const bytes of [least, least + 1, least + 1_000, 1 << 20]) {
      const into = Buffer.alloc(bytes, 0xff);
      encodeFiller(into, 0, bytes, 4_096, storedAt, options);
      expect(view.read(into, 0, bytes)).toBe('record');
      expect([view.isFiller, view.isTombstone, view.hasQueueOffset, view.transactionType]).toEqual([true, false, false, 0xc]);
      expect([view.recordBytes, view.physicalOffset, view.verify(options.recordChecksum)]).toEqual([bytes, 4_096, true]);
    }
  });

  it('a filler in place of the smallest record there can be has less of a topic, and still no place in a queue', () => {
    const least = shortFillerBytesMin(options);
    expect(least).toBe(92 + (options.recordChecksum ? 20 : 0));
    for (let bytes = least; bytes < fillerBytesMin(options); bytes += 1) {
      const into = Buffer.alloc(bytes + 2, 0xff);
      encodeFiller(into, 1, bytes, 4_096, storedAt, options);
      expect(view.read(into, 1, bytes + 1)).toBe('record');
      expect('STRATALOG_FILLER'.startsWith(view.topic)).toBe(true);
      expect([view.isTombstone, view.hasQueueOffset, view.transactionType, view.readKeys()]).toEqual([false, false, 0xc, 0]);
      expect([view.recordBytes, view.physicalOffset, view.verify(options.recordChecksum)]).toEqual([bytes, 4_096, true]);
      expect([into[0], into[bytes + 1]]).toEqual([0xff, 0xff]);
    }
    expect(() => encodeFiller(Buffer.alloc(1_000), 0, least - 1, 0, storedAt, options)).toThrow('invariant');
  });
});
