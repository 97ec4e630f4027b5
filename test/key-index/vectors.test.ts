import { expect, test } from 'vitest';
import { indexFileName } from '../../src/format/index-layout.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { accept, directory, found, makeIndex, nowMs, openIndex, plant, readAt, rocketmq } from './index-harness.js';

const uniqueKey = '7F0000010001070DEA4E9C8D8A1B0000';
const fileBytes = 40 + 4 * 5_000_000 + 20 * 20_000_000;

const firstFile = [
  { physicalOffset: 4096, storedAt: 1_700_000_000_123, keys: [uniqueKey, 'order-1001', 'order-1002'] },
  { physicalOffset: 9000, storedAt: 1_700_000_061_999, keys: ['order-1001'] },
];

test('the first index file has the bytes that a stock broker writes', async () => {
  const { fs } = memoryPlatform();
  const index = await openIndex(fs, [], false, rocketmq);
  accept(index, firstFile);
  await index.sync(Infinity);
  const path = `${directory}/${indexFileName(nowMs)}`;
  expect(fs.list(directory)).toEqual(['20231114221320123']);
  expect(fs.open(path, 'read').sizeBytes()).toBe(fileBytes);
  expect(readAt(fs, path, 0, 40)).toBe('0000018BCFE5687B0000018BCFE65A2F000000000000100000000000000023280000000300000005');
  expect(readAt(fs, path, 932_476, 4)).toBe('00000001');
  expect(readAt(fs, path, 15_219_756, 4)).toBe('00000004');
  expect(readAt(fs, path, 15_219_760, 4)).toBe('00000003');
  expect(readAt(fs, path, 20_000_040, 20)).toBe('00'.repeat(20));
  expect(readAt(fs, path, 20_000_060, 20)).toBe('1E698A1500000000000010000000000000000000');
  expect(readAt(fs, path, 20_000_080, 20)).toBe('3E37330100000000000010000000000000000000');
  expect(readAt(fs, path, 20_000_100, 20)).toBe('3E37330200000000000010000000000000000000');
  expect(readAt(fs, path, 20_000_120, 20)).toBe('3E37330100000000000023280000003D00000002');
});

test('a query finds what a stock broker finds, and what its rounding makes it miss', async () => {
  const index = await openIndex(memoryPlatform().fs, [], false, rocketmq);
  accept(index, firstFile);
  expect(await found(index, 'order-1001')).toEqual([9000, 4096]);
  expect(await found(index, 'order-1001', 1_700_000_061_500)).toEqual([9000]);
  expect(await found(index, 'order-1001', 1_700_000_061_999)).toEqual([9000]);
  expect(await found(index, 'order-1001', 1_700_000_062_000 + 999)).toEqual([]);
  expect(await found(index, 'order-1001', 0, 1_700_000_000_124)).toEqual([4096]);
  // A broker finds none here. A difference of 0 also stands for a message from before the begin time (its clock was set back),
  // so it stays a candidate, which the caller drops by the record's own time; an hour earlier it is none.
  expect(await found(index, 'order-1001', 0, 1_700_000_000_123)).toEqual([4096]);
  expect(await found(index, 'order-1001', 0, 1_700_000_000_123 - 3_600_000)).toEqual([]);
  expect(await found(index, 'order-1001', 0, Infinity, 9000)).toEqual([4096]);
  expect(await found(index, 'order-1003')).toEqual([]);
});

const rolledName = '20231114221325123';
const rolled = [
  [0, '0000018BCFE57C03 0000018BCFE58038 00000000075BCD15 00000000075BCDE7 00000002 00000003'],
  [40, '00000002'],
  [40 + 4 * 3_834_720, '00000001'],
  [20_000_060, '3E37A760 00000000075BCD15 00000005 00000000'],
  [20_000_080, '00000000 00000000075BCDE7 00000001 00000000'],
] as const;

test("the time-shifted first entry of a stock broker's rolled file is found at its true time", async () => {
  const { fs } = memoryPlatform();
  await plant(fs, `${directory}/${rolledName}`, fileBytes, rolled);
  const index = makeIndex(fs, rocketmq);
  const opened = await index.open([{ name: rolledName, entryCount: 2, endPhysicalOffset: 123_456_999 }], true);
  expect(opened).toEqual({ refeedFrom: undefined, asideCount: 0 });
  expect(await found(index, 'order-2001', 1_700_000_005_000, 1_700_000_006_000)).toEqual([123_456_789]);
  expect(await found(index, 'order-2001')).toEqual([123_456_789]);
  expect(await found(index, 'aXA4ptp', 1_700_000_006_200, 1_700_000_006_201)).toEqual([123_456_999]);
  expect(index.damaged).toBe(false);
});

test('a rolled file of ours differs from a stock one in the first time difference, and only there', async () => {
  // A stock broker counts it from the end of the file before, writes 5, and then misses the entry at its true time.
  // Counted from the file's own begin time it is 0, and every reader finds it.
  const { fs } = memoryPlatform();
  const shape = { slotCount: 5_000_000, entryCount: 3 };
  const index = await openIndex(fs, [], false, shape);
  accept(index, [
    { physicalOffset: 50_000, storedAt: 1_700_000_000_000, keys: ['a'] },
    { physicalOffset: 99_999, storedAt: 1_700_000_000_123, keys: ['b'] },
    { physicalOffset: 123_456_789, storedAt: 1_700_000_005_123, keys: ['order-2001'] },
    { physicalOffset: 123_456_999, storedAt: 1_700_000_006_200, keys: ['aXA4ptp'] },
  ]);
  await index.sync(Infinity);
  const names = fs.list(directory);
  expect(names).toEqual(['20231114221320123', '20231114221320124']);
  const path = `${directory}/${names[1]}`;
  const ours = rolled.map(([at, hex]) => [at, hex.replace('00000005 00000000', '00000000 00000000')] as const);
  for (const [at, hex] of ours) {
    const expected = hex.replaceAll(' ', '');
    expect(readAt(fs, path, at, expected.length / 2)).toBe(expected);
  }
});
