import { describe, expect, it } from 'vitest';
import { manualClock, memoryPlatform } from '../../src/testing/index.js';
import { removeTree } from './disk-surgery.js';
import { appendMany, collect, failure, openTiny, readLog, readQueue, refusal, root, settableClock, texts, until } from './harness.js';

const queue = { topic: 'T' };

describe('retention', () => {
  it('deletes nothing unless asked', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 300);
    expect(await store.clean()).toEqual({ deletedSegmentCount: 0, freedBytes: 0 });
    expect(store.bounds(queue)).toEqual({ min: 0, max: 300 });
    await store.close();
  });

  it('clean before an offset takes whole segments that end at or before it, and no more', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 200);
    const messages = await readLog(store);
    for (const before of [0, 4095, 4096, 4097, 8191, 8192, 12_288]) {
      await store.clean({ before });
      const minOffset = Math.floor(before / 4096) * 4096;
      expect(store.stats().minOffset).toBe(minOffset);
      const left = messages.filter((message) => message.physicalOffset >= minOffset);
      expect(texts(await readLog(store))).toEqual(texts(left));
      expect(store.bounds(queue)).toEqual({ min: left[0]!.queueOffset, max: 200 });
    }
    await store.close();
  });

  it('clean before the end, or beyond it, leaves the segment that is written to', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 100);
    const beyond = await refusal(() => store.clean({ before: store.stats().writtenOffset + 1_000_000 }));
    expect(beyond === 'none' || beyond.startsWith('RangeError') || beyond === 'OFFSET_OUT_OF_RANGE').toBe(true);
    await store.clean({ before: store.stats().writtenOffset });
    expect(store.stats().segmentCount).toBeGreaterThanOrEqual(1);
    const receipt = await store.append({ topic: 'T', body: 'next' });
    expect(receipt.queueOffset).toBe(100);
    await store.close();
  });

  it('what can be no offset is a wrong call', async () => {
    const store = await openTiny(memoryPlatform());
    for (const before of [-1, 0.5, Number.NaN, '5']) {
      const error = await failure(() => store.clean({ before: before as number }));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
    }
    for (const offset of [-1, 0.5, Number.NaN, '5']) {
      const error = await failure(() => store.hold(offset as number));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
    }
    await store.close();
  });

  it('a reader in the deleted range is told min and max', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 120);
    await store.clean({ before: store.stats().flushedOffset });
    const { min, max } = store.bounds(queue);
    expect(min).toBeGreaterThan(0);
    for (const from of [0, min - 1]) {
      expect(await failure(() => store.read(queue, { from }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min, max });
    }
    expect((await store.read(queue, { from: min })).messages[0]!.queueOffset).toBe(min);
    expect((await store.read(queue, { from: 'earliest' })).messages[0]!.queueOffset).toBe(min);
    await store.close();
  });

  it('the bounds of every queue are exact after each step', async () => {
    const store = await openTiny(memoryPlatform());
    for (let i = 0; i < 240; i += 1) await store.append({ topic: `T${i % 3}`, queueId: i % 2, body: `m-${i}` });
    const messages = await readLog(store);
    for (let before = 4096; before < store.stats().flushedOffset; before += 4096) {
      await store.clean({ before });
      for (const { topic, queueIds } of store.topics()) {
        for (const queueId of queueIds) {
          const own = messages.filter((message) => message.topic === topic && message.queueId === queueId);
          const left = own.filter((message) => message.physicalOffset >= store.stats().minOffset);
          expect(store.bounds({ topic, queueId })).toEqual({ min: left[0]?.queueOffset ?? own.length, max: own.length });
          expect(texts(await readQueue(store, { topic, queueId }))).toEqual(texts(left));
        }
      }
    }
    await store.close();
  });

  for (const ending of ['close', 'all', 'synced', 'random', 'without side files', 'without queues'] as const) {
    it(`numbering never goes back when all messages of a queue are gone, also over ${ending}`, async () => {
      let platform = memoryPlatform();
      let store = await openTiny(platform);
      await appendMany(store, 25, { topic: 'Old', queueId: 2 });
      await appendMany(store, 120);
      await store.clean({ before: store.stats().flushedOffset });
      const old = { topic: 'Old', queueId: 2 };
      expect(store.bounds(old)).toEqual({ min: 25, max: 25 });
      expect(await store.read(old, { from: 'earliest' })).toEqual({ messages: [], next: 25, min: 25, max: 25 });
      expect(await failure(() => store.read(old, { from: 24 }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min: 25, max: 25 });
      if (ending === 'close' || ending.startsWith('without')) await store.close();
      else platform = platform.crash(ending as 'all');
      if (ending === 'without side files') await removeTree(platform, `${root}/stratalog`);
      if (ending === 'without queues') await removeTree(platform, `${root}/consumequeue`);
      store = await openTiny(platform);
      expect(store.bounds(old)).toEqual({ min: 25, max: 25 });
      expect((await store.append({ ...old, body: 'new' })).queueOffset).toBe(25);
      expect(texts(await readQueue(store, old))).toEqual(['new']);
      await store.close();
    });
  }

  it('hold keeps everything from its offset on until it is released', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 200);
    const message = (await store.read(queue, { from: 60 })).messages[0]!;
    const first = store.hold(message.physicalOffset);
    const second = store.hold(message.physicalOffset);
    await store.clean({ before: store.stats().flushedOffset });
    expect(store.bounds(queue).min).toBeLessThanOrEqual(60);
    expect(store.bounds(queue).min).toBeGreaterThan(0);
    first.release();
    first.release();
    await store.clean({ before: store.stats().flushedOffset });
    expect(store.bounds(queue).min).toBeLessThanOrEqual(60);
    second.release();
    await store.clean({ before: store.stats().flushedOffset });
    expect(store.bounds(queue).min).toBeGreaterThan(60);
    await store.close();
  });

  it('by bytes: never more than asked for is kept, and never less than fits', async () => {
    const reasons: string[] = [];
    const store = await openTiny(memoryPlatform(), {
      retention: { maxBytes: 20_000 },
      listener: { onSegmentDeleted: ({ reason }) => reasons.push(reason) },
    });
    await appendMany(store, 400);
    await store.clean();
    const { minOffset, writtenOffset } = store.stats();
    expect(writtenOffset - minOffset).toBeGreaterThan(20_000 - 2 * 4096);
    expect(writtenOffset - minOffset).toBeLessThanOrEqual(20_000 + 4096);
    expect(new Set(reasons)).toEqual(new Set(['bytes']));
    await store.close();
  });

  it('by age: by storedAt of the newest message of a segment', async () => {
    const clock = manualClock(1_700_000_000_000);
    const store = await openTiny(memoryPlatform({ clock }), { flush: 'async', retention: { maxAgeMs: 60_000 } });
    const advance = async (ms: number): Promise<void> => {
      await clock.advance(ms);
    };
    const old = Array.from({ length: 60 }, (_, i) => store.append({ topic: 'T', body: `m-${i}` }));
    await advance(50_000);
    await Promise.all(old);
    const young = Array.from({ length: 60 }, (_, i) => store.append({ topic: 'T', body: `m-${60 + i}` }));
    await advance(20_000);
    await Promise.all(young);
    for (let pass = 0; pass < 20; pass += 1) {
      const cleaning = store.clean();
      await advance(10);
      await cleaning;
    }
    const { min } = store.bounds(queue);
    expect(min).toBeGreaterThan(30);
    expect(min).toBeLessThanOrEqual(60);
    const closing = store.close();
    await advance(1000);
    await closing;
  });

  it('a clock that jumps ten years ahead deletes nothing at once', async () => {
    const clock = settableClock(1_700_000_000_000);
    const store = await openTiny(memoryPlatform({ clock }), { retention: { maxAgeMs: 86_400_000 } });
    await appendMany(store, 120);
    clock.set(1_700_000_000_000 + 10 * 365 * 86_400_000);
    await store.append({ topic: 'T', body: 'after' });
    await store.clean();
    expect(store.bounds(queue).min).toBe(0);
    await store.close();
  });

  it('of a store whose first segment is not the first, all works on', async () => {
    let platform = memoryPlatform();
    for (let generation = 0; generation < 6; generation += 1) {
      const store = await openTiny(platform);
      const { max } = store.bounds(queue);
      expect(max).toBe(generation * 80);
      await appendMany(store, 80, { keys: ['k'] }, `g${generation}`);
      await store.clean({ before: store.stats().flushedOffset });
      const { min } = store.bounds(queue);
      const kept = await readQueue(store, queue);
      expect(kept.map((message) => message.queueOffset)).toEqual(Array.from({ length: max + 80 - min }, (_, i) => min + i));
      expect(await collect(store.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(max + 80 - min);
      expect((await store.verify()).ok).toBe(true);
      if (generation % 2 === 0) await store.close();
      else platform = platform.crash('random');
    }
  });

  it('deleting while appending and reading loses nothing that is left', async () => {
    const store = await openTiny(memoryPlatform());
    const seen: number[] = [];
    const reading = (async () => {
      for await (const message of store.tail(queue, { from: 'earliest', until: 600, onExpired: 'skip' })) {
        expect(message.body.toString()).toBe(`m-${message.queueOffset}`);
        seen.push(message.queueOffset);
      }
    })();
    for (let i = 0; i < 600; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, j) => store.append({ topic: 'T', body: `m-${i + j}` })));
      await store.clean({ before: Math.max(0, store.stats().flushedOffset - 4096) });
    }
    await reading;
    expect([...new Set(seen)].sort((a, b) => a - b)).toEqual(seen);
    expect(seen.at(-1)).toBe(599);
    await store.close();
  });

  it('two cleans at once are no more than one', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 200);
    const before = store.stats().flushedOffset;
    const results = await Promise.all([store.clean({ before }), store.clean({ before }), store.clean({ before })]);
    expect(results.reduce((sum, result) => sum + result.deletedSegmentCount, 0)).toBe(Math.floor(before / 4096));
    expect(results.reduce((sum, result) => sum + result.freedBytes, 0)).toBe(Math.floor(before / 4096) * 4096);
    await until(() => store.stats().minOffset === Math.floor(before / 4096) * 4096);
    await store.close();
  });

  it('what was deleted stays deleted after a power cut, or is there whole', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    await appendMany(store, 200);
    await store.clean({ before: 8192 });
    const { min } = store.bounds(queue);
    const again = await openTiny(platform.crash('synced'));
    expect(again.bounds(queue).min).toBeLessThanOrEqual(min);
    const left = await readQueue(again, queue);
    expect(left.at(-1)!.queueOffset).toBe(199);
    expect((await again.verify()).ok).toBe(true);
    await again.close();
  });
});
