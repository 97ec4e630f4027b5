import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openStore, type Platform, type Store, type StoreOptions } from '../../src/index.js';
import { indexEntryAt, indexKeyHash, indexSlotAt } from '../../src/format/index-layout.js';
import { faultyPlatform } from '../../src/testing/faulty-platform.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';

const directory = '/store';
const slotCount = 5;
const entryCount = 9;

function open(platform: Platform, options: StoreOptions = {}): Promise<Store> {
  return openStore(directory, {
    platform,
    segmentBytes: 2048,
    queueEntriesPerFile: 16,
    indexSlotCount: slotCount,
    indexEntryCount: entryCount,
    freeBytesMin: 0,
    flushIntervalMs: 10,
    ...options,
    readOnly: false,
  });
}

/** Several keys a message, of which "Aa" and "BB" have one hash, and every third message without. */
async function append(store: Store, count: number, first = 0): Promise<void> {
  for (let i = first; i < first + count; i += 1) {
    const keys = i % 3 === 2 ? [] : i % 2 === 0 ? [`k${i % 7}`, 'Aa'] : ['BB', `k${i}`, `k${i % 7}`];
    await store.append({ topic: `T${i % 2}`, queueId: i % 3, keys, body: `message ${i}` });
  }
}

async function closedStore(count = 60): Promise<Platform> {
  const platform = memoryPlatform();
  const store = await open(platform);
  await append(store, count);
  await store.close();
  return platform;
}

function indexPath(platform: Platform, fileNumber: number): string {
  return `${directory}/index/${platform.fs.list(`${directory}/index`).at(fileNumber)}`;
}

async function flip(platform: Platform, path: string, at: number, bit = 0): Promise<void> {
  const file = platform.fs.open(path, 'read-write');
  const byte = Buffer.alloc(1);
  file.readSync(byte, at);
  file.writeSync([Buffer.of((byte[0] ?? 0) ^ (1 << bit))], at);
  await file.close();
}

