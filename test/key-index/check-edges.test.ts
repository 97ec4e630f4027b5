import { beforeEach, expect, test } from 'vitest';
import { indexEntryAt, indexHeaderBytes, indexKeyHash } from '../../src/format/index-layout.js';
import type { IndexCheck } from '../../src/key-index/index-check.js';
import type { IndexFileState } from '../../src/key-index/index-file.js';
import type { KeyIndex } from '../../src/key-index/key-index.js';
import type { FileSystem } from '../../src/platform/platform.js';
import { type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { accept, directory, makeIndex, makeRoot, type Row, topic } from './index-harness.js';

interface Fault {
  readonly where: string;
  readonly what: string;
}

const shape = { slotCount: 5, entryCount: 9 };
/** One key each: eight entries a file, four in the last. */
const rows: readonly Row[] = Array.from({ length: 28 }, (_, i) => ({
  physicalOffset: i * 100,
  storedAt: 1_700_000_000_000 + i * 700,
  keys: [`k${i}`],
}));
const endOfLog = 2800;
let platform: MemoryPlatform;
let states: readonly IndexFileState[];
let faults: Fault[];

beforeEach(async () => {
  platform = memoryPlatform();
  faults = [];
  await makeRoot(platform.fs);
  const index = makeIndex(platform.fs, shape);
  await index.open([], true);
  accept(index, rows);
  states = (await index.sync(endOfLog)) ?? [];
  await index.close();
  expect(states.map(({ entryCount }) => entryCount)).toEqual([8, 8, 8, 4]);
});

function pathOf(fileNumber: number): string {
  return `${directory}/${states[fileNumber]?.name ?? ''}`;
}

async function reopened(fs: FileSystem = platform.fs): Promise<KeyIndex> {
  const index = makeIndex(fs, shape);
  await index.open(states, true);
  return index;
}

async function truncate(fileNumber: number, bytes: number): Promise<void> {
  const file = platform.fs.open(pathOf(fileNumber), 'read-write');
  await file.truncate(bytes);
  await file.close();
}

function checkerOf(index: KeyIndex): IndexCheck {
  return index.checker((where, _, what) => faults.push({ where, what }));
}

function expectRows(check: IndexCheck, from: number, to: number): void {
  for (const { keys, physicalOffset, storedAt } of rows.slice(from, to)) {
    for (const key of keys) check.expect(indexKeyHash(topic, key), physicalOffset, storedAt);
  }
}

test('a file cut behind the check, so that its slots are not all there, is one fault', async () => {
  const check = checkerOf(await reopened());
  expectRows(check, 0, 9);
  expect(check.hasWork).toBe(true);
  await truncate(0, indexHeaderBytes + 4);
  await check.settle();
  expectRows(check, 9, 28);
  await check.end(endOfLog);
  expect(faults).toEqual([{ where: pathOf(0), what: expect.stringContaining('the slots are not all there') as string }]);
});

test.each([
  ['out of order', 650],
  ['followed by the one that is meant', 700],
])(
  'a file cut ahead of the check is one fault, though the next entry is known: whether it is %s must be read',
  async (_, physicalOffset) => {
    const check = checkerOf(await reopened());
    expectRows(check, 0, 7);
    await truncate(0, indexEntryAt(shape.slotCount, 7));
    check.expect(1, physicalOffset, 1_700_000_004_800);
    expectRows(check, 7, 28);
    await check.end(endOfLog);
    expect(faults).toEqual([{ where: pathOf(0), what: expect.stringContaining('the file ends at byte') as string }]);
  },
);

test('a newest file that cannot be read is one fault: nothing is said of its keys, nor of those that come', async () => {
  const index = await reopened();
  await truncate(3, indexEntryAt(shape.slotCount, 1));
  const check = checkerOf(index);
  expectRows(check, 0, 28);
  check.expect(1, 9000, 1_700_000_900_000);
  await check.end(9001);
  expect(faults).toEqual([{ where: pathOf(3), what: expect.stringContaining('the file ends at byte') as string }]);
});

test('what the machine fails with is told by name, what is no failure of it is thrown', async () => {
  let failure: Error | undefined;
  const { fs } = withFaults(platform, ({ op, path }) => (op === 'readSync' && path === pathOf(1) ? failure : undefined));
  const index = await reopened(fs);
  failure = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
  const check = checkerOf(index);
  expectRows(check, 0, 28);
  await check.end(endOfLog);
  expect(faults).toEqual([{ where: pathOf(1), what: expect.stringContaining('EIO: i/o error, read') as string }]);
  failure = new TypeError('a mistake of ours');
  const other = checkerOf(index);
  expect(() => expectRows(other, 0, 28)).toThrow(failure);
  expect(faults).toHaveLength(1);
});

test('a failure met while the index is being set aside is none of it', async () => {
  let reset: (() => void) | undefined;
  const { fs } = withFaults(platform, ({ op }) => {
    if (op !== 'read' || reset === undefined) return undefined;
    reset();
    return Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
  });
  const index = await reopened(fs);
  const check = checkerOf(index);
  expectRows(check, 0, 9);
  let isReset: Promise<void> | undefined;
  reset = () => {
    reset = undefined;
    isReset = index.reset();
  };
  await check.settle();
  await isReset;
  expectRows(check, 9, 28);
  await check.end(endOfLog);
  expect(isReset).toBeDefined();
  expect(faults).toEqual([]);
});

test('entries in front of what is passed over are surplus, those in it are not', async () => {
  const check = checkerOf(await reopened());
  expectRows(check, 0, 9);
  check.passOver(1100, 1400);
  expectRows(check, 14, 28);
  await check.end(endOfLog);
  expect(faults).toEqual([{ where: pathOf(1), what: '2 entries that are of no key in the log, the first one of the record at 900' }]);
});
