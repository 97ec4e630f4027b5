import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { appendMany, failure, openTiny, readQueue, refusal, settableClock, texts } from './harness.js';

const queue = { topic: 'T' };

describe('read', () => {
  it('an unwritten queue is an empty one', async () => {
    const store = await openTiny(memoryPlatform());
    expect(store.bounds({ topic: 'Nobody', queueId: 5 })).toEqual({ min: 0, max: 0 });
    for (const from of ['earliest', 'latest', 0, { time: 0 }] as const) {
      expect(await store.read({ topic: 'Nobody' }, { from })).toEqual({ messages: [], next: 0, min: 0, max: 0 });
    }
    expect(await failure(() => store.read({ topic: 'Nobody' }, { from: 1 }))).toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      min: 0,
      max: 0,
    });
    expect(store.topics()).toEqual([]);
    await store.close();
  });

  it('begins where it is told to', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 40);
    expect(texts((await store.read(queue, { from: 'earliest', countMax: 2 })).messages)).toEqual(['m-0', 'm-1']);
    expect(texts((await store.read(queue, { from: 20, countMax: 1 })).messages)).toEqual(['m-20']);
    expect(await store.read(queue, { from: 'latest' })).toEqual({ messages: [], next: 40, min: 0, max: 40 });
    expect(await store.read(queue, { from: 40 })).toEqual({ messages: [], next: 40, min: 0, max: 40 });
    await store.close();
  });

  it('above the newest + 1 is OFFSET_OUT_OF_RANGE with min and max', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 10);
    for (const from of [11, 1_000_000, Number.MAX_SAFE_INTEGER]) {
      expect(await failure(() => store.read(queue, { from }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min: 0, max: 10 });
    }
    await store.close();
  });

  it('gives at most countMax, 32 if nothing is said', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 100);
    expect((await store.read(queue, { from: 0 })).messages).toHaveLength(32);
    expect((await store.read(queue, { from: 0, countMax: 5 })).next).toBe(5);
    expect((await store.read(queue, { from: 0, countMax: 2 ** 31 - 1 })).messages).toHaveLength(100);
    expect((await store.read(queue, { from: 0, countMax: Number.MAX_SAFE_INTEGER })).messages).toHaveLength(100);
    await store.close();
  });

  it('gives at most bytesMax, but the first message whole', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 10, { body: Buffer.alloc(500, 1) });
    expect((await store.read(queue, { from: 0, bytesMax: 1 })).messages).toHaveLength(1);
    const some = await store.read(queue, { from: 0, bytesMax: 2000 });
    expect(some.messages.length).toBeGreaterThan(1);
    expect(some.messages.length).toBeLessThanOrEqual(4);
    expect(some.next).toBe(some.messages.length);
    await store.close();
  });

  const wrongOptions: readonly (readonly [object, RegExp])[] = [
    [{}, /from/],
    [{ from: 'newest' }, /from/],
    [{ from: 0.5 }, /from/],
    [{ from: Number.NaN }, /from/],
    [{ from: { time: Number.NaN } }, /time/],
    [{ from: { time: new Date(Number.NaN) } }, /time/],
    [{ from: 0, countMax: -1 }, /countMax/],
    [{ from: 0, countMax: 0.5 }, /countMax/],
    [{ from: 0, countMax: '5' }, /countMax/],
    [{ from: 0, bytesMax: -1 }, /bytesMax/],
    [{ from: 0, waitMs: -1 }, /waitMs/],
    [{ from: 0, waitMs: Number.NaN }, /waitMs/],
    [{ from: 0, tags: 'a' }, /tags/],
    [{ from: 0, tags: [5] }, /tag/],
    [{ from: 0, countmax: 5 }, /countmax.*countMax/s],
  ];
  for (const [options, name] of wrongOptions) {
    it(`${inspect(options)}: a wrong call that names it`, async () => {
      const store = await openTiny(memoryPlatform());
      await appendMany(store, 3);
      const error = await failure(() => store.read(queue, options as { from: 0 }));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
      expect((error as Error).message).toMatch(name);
      await store.close();
    });
  }

  it('before the first of all there is nothing to read', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    expect(await refusal(() => store.read(queue, { from: -1 }))).toMatch(/^(?:RangeError|OFFSET_OUT_OF_RANGE)/);
    await store.close();
  });

  it('a queue that can be none is a wrong call', async () => {
    const store = await openTiny(memoryPlatform());
    expect(await failure(() => store.read({ topic: 5 } as unknown as { topic: string }, { from: 0 }))).toBeInstanceOf(TypeError);
    expect(await failure(() => store.read({ topic: 'T', queueId: -1 }, { from: 0 }))).toBeInstanceOf(RangeError);
    expect(() => store.bounds({ topic: 'T', queueId: 0.5 })).toThrow(/queueId/);
    await store.close();
  });

  it('a topic that cannot exist leads nowhere', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    for (const topic of ['../..', '', 'a/b', '.', '..', 'x'.repeat(300)]) {
      const outcome = await refusal(async () =>
        expect(await store.read({ topic }, { from: 'earliest' })).toMatchObject({ messages: [], max: 0 }),
      );
      expect(outcome === 'none' || outcome === 'TOPIC_INVALID' || outcome.startsWith('TypeError') || outcome.startsWith('RangeError')).toBe(
        true,
      );
    }
    await store.close();
  });

  it('a receipt and a message are queues too', async () => {
    const store = await openTiny(memoryPlatform());
    const receipt = await store.append({ topic: 'T', queueId: 4, body: 'x' });
    const message = (await store.get(receipt.physicalOffset))!;
    expect(texts((await store.read(receipt, { from: 0 })).messages)).toEqual(['x']);
    expect(texts((await store.read(message, { from: 0 })).messages)).toEqual(['x']);
    expect(store.bounds(message)).toEqual({ min: 0, max: 1 });
    await store.close();
  });

  it('by time: the first stored at or after it', async () => {
    const clock = settableClock(1_000_000);
    const store = await openTiny(memoryPlatform({ clock }));
    for (let i = 0; i < 50; i += 1) {
      clock.set(1_000_000 + Math.floor(i / 5) * 1000);
      await store.append({ topic: 'T', body: `m-${i}` });
    }
    const first = async (time: number | Date): Promise<string | undefined> =>
      texts((await store.read(queue, { from: { time }, countMax: 1 })).messages)[0];
    expect(await first(0)).toBe('m-0');
    expect(await first(1_003_000)).toBe('m-15');
    expect(await first(1_003_001)).toBe('m-20');
    expect(await first(new Date(1_009_000))).toBe('m-45');
    expect(await store.read(queue, { from: { time: 1_009_001 } })).toMatchObject({ messages: [], next: 50 });
    await store.close();
  });

  it('by tags: only these, and next moves past what was left out', async () => {
    const store = await openTiny(memoryPlatform());
    for (let i = 0; i < 60; i += 1) await store.append({ topic: 'T', body: `m-${i}`, tag: i % 10 === 0 ? 'ten' : undefined });
    const found: string[] = [];
    let from = 0;
    while (from < 60) {
      const result = await store.read(queue, { from, tags: ['ten'], countMax: 2 });
      expect(result.next).toBeGreaterThan(from);
      expect(result.max).toBe(60);
      found.push(...texts(result.messages));
      from = result.next;
    }
    expect(found).toEqual(['m-0', 'm-10', 'm-20', 'm-30', 'm-40', 'm-50']);
    await store.close();
  });

  it('tags of equal hash are told apart', async () => {
    const store = await openTiny(memoryPlatform());
    await store.append({ topic: 'T', body: 'a', tag: 'Aa' });
    await store.append({ topic: 'T', body: 'b', tag: 'BB' });
    await store.append({ topic: 'T', body: 'none' });
    const result = await store.read(queue, { from: 0, tags: ['BB'] });
    expect(texts(result.messages)).toEqual(['b']);
    expect(result.next).toBe(3);
    expect(texts((await store.read(queue, { from: 0, tags: ['Aa', 'BB'] })).messages)).toEqual(['a', 'b']);
    await store.close();
  });

  it('an absent tag is not the tag whose hash is zero', async () => {
    const store = await openTiny(memoryPlatform());
    await store.append({ topic: 'T', body: 'none' });
    await store.append({ topic: 'T', body: 'min', tag: 'polygenelubricants' });
    expect(texts((await store.read(queue, { from: 0, tags: ['polygenelubricants'] })).messages)).toEqual(['min']);
    await store.close();
  });

  it('min <= next <= max, whatever is asked', async () => {
    const store = await openTiny(memoryPlatform());
    for (let i = 0; i < 120; i += 1) await store.append({ topic: 'T', body: 'x'.repeat(i * 3), tag: `t${i % 5}` });
    await store.clean({ before: store.stats().flushedOffset });
    const { min, max } = store.bounds(queue);
    expect(min).toBeGreaterThan(0);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min, max }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.option(fc.subarray(['t0', 't1', 't4', 'absent'], { minLength: 1 }), { nil: undefined }),
        async (from, countMax, bytesMax, tags) => {
          const result = await store.read(queue, { from, countMax, bytesMax, tags });
          expect(result).toMatchObject({ min, max });
          expect(result.next).toBeGreaterThanOrEqual(from);
          expect(result.next).toBeLessThanOrEqual(max);
          if (from < max) expect(result.next).toBeGreaterThan(from);
          expect(result.messages.length).toBeLessThanOrEqual(countMax);
          for (const message of result.messages) {
            expect(message.queueOffset).toBeGreaterThanOrEqual(from);
            expect(message.queueOffset).toBeLessThan(result.next);
            if (tags !== undefined) expect(tags).toContain(message.tag);
          }
        },
      ),
      { numRuns: 200 },
    );
    await store.close();
  });

  it('many queues at once keep apart', async () => {
    const store = await openTiny(memoryPlatform());
    const all = Array.from({ length: 600 }, (_, i) => ({ topic: `T${i % 5}`, queueId: i % 7, body: `m-${i}` }));
    await Promise.all(all.map((message) => store.append(message)));
    for (let topic = 0; topic < 5; topic += 1) {
      for (let queueId = 0; queueId < 7; queueId += 1) {
        const expected = all.filter((message) => message.topic === `T${topic}` && message.queueId === queueId);
        expect(texts(await readQueue(store, { topic: `T${topic}`, queueId }))).toEqual(expected.map((message) => message.body));
      }
    }
    expect(store.topics()).toEqual([0, 1, 2, 3, 4].map((topic) => ({ topic: `T${topic}`, queueIds: [0, 1, 2, 3, 4, 5, 6] })));
    expect(store.stats()).toMatchObject({ topicCount: 5, queueCount: 35 });
    await store.close();
  });
});

