import { expect, it } from 'vitest';
import type { MemoryPlatform } from '../../src/testing/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { createFile, readFile, removeTree, segmentOf } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readQueue, refusal, root } from '../contract/harness.js';

const MESSAGE_COUNT = 100;

/** Closed cleanly, with the last `count` segments taken away then. */
async function withoutLast(count: number): Promise<{ readonly disk: MemoryPlatform; readonly end: number; readonly firstLost: number }> {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const places = [];
  for (let i = 0; i < MESSAGE_COUNT; i += 1) places.push(await store.append({ topic: 'T', body: `${i}`.padEnd(100, '.') }));
  const { writtenOffset: end } = store.stats();
  await store.close();
  const last = end - (end % 4096);
  const from = last - (count - 1) * 4096;
  for (let base = from; base <= last; base += 4096) await removeTree(disk, segmentOf(root, 4096, base).path);
  return { disk, end, firstLost: places.findIndex(({ physicalOffset }) => physicalOffset >= from) };
}

for (const count of [1, 2])
  for (const hasState of [true, false])
    it(`skip gives no number or place out again where the last ${count} segments are missing, ${hasState ? 'with' : 'without'} a state`, async () => {
      const { disk, end, firstLost } = await withoutLast(count);
      if (!hasState) await removeTree(disk, `${root}/stratalog/state`);
      expect(await refusal(() => openTiny(disk, { recovery: 'strict' }))).toBe('CORRUPT');
      const store = await openTiny(disk, { recovery: 'skip' });
      expect(store.recovery.damage.map(({ bytes, what }) => [bytes, what])).toEqual(
        Array.from({ length: count }, () => [4096, 'the segment is missing']),
      );
      expect((await readQueue(store, { topic: 'T' })).map(({ queueOffset }) => queueOffset)).toEqual([...Array(firstLost).keys()]);
      const next = await store.append({ topic: 'T', body: 'next' });
      expect(next.queueOffset).toBe(MESSAGE_COUNT);
      expect(next.physicalOffset).toBeGreaterThanOrEqual(end);
      expect((await store.verify()).faults).toEqual([]);
      await store.close();
      const again = await openTiny(disk);
      expect(again.recovery.cleanShutdown).toBe(true);
      expect((await readQueue(again, { topic: 'T' })).length).toBe(firstLost + 1);
      await again.close();
    });

it('skip gives no number or place out again where no segment is left', async () => {
  const { disk, end } = await withoutLast(6);
  const store = await openTiny(disk, { recovery: 'skip' });
  const next = await store.append({ topic: 'T', body: 'next' });
  expect(next.queueOffset).toBe(MESSAGE_COUNT);
  expect(next.physicalOffset).toBeGreaterThanOrEqual(end);
  expect((await store.verify()).faults).toEqual([]);
  await store.close();
});

for (const recovery of ['skip', 'truncate'] as const)
  it(`numbers of expired messages are not given again where nothing is left of the log, ${recovery}`, async () => {
    const disk = memoryPlatform();
    const store = await openTiny(disk);
    await appendMany(store, 5, { topic: 'X' });
    await appendMany(store, 100, { topic: 'T' });
    await store.clean({ before: 8192 });
    const { writtenOffset: end } = store.stats();
    await store.close();
    for (let base = 8192; base <= end; base += 4096) await removeTree(disk, segmentOf(root, 4096, base).path);
    const again = await openTiny(disk, { recovery });
    const next = [await again.append({ topic: 'X', body: 'next' }), await again.append({ topic: 'T', body: 'next' })];
    expect(next.map(({ queueOffset }) => queueOffset)).toEqual([5, 100]);
    await again.close();
  });

it('a copy of a queue file under another name does not take the room of numbers that were lost there', async () => {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  for (let i = 0; i < 30; i += 1) await store.append({ topic: i % 2 === 0 ? 'T' : 'U', body: `${i}`.padEnd(600, '.') });
  await store.close();
  const { writtenOffset: end } = store.stats();
  await removeTree(disk, segmentOf(root, 4096, end - (end % 4096)).path);
  const queue = `${root}/consumequeue/T/0/`;
  await createFile(disk, `${queue}${'320'.padStart(20, '0')}`, await readFile(disk, `${queue}${'0'.repeat(20)}`));
  const again = await openTiny(disk, { recovery: 'skip' });
  for (const topic of ['T', 'U']) expect((await again.append({ topic, body: 'next' })).queueOffset).toBe(15);
  expect((await again.verify()).faults).toEqual([]);
  await again.close();
});

it('truncate goes on in front of them', async () => {
  const { disk, firstLost } = await withoutLast(2);
  const store = await openTiny(disk, { recovery: 'truncate' });
  expect(store.bounds({ topic: 'T' })).toEqual({ min: 0, max: firstLost });
  await appendMany(store, 3);
  expect((await store.verify()).faults).toEqual([]);
  await store.close();
});
