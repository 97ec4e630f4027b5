import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkpointFileBytes, checkpointMinTime, decodeCheckpoint, encodeCheckpoint } from '../../src/format/checkpoint.js';
import {
  indexEntryAt,
  indexEntryHash,
  indexEntryPhysicalOffset,
  indexEntryPrevious,
  indexEntrySeconds,
  indexFileBytes,
  indexFileName,
  indexKeyHash,
  indexSeconds,
  indexSlotAt,
  parseIndexFileName,
  readIndexHeader,
  writeIndexEntry,
  writeIndexHeader,
} from '../../src/format/index-layout.js';
import {
  entryPhysicalOffset,
  entryRecordBytes,
  entryTagsCode,
  isEmptyEntry,
  isPrefill,
  writePrefill,
  writeQueueEntry,
} from '../../src/format/queue-entry.js';
import { parseSegmentName, segmentName } from '../../src/format/segment-name.js';
import { hex, storedAt, uniqueKey } from './vectors.js';

describe('queue entries', () => {
  it.each([
    [4_096, 226, 2_598_919, '0000000000001000 000000E2 000000000027A807'],
    [4_096, 226, -1_352_294_148, '0000000000001000 000000E2 FFFFFFFFAF65A0FC'],
    [4_096, 226, 0, '0000000000001000 000000E2 0000000000000000'],
    [8_192, 300, 1_700_000_010_123, '0000000000002000 0000012C 0000018BCFE58F8B'],
  ])('of offset %d, size %d, code %d', (physicalOffset, recordBytes, tagsCode, expected) => {
    const bytes = Buffer.alloc(20, 0xff);
    writeQueueEntry(bytes, 0, physicalOffset, recordBytes, tagsCode);
    expect(bytes).toEqual(hex(expected));
    expect([entryPhysicalOffset(bytes, 0), entryRecordBytes(bytes, 0), entryTagsCode(bytes, 0)]).toEqual([
      physicalOffset,
      recordBytes,
      tagsCode,
    ]);
  });

  it('survive a round trip anywhere in a buffer', () => {
    const bytes = Buffer.alloc(60, 0xaa);
    fc.assert(
      fc.property(
        fc.nat(40),
        fc.maxSafeNat(),
        fc.nat(2 ** 31 - 1),
        fc.oneof(fc.integer(), fc.maxSafeInteger()),
        (at, offset, size, code) => {
          writeQueueEntry(bytes, at, offset, size, code);
          expect([entryPhysicalOffset(bytes, at), entryRecordBytes(bytes, at), entryTagsCode(bytes, at)]).toEqual([offset, size, code]);
        },
      ),
    );
  });

  it('fill the room before a queue’s first entry', () => {
    const bytes = Buffer.alloc(45);
    writePrefill(bytes, 5, 2);
    expect(bytes).toEqual(hex('0000000000 00000000000000007FFFFFFF0000000000000000 00000000000000007FFFFFFF0000000000000000'));
    expect([isPrefill(bytes, 5), isPrefill(bytes, 25), isPrefill(Buffer.alloc(20), 0)]).toEqual([true, true, false]);
  });

  it('are empty when all zeros, or nothing an entry could be', () => {
    const bytes = Buffer.alloc(20);
    expect(isEmptyEntry(bytes, 0)).toBe(true);
    writeQueueEntry(bytes, 0, 0, 226, 0);
    expect(isEmptyEntry(bytes, 0)).toBe(false);
    writeQueueEntry(bytes, 0, -1, 226, 0);
    expect(isEmptyEntry(bytes, 0)).toBe(true);
    writeQueueEntry(bytes, 0, 1, -1, 0);
    expect(isEmptyEntry(bytes, 0)).toBe(true);
  });
});

describe('names of segments', () => {
  it('are 20 digits', () => {
    expect(segmentName(1_073_741_824)).toBe('00000000001073741824');
    expect(parseSegmentName('00000000001073741824')).toBe(1_073_741_824);
    fc.assert(
      fc.property(fc.maxSafeNat(), (offset) => {
        expect(parseSegmentName(segmentName(offset))).toBe(offset);
      }),
    );
  });
  it.each([
    '',
    '0',
    '0000000000107374182',
    '000000000010737418240',
    '0000000000107374182x',
    '-0000000001073741824',
    '00000000001073741824\n',
    ' 0000000001073741824',
    '99999999999999999999',
    '٠0000000001073741824',
  ])('%j is none', (name) => {
    expect(parseSegmentName(name)).toBeUndefined();
  });
});

