import { afterEach, expect, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAllZero } from '../../src/base/bytes.js';
import { indexEntryHash, readIndexHeader } from '../../src/format/index-layout.js';
import { KeyIndex } from '../../src/key-index/key-index.js';
import { nodePlatform } from '../../src/platform/node-platform.js';
import type { FileSystem } from '../../src/platform/platform.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { accept, directory, found, makeIndex, makeRoot, nowMs, readAll, type Row } from './index-harness.js';

const shape = { slotCount: 1500, entryCount: 40 };
const keys = ['a', 'b', 'c', 'Aa', 'BB', 'aXA4ptp', 'order-1', 'order-2'];
const rows: readonly Row[] = Array.from({ length: 60 }, (_, i) => ({
  physicalOffset: 500 + i * 77,
  storedAt: 1_700_000_000_000 + i * 333,
  keys: [keys[i % 8] ?? '', `unique-${i}`],
}));

const temporary: string[] = [];
afterEach(() => {
  for (const path of temporary.splice(0)) rmSync(path, { recursive: true, force: true });
});

async function undisturbed(): Promise<Map<string, Buffer>> {
  const { fs } = memoryPlatform();
  await makeRoot(fs);
  const index = makeIndex(fs, shape);
  await index.open([], true);
  accept(index, rows);
  await index.sync(Infinity);
  await index.close();
  return filesOf(fs);
}

function filesOf(fs: FileSystem): Map<string, Buffer> {
  return new Map(fs.list(directory).map((name) => [name, readAll(fs, `${directory}/${name}`)]));
}

test('after a crash the files become byte for byte what they would have been without it', async () => {
  const expected = await undisturbed();
  for (let crashAfter = 1; crashAfter < rows.length; crashAfter += 3) {
    let platform = memoryPlatform({ seed: crashAfter });
    await makeRoot(platform.fs);
    let index = makeIndex(platform.fs, shape);
    await index.open([], true);
    const safe = rows[Math.floor(crashAfter / 2)]?.physicalOffset ?? 0;
    accept(index, rows.slice(0, crashAfter));
    const states = (await index.sync(safe)) ?? [];
    index.writePending(Infinity, Infinity);
    platform = platform.crash();
    index = makeIndex(platform.fs, shape);
    expect((await index.open(states, false)).refeedFrom).toBeUndefined();
    accept(
      index,
      rows.filter((row) => row.physicalOffset >= safe),
    );
    await index.sync(Infinity);
    await index.close();
    expect([...filesOf(platform.fs).values()]).toEqual([...expected.values()]);
  }
});

test('opening after a crash zeroes what lies behind the entries that the state counts', async () => {
  const platform = memoryPlatform();
  await makeRoot(platform.fs);
  const index = makeIndex(platform.fs, shape);
  await index.open([], true);
  accept(index, rows.slice(0, 15));
  const states = (await index.sync(rows[10]?.physicalOffset ?? 0)) ?? [];
  index.writePending(Infinity, Infinity);
  const { fs } = platform.crash('all');
  const path = `${directory}/${states[0]?.name ?? ''}`;
  const behind = 40 + 4 * shape.slotCount + 20 * 21;
  expect(isAllZero(readAll(fs, path), behind)).toBe(false);
  expect(await makeIndex(fs, shape).open(states, false)).toEqual({ refeedFrom: undefined, asideCount: 0 });
  const bytes = readAll(fs, path);
  expect(bytes).toHaveLength(40 + 4 * shape.slotCount + 20 * shape.entryCount);
  expect(isAllZero(bytes, behind - 20, behind)).toBe(false);
  expect(isAllZero(bytes, behind)).toBe(true);
});

test('what a cut takes back leaves no trace in the bytes', async () => {
  const expected = await undisturbed();
  for (const isSynced of [true, false]) {
    const { fs } = memoryPlatform();
    await makeRoot(fs);
    const index = makeIndex(fs, shape);
    await index.open([], true);
    const end = rows[25]?.physicalOffset ?? 0;
    accept(index, [...rows.slice(0, 25), ...rows.slice(25).map((row) => ({ ...row, keys: ['gone', 'lost', 'Aa'] }))]);
    if (isSynced) await index.sync(Infinity);
    await index.cut(end);
    expect(await found(index, 'gone')).toEqual([]);
    accept(index, rows.slice(25));
    await index.sync(Infinity);
    expect([...filesOf(fs).values()]).toEqual([...expected.values()]);
  }
});

test("the header's counts are those of the content", async () => {
  for (const bytes of (await undisturbed()).values()) {
    const header = readIndexHeader(bytes, 0);
    const slots = Array.from({ length: shape.slotCount }, (_, slot) => bytes.readInt32BE(40 + 4 * slot));
    expect(header.slotsUsed).toBe(slots.filter((entryNumber) => entryNumber > 0).length);
    const used = new Set<number>();
    for (let k = 1; k < header.nextEntry; k += 1) used.add(indexEntryHash(bytes, 40 + 4 * shape.slotCount + 20 * k) % shape.slotCount);
    expect(header.slotsUsed).toBe(used.size);
    expect(Math.max(...slots)).toBe(header.nextEntry - 1);
  }
});

test('on a real disk the files have the same bytes, and open again', async () => {
  const root = mkdtempSync(`${tmpdir()}/stratalog-index-`);
  temporary.push(root);
  const { fs } = nodePlatform;
  const makeReal = (): { readonly index: KeyIndex; readonly files: OpenFiles } => {
    const files = new OpenFiles(fs, 4);
    const options = { directory: `${root}/index`, asideDirectory: `${root}/stratalog/aside`, ...shape, fs, files, nowMs: () => nowMs };
    return { index: new KeyIndex(options), files };
  };
  const first = makeReal();
  await first.index.open([], false);
  accept(first.index, rows);
  const states = (await first.index.sync(Infinity)) ?? [];
  await first.index.close();
  await first.files.closeAll();
  const expected = await undisturbed();
  expect(fs.list(`${root}/index`)).toEqual([...expected.keys()]);
  for (const [name, bytes] of expected) expect(readAll(fs, `${root}/index/${name}`)).toEqual(bytes);
  for (const clean of [true, false]) {
    const again = makeReal();
    expect(await again.index.open(states, clean)).toEqual({ refeedFrom: undefined, asideCount: 0 });
    expect(await found(again.index, 'unique-7')).toEqual([500 + 7 * 77]);
    await again.index.close();
    await again.files.closeAll();
  }
});
