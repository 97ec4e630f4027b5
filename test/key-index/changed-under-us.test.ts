import { beforeEach, expect, test } from 'vitest';
import { indexEntryAt, indexSlotAt } from '../../src/format/index-layout.js';
import { IndexFile, type IndexFileState } from '../../src/key-index/index-file.js';
import { IndexStorage } from '../../src/key-index/index-storage.js';
import type { KeyIndex } from '../../src/key-index/key-index.js';
import { PendingEntries } from '../../src/key-index/pending-entries.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { faultyPlatform, type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import {
  accept,
  asideDirectory,
  directory,
  expectedRows,
  found,
  foundRows,
  makeIndex,
  makeRoot,
  plant,
  type Row,
  tiny,
} from './index-harness.js';

/** Six files of four entries, the last one of two; every record has key 'a'. */
const rows: readonly Row[] = Array.from({ length: 22 }, (_, i) => ({
  physicalOffset: 1000 + i * 100,
  storedAt: 1_700_000_000_000 + i * 1500,
  keys: ['a'],
}));
const safeOffset = 5000;
let platform: MemoryPlatform;
let states: readonly IndexFileState[];

beforeEach(async () => {
  platform = memoryPlatform();
  await makeRoot(platform.fs);
  const index = makeIndex(platform.fs);
  await index.open([], true);
  accept(index, rows);
  states = (await index.sync(safeOffset)) ?? [];
  await index.close();
  expect(states.map(({ entryCount }) => entryCount)).toEqual([4, 4, 4, 4, 4, 2]);
});

function pathOf(fileNumber: number): string {
  return `${directory}/${states[fileNumber]?.name ?? ''}`;
}

async function change(fileNumber: number, at: number, bytes: Uint8Array): Promise<void> {
  const file = platform.fs.open(pathOf(fileNumber), 'read-write');
  file.writeSync([bytes], at);
  await file.close();
}

async function reopened(fs = platform.fs): Promise<KeyIndex> {
  const index = makeIndex(fs);
  expect(await index.open(states, true)).toEqual({ refeedFrom: undefined, asideCount: 0 });
  return index;
}

test.each([-1, 3, 2 ** 31 - 1])(
  'a slot of the newest file that names entry %d of two is damage, and what comes is found',
  async (entryNumber) => {
    const slots = Buffer.alloc(4);
    slots.writeInt32BE(entryNumber);
    for (let slot = 0; slot < tiny.slotCount; slot += 1) await change(5, indexSlotAt(slot), slots);
    const index = await reopened();
    accept(index, [{ physicalOffset: 4000, storedAt: 1_700_000_100_000, keys: ['new'] }]);
    expect(index.damage).toMatchObject({ code: 'CORRUPT', path: pathOf(5) });
    expect(await found(index, 'new')).toEqual([4000]);
    expect(await index.sync(safeOffset)).toBeUndefined();
    await index.reset();
    accept(index, rows);
    expect(await foundRows(index, rows, 'a')).toEqual(expectedRows(rows, 'a'));
  },
);

test.each([0, 50, indexEntryAt(tiny.slotCount, 4) + 19])(
  'a file that somebody cuts to %d bytes ends the walk in it as damage, the others are searched',
  async (bytes) => {
    const index = await reopened();
    const file = platform.fs.open(pathOf(2), 'read-write');
    await file.truncate(bytes);
    await file.close();
    expect(await found(index, 'a')).toEqual(expectedRows(rows, 'a').filter((offset) => offset < 1800 || offset >= 2200));
    expect(index.damage).toMatchObject({ code: 'CORRUPT', path: pathOf(2) });
  },
);

test('a file that somebody removes is damage, and the others are searched', async () => {
  const index = await reopened();
  // Four descriptors are kept; those of the first files are closed.
  await platform.fs.remove(pathOf(0));
  expect(await found(index, 'a')).toEqual(expectedRows(rows, 'a').filter((offset) => offset >= 1400));
  expect(index.damage).toMatchObject({ code: 'ENOENT' });
});