describe('the index', () => {
  const slots = 5_000_000;

  it.each([
    ['TopicTest', 'order-1001', 1_043_804_929, 3_804_929],
    ['TopicTest', uniqueKey, 510_233_109, 233_109],
    ['TopicTest', 'order-2001', 1_043_834_720, 3_834_720],
    ['TopicTest', 'aXA4ptp', 0, 0],
  ])('hashes %s#%s to %d', (topic, key, hash, slot) => {
    expect(indexKeyHash(topic, key)).toBe(hash);
    expect(hash % slots).toBe(slot);
  });

  it('lays out its file', () => {
    expect(indexFileBytes(slots, 20_000_000)).toBe(420_000_040);
    expect([indexSlotAt(0), indexSlotAt(233_109), indexSlotAt(3_804_929)]).toEqual([40, 932_476, 15_219_756]);
    expect([indexEntryAt(slots, 0), indexEntryAt(slots, 1), indexEntryAt(slots, 4)]).toEqual([20_000_040, 20_000_060, 20_000_120]);
  });

  it.each([
    [
      [storedAt, 1_700_000_061_999, 4_096, 9_000, 3, 5],
      '0000018BCFE5687B 0000018BCFE65A2F 0000000000001000 0000000000002328 00000003 00000005',
    ],
    [
      [1_700_000_005_123, 1_700_000_006_200, 123_456_789, 123_456_999, 2, 3],
      '0000018BCFE57C03 0000018BCFE58038 00000000075BCD15 00000000075BCDE7 00000002 00000003',
    ],
  ])('has a header, case %#', ([beginTime = 0, endTime = 0, beginOffset = 0, endOffset = 0, slotsUsed = 0, nextEntry = 0], expected) => {
    const header = { beginTime, endTime, beginOffset, endOffset, slotsUsed, nextEntry };
    const bytes = Buffer.alloc(50, 0xff);
    writeIndexHeader(bytes, 10, header);
    expect(bytes.subarray(10)).toEqual(hex(expected));
    expect(readIndexHeader(bytes, 10)).toEqual(header);
  });

  it('reads the header of a fresh file as one whose next entry is number 1', () => {
    expect(readIndexHeader(Buffer.alloc(40), 0)).toEqual({
      beginTime: 0,
      endTime: 0,
      beginOffset: 0,
      endOffset: 0,
      slotsUsed: 0,
      nextEntry: 1,
    });
  });

  it.each([
    [0x1e698a15, 4_096, 0, 0, '1E698A15 0000000000001000 00000000 00000000'],
    [0x3e373301, 9_000, 61, 2, '3E373301 0000000000002328 0000003D 00000002'],
    [0x3e37a760, 123_456_789, 5, 0, '3E37A760 00000000075BCD15 00000005 00000000'],
    [0, 123_456_999, 1, 0, '00000000 00000000075BCDE7 00000001 00000000'],
  ])('has entries, case %#', (hash, physicalOffset, seconds, previous, expected) => {
    const bytes = Buffer.alloc(23, 0xff);
    writeIndexEntry(bytes, 3, hash, physicalOffset, seconds, previous);
    expect(bytes.subarray(3)).toEqual(hex(expected));
    expect([
      indexEntryHash(bytes, 3),
      indexEntryPhysicalOffset(bytes, 3),
      indexEntrySeconds(bytes, 3),
      indexEntryPrevious(bytes, 3),
    ]).toEqual([hash, physicalOffset, seconds, previous]);
  });

  it('counts whole seconds from the begin time', () => {
    expect(indexSeconds(1_700_000_061_999, storedAt)).toBe(61);
    expect([
      indexSeconds(storedAt, storedAt),
      indexSeconds(storedAt - 5_000, storedAt),
      indexSeconds(storedAt, 0),
      indexSeconds(storedAt, -1),
    ]).toEqual([0, 0, 0, 0]);
    expect(indexSeconds(2 ** 45, 1)).toBe(0x7fffffff);
  });

  it('names files after local times', () => {
    const time = new Date(2023, 10, 14, 22, 13, 20, 7).getTime();
    expect(indexFileName(time)).toBe('20231114221320007');
    expect(parseIndexFileName('20231114221320007')).toBe(time);
    // Counted up from 59.999: still a name.
    expect(parseIndexFileName('20231114221360000')).toBe(new Date(2023, 10, 14, 22, 14, 0, 0).getTime());
    for (const name of ['', '2023111422132000', '202311142213200070', '2023111422132000x', '+0231114221320007'])
      expect(parseIndexFileName(name)).toBeUndefined();
  });

  it('names order as times do, away from the hours that a clock is set back', () => {
    // July and January are safe wherever the test runs.
    const times = fc.integer({ min: Date.UTC(2001, 6, 2), max: Date.UTC(2001, 6, 30) });
    fc.assert(
      fc.property(times, times, (a, b) => {
        expect(parseIndexFileName(indexFileName(a))).toBe(a);
        expect(indexFileName(a) < indexFileName(b)).toBe(a < b);
      }),
    );
  });
});

describe('the checkpoint', () => {
  const checkpoint = {
    logTime: storedAt,
    queuesTime: 1_700_000_000_100,
    indexTime: 1_699_999_990_000,
    masterFlushedOffset: 0,
    confirmedOffset: 1_073_741_824,
  };

  it('is 4096 bytes, five fields and zeros', () => {
    const bytes = encodeCheckpoint(checkpoint);
    expect(bytes.length).toBe(checkpointFileBytes);
    expect(bytes.subarray(0, 40)).toEqual(hex('0000018BCFE5687B 0000018BCFE56864 0000018BCFE540F0 0000000000000000 0000000040000000'));
    expect(bytes.subarray(40).every((byte) => byte === 0)).toBe(true);
    expect(decodeCheckpoint(bytes)).toEqual(checkpoint);
    expect(checkpointMinTime(checkpoint)).toBe(1_699_999_997_100);
    expect(checkpointMinTime({ ...checkpoint, queuesTime: 0 })).toBe(0);
  });

  it('is not believed when it is short or holds what no checkpoint can', () => {
    expect(decodeCheckpoint(new Uint8Array(39))).toBeUndefined();
    expect(decodeCheckpoint(new Uint8Array(40))).toEqual({
      logTime: 0,
      queuesTime: 0,
      indexTime: 0,
      masterFlushedOffset: 0,
      confirmedOffset: 0,
    });
    for (const at of [0, 8, 16, 24, 32]) {
      const bytes = encodeCheckpoint(checkpoint);
      bytes[at] = 0x80;
      expect(decodeCheckpoint(bytes)).toBeUndefined();
    }
  });

  it('is read from any bytes without an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const decoded = decodeCheckpoint(bytes);
        if (decoded !== undefined) expect(encodeCheckpoint(decoded).subarray(0, 40)).toEqual(Buffer.from(bytes.subarray(0, 40)));
      }),
    );
  });
});
