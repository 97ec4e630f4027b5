import { expect, test } from 'vitest';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { accept, makeIndex, makeRoot, tiny } from './index-harness.js';

const first = { physicalOffset: 100, storedAt: 1_700_000_000_123, keys: ['a', 'b', 'c'] };
const second = { physicalOffset: 200, storedAt: 1_700_000_000_124, keys: ['d', 'e'] };

test('a safe point syncs entries before slots, writes the header last, and then the names', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  const lines: string[] = [];
  const { fs } = traceCalls(base, (line) => lines.push(line), '/store');
  const index = makeIndex(fs);
  await index.open([], true);
  accept(index, [first, second]);
  lines.length = 0;
  index.writePending(200, 1_000_000);
  lines.push('-- safe point');
  await index.sync(300);
  lines.push('-- nothing new');
  await index.sync(300);
  // Entries start at 40 + 4 * 7 = 68, number 1 at 88; the file has 168 bytes.
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "open index/20231114221320123 create
    writeSync index/20231114221320123 @167 +1
    writeSync index/20231114221320123 @88 +60
    -- safe point
    writeSync index/20231114221320123 @148 +20
    open index/20231114221320124 create
    writeSync index/20231114221320124 @167 +1
    writeSync index/20231114221320124 @88 +20
    sync index/20231114221320123 data
    write index/20231114221320123 @40 +28
    write index/20231114221320123 @0 +40
    sync index/20231114221320123 data
    sync index/20231114221320124 data
    write index/20231114221320124 @40 +28
    write index/20231114221320124 @0 +40
    sync index/20231114221320124 data
    syncDirectory index
    syncDirectory .
    list index = 20231114221320123 20231114221320124
    -- nothing new
    list index = 20231114221320123 20231114221320124"
  `);
});

test('no entry of a record that is not durable is written', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  const index = makeIndex(base.fs);
  await index.open([], true);
  accept(index, [first, second]);
  index.writePending(100, 1_000_000);
  expect(base.fs.list('/store/index')).toEqual([]);
  index.writePending(200, 1_000_000);
  expect(index.pendingBytes).toBe(2 * 20);
  expect(await index.sync(200)).toEqual([{ name: '20231114221320123', entryCount: 3, endPhysicalOffset: 100 }]);
  expect(index.pendingBytes).toBe(2 * 20);
});

test('writing keeps to the bytes it is given', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  const index = makeIndex(base.fs, { slotCount: 7, entryCount: 100 });
  await index.open([], true);
  accept(index, [first, second]);
  index.writePending(Infinity, 19);
  expect(index.pendingBytes).toBe(100);
  index.writePending(Infinity, 79);
  expect(index.pendingBytes).toBe(40);
  index.writePending(Infinity, 80);
  expect(index.pendingBytes).toBe(0);
});

test('slots on disk name only entries of the safe point, though newer ones share their chains', async () => {
  const { fs } = memoryPlatform();
  await makeRoot(fs);
  const shape = { slotCount: 1, entryCount: 100 };
  const index = makeIndex(fs, shape);
  await index.open([], true);
  accept(index, [first, second]);
  const states = (await index.sync(200)) ?? [];
  const beside = makeIndex(fs, shape);
  expect(await beside.open(states, true)).toEqual({ refeedFrom: undefined, asideCount: 0 });
  const offsets: number[] = [];
  for await (const offset of beside.find('TopicTest', 'a', 0, Infinity, Infinity)) offsets.push(offset);
  expect(offsets).toEqual([100]);
  expect(beside.damaged).toBe(false);
  expect(await index.sync(300)).toEqual([{ ...states[0], entryCount: 5, endPhysicalOffset: 200 }]);
});

test('a name never goes back, whatever the clock does', async () => {
  const { fs } = memoryPlatform();
  await makeRoot(fs);
  let now = new Date(2023, 10, 14, 22, 13, 20, 998).getTime();
  const index = makeIndex(fs, tiny, () => now);
  await index.open([], true);
  for (let i = 0; i < 4; i += 1) {
    accept(index, [{ physicalOffset: 100 * i, storedAt: 1_700_000_000_000, keys: ['a', 'b', 'c', 'd'] }]);
    now -= 3_600_000;
  }
  now += 5 * 3_600_000;
  accept(index, [{ physicalOffset: 1000, storedAt: 1_700_000_000_000, keys: ['a'] }]);
  await index.sync(Infinity);
  expect(fs.list('/store/index')).toEqual([
    '20231114221320998',
    '20231114221320999',
    '20231114221321000',
    '20231114221321001',
    '20231114231320998',
  ]);
});
