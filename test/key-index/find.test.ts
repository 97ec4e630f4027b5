import { expect, test } from 'vitest';
import { indexKeyHash } from '../../src/format/index-layout.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { accept, expectedRows, factsOf, found, foundRows, makeIndex, makeRoot, openIndex, type Row, tiny, topic } from './index-harness.js';

const big = { slotCount: 7, entryCount: 5000 };

test('keys of equal hash are candidates of each other, and the caller tells them apart', async () => {
  const index = await openIndex(memoryPlatform().fs);
  const rows = [
    { physicalOffset: 1, storedAt: 1_700_000_000_000, keys: ['Aa'] },
    { physicalOffset: 2, storedAt: 1_700_000_000_000, keys: ['BB'] },
  ];
  accept(index, rows);
  expect(indexKeyHash(topic, 'Aa')).toBe(indexKeyHash(topic, 'BB'));
  expect(await found(index, 'Aa')).toEqual([2, 1]);
  expect(await foundRows(index, rows, 'Aa')).toEqual([1]);
});

test('a key whose hash has no absolute value lies in slot 0', async () => {
  const index = await openIndex(memoryPlatform().fs);
  accept(index, [{ physicalOffset: 7, storedAt: 1_700_000_000_000, keys: ['aXA4ptp'] }]);
  expect(indexKeyHash(topic, 'aXA4ptp')).toBe(0);
  expect(await found(index, 'aXA4ptp')).toEqual([7]);
});

test('an offset comes once per entry: twice for a record that has the key twice', async () => {
  const index = await openIndex(memoryPlatform().fs);
  accept(index, [{ physicalOffset: 7, storedAt: 1_700_000_000_000, keys: ['a', 'a'] }]);
  expect(await found(index, 'a')).toEqual([7, 7]);
});

test('a replay changes nothing, whatever part of the log comes again', async () => {
  const rows: Row[] = Array.from({ length: 9 }, (_, i) => ({ physicalOffset: i * 10, storedAt: 1_700_000_000_000, keys: ['a', 'b', 'c'] }));
  const index = await openIndex(memoryPlatform().fs);
  const facts = factsOf(rows);
  index.accept(facts, 0, 9);
  const pendingBytes = index.pendingBytes;
  for (let from = 0; from < 9; from += 1) index.accept(facts, from, 9);
  expect(index.pendingBytes).toBe(pendingBytes);
  expect(await found(index, 'b')).toHaveLength(9);
});

test('of a row whose first keys alone reached the disk the rest is taken', async () => {
  const { fs } = memoryPlatform();
  const index = await openIndex(fs);
  const row = { physicalOffset: 50, storedAt: 1_700_000_000_000, keys: ['a', 'b', 'c', 'd', 'e', 'f'] };
  accept(index, [row]);
  const states = (await index.sync(51)) ?? [];
  expect(states.map((state) => state.entryCount)).toEqual([4, 2]);
  const reopened = makeIndex(fs);
  await fs.remove(`/store/index/${states[1]?.name ?? ''}`);
  expect(await reopened.open(states, true)).toEqual({ refeedFrom: 50, asideCount: 0 });
  accept(reopened, [row]);
  for (const key of row.keys) expect(await found(reopened, key)).toEqual([50]);
});

test('a chain of thousands is walked newest first, in memory and on disk, and gives way to other work', async () => {
  const rows: Row[] = Array.from({ length: 3000 }, (_, i) => ({ physicalOffset: i, storedAt: 1_700_000_000_000 + i, keys: ['hot'] }));
  const { fs } = memoryPlatform();
  const index = await openIndex(fs, [], false, big);
  accept(index, rows);
  index.writePending(1500, Infinity);
  let turnCount = 0;
  const tick = (): void => {
    turnCount += 1;
    handle = setImmediate(tick);
  };
  let handle = setImmediate(tick);
  expect(await found(index, 'hot')).toEqual(expectedRows(rows, 'hot'));
  clearImmediate(handle);
  expect(turnCount).toBeGreaterThan(8);
});