describe('a long poll', () => {
  it('gives what comes while it waits', async () => {
    const store = await openTiny(memoryPlatform());
    const waiting = store.read(queue, { from: 'latest', waitMs: 20_000 });
    await store.append({ topic: 'Other', body: 'o' });
    await store.append({ topic: 'T', body: 'x' });
    expect(texts((await waiting).messages)).toEqual(['x']);
    await store.close();
  });

  it('gives nothing when its time is over', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    expect(await store.read(queue, { from: 'latest', waitMs: 20 })).toEqual({ messages: [], next: 3, min: 0, max: 3 });
    await store.close();
  });

  it('does not wait where there is something', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    expect((await store.read(queue, { from: 0, waitMs: 2 ** 31 })).messages).toHaveLength(3);
    await store.close();
  });

  it('by tags goes on waiting over what does not match', async () => {
    const store = await openTiny(memoryPlatform());
    const waiting = store.read(queue, { from: 0, tags: ['BB'], waitMs: 20_000 });
    await store.append({ topic: 'T', body: 'a', tag: 'Aa' });
    await store.append({ topic: 'T', body: 'none' });
    await store.append({ topic: 'T', body: 'b', tag: 'BB' });
    const result = await waiting;
    expect(texts(result.messages)).toEqual(['b']);
    expect(result.next).toBe(3);
    await store.close();
  });

  it('ends by its signal, before and during the wait, with the reason', async () => {
    const store = await openTiny(memoryPlatform());
    const reason = new Error('enough');
    expect(await failure(() => store.read(queue, { from: 0, waitMs: 20_000, signal: AbortSignal.abort(reason) }))).toBe(reason);
    const controller = new AbortController();
    const waiting = failure(() => store.read(queue, { from: 0, waitMs: 20_000, signal: controller.signal }));
    setImmediate(() => {
      controller.abort(reason);
    });
    expect(await waiting).toBe(reason);
    await store.append({ topic: 'T', body: 'x' });
    await store.close();
  });

  it('is ended by close', async () => {
    const store = await openTiny(memoryPlatform());
    const waiting = refusal(() => store.read(queue, { from: 0, waitMs: 600_000 }));
    await store.close();
    expect(['none', 'STORE_CLOSED']).toContain(await waiting);
  });

  it('a thousand of them on one queue are all woken by one message', async () => {
    const store = await openTiny(memoryPlatform());
    const waiting = Array.from({ length: 1000 }, () => store.read(queue, { from: 'latest', waitMs: 20_000 }));
    await store.append({ topic: 'T', body: 'x' });
    for (const result of await Promise.all(waiting)) expect(texts(result.messages)).toEqual(['x']);
    await store.close();
  });

  it('an await of more than 2^31 ms waits', async () => {
    const store = await openTiny(memoryPlatform());
    let settled = false;
    const waiting = store.read(queue, { from: 0, waitMs: 2 ** 32 }).finally(() => {
      settled = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(settled).toBe(false);
    await store.append({ topic: 'T', body: 'x' });
    expect((await waiting).messages).toHaveLength(1);
    await store.close();
  });
});
