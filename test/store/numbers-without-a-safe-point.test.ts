import { expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { readFile, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, root } from '../contract/harness.js';

/**
 * Killed, and then the last messages of queue U damaged with its file: no safe point can be taken until that is repaired. The five messages
 * of queue X came after the last one.
 */
async function withoutSafePoint(): Promise<MemoryPlatform> {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const fillTo = async (end: number): Promise<void> => {
    while (store.stats().writtenOffset < end) await store.append({ topic: 'T', body: 't'.padEnd(100, '.') });
  };
  await fillTo(4096 + 100);
  const places = [];
  for (let i = 0; i < 6; i += 1) places.push(await store.append({ topic: 'U', body: 'u'.padEnd(100, '.') }));
  await store.snapshot('/copy');
  for (let i = 0; i < 5; i += 1) await store.append({ topic: 'X', body: 'x'.padEnd(100, '.') });
  await fillTo(6 * 4096 + 200);
  const killed = disk.crash('synced');
  const [fifth, sixth] = [places[4]!, places[5]!];
  const { path, at } = segmentOf(root, 4096, fifth.physicalOffset);
  await writeInto(killed, path, Buffer.alloc(sixth.physicalOffset + sixth.recordBytes - fifth.physicalOffset), at);
  const queue = `${root}/consumequeue/U/0/${'0'.repeat(20)}`;
  await writeInto(killed, queue, Buffer.alloc((await readFile(killed, queue)).length), 0);
  return killed;
}

it('a deletion keeps the next numbers of queues where no safe point has been taken since the opening', async () => {
  const disk = await withoutSafePoint();
  const store = await openTiny(disk);
  expect(store.bounds({ topic: 'X' })).toEqual({ min: 0, max: 5 });
  await store.clean({ before: 4 * 4096 });
  expect(store.stats().minOffset).toBe(4 * 4096);
  expect(store.bounds({ topic: 'X' })).toEqual({ min: 5, max: 5 });
  const left = await openTiny(disk.crash('synced'));
  expect((await left.append({ topic: 'X', body: 'next' })).queueOffset).toBe(5);
  expect((await left.verify()).faults).toEqual([]);
  await left.close();
});
