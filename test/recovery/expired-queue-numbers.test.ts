import { describe, expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { removeTree } from '../contract/disk-surgery.js';
import { appendMany, openTiny, root } from '../contract/harness.js';

/** All five messages of queue X have been deleted, and the store was killed after that. */
async function killedAfterExpiry(before: (disk: MemoryPlatform) => Promise<void>): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  const store = await openTiny(platform);
  await appendMany(store, 5, { topic: 'X' });
  await appendMany(store, 100, { topic: 'T' });
  // A safe point: the queues have files, and the state knows their numbers.
  await store.snapshot('/copy');
  await before(platform);
  await store.clean({ before: 8192 });
  expect(store.bounds({ topic: 'X' })).toEqual({ min: 5, max: 5 });
  return platform.crash('all');
}

async function nextNumber(disk: MemoryPlatform): Promise<number> {
  const store = await openTiny(disk);
  const { queueOffset } = await store.append({ topic: 'X', body: 'next' });
  expect((await store.verify()).ok).toBe(true);
  await store.close();
  return queueOffset;
}

describe('the numbers of a queue of which every message has been deleted', () => {
  it('go on where the state says, when its files have been taken away', async () => {
    const disk = await killedAfterExpiry(async () => await Promise.resolve());
    await removeTree(disk, `${root}/consumequeue/X`);
    expect(await nextNumber(disk)).toBe(5);
  });

  it('go on when the queue was damaged at the deletion, and made anew with nothing in it', async () => {
    expect(await nextNumber(await killedAfterExpiry(async (disk) => await removeTree(disk, `${root}/consumequeue/X`)))).toBe(5);
  });
});
