import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { indexEntryAt, indexKeyHash, indexSlotAt } from '../../src/format/index-layout.js';
import type { IndexFileState } from '../../src/key-index/index-file.js';
import type { KeyIndex } from '../../src/key-index/key-index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/memory-platform.js';
import { accept, directory, makeIndex, makeRoot, type Row, topic } from './index-harness.js';

interface Fault {
  readonly where: string;
  readonly offset: number;
  readonly what: string;
}

const shape = { slotCount: 5, entryCount: 9 };
const entriesInFile = shape.entryCount - 1;
/** "Aa" and "BB" have one hash; five slots for the others. */
const keys = ['Aa', 'BB', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6'];

function rowsFrom(count: number, first = 0): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    physicalOffset: (first + i) * 100,
    storedAt: 1_700_000_000_000 + (first + i) * 700,
    keys: [keys[(first + i) % 8] ?? '', ...((first + i) % 3 === 0 ? [keys[(first + i * 5) % 8] ?? ''] : [])],
  }));
}

function endOf(rows: readonly Row[]): number {
  return (rows.at(-1)?.physicalOffset ?? 0) + 1;
}

/** Holds the index against the rows, with those below `min` deleted. */
async function faultsOf(index: KeyIndex, rows: readonly Row[], min = 0, limit = endOf(rows)): Promise<Fault[]> {
  const faults: Fault[] = [];
  const check = index.checker((where, offset, what) => faults.push({ where, offset, what }));
  await check.skip(Number.NEGATIVE_INFINITY, min);
  for (const row of rows.filter(({ physicalOffset }) => physicalOffset >= min && physicalOffset < limit)) {
    for (const key of row.keys) check.expect(indexKeyHash(topic, key), row.physicalOffset, row.storedAt);
    if (check.hasWork) await check.settle();
  }
  await check.end(limit);
  return faults;
}

async function newIndex(platform: MemoryPlatform): Promise<KeyIndex> {
  await makeRoot(platform.fs);
  const index = makeIndex(platform.fs, shape);
  await index.open([], true);
  return index;
}

function pathOf(platform: MemoryPlatform, fileNumber: number): string {
  return `${directory}/${platform.fs.list(directory)[fileNumber]}`;
}

function flip(platform: MemoryPlatform, path: string, at: number, bit = 0): void {
  const file = platform.fs.open(path, 'read-write');
  const byte = Buffer.alloc(1);
  file.readSync(byte, at);
  file.writeSync([Buffer.of((byte[0] ?? 0) ^ (1 << bit))], at);
  void file.close();
}

describe('an index that is as it must be has no fault', () => {
  let platform: MemoryPlatform;
  let index: KeyIndex;
  const rows = rowsFrom(40);

  beforeEach(async () => {
    platform = memoryPlatform();
    index = await newIndex(platform);
  });

  test('whether its entries are in memory, partly written, written or durable', async () => {
    expect(await faultsOf(index, [])).toEqual([]);
    accept(index, rows);
    expect(await faultsOf(index, rows)).toEqual([]);
    index.writePending(rows[9]?.physicalOffset ?? 0, 1_000_000);
    expect(await faultsOf(index, rows)).toEqual([]);
    await index.sync(rows[20]?.physicalOffset ?? 0);
    expect(await faultsOf(index, rows)).toEqual([]);
    await index.sync(endOf(rows));
    expect(await faultsOf(index, rows)).toEqual([]);
    expect(platform.fs.list(directory).length).toBeGreaterThan(4);
  });

  test('when opened again, before and after it goes on', async () => {
    accept(index, rows);
    const states = (await index.sync(endOf(rows))) ?? [];
    await index.close();
    const again = makeIndex(platform.fs, shape);
    await again.open(states, true);
    expect(await faultsOf(again, rows)).toEqual([]);
    const more = [...rows, ...rowsFrom(3, 40)];
    accept(again, more.slice(40));
    expect(await faultsOf(again, more)).toEqual([]);
  });

  test('when records at its beginning, and whole files, are deleted', async () => {
    accept(index, rows);
    await index.sync(endOf(rows));
    for (const min of [100, 150, 1700, 3900, 4000]) expect(await faultsOf(index, rows, min)).toEqual([]);
    expect(await index.trim(1700)).toBeGreaterThan(0);
    for (const min of [1700, 3900]) expect(await faultsOf(index, rows, min)).toEqual([]);
  });

  test('while rows come in, are written and made durable, and files are removed under it', async () => {
    accept(index, rows);
    await index.sync(endOf(rows));
    const faults: Fault[] = [];
    const check = index.checker((where, offset, what) => faults.push({ where, offset, what }));
    await check.skip(Number.NEGATIVE_INFINITY, 0);
    let min = 0;
    for (const [i, row] of rows.entries()) {
      if (row.physicalOffset >= min) {
        for (const key of row.keys) check.expect(indexKeyHash(topic, key), row.physicalOffset, row.storedAt);
      }
      const [next] = rowsFrom(1, 40 + i);
      if (next !== undefined) accept(index, [next]);
      if (i % 4 === 0) void index.sync((36 + i) * 100);
      if (i === 20) {
        min = 2800;
        await index.trim(min);
        await check.skip(Number.NEGATIVE_INFINITY, min);
      }
      if (check.hasWork) await check.settle();
    }
    await check.end(endOf(rows));
    expect(faults).toEqual([]);
  });

  test('when it is set aside and made anew meanwhile, or not made anew far enough', async () => {
    accept(index, rows);
    const faults: Fault[] = [];
    const check = index.checker((where, offset, what) => faults.push({ where, offset, what }));
    const first = rows[0];
    if (first === undefined) throw new Error('no rows');
    for (const key of first.keys) check.expect(indexKeyHash(topic, key), first.physicalOffset, first.storedAt);
    await index.reset();
    for (const row of rows.slice(1)) check.expect(indexKeyHash(topic, row.keys[0] ?? ''), row.physicalOffset, row.storedAt);
    await check.end(endOf(rows));
    accept(index, rows.slice(0, 10));
    expect(await faultsOf(index, rows)).toEqual([]);
    accept(index, rows.slice(10));
    expect(await faultsOf(index, rows)).toEqual([]);
    expect(faults).toEqual([]);
  });
});

