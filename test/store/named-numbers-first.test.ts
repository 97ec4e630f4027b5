import { expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { collect, failure, openTiny, root } from '../contract/harness.js';

for (const isRead of [false, true])
  it(`a number whose entry leads into damage gets its tombstone there, before those that later damage has room for${isRead ? '; read before' : ''}`, async () => {
    const disk = memoryPlatform();
    const store = await openTiny(disk);
    const append = async (topic: string): Promise<number> => (await store.append({ topic, body: topic.padEnd(100, '.') })).physicalOffset;
    await append('U');
    while (store.stats().writtenOffset < 4096 + 300) await append('T');
    const damaged = [await append('U'), await append('T'), await append('T')];
    for (let i = 0; i < 3; i += 1) await append('T');
    // Nothing of queue U stands in front of its last message any more.
    await store.clean({ before: 4096 });
    await store.snapshot('/copy');
    for (const offset of damaged) {
      const { path, at } = segmentOf(root, 4096, offset);
      await flipBit(disk, path, at + 5, 1);
    }
    if (isRead)
      for (const topic of ['T', 'U'])
        await failure(() => collect(store.tail({ topic }, { from: 'earliest', until: 'end', onCorrupt: 'skip' })));
    await store.repair();
    expect(store.bounds({ topic: 'U' })).toEqual({ min: 1, max: 2 });
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
  });
