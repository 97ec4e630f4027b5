import { beforeEach, describe, expect, it } from 'vitest';
import type { Store, StoreReader } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { openReader, openTiny, readQueue, refusal, root, texts } from '../contract/harness.js';

const queue = { topic: 'U' };
let platform: MemoryPlatform;
let places: number[];

async function fillUpTo(store: Store, offset: number): Promise<void> {
  while (store.stats().writtenOffset < offset) await store.append({ topic: 'T', body: Buffer.alloc(100) });
}

/** Three messages of the queue in the second segment, three in the third. */
async function filled(): Promise<Store> {
  const store = await openTiny(platform);
  for (const segment of [1, 2]) {
    await fillUpTo(store, segment * 4096 + 300);
    for (let i = 0; i < 3; i += 1) places.push((await store.append({ ...queue, body: `u-${places.length}` })).physicalOffset);
  }
  await fillUpTo(store, 4 * 4096);
  return store;
}

async function lose(...numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    const { path, at } = segmentOf(root, 4096, places[number] ?? 0);
    await flipBit(platform, path, at + 5, 1);
  }
}

async function expectLost(store: StoreReader, lostCount = 3): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    for (const from of ['earliest', { time: 0 }, 0, lostCount - 1] as const) {
      expect(await refusal(() => store.read(queue, { from, countMax: 1 }))).toBe('CORRUPT');
    }
    expect(await refusal(() => store.offsetAt(queue, 0))).toBe('CORRUPT');
    expect(store.bounds(queue)).toEqual({ min: 0, max: 6 });
    expect((await store.read(queue, { from: lostCount })).messages[0]).toMatchObject({ queueOffset: lostCount });
  }
}

beforeEach(() => {
  platform = memoryPlatform();
  places = [];
});

describe('the first messages of a queue, where their records are damaged and the beginning of the log is deleted', () => {
  it.each(['before', 'after'])('have not expired, also in a store that is opened again and for a follower (damaged %s)', async (when) => {
    let store = await filled();
    if (when === 'before') await lose(0, 1, 2);
    if (when === 'before') await expectLost(store);
    await store.clean({ before: 4096 });
    if (when === 'after') await lose(0, 1, 2);
    await expectLost(store);
    await store.close();
    store = await openTiny(platform);
    await expectLost(store);
    await store.close();
    const reader = await openReader(platform);
    await expectLost(reader);
    await reader.close();
    const killed = platform.crash('all');
    store = await openTiny(killed);
    await expectLost(store);
    await store.close();
  });

  it('have not for a follower that knows no newer state, either', async () => {
    const store = await filled();
    await lose(0, 1, 2);
    await expectLost(store);
    // It takes a safe point first.
    expect(await refusal(() => store.snapshot('/copy'))).toBe('CORRUPT');
    await store.clean({ before: 4096 });
    const reader = await openReader(platform);
    await expectLost(reader);
    await reader.close();
    await store.close();
  });

  it.each(['open', 'opened again'])('have when their segment is deleted too (%s)', async (which) => {
    let store = await filled();
    await lose(0, 1, 2);
    await store.clean({ before: 4096 });
    await expectLost(store);
    if (which === 'opened again') {
      await store.close();
      store = await openTiny(platform);
    }
    await store.clean({ before: 8192 });
    expect(store.bounds(queue)).toEqual({ min: 3, max: 6 });
    expect(texts(await readQueue(store, queue))).toEqual(['u-3', 'u-4', 'u-5']);
    expect(await refusal(() => store.read(queue, { from: 0 }))).toBe('OFFSET_OUT_OF_RANGE');
    await store.close();
  });

  it.each(['open', 'opened again'])('have not while one of them may be in a segment that is left (%s)', async (which) => {
    let store = await filled();
    await lose(0, 1, 2, 3);
    await store.clean({ before: 4096 });
    await expectLost(store, 4);
    if (which === 'opened again') {
      await store.close();
      store = await openTiny(platform);
    }
    await store.clean({ before: 8192 });
    await expectLost(store, 4);
    await store.clean({ before: 12_288 });
    expect(store.bounds(queue)).toEqual({ min: 6, max: 6 });
    await store.close();
  });

  it('have not where all messages of the queue are', async () => {
    const store = await filled();
    await lose(0, 1, 2, 3, 4, 5);
    await store.clean({ before: 4096 });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await refusal(() => store.read(queue, { from: 'earliest' }))).toBe('CORRUPT');
      expect(store.bounds(queue)).toEqual({ min: 0, max: 6 });
    }
    await store.clean({ before: 12_288 });
    expect(store.bounds(queue)).toEqual({ min: 6, max: 6 });
    expect((await store.append({ ...queue, body: 'u-6' })).queueOffset).toBe(6);
    await store.close();
  });
});
