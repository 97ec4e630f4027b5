import { describe, expect, it } from 'vitest';
import type { Store, StoreOptions } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, root, turns } from '../contract/harness.js';

const body = 'x'.padEnd(100, '.');

async function fillUpTo(store: Store, offset: number): Promise<void> {
  while (store.stats().writtenOffset < offset) await store.append({ topic: 'T', body });
}

/** One zeroed block holds the last two messages of a queue, and a message of a queue that no state file knows yet lies behind it. */
async function storeWithDamagedEnd(options: StoreOptions = {}): Promise<Store> {
  const platform = memoryPlatform();
  const store = await openTiny(platform, options);
  await fillUpTo(store, 4096 + 300);
  const places: number[] = [];
  for (let i = 0; i < 6; i += 1) places.push((await store.append({ topic: 'U', body })).physicalOffset);
  // A safe point: what has been appended so far is known to the disk.
  await store.snapshot('/copy');
  const next = await store.append({ topic: 'V', body });
  const { path, at } = segmentOf(root, 4096, places[4]!);
  await writeInto(platform, path, Buffer.alloc(next.physicalOffset - places[4]!), at);
  return store;
}

describe('deletion of a segment with a damaged block', () => {
  it('that holds the end of a queue goes on, and the store can be closed', async () => {
    const store = await storeWithDamagedEnd();
    await fillUpTo(store, 3 * 4096);
    await store.clean({ before: 8192 });
    expect(store.stats().minOffset).toBe(8192);
    await store.close();
  });

  it('keeps the log within its bound', async () => {
    const store = await storeWithDamagedEnd({ retention: { maxBytes: 6 * 4096 } });
    for (let end = 4; end <= 20; end += 1) {
      await fillUpTo(store, end * 4096);
      await turns(50);
    }
    await store.clean();
    expect(store.stats().writtenOffset - store.stats().minOffset).toBeLessThan(8 * 4096);
    await store.close();
  });
});