describe('a store whose index is as it must be verifies', () => {
  test('fresh, closed and opened again, and gone on with', async () => {
    const platform = memoryPlatform();
    const store = await open(platform);
    await append(store, 60);
    expect(await store.verify()).toMatchObject({ ok: true, recordCount: 60 });
    await store.close();
    expect(platform.fs.list(`${directory}/index`).length).toBeGreaterThan(5);
    const again = await open(platform);
    expect(await again.verify()).toMatchObject({ ok: true, recordCount: 60, faults: [] });
    await append(again, 5, 60);
    expect(await again.verify()).toMatchObject({ ok: true, recordCount: 65, faults: [] });
    await again.close();
  });

  test('after the power failed, at any point', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(50), async (seed, count) => {
        const platform = memoryPlatform({ seed });
        const store = await open(platform);
        const appended = append(store, count).catch(() => undefined);
        await append(store, 5, 100);
        const after = platform.crash();
        await appended;
        await store.close().catch(() => undefined);
        const again = await open(after);
        expect((await again.verify()).faults).toEqual([]);
        await append(again, 3, 200);
        expect((await again.verify()).faults).toEqual([]);
        await again.close();
      }),
      { numRuns: 60 },
    );
  });

  test('while messages come in and safe points are taken', async () => {
    const platform = memoryPlatform();
    const store = await open(platform);
    await append(store, 60);
    const appended = append(store, 200, 60);
    for (let i = 0; i < 5; i += 1) expect((await store.verify()).faults).toEqual([]);
    await appended;
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
  });

  test('with the oldest segments deleted, before or while it reads', async () => {
    const platform = memoryPlatform();
    const store = await open(platform);
    await append(store, 150);
    const offsets = await Promise.all(
      [30, 90].map(async (count) => (await store.read({ topic: 'T0' }, { from: count / 6, countMax: 1 })).messages[0]?.physicalOffset ?? 0),
    );
    await store.clean({ before: offsets[0] ?? 0 });
    expect((await store.verify()).faults).toEqual([]);
    const [report, cleaned] = await Promise.all([store.verify(), store.clean({ before: offsets[1] ?? 0 })]);
    expect(cleaned.deletedSegmentCount).toBeGreaterThan(0);
    expect(report.faults).toEqual([]);
    await store.close();
  });

  test('while the index is made anew because a query has met damage', async () => {
    const platform = await closedStore();
    const store = await open(platform);
    const path = indexPath(platform, 1);
    // Entries that lead to where no record begins.
    for (let entry = 2; entry < entryCount - 1; entry += 1) await flip(platform, path, indexEntryAt(slotCount, entry) + 11, 2);
    const offsets: number[] = [];
    const asked = (async () => {
      for await (const { physicalOffset } of store.findByKey({ topic: 'T0', key: 'Aa' })) offsets.push(physicalOffset);
    })();
    const early = await store.verify();
    await asked;
    expect(offsets).toHaveLength(20);
    // Of the six entries, but not of all those that are not there yet.
    expect(early.faultCount).toBeLessThanOrEqual(2 * 6);
    expect(early.faults.filter(({ what }) => Number(/^(\d+) (?:keys|entries)/.exec(what)?.[1] ?? 0) > 6)).toEqual([]);
    expect(platform.fs.exists(path)).toBe(false);
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
  });

  test('while it is to be made anew because its slots could not be read', async () => {
    const platform = faultyPlatform(await closedStore());
    const store = await open(platform);
    const stop = platform.add({ ops: ['readSync'], path: /index/, count: 1, fault: { kind: 'error', code: 'EIO' } });
    await append(store, 1, 60);
    expect(platform.struckCount).toBe(1);
    stop();
    expect((await store.verify()).faults).toEqual([]);
    await store.flush();
    await store.close();
    const again = await open(platform);
    expect((await again.verify()).faults).toEqual([]);
    await again.close();
  });

  test('while it is to be made anew because a sync of it failed', async () => {
    const platform = faultyPlatform(await closedStore());
    const store = await open(platform);
    await append(store, 4, 60);
    // Entries are synced first, then what the header says.
    platform.add({ ops: ['sync'], path: /index\/\d/, from: 2, count: 1, fault: { kind: 'error', code: 'EIO' } });
    await store.clean({ before: 1 });
    await store.snapshot('/copy').catch(() => undefined);
    expect(platform.struckCount).toBe(1);
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
  });

  test('without key index, and where a reader follows', async () => {
    const platform = memoryPlatform();
    const store = await open(platform, { keyIndex: false });
    await append(store, 20);
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
    const again = await open(platform);
    expect((await again.verify()).faults).toEqual([]);
    const reader = await openStore(directory, { platform, readOnly: true });
    expect((await reader.verify()).faults).toEqual([]);
    await reader.close();
    await again.close();
  });

  test('after what was damaged in the log was repaired, in the middle of a segment and at its end', async () => {
    const platform = memoryPlatform();
    const store = await open(platform);
    await append(store, 10);
    const last: number[] = [];
    // Their tombstones are shorter than they were.
    for (let i = 0; i < 12; i += 1)
      last.push((await store.append({ topic: 'T0', keys: [`long-${i}`, 'Aa'], body: Buffer.alloc(400) })).physicalOffset);
    const segment = (offset: number): number => Math.floor(offset / 2048);
    const third = last.filter((offset) => segment(offset) === segment(last[6] ?? 0));
    expect(third.length).toBeGreaterThan(2);
    for (const places of [
      [(await store.read({ topic: 'T0' }, { from: 0, countMax: 1 })).messages[0]?.physicalOffset ?? 0],
      third.slice(1),
    ]) {
      for (const offset of places)
        await flip(platform, `${directory}/commitlog/${String(segment(offset) * 2048).padStart(20, '0')}`, (offset % 2048) + 95);
      const report = await store.verify();
      expect(report.faultCount).toBeGreaterThan(0);
      expect(report.faults[0]).toMatchObject({ where: expect.stringContaining('/commitlog/') as string, offset: (places[0] ?? 0) % 2048 });
      expect(report.faults.filter(({ where }) => where.includes('/index/'))).toEqual([]);
      expect((await store.repair()).damage.length).toBeGreaterThan(0);
      expect((await store.verify()).faults).toEqual([]);
    }
    await store.close();
  });
});

describe('verify says where the index is wrong', () => {
  const second = indexEntryAt(slotCount, 2);

  test.each([
    ['the hash of an entry', second + 3, /hash/],
    ['the physical offset of an entry', second + 11, /names the record at|without entry/],
    ['the link of an entry', second + 19, /as the one before it in its slot/],
    ['a slot', indexSlotAt(indexKeyHash('T0', 'Aa') % slotCount) + 3, /^slot \d names entry/],
    ['the slots in use', 35, /^header/],
    ['the begin time', 3, /^header/],
  ])('%s', async (_, at, what) => {
    const platform = await closedStore();
    for (const fileNumber of [1, -1]) {
      const path = indexPath(platform, fileNumber);
      await flip(platform, path, at);
      const store = await open(platform);
      const report = await store.verify();
      expect(report.ok).toBe(false);
      expect(report.faults[0]).toMatchObject({ where: path, what: expect.stringMatching(what) as string });
      expect(report.faults.every(({ where }) => where === path)).toBe(true);
      await store.close();
      await flip(platform, path, at);
    }
    const store = await open(platform);
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
  });
});
