import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import type { IndexFileState } from '../../src/key-index/index-file.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/memory-platform.js';
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
} from './index-harness.js';

const keys = ['a', 'b', 'Aa', 'BB', 'aXA4ptp'];
const rows: readonly Row[] = Array.from({ length: 8 }, (_, i) => ({
  physicalOffset: 1000 + i * 100,
  storedAt: 1_700_000_000_000 + i * 1500,
  keys: [keys[i % 5] ?? '', keys[(i + 1) % 5] ?? ''],
}));
const safeOffset = 1800;
const fileBytes = 40 + 7 * 4 + 5 * 20;

/** Four full files. */
async function fourFiles(): Promise<{ platform: MemoryPlatform; states: readonly IndexFileState[] }> {
  const platform = memoryPlatform();
  await makeRoot(platform.fs);
  const index = makeIndex(platform.fs);
  await index.open([], true);
  accept(index, rows);
  const states = (await index.sync(safeOffset)) ?? [];
  await index.close();
  return { platform, states };
}

function overwrite(platform: MemoryPlatform, name: string, at: number, bytes: Uint8Array): void {
  const file = platform.fs.open(`${directory}/${name}`, 'read-write');
  file.writeSync([bytes], at);
  void file.close();
}

/** Every query ends, with offsets or a StoreError; after `reset` and feeding again all is found. */
async function checkSurvival(platform: MemoryPlatform, states: readonly IndexFileState[], clean: boolean): Promise<void> {
  const index = makeIndex(platform.fs);
  const { refeedFrom } = await index.open(states, clean);
  accept(
    index,
    rows.filter((row) => row.physicalOffset >= (refeedFrom ?? safeOffset)),
  );
  for (const key of keys) {
    const offsets = await found(index, key).catch((error: unknown) => {
      expect(StoreError.is(error)).toBe(true);
      return [];
    });
    expect(offsets.length).toBeLessThanOrEqual(2 * 16);
  }
  await index.sync(safeOffset);
  await index.cut(1450);
  await index.reset();
  accept(index, rows);
  for (const key of keys) expect(await foundRows(index, rows, key)).toEqual(expectedRows(rows, key));
  expect(await index.sync(safeOffset)).toHaveLength(4);
}

test('damaged bytes anywhere in any file never hang or break an opening or a query', async () => {
  const place = fc.record({
    file: fc.nat(3),
    at: fc.nat(fileBytes - 1),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 24 }),
    clean: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(place, async ({ file, at, bytes, clean }) => {
      const { platform, states } = await fourFiles();
      overwrite(platform, states[file]?.name ?? '', at, bytes.subarray(0, fileBytes - at));
      await checkSurvival(platform, states, clean);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test('every single byte of the newest file may be wrong: after a crash all is found again', async () => {
  for (let at = 0; at < fileBytes; at += 1) {
    const { platform, states } = await fourFiles();
    overwrite(platform, states[3]?.name ?? '', at, Buffer.of(0xa5));
    const index = makeIndex(platform.fs);
    const { refeedFrom } = await index.open(states, false);
    accept(
      index,
      rows.filter((row) => row.physicalOffset >= (refeedFrom ?? safeOffset)),
    );
    // The times in the header and the hashes' chains have nothing to be checked against but the records.
    const isTimeOrHash = at < 16 || (at >= 88 && (at - 88) % 20 < 4);
    if (isTimeOrHash) continue;
    for (const key of keys) expect(await foundRows(index, rows, key), `byte ${at}`).toEqual(expectedRows(rows, key));
  }
});

test('a missing file, and all after it, are set aside and fed again', async () => {
  for (const missing of [0, 1, 2, 3]) {
    const { platform, states } = await fourFiles();
    await platform.fs.remove(`${directory}/${states[missing]?.name ?? ''}`);
    const index = makeIndex(platform.fs);
    const opened = await index.open(states, true);
    expect(opened).toEqual({ refeedFrom: states[missing - 1]?.endPhysicalOffset ?? 0, asideCount: 3 - missing });
    accept(
      index,
      rows.filter((row) => row.physicalOffset >= (opened.refeedFrom ?? 0)),
    );
    for (const key of keys) expect(await foundRows(index, rows, key)).toEqual(expectedRows(rows, key));
    expect(await index.sync(safeOffset)).toHaveLength(4);
  }
});

test('a foreign file is set aside with all after it; other names are left alone', async () => {
  const { platform, states } = await fourFiles();
  const name = String(BigInt(states[1]?.name ?? '') + 1n);
  await platform.fs.rename(`${directory}/${states[2]?.name ?? ''}`, `${directory}/${name}9`);
  await plant(platform.fs, `${directory}/.DS_Store`, 3, []);
  const index = makeIndex(platform.fs);
  expect(await index.open(states, true)).toEqual({ refeedFrom: states[1]?.endPhysicalOffset, asideCount: 2 });
  expect(platform.fs.list(directory)).toEqual(['.DS_Store', states[0]?.name, states[1]?.name]);
  expect(platform.fs.list(asideDirectory)).toEqual([`index-${name}9`, `index-${states[3]?.name}`]);
});

test('a file that somebody adds or removes beside us voids the safe point', async () => {
  for (const change of ['add', 'remove'] as const) {
    const { platform, states } = await fourFiles();
    const index = makeIndex(platform.fs);
    await index.open(states, true);
    expect(await index.sync(safeOffset)).toEqual(states);
    if (change === 'add') await plant(platform.fs, `${directory}/20991231235959999`, fileBytes, []);
    else await platform.fs.remove(`${directory}/${states[1]?.name ?? ''}`);
    expect(await index.sync(safeOffset)).toBeUndefined();
    expect(index.damaged).toBe(true);
  }
});

test('what is set aside twice under one name is kept twice', async () => {
  const { platform, states } = await fourFiles();
  const index = makeIndex(platform.fs);
  await index.open(states, true);
  await index.reset();
  await plant(platform.fs, `${directory}/${states[0]?.name}`, fileBytes, [[0, '01']]);
  await index.reset();
  expect(platform.fs.list(asideDirectory).filter((name) => name.includes(states[0]?.name ?? ''))).toHaveLength(2);
});

/** Slots lie at 40, entry k at 68 + 20 k, its previous number 16 bytes into it. */
test('a chain that turns back on itself, or leaves its slot, ends the walk and is reported', async () => {
  const { platform, states } = await fourFiles();
  const name = states[3]?.name ?? '';
  for (let entryNumber = 1; entryNumber <= 4; entryNumber += 1) {
    const number = Buffer.alloc(4);
    number.writeInt32BE(entryNumber);
    overwrite(platform, name, 68 + 20 * entryNumber + 16, number);
  }
  const index = makeIndex(platform.fs);
  await index.open(states, true);
  const all = await Promise.all(keys.map((key) => found(index, key)));
  expect(all.flat().length).toBeGreaterThan(0);
  expect(index.damaged).toBe(true);
  expect(StoreError.is(index.damage, 'CORRUPT')).toBe(true);
});

test('states that no index can have are refused, not believed', async () => {
  const { platform, states } = await fourFiles();
  for (const entryCount of [0, -1, 5, 1.5, Number.NaN, 2 ** 40]) {
    const copy = platform.crash('synced');
    const index = makeIndex(copy.fs);
    const wrong = states.map((state, i) => (i === 0 ? { ...state, entryCount } : state));
    expect(await index.open(wrong, true)).toEqual({ refeedFrom: 0, asideCount: 4 });
  }
});