test('a file that cannot be read fails the query; only where no descriptor is left it is not damage', async () => {
  for (const { code, isDamage } of [
    { code: 'EMFILE', isDamage: false },
    { code: 'ENFILE', isDamage: false },
    { code: 'EIO', isDamage: true },
  ]) {
    let isBroken = false;
    const { fs } = withFaults(platform, ({ op, path }) =>
      isBroken && op === 'readSync' && path === pathOf(3) ? Object.assign(new Error(`${code}: made up`), { code }) : undefined,
    );
    const index = await reopened(fs);
    isBroken = true;
    await expect(found(index, 'a')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining(pathOf(3)) as string });
    expect(index.damaged).toBe(isDamage);
    isBroken = false;
    expect(await foundRows(index, rows, 'a')).toEqual(expectedRows(rows, 'a'));
  }
});

test('after a crash, a newest file that yields fewer bytes than it has is not believed', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const base = memoryPlatform();
    await makeRoot(base.fs);
    const first = makeIndex(base.fs);
    await first.open([], true);
    // One entry, of a record at 0: but for the hash its bytes are zeros.
    accept(first, [{ physicalOffset: 0, storedAt: 1_700_000_000_000, keys: ['a'] }]);
    const oneState = (await first.sync(1)) ?? [];
    const { fs } = faultyPlatform(base, { seed, rules: [{ fault: { kind: 'short-read' }, ops: ['read'] }] });
    const index = makeIndex(fs);
    expect(await index.open(oneState, false), `seed ${seed}`).toEqual({ refeedFrom: 0, asideCount: 1 });
    expect(base.fs.list(asideDirectory)).toEqual([`index-${oneState[0]?.name}`]);
  }
});

test('a chain that does not descend is damage wherever it is followed', async () => {
  const path = `${directory}/20240101000000000`;
  for (const [previous, isDamage] of [
    ['00000002', false],
    ['00000000', false],
    ['00000003', true],
    ['7fffffff', true],
    ['ffffffff', true],
  ] as const) {
    const base = memoryPlatform();
    await plant(base.fs, path, 0, [[indexEntryAt(tiny.slotCount, 3), `00000001 0000000000000064 00000000 ${previous}`]]);
    const storage = new IndexStorage(directory, base.fs, new OpenFiles(base.fs, 4), new PendingEntries(), tiny.slotCount, tiny.entryCount);
    const file = new IndexFile(directory, '20240101000000000', 0);
    file.restore({ entryCount: 4, slotsUsed: 1, endTime: 1, endPhysicalOffset: 100 }, 0);
    const follow = (): number => storage.previousOf(file, 3);
    if (isDamage) expect(follow).toThrow(expect.objectContaining({ code: 'CORRUPT', path, offset: indexEntryAt(tiny.slotCount, 3) }));
    else expect(follow()).toBe(Number(previous));
  }
});

test('names in a state that no index file has count for nothing, and no name is given twice', async () => {
  const strange = ['zzz', '99999', '999999999999999999', states[0]?.name ?? ''].map((name) => ({
    name,
    entryCount: 4,
    endPhysicalOffset: 1300,
  }));
  const index = makeIndex(platform.fs);
  expect(await index.open([...states, ...strange], true)).toEqual({ refeedFrom: 3100, asideCount: 0 });
  accept(index, [{ physicalOffset: 3100, storedAt: 1_700_000_100_000, keys: ['b', 'b', 'b', 'b', 'b'] }]);
  await index.sync(safeOffset);
  const newest = states[5]?.name ?? '';
  expect(platform.fs.list(directory)).toEqual([...states.map(({ name }) => name), String(BigInt(newest) + 1n)]);
});

test('nothing is written after closing', async () => {
  const index = await reopened();
  accept(index, [{ physicalOffset: 4000, storedAt: 1_700_000_100_000, keys: ['new'] }]);
  await index.close();
  const namesBefore = platform.fs.list(directory);
  index.writePending(Infinity, 1_000_000);
  expect(index.pendingBytes).toBe(20);
  expect(platform.fs.list(directory)).toEqual(namesBefore);
});
