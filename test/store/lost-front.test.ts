import { describe, expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { appendMany, failure, openTiny, readQueue, root, texts } from '../contract/harness.js';

const options = { segmentBytes: 16_384 };
const queue = { topic: 'T' };

/** A closed store of six messages, of which the first ones can no longer be told to be records at all. */
async function storeWithoutItsFirst(lostCount: number): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  const store = await openTiny(platform, options);
  await appendMany(store, 6);
  const messages = await readQueue(store, queue);
  await store.close();
  for (const { physicalOffset } of messages.slice(0, lostCount)) {
    const { path, at } = segmentOf(root, options.segmentBytes, physicalOffset);
    await flipBit(platform, path, at + 5, 1);
  }
  return platform;
}

describe('the first messages of a queue, where their records are damaged', () => {
  for (const lostCount of [1, 3, 6]) {
    it(`have not expired, however often they are asked for, until a repair has said that they are lost (${lostCount} of 6)`, async () => {
      const platform = await storeWithoutItsFirst(lostCount);
      const store = await openTiny(platform, options);
      for (let attempt = 0; attempt < 3; attempt += 1) {
        for (let from = 0; from < lostCount; from += 1) {
          expect(await failure(() => store.read(queue, { from }))).toMatchObject({ code: 'CORRUPT' });
        }
        expect(await failure(() => readQueue(store, queue))).toMatchObject({ code: 'CORRUPT' });
        expect(store.bounds(queue)).toEqual({ min: 0, max: 6 });
      }
      await store.close().catch(() => undefined);
      const again = await openTiny(platform, { ...options, recovery: 'skip' });
      await again.repair();
      expect((await again.verify()).faults).toEqual([]);
      expect(texts(await readQueue(again, queue))).toEqual(['m-0', 'm-1', 'm-2', 'm-3', 'm-4', 'm-5'].slice(lostCount));
      expect(again.bounds(queue).max).toBe(6);
      await again.close();
    });
  }
});
