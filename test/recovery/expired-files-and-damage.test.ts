import { expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readQueue, root, texts } from '../contract/harness.js';

const options = { queueEntriesPerFile: 2 };

/** Killed after a deletion that took the first file of each queue; then one record of T is damaged, below the last safe point. */
async function killed(queueCount: number): Promise<MemoryPlatform> {
  const disk = memoryPlatform();
  const store = await openTiny(disk, options);
  const fillTo = async (end: number): Promise<void> => {
    while (store.stats().writtenOffset < end) await store.append({ topic: 'T', body: 't'.padEnd(100, '.') });
  };
  const appendToAll = async (from: number, to: number): Promise<void> => {
    for (let queueId = 0; queueId < queueCount; queueId += 1)
      for (let i = from; i < to; i += 1) await store.append({ topic: 'U', queueId, body: `${i}` });
  };
  await appendToAll(0, 3);
  const first = Math.ceil(store.stats().writtenOffset / 4096) * 4096;
  await fillTo(first + 100);
  const { physicalOffset } = await store.append({ topic: 'T', body: 't'.padEnd(100, '.') });
  await appendToAll(3, 8);
  await fillTo(store.stats().writtenOffset + 8192);
  await store.snapshot('/copy');
  await store.clean({ before: first });
  const after = disk.crash('all');
  const { path, at } = segmentOf(root, 4096, physicalOffset);
  await writeInto(after, path, Buffer.alloc(20), at + 100);
  return after;
}

for (const recovery of ['strict', 'skip'] as const)
  it(`a sound queue whose first file went with a deletion begins where it began, whatever of others is damaged (${recovery})`, async () => {
    const disk = await killed(1);
    const store = await openTiny(disk, { ...options, recovery });
    expect(store.bounds({ topic: 'U' })).toEqual({ min: 3, max: 8 });
    expect(texts(await readQueue(store, { topic: 'U' }))).toEqual(['3', '4', '5', '6', '7']);
    await store.close();
    const again = await openTiny(disk, options);
    expect(again.recovery.cleanShutdown).toBe(true);
    expect(texts(await readQueue(again, { topic: 'U' }))).toEqual(['3', '4', '5', '6', '7']);
    await again.close();
  });

it('opening does not read the log once for each such queue', async () => {
  let readBytes = 0;
  const platform = aroundCalls(await killed(40), (op, path, call) => {
    const result = call();
    if (op !== 'read' || !path.startsWith(`${root}/commitlog/`)) return result;
    return Promise.resolve(result).then((bytes) => {
      readBytes += Number(bytes);
      return bytes;
    });
  });
  const store = await openTiny(platform, options);
  const { minOffset, writtenOffset } = store.stats();
  expect(readBytes).toBeLessThan(10 * (writtenOffset - minOffset));
  await store.close();
});
