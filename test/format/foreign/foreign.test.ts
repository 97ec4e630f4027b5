import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { javaHash } from '../../../src/base/java-hash.js';
import { decodeBatchQueueEntry, encodeBatchQueueEntry } from '../../../src/format/foreign/batch-queue-entry.js';
import { decodeEpochFile, encodeEpochFile } from '../../../src/format/foreign/epoch-file.js';
import { decodeHaFrame, decodeHaReport, encodeHaFrame, encodeHaReport } from '../../../src/format/foreign/ha-frame.js';
import { javaPropertyOrder } from '../../../src/format/foreign/java-property-order.js';
import { decodeQueueExt, encodeQueueExt, extAddress, extOffsetOf } from '../../../src/format/foreign/queue-ext.js';
import {
  decodeTimerUnit,
  decodeWheelSlot,
  encodeTimerUnit,
  encodeWheelSlot,
  wheelSlotBytes,
  wheelSlotIndex,
} from '../../../src/format/foreign/timer-log.js';
import { decodeUniqueKey } from '../../../src/format/foreign/unique-key.js';
import { hex, recordV1, storedAt, uniqueKey } from '../vectors.js';

describe('batch queue entries', () => {
  const entry = { physicalOffset: 4_096, recordBytes: 500, tagsCode: 0, storedAt, baseQueueOffset: 100, messageCount: 3 };
  const bytes = hex('0000000000001000 000001F4 0000000000000000 0000018BCFE5687B 0000000000000064 0003 FFFFFFFF 00000000');

  it('are what a broker writes', () => {
    expect(encodeBatchQueueEntry(entry)).toEqual(bytes);
    expect(decodeBatchQueueEntry(bytes)).toEqual(entry);
    expect([decodeBatchQueueEntry(bytes.subarray(1)), decodeBatchQueueEntry(Buffer.alloc(46)), decodeBatchQueueEntry(bytes, -1)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('queue extension records', () => {
  const ext = { tagsCode: 2_598_919, storedAt, bitmap: hex('0102030405060708') };
  const bytes = hex('001C 000000000027A807 0000018BCFE5687B 0008 0102030405060708');

  it('are what a broker writes', () => {
    expect(encodeQueueExt(ext)).toEqual(bytes);
    expect(decodeQueueExt(bytes)).toEqual(ext);
    expect(() => encodeQueueExt({ ...ext, bitmap: new Uint8Array(32_748) })).toThrow(RangeError);
  });

  it('are found by an address below all hashes', () => {
    expect(BigInt.asUintN(64, extAddress(0)).toString(16)).toBe('8000000000000000');
    expect(BigInt.asUintN(64, extAddress(28)).toString(16)).toBe('800000000000001c');
    expect([extOffsetOf(extAddress(28)), extOffsetOf(-2_147_483_648n), extOffsetOf(0n)]).toEqual([28, undefined, undefined]);
  });

  it('that are none are not read', () => {
    for (const other of [
      Buffer.alloc(40),
      hex('FFFF'),
      bytes.subarray(0, 27),
      hex('001C 000000000027A807 0000018BCFE5687B 7FFF 0102030405060708'),
    ]) {
      expect(decodeQueueExt(other)).toBeUndefined();
    }
  });
});

describe('replication frames', () => {
  it('are what master and slave send', () => {
    const record = hex(recordV1);
    expect(encodeHaReport(4_322)).toEqual(hex('00000000000010E2'));
    expect(encodeHaFrame(4_096, record)).toEqual(Buffer.concat([hex('0000000000001000 000000E2'), record]));
    expect(encodeHaFrame(4_322, Buffer.alloc(0))).toEqual(hex('00000000000010E2 00000000'));
    expect(decodeHaFrame(encodeHaFrame(4_096, record), 1_000)).toEqual({ physicalOffset: 4_096, body: record });
  });

  it('take the last whole report', () => {
    expect(decodeHaReport(Buffer.concat([encodeHaReport(5), encodeHaReport(9), Buffer.alloc(3)]))).toBe(9);
    expect([decodeHaReport(Buffer.alloc(7)), decodeHaReport(hex('8000000000000000'))]).toEqual([undefined, undefined]);
  });

  it('wait for the rest of a frame, but not for one that is too large or impossible', () => {
    const frame = encodeHaFrame(7, Buffer.alloc(100));
    expect([decodeHaFrame(frame.subarray(0, 11), 1_000), decodeHaFrame(frame.subarray(0, 111), 1_000)]).toEqual([
      'incomplete',
      'incomplete',
    ]);
    expect(decodeHaFrame(frame, 99)).toBe('invalid');
    expect(decodeHaFrame(hex('0000000000000000 FFFFFFFF'), 99)).toBe('invalid');
    expect(decodeHaFrame(hex('8000000000000000 00000000'), 99)).toBe('invalid');
  });
});

describe('the timer', () => {
  const unit = {
    previousPosition: -1,
    magic: 1,
    baseTime: 1_700_000_000_000,
    delayMs: 60_000,
    physicalOffset: 4_096,
    recordBytes: 226,
    topicHash: javaHash('TopicTest'),
  };

  it('has units and slots as a broker writes them', () => {
    const bytes = hex('00000034 FFFFFFFFFFFFFFFF 00000001 0000018BCFE56800 0000EA60 0000000000001000 000000E2 8E987641 0000000000000000');
    expect(encodeTimerUnit(unit)).toEqual(bytes);
    expect(decodeTimerUnit(bytes)).toEqual(unit);
    const index = wheelSlotIndex(1_700_000_060_000, 1_000);
    expect([index, index * wheelSlotBytes]).toEqual([512_060, 16_385_920]);
    const slot = { tick: 1_700_000_060, firstPosition: 0, lastPosition: 0, unitCount: 1 };
    expect(encodeWheelSlot(slot)).toEqual(hex('000000006553F13C 0000000000000000 0000000000000000 00000001 00000000'));
    expect(decodeWheelSlot(encodeWheelSlot(slot), 0, 1_700_000_060)).toEqual(slot);
    expect(decodeWheelSlot(encodeWheelSlot(slot), 0, 1_700_000_061)).toBeUndefined();
  });

  it('tells blanks and damage from units', () => {
    expect(decodeTimerUnit(hex('00000010 0000000000000000 CBD43194'))).toBe('blank');
    const bytes = encodeTimerUnit(unit);
    expect(decodeTimerUnit(bytes.subarray(0, 51))).toBeUndefined();
    expect(decodeTimerUnit(Buffer.alloc(52))).toBeUndefined();
    bytes[14] = 1;
    expect(decodeTimerUnit(bytes)).toBeUndefined();
  });
});

describe('the epoch file', () => {
  const entries = [
    { epoch: 1, startOffset: 0 },
    { epoch: 2, startOffset: 4_096 },
  ];

  it('is what a broker writes, whatever ends its lines', () => {
    expect(encodeEpochFile(entries)).toBe('2\n1694929738\n1-0\n2-4096\n');
    expect(decodeEpochFile(encodeEpochFile(entries))).toEqual(entries);
    expect(decodeEpochFile('2\r\n0\r\n1-0\r\n2-4096\r\n')).toEqual(entries);
  });

  it.each(['', '2\n1694929738\n1-0\n2-4097\n', '2\n0\n1-0\n', '1\n0\n1-0', '1\n0\n1:0\n', '1\n0\n1-99999999999999999\n', 'x\n0\n'])(
    '%j is damaged',
    (text) => {
      expect(decodeEpochFile(text)).toBeUndefined();
    },
  );
});

describe('the order of properties in a stock broker', () => {
  it('is that of a Java hash map', () => {
    expect(javaPropertyOrder(['KEYS', 'TAGS', 'WAIT', 'UNIQ_KEY', 'CLUSTER'])).toEqual(['UNIQ_KEY', 'CLUSTER', 'TAGS', 'KEYS', 'WAIT']);
  });
  it('grows with the map and loses nothing', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 300 }), (names) => {
        expect([...javaPropertyOrder([...names, ...names])].sort()).toEqual([...names].sort());
      }),
    );
  });
});

describe('unique keys of clients', () => {
  it('hold address, process, loader, time of the month, counter', () => {
    expect(decodeUniqueKey(uniqueKey)).toEqual({
      address: '127.0.0.1',
      processId: 1,
      loaderHash: 0x070dea4e,
      monthMs: 2_626_521_627,
      counter: 0,
    });
    expect(decodeUniqueKey(`20010DB8000000000000000000000001${uniqueKey.slice(8)}`)?.address).toBe('2001:db8::1');
    expect(['', 'x', uniqueKey.slice(1), `${uniqueKey}0`, uniqueKey.replace('7', 'G')].map(decodeUniqueKey)).toEqual(
      new Array(5).fill(undefined),
    );
  });
});

it('no decoder throws for any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: -3, max: 90 }), (noise, at) => {
      const bytes = Buffer.from(noise);
      decodeBatchQueueEntry(bytes, at);
      decodeQueueExt(bytes, at);
      decodeTimerUnit(bytes, at);
      decodeWheelSlot(bytes, at, 0);
      decodeHaReport(bytes);
      decodeHaFrame(bytes, 100);
      decodeEpochFile(bytes.toString('latin1'));
      expect(decodeUniqueKey(bytes.toString('latin1'))).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
});