describe('what is wrong with an index is found', () => {
  const rows = rowsFrom(40);
  let platform: MemoryPlatform;
  let states: readonly IndexFileState[];

  beforeEach(async () => {
    platform = memoryPlatform();
    const index = await newIndex(platform);
    accept(index, rows);
    states = (await index.sync(endOf(rows))) ?? [];
    await index.close();
  });

  async function reopened(): Promise<KeyIndex> {
    const index = makeIndex(platform.fs, shape);
    expect(await index.open(states, true)).toEqual({ refeedFrom: undefined, asideCount: 0 });
    return index;
  }

  /** The faults of the index opened with one bit of a file's byte changed. */
  async function faultsWith(fileNumber: number, at: number, bit = 0): Promise<Fault[]> {
    flip(platform, pathOf(platform, fileNumber), at, bit);
    return await faultsOf(await reopened(), rows);
  }

  const third = indexEntryAt(shape.slotCount, 3);

  test.each([
    ['the hash of an entry', third + 3, 0, /^entry 3 has hash/],
    ['the sign of a hash', third, 7, /^entry 3 has hash -/],
    ['a low bit of a physical offset', third + 11, 2, /^entry 3 names the record at/],
    ['a high bit of a physical offset', third + 7, 7, /^entry 3 names the record at/],
    ['the sign of a physical offset', third + 4, 7, /^entry 3 names the record at -/],
    ['the time of an entry', third + 15, 1, /^entry 3 says that its record was stored/],
    ['the link of an entry', third + 19, 0, /^entry 3 names entry \d as the one before/],
  ])('%s', async (_, at, bit, what) => {
    const path = pathOf(platform, 1);
    expect(await faultsWith(1, at, bit)).toEqual([{ where: path, offset: third, what: expect.stringMatching(what) as string }]);
  });

  test('a slot, of a full file and of the newest', async () => {
    const newest = states.length - 1;
    for (const fileNumber of [1, newest]) {
      const at = indexSlotAt(2);
      const faults = await faultsWith(fileNumber, at + 3);
      expect(faults).toEqual([
        { where: pathOf(platform, fileNumber), offset: at, what: expect.stringMatching(/^slot 2 names entry/) as string },
      ]);
      flip(platform, pathOf(platform, fileNumber), at + 3);
    }
  });

  test.each([
    ['begin time', 4, 0],
    ['end time', 12, 8],
    ['slots in use', 35, 32],
  ])('the header: %s', async (_, at, field) => {
    const faults = await faultsWith(1, at, at === 35 ? 0 : 1);
    expect(faults.map(({ where, offset }) => ({ where, offset }))).toContainEqual({ where: pathOf(platform, 1), offset: field });
  });

  test('any bit of entries, slots and header that changes on the disk while the index is open', async () => {
    const used = indexEntryAt(shape.slotCount, shape.entryCount);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: used - 1 }), fc.nat(7), async (at, bit) => {
        const isUnused = at >= indexEntryAt(shape.slotCount, 0) && at < indexEntryAt(shape.slotCount, 1);
        const index = await reopened();
        const path = pathOf(platform, 2);
        flip(platform, path, at, bit);
        const faults = await faultsOf(index, rows);
        flip(platform, path, at, bit);
        if (isUnused) expect(faults).toEqual([]);
        else expect(faults.length).toBeGreaterThan(0);
        expect(faults.every(({ where }) => where === path)).toBe(true);
        // One or two; more where a record has the same key twice, and either entry may be the one that is wrong.
        expect(faults.length).toBeLessThanOrEqual(5);
        expect(faults.filter(({ what }) => Number(/^(\d+) (?:keys|entries)/.exec(what)?.[1] ?? 0) > 2)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('a run of garbage costs what it covers, and no more', async () => {
    const index = await reopened();
    const path = pathOf(platform, 2);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 5 }), async (garbage, entry) => {
        const at = indexEntryAt(shape.slotCount, entry);
        const file = platform.fs.open(path, 'read-write');
        const before = Buffer.alloc(garbage.length);
        file.readSync(before, at);
        file.writeSync([garbage], at);
        const faults = await faultsOf(index, rows);
        file.writeSync([before], at);
        await file.close();
        expect(faults.length > 0).toBe(!before.equals(garbage));
        // Links and slots that go through what is not there any more, at most.
        expect(faults.every(({ where }) => where === path || where === pathOf(platform, 3))).toBe(true);
        expect(faults.length).toBeLessThanOrEqual(16);
      }),
      { numRuns: 500 },
    );
  });

  test('keys without entry, and entries without key, as one fault a run', async () => {
    const index = await reopened();
    const without = rows.filter((_, i) => i < 10 || i >= 15);
    const surplus = await faultsOf(index, without);
    expect(surplus.map(({ what }) => what)).toEqual(['6 entries that are of no key in the log, the first one of the record at 1000']);
    const lacking = makeIndex(platform.fs, shape);
    await index.reset();
    await lacking.open([], true);
    accept(lacking, without);
    expect((await faultsOf(lacking, rows)).map(({ what }) => what)).toEqual(['6 keys without entry, the first one of the record at 1000']);
    expect((await faultsOf(lacking, rowsFrom(43))).map(({ what }) => what)).toEqual([
      '6 keys without entry, the first one of the record at 1000',
      '4 keys without entry, the first one of the record at 4000',
    ]);
  });

  test('an entry too many, or too few, among others of the same key or record', async () => {
    const same = rows.map((row, i) => ({ ...row, keys: i < 20 ? ['k1'] : ['k1', 'k2', 'k3'] }));
    for (const i of [5, 25]) {
      const index = await newIndex(memoryPlatform());
      accept(index, same);
      const without = same.map((row, j) => (j === i ? { ...row, keys: row.keys.slice(1) } : row));
      expect((await faultsOf(index, without)).map(({ what }) => what)).toEqual([
        `1 entries that are of no key in the log, the first one of the record at ${i * 100}`,
      ]);
    }
    const lacking = await newIndex(memoryPlatform());
    accept(
      lacking,
      same.filter((_, j) => j !== 5),
    );
    expect((await faultsOf(lacking, same)).map(({ what }) => what)).toEqual(['1 keys without entry, the first one of the record at 500']);
  });

  test('an entry of a deleted record, and nothing of the others', async () => {
    flip(platform, pathOf(platform, 1), third + 7, 7);
    const index = await reopened();
    const faults = await faultsOf(index, rows, 2500);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ where: pathOf(platform, 1), offset: third, what: expect.stringMatching(/^1 entries/) as string });
  });

  test('an index that is empty', async () => {
    const empty = memoryPlatform();
    const index = await newIndex(empty);
    expect(await faultsOf(index, rows)).toEqual([
      { where: directory, offset: 0, what: '54 keys without entry, the first one of the record at 0' },
    ]);
  });

  test('a file that cannot be read any more, once, with nothing said of its keys', async () => {
    const index = await reopened();
    const path = pathOf(platform, 1);
    const file = platform.fs.open(path, 'read-write');
    await file.truncate(indexEntryAt(shape.slotCount, 1));
    await file.close();
    expect((await faultsOf(index, rows)).map(({ where }) => where)).toEqual([path]);
  });

  test('but entries of what was passed over, in between and at the end, are none', async () => {
    const index = await reopened();
    const faults: Fault[] = [];
    const check = index.checker((where, offset, what) => faults.push({ where, offset, what }));
    await check.skip(Number.NEGATIVE_INFINITY, 300);
    for (const row of rows.slice(3, 35)) {
      if (row.physicalOffset === 1000) check.passOver(1000, 1400);
      if (row.physicalOffset >= 1000 && row.physicalOffset < 1400) continue;
      for (const key of row.keys) check.expect(indexKeyHash(topic, key), row.physicalOffset, row.storedAt);
    }
    await check.skip(3500, 4000);
    await check.end(4000);
    expect(faults).toEqual([]);
  });
});

test('the shape rolls files and makes slots collide', () => {
  expect(entriesInFile * 4).toBeLessThan(rowsFrom(40).flatMap((row) => row.keys).length);
  expect(shape.slotCount).toBeLessThan(new Set(keys.map((key) => indexKeyHash(topic, key))).size);
});
