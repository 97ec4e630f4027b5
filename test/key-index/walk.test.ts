import { expect, test } from 'vitest';
import { KeyIndex } from '../../src/key-index/key-index.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import {
  accept,
  asideDirectory,
  directory,
  expectedRows,
  found,
  foundRows,
  makeIndex,
  makeRoot,
  nowMs,
  openIndex,
  readAt,
  type Row,
  topic,
} from './index-harness.js';

const hourMs = 3_600_000;
const shape = { slotCount: 7, entryCount: 500 };

function hotRows(count: number, stepMs: number, begin = 1_700_000_000_000): Row[] {
  return Array.from({ length: count }, (_, i) => ({ physicalOffset: i * 100, storedAt: begin + i * stepMs, keys: ['hot'] }));
}

test('a query for the last minutes reads none of the hours before, and misses nothing', async () => {
  let readCount = 0;
  const { fs } = withFaults(memoryPlatform(), ({ op }) => {
    if (op === 'readSync') readCount += 1;
    return undefined;
  });
  const rows = hotRows(400, hourMs / 4);
  const index = await openIndex(fs, [], false, shape);
  accept(index, rows);
  await index.sync(Infinity);
  const since = (rows.at(-1)?.storedAt ?? 0) - 60_000;
  readCount = 0;
  expect(await foundRows(index, rows, 'hot', since)).toEqual([39_900]);
  // Entries of the last hour, one more, and the slot.
  expect(readCount).toBeLessThanOrEqual(8);
  readCount = 0;
  expect(await foundRows(index, rows, 'hot', since - 350 * (hourMs / 4))).toHaveLength(351);
  expect(readCount).toBeGreaterThan(350);
});

test('records are found by their times in a file whose begin time says nothing', async () => {
  for (const begin of [0, -5000]) {
    // As of a broker whose clock stood at 1970 for its first record, and again for the last one.
    const rows = [begin, 1_700_000_000_000, 1_700_000_005_000, begin].map((storedAt, i) => ({ physicalOffset: i, storedAt, keys: ['a'] }));
    const index = await openIndex(memoryPlatform().fs);
    accept(index, rows);
    for (const { storedAt } of rows) {
      expect(await foundRows(index, rows, 'a', storedAt, storedAt + 1)).toEqual(expectedRows(rows, 'a', storedAt, storedAt + 1));
    }
    expect(await foundRows(index, rows, 'a')).toEqual([3, 2, 1, 0]);
  }
});

test('of a file whose begin time says nothing the end time outlives a crash', async () => {
  const platform = memoryPlatform();
  const index = await openIndex(platform.fs);
  accept(
    index,
    [0, 1_700_000_000_000].map((storedAt, i) => ({ physicalOffset: i, storedAt, keys: ['a'] })),
  );
  const states = (await index.sync(2)) ?? [];
  const killed = platform.crash('all');
  const again = makeIndex(killed.fs);
  expect(await again.open(states, false)).toEqual({ refeedFrom: undefined, asideCount: 0 });
  await again.sync(2);
  expect(readAt(killed.fs, `${directory}/${states[0]?.name}`, 8, 8)).toBe((1_700_000_000_000).toString(16).toUpperCase().padStart(16, '0'));
});

test('a file that is taken away in the middle of its chain is not read any further, and is no damage', async () => {
  let readCount = 0;
  const { fs } = withFaults(memoryPlatform(), ({ op, path }) => {
    if (path.startsWith(`${directory}/`) && op.startsWith('read')) readCount += 1;
    return undefined;
  });
  const index = await openIndex(fs, [], false, shape);
  accept(index, hotRows(400, 1000));
  await index.sync(Infinity);
  const offsets: number[] = [];
  for await (const offset of index.find(topic, 'hot', 0, Infinity, Infinity)) {
    offsets.push(offset);
    if (offsets.length === 20) {
      await index.reset();
      readCount = 0;
    }
  }
  // What a step had found is still handed out.
  expect(offsets.length).toBeGreaterThanOrEqual(20);
  expect(offsets.length).toBeLessThan(100);
  expect(readCount).toBe(0);
  expect(index.damaged).toBe(false);
});

test('an index that is given no turns does all of it at once', async () => {
  const { fs } = memoryPlatform();
  await makeRoot(fs);
  const files = new OpenFiles(fs, 4);
  const index = new KeyIndex({ directory, asideDirectory, ...shape, fs, files, nowMs: () => nowMs });
  await index.open([], true);
  const rows = hotRows(1200, 1000);
  accept(index, rows);
  expect(await found(index, 'hot')).toEqual(expectedRows(rows, 'hot'));
  await index.sync(Infinity);
  expect(await found(index, 'hot')).toEqual(expectedRows(rows, 'hot'));
});