test('a caller that wants one is not made to wait for all', async () => {
  const rows: Row[] = Array.from({ length: 3000 }, (_, i) => ({ physicalOffset: i, storedAt: 1_700_000_000_000 + i, keys: ['hot'] }));
  const index = await openIndex(memoryPlatform().fs, [], false, big);
  accept(index, rows);
  for await (const offset of index.find(topic, 'hot', 0, Infinity, Infinity)) {
    expect(offset).toBe(2999);
    break;
  }
});

test('files that are trimmed under a query just end', async () => {
  const rows: Row[] = Array.from({ length: 40 }, (_, i) => ({ physicalOffset: i, storedAt: 1_700_000_000_000 + i, keys: ['hot'] }));
  const index = await openIndex(memoryPlatform().fs);
  accept(index, rows);
  await index.sync(Infinity);
  const offsets: number[] = [];
  for await (const offset of index.find(topic, 'hot', 0, Infinity, Infinity)) {
    offsets.push(offset);
    if (offset === 35) expect(await index.trim(20)).toBe(5);
  }
  expect(offsets.slice(0, 20)).toEqual(expectedRows(rows, 'hot').slice(0, 20));
  expect(index.damaged).toBe(false);
});

test('a reset under a query ends it', async () => {
  const rows: Row[] = Array.from({ length: 40 }, (_, i) => ({ physicalOffset: i, storedAt: 1_700_000_000_000 + i, keys: ['hot'] }));
  const index = await openIndex(memoryPlatform().fs);
  accept(index, rows);
  await index.sync(Infinity);
  const offsets: number[] = [];
  for await (const offset of index.find(topic, 'hot', 0, Infinity, Infinity)) {
    offsets.push(offset);
    if (offset === 35) await index.reset();
  }
  expect(offsets.slice(0, 5)).toEqual([39, 38, 37, 36, 35]);
  expect(offsets.length).toBeLessThan(40);
  expect(index.damaged).toBe(false);
});

test('trimming never takes the last file, nor one that is still wanted', async () => {
  const { fs } = memoryPlatform();
  const index = await openIndex(fs);
  accept(
    index,
    Array.from({ length: 12 }, (_, i) => ({ physicalOffset: i * 10, storedAt: 1_700_000_000_000, keys: ['a'] })),
  );
  await index.sync(Infinity);
  expect(await index.trim(30)).toBe(0);
  expect(await index.trim(31)).toBe(1);
  expect(await index.trim(1_000_000)).toBe(1);
  expect(fs.list('/store/index')).toHaveLength(1);
  expect(await found(index, 'a')).toEqual([110, 100, 90, 80]);
});

test('files that were trimmed after the state was written are no damage', async () => {
  const { fs } = memoryPlatform();
  const index = await openIndex(fs);
  accept(
    index,
    Array.from({ length: 12 }, (_, i) => ({ physicalOffset: i * 10, storedAt: 1_700_000_000_000, keys: ['a'] })),
  );
  const states = (await index.sync(Infinity)) ?? [];
  await index.trim(50);
  const reopened = makeIndex(fs);
  expect(await reopened.open(states, false, 50)).toEqual({ refeedFrom: undefined, asideCount: 0 });
  expect(await found(reopened, 'a')).toEqual([110, 100, 90, 80, 70, 60, 50, 40]);
});

test('the clock of a stock broker may have been set back by less than an hour: nothing is missed', async () => {
  const begin = 1_700_000_000_000;
  const rows: Row[] = [begin, begin + 5000, begin - 1_800_000, begin - 1_799_000, begin + 9000, begin + 9001].map((storedAt, i) => ({
    physicalOffset: i,
    storedAt,
    keys: ['a'],
  }));
  const { fs } = memoryPlatform();
  await makeRoot(fs);
  const index = makeIndex(fs, tiny);
  await index.open([], true);
  accept(index, rows);
  for (const row of rows) {
    expect(await foundRows(index, rows, 'a', row.storedAt, row.storedAt + 1)).toEqual([row.physicalOffset]);
  }
});
