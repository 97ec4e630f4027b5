import { describe, expect, it } from 'vitest';
import type { Store, StoreOptions } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { appendMany, failure, openTiny, readQueue, root, texts } from '../contract/harness.js';

const segmentBytes = 16_384;
const queue = { topic: 'T' };

/** A closed store of six messages, of which the first ones can no longer be told to be records at all. */
async function storeWithoutItsFirst(lostCount: number, options: StoreOptions): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  const store = await openTiny(platform, options);
  await appendMany(store, 6);
  const messages = await readQueue(store, queue);
  await store.close();
  for (const { physicalOffset } of messages.slice(0, lostCount)) {
    const { path, at } = segmentOf(root, segmentBytes, physicalOffset);
    await flipBit(platform, path, at + 5, 1);
  }
  return platform;
}

async function expectLost(store: Store, lostCount: number): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    for (let from = 0; from < lostCount; from += 1) {
      expect(await failure(() => store.read(queue, { from }))).toMatchObject({ code: 'CORRUPT' });
    }
    expect(await failure(() => readQueue(store, queue))).toMatchObject({ code: 'CORRUPT' });
    expect(store.bounds(queue)).toEqual({ min: 0, max: 6 });
  }
}

describe('the first messages of a queue, where their records are damaged', () => {
  for (const queueEntriesPerFile of [20, 2]) {
    for (const lostCount of [1, 3, 5, 6]) {
      const what = `${lostCount} of 6, ${queueEntriesPerFile} entries a file`;
      it(`have not expired, however often they are asked for, until a repair has said that they are lost (${what})`, async () => {
        const options = { segmentBytes, queueEntriesPerFile };
        let disk = await storeWithoutItsFirst(lostCount, options);
        for (const ending of ['close', 'kill', 'close'] as const) {
          const store = await openTiny(disk, options);
          await expectLost(store, lostCount);
          if (ending === 'close') await store.close();
          else disk = disk.crash('all');
        }
        const again = await openTiny(disk, { ...options, recovery: 'skip' });
        await again.repair();
        expect((await again.verify()).faults).toEqual([]);
        expect(texts(await readQueue(again, queue))).toEqual(['m-0', 'm-1', 'm-2', 'm-3', 'm-4', 'm-5'].slice(lostCount));
        expect(again.bounds(queue).max).toBe(6);
        await again.close();
      });
    }
  }
});
