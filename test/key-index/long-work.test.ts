import { expect, test, vi } from 'vitest';
import { indexKeyHash } from '../../src/format/index-layout.js';
import { PendingEntries } from '../../src/key-index/pending-entries.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { accept, found, makeIndex, makeRoot, type Row, topic } from './index-harness.js';

const shape = { slotCount: 1000, entryCount: 100_000 };

function rowsFrom(first: number, count: number): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    physicalOffset: (first + i) * 100,
    storedAt: 1_700_000_000_000 + first + i,
    keys: [`k${first + i}`],
  }));
}

/** Turns of the event loop that others get until `work` has settled. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let count = 0;
  const tick = (): void => {
    count += 1;
    handle = setImmediate(tick);
  };
  let handle = setImmediate(tick);
  await work;
  clearImmediate(handle);
  return count;
}

test('a safe point writes 1 MiB a turn; what fails for good in between ends it', async () => {
  const writes: string[] = [];
  let isBroken = false;
  const base = memoryPlatform();
  await makeRoot(base.fs);
  const { fs } = withFaults(base, ({ op, path }) => {
    if (op !== 'writeSync') return undefined;
    writes.push(path);
    return isBroken ? Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' }) : undefined;
  });
  const index = makeIndex(fs, shape);
  await index.open([], true);
  accept(index, rowsFrom(0, 90_000));
  const synced = index.sync(Infinity);
  for (let i = 0; i < 1000 && writes.length < 2; i += 1) await Promise.resolve();
  expect(index.pendingBytes).toBe((90_000 - 52_428) * 20);
  isBroken = true;
  index.writePending(Infinity, 20);
  expect([writes.length, index.damaged]).toEqual([3, true]);
  isBroken = false;
  expect(await synced).toBeUndefined();
  expect(writes).toHaveLength(3);
  expect(index.pendingBytes).toBe((90_000 - 52_428) * 20);
  expect(await found(index, 'k0')).toEqual([0]);
  expect(await found(index, 'k89999')).toEqual([8_999_900]);
});

test('what came in while the log was checked is gone through a piece a turn, and its faults are found', async () => {
  const { fs } = memoryPlatform();
  await makeRoot(fs);
  const index = makeIndex(fs, shape);
  await index.open([], true);
  accept(index, rowsFrom(0, 10));
  const faults: string[] = [];
  const check = index.checker((_, __, what) => faults.push(what));
  for (const row of rowsFrom(0, 10)) for (const key of row.keys) check.expect(indexKeyHash(topic, key), row.physicalOffset, row.storedAt);
  accept(index, rowsFrom(10, 60_000));
  index.writePending(Infinity, Infinity);
  // The link of entry 30,000, which is 16 bytes into it.
  const path = `/store/index/${fs.list('/store/index')[0]}`;
  const file = fs.open(path, 'read-write');
  file.writeSync([Buffer.from('00ffffff', 'hex')], 40 + 4 * shape.slotCount + 20 * 30_000 + 16);
  await file.close();
  expect(await turnsDuring(check.end(1000))).toBeGreaterThanOrEqual(4);
  expect(faults).toEqual([expect.stringMatching(/^entry 30000 names entry 16777215 as the one before it/)]);
});

test('memory for entries is used again, up to a bound', () => {
  const pending = new PendingEntries();
  const chunkEntries = 13_107;
  const alloc = vi.spyOn(Buffer, 'alloc');
  const fill = (): number => {
    alloc.mockClear();
    const first = pending.end;
    for (let i = 0; i < 10 * chunkEntries; i += 1) pending.push(i, (first + i) * 10, 0, 0, first + i);
    return alloc.mock.calls.length;
  };
  try {
    expect(fill()).toBe(10);
    pending.dropBelow(3 * chunkEntries + 5);
    expect([pending.keyHashAt(3 * chunkEntries + 5), pending.storedAtAt(pending.end - 1)]).toEqual([3 * chunkEntries + 5, 131_069]);
    pending.dropBelow(pending.end);
    expect(pending.byteCount).toBe(0);
    expect(fill()).toBe(2);
  } finally {
    alloc.mockRestore();
  }
  const sequences = [pending.first, pending.first + chunkEntries, pending.end - 1];
  expect(sequences.map((sequence) => pending.physicalOffsetAt(sequence))).toEqual(sequences.map((sequence) => sequence * 10));
  // Ten chunks again, of which the newest nine are taken back.
  pending.cutTo(pending.first + chunkEntries);
  expect(pending.byteCount).toBe(chunkEntries * 20);
  pending.push(7, pending.end * 10, 0, 0, 0);
  expect(pending.keyHashAt(pending.end - 1)).toBe(7);
});
