import { expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { withFaults } from '../../src/testing/with-faults.js';
import { accept, directory, expectedRows, foundRows, makeIndex, makeRoot, type Row } from './index-harness.js';

const rows: readonly Row[] = Array.from({ length: 9 }, (_, i) => ({
  physicalOffset: i * 100,
  storedAt: 1_700_000_000_000 + i,
  keys: ['a', i % 2 === 0 ? 'even' : 'odd'],
}));
const writes: ReadonlySet<string> = new Set(['open', 'write', 'writeSync']);
const noSpace = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

test('a full disk at any write leaves entries in memory, and the next try goes on where it stopped', async () => {
  let failedCount = 0;
  for (let failAt = 1; failedCount === failAt - 1; failAt += 1) {
    const base = memoryPlatform({ seed: failAt });
    await makeRoot(base.fs);
    let writeCount = 0;
    const platform = withFaults(base, (call) => {
      if (!writes.has(call.op)) return undefined;
      writeCount += 1;
      if (writeCount !== failAt) return undefined;
      failedCount += 1;
      return noSpace();
    });
    const index = makeIndex(platform.fs);
    await index.open([], true);
    accept(index, rows);
    const namesBefore = base.fs.list(directory).length;
    index.writePending(Infinity, 60);
    if (writeCount >= failAt) {
      expect(index.failedBytes).toBe(index.pendingBytes);
      expect(base.fs.list(directory).length - namesBefore).toBeLessThanOrEqual(1);
    }
    const states = await index.sync(Infinity).catch((error: unknown) => {
      expect(StoreError.is(error, 'DISK_FULL')).toBe(true);
      return index.sync(Infinity);
    });
    expect(states?.map((state) => state.entryCount)).toEqual([4, 4, 4, 4, 2]);
    expect(base.fs.list(directory)).toHaveLength(5);
    expect(index.failedBytes).toBe(0);
    expect(index.damaged).toBe(false);
    const reopened = makeIndex(base.fs);
    expect(await reopened.open(states ?? [], true)).toEqual({ refeedFrom: undefined, asideCount: 0 });
    for (const key of ['a', 'even', 'odd']) expect(await foundRows(reopened, rows, key)).toEqual(expectedRows(rows, key));
  }
  expect(failedCount).toBeGreaterThan(20);
});

test('names that a full disk did not let be synced are synced by the next safe point', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  let isFull = true;
  const platform = withFaults(base, (call) => (call.op === 'syncDirectory' && isFull ? noSpace() : undefined));
  const index = makeIndex(platform.fs);
  await index.open([], true);
  accept(index, rows);
  await expect(index.sync(Infinity)).rejects.toMatchObject({ code: 'DISK_FULL' });
  isFull = false;
  const states = await index.sync(Infinity);
  expect(base.crash('synced').fs.list(directory)).toEqual(states?.map(({ name }) => name));
});

test('as long as the disk is full there is one short file at most, and closing or opening removes it', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  const platform = withFaults(base, (call) => (call.op === 'writeSync' ? noSpace() : undefined));
  const index = makeIndex(platform.fs);
  await index.open([], true);
  accept(index, rows);
  for (let i = 0; i < 5; i += 1) index.writePending(Infinity, 1_000_000);
  await expect(index.sync(Infinity)).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true });
  expect(base.fs.list(directory)).toHaveLength(1);
  expect(index.failedBytes).toBe(18 * 20);
  expect(await foundRows(index, rows, 'a')).toEqual(expectedRows(rows, 'a'));

  const killed = base.crash('all');
  const reopened = makeIndex(killed.fs);
  expect(await reopened.open([], false)).toEqual({ refeedFrom: undefined, asideCount: 0 });
  expect(killed.fs.list(directory)).toEqual([]);
});

test('closing removes a file that was made but got no entry', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  let isFull = true;
  const platform = withFaults(base, (call) => (call.op === 'writeSync' && isFull ? noSpace() : undefined));
  const index = makeIndex(platform.fs);
  await index.open([], true);
  accept(index, rows);
  index.writePending(Infinity, 1_000_000);
  isFull = false;
  await index.close();
  expect(base.fs.list(directory)).toEqual([]);
});

test('any other failure of a write marks the index for rebuilding and is not tried again', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  let writeCount = 0;
  const platform = withFaults(base, (call) => {
    if (call.op !== 'writeSync') return undefined;
    writeCount += 1;
    return Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
  });
  const index = makeIndex(platform.fs);
  await index.open([], true);
  accept(index, rows);
  index.writePending(Infinity, 1_000_000);
  expect(index.damaged).toBe(true);
  expect(index.failedBytes).toBe(18 * 20);
  index.writePending(Infinity, 1_000_000);
  expect(await index.sync(Infinity)).toBeUndefined();
  expect(writeCount).toBe(1);
});
