import { describe, expect, it } from 'vitest';
import type { Message, Tail } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { appendMany, collect, failure, openTiny, refusal, settableClock, text, texts, turns } from './harness.js';

const queue = { topic: 'T' };
const bodies = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `m-${from + i}`);

describe('tail', () => {
  it('hands out all there is, then what comes, in order', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 50);
    const tail = store.tail(queue, { from: 'earliest' });
    const seen = collect(tail, 100);
    for (let i = 50; i < 100; i += 1) await store.append({ topic: 'T', body: `m-${i}` });
    expect(texts(await seen)).toEqual(bodies(0, 100));
    expect(tail.position).toBe(100);
    await store.close();
  });

  it('latest is the end at the moment of the call, not of the first next', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 5);
    const tail = store.tail(queue, { from: 'latest' });
    await store.append({ topic: 'T', body: 'after the call' });
    expect(texts(await collect(tail, 1))).toEqual(['after the call']);
    await store.close();
  });

  it('position is where to go on, after a break too', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 80);
    const seen: string[] = [];
    let from: number | 'earliest' = 'earliest';
    for (const part of [1, 31, 33, 15]) {
      const tail: Tail = store.tail(queue, { from });
      seen.push(...texts(await collect(tail, part)));
      expect(tail.position).toBe(seen.length);
      from = tail.position;
    }
    expect(seen).toEqual(bodies(0, 80));
    await store.close();
  });

  it('a position before the first message is where it begins', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 10);
    expect(store.tail(queue, { from: 4 }).position).toBe(4);
    const latest = store.tail(queue, { from: 'latest' });
    expect(latest.position).toBe(10);
    await store.close();
  });

  it('position moves past what the filter left out', async () => {
    const store = await openTiny(memoryPlatform());
    for (let i = 0; i < 30; i += 1) await store.append({ topic: 'T', body: `m-${i}`, tag: i === 10 ? 'BB' : 'Aa' });
    const tail = store.tail(queue, { from: 'earliest', tags: ['BB'], until: 'end' });
    expect(texts(await collect(tail))).toEqual(['m-10']);
    expect(tail.position).toBe(30);
    await store.close();
  });

  it('ends at the end of the moment of the call', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 20);
    const tail = store.tail(queue, { from: 'earliest', until: 'end' });
    await appendMany(store, 20, {}, 'later');
    expect(texts(await collect(tail))).toEqual(bodies(0, 20));
    expect(tail.position).toBe(20);
    await store.close();
  });

  it('until the end of an empty queue is nothing', async () => {
    const store = await openTiny(memoryPlatform());
    expect(await collect(store.tail(queue, { from: 'earliest', until: 'end' }))).toEqual([]);
    expect(await collect(store.tail(queue, { from: 'latest', until: 'end' }))).toEqual([]);
    await store.close();
  });

  it('waits for an offset still to come and ends before it', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 5);
    const seen = collect(store.tail(queue, { from: 'earliest', until: 8 }));
    for (let i = 5; i < 12; i += 1) await store.append({ topic: 'T', body: `m-${i}` });
    expect(texts(await seen)).toEqual(bodies(0, 8));
    await store.close();
  });

  it('until an offset behind from there is nothing', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 10);
    expect(await collect(store.tail(queue, { from: 5, until: 5 }))).toEqual([]);
    expect(await collect(store.tail(queue, { from: 5, until: 3 }))).toEqual([]);
    await store.close();
  });

  it('until a time ends at the first message stored at or after it', async () => {
    const clock = settableClock(1_000_000);
    const store = await openTiny(memoryPlatform({ clock }));
    for (let i = 0; i < 10; i += 1) {
      clock.set(1_000_000 + i * 100);
      await store.append({ topic: 'T', body: `m-${i}` });
    }
    expect(texts(await collect(store.tail(queue, { from: { time: 1_000_200 }, until: { time: new Date(1_000_500) } })))).toEqual(
      bodies(2, 5),
    );
    const waiting = collect(store.tail(queue, { from: 8, until: { time: 1_002_000 } }));
    await turns(5);
    clock.set(1_001_999);
    await store.append({ topic: 'T', body: 'last' });
    clock.set(1_002_000);
    await store.append({ topic: 'T', body: 'beyond' });
    expect(texts(await waiting)).toEqual(['m-8', 'm-9', 'last']);
    await store.close();
  });

  it('until a time to come ends when that time has come, though no message does', async () => {
    const clock = settableClock(Date.now());
    const store = await openTiny(memoryPlatform({ clock }));
    await appendMany(store, 3);
    const waiting = collect(store.tail(queue, { from: 0, until: { time: clock.nowMs() + 30 } }));
    await turns(10);
    clock.set(clock.nowMs() + 1000);
    const outcome = await Promise.race([waiting, new Promise<string>((resolve) => setTimeout(resolve, 2000, 'still waiting'))]);
    await store.close();
    expect(outcome === 'still waiting' ? outcome : texts(outcome as Message[])).toEqual(bodies(0, 3));
  });

  it('serves concurrent calls of next in order', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 10);
    const iterator = store.tail(queue, { from: 'earliest' })[Symbol.asyncIterator]();
    const calls = Array.from({ length: 15 }, () => iterator.next());
    for (let i = 10; i < 15; i += 1) await store.append({ topic: 'T', body: `m-${i}` });
    expect((await Promise.all(calls)).map((result) => text(result.value as Message))).toEqual(bodies(0, 15));
    await store.close();
  });

  it('leaving the loop closes it for good', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 10);
    const tail = store.tail(queue, { from: 'earliest' });
    expect(await collect(tail, 3)).toHaveLength(3);
    expect(await collect(tail)).toEqual([]);
    expect(tail.position).toBe(3);
    const other = store.tail(queue, { from: 'earliest' });
    const thrown = new Error('mine');
    const loop = async (): Promise<void> => {
      for await (const message of other) {
        if (message.queueOffset === 2) throw thrown;
      }
    };
    expect(await failure(loop)).toBe(thrown);
    expect(await collect(other)).toEqual([]);
    await store.close();
  });

  it('close ends a loop that waits, and a loop that does not', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    const waiting = store.tail(queue, { from: 'earliest' });
    const seen = collect(waiting);
    await turns(20);
    await waiting.close();
    await waiting.close();
    expect(await seen).toHaveLength(3);
    const unused = store.tail(queue, { from: 'earliest' });
    await unused.close();
    expect(await collect(unused)).toEqual([]);
    await store.close();
  });

  it('can be disposed of by await using', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    const tail = store.tail(queue, { from: 'earliest' });
    await tail[Symbol.asyncDispose]();
    expect(await collect(tail)).toEqual([]);
    await store.close();
  });

  it('closing the store ends every loop', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    const loops = [
      collect(store.tail(queue, { from: 'earliest' })),
      collect(store.tail({ topic: 'Nobody' }, { from: 'latest' })),
      collect(store.tailAll({ from: 'earliest' })),
      collect(store.tail(queue, { from: 'earliest' }).batches()),
    ];
    await turns(20);
    await store.close();
    expect((await Promise.all(loops)).map((items) => items.length)).toEqual([3, 0, 3, 1]);
  });

  it('an abort throws its reason, before and during the wait, and closes', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    const reason = new Error('enough');
    const early = await failure(() => collect(store.tail(queue, { from: 'earliest', signal: AbortSignal.abort(reason) })));
    expect(early).toBe(reason);
    const controller = new AbortController();
    const tail = store.tail(queue, { from: 'earliest', signal: controller.signal });
    const seen: string[] = [];
    const loop = failure(async () => {
      for await (const message of tail) seen.push(text(message));
    });
    await turns(20);
    controller.abort(reason);
    expect(await loop).toBe(reason);
    expect(seen).toEqual(bodies(0, 3));
    expect(tail.position).toBe(3);
    expect(await collect(tail)).toEqual([]);
    await store.close();
  });

  it('an aborted batch loop throws the reason too', async () => {
    const store = await openTiny(memoryPlatform());
    const controller = new AbortController();
    const loop = failure(() => collect(store.tail(queue, { from: 'earliest', signal: controller.signal }).batches()));
    await turns(5);
    controller.abort('text as reason');
    expect(await loop).toBe('text as reason');
    await store.close();
  });

  it('batches are never empty, hold at most countMax, and miss nothing', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 100);
    const tail = store.tail(queue, { from: 'earliest', until: 'end' });
    const batches = await collect(tail.batches(7));
    expect(batches.every((batch) => batch.length > 0 && batch.length <= 7)).toBe(true);
    expect(texts(batches.flat())).toEqual(bodies(0, 100));
    expect(tail.position).toBe(100);
    for (const countMax of [0.5, -1, Number.NaN]) {
      const error = await failure(() => collect(store.tail(queue, { from: 0, until: 'end' }).batches(countMax)));
      expect(error).toBeInstanceOf(RangeError);
    }
    await store.close();
  });

  it('position while batches are handed out is behind the batch', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 30);
    const tail = store.tail(queue, { from: 'earliest', until: 'end' });
    let count = 0;
    for await (const batch of tail.batches(4)) {
      count += batch.length;
      expect(tail.position).toBe(count);
    }
    expect(count).toBe(30);
    await store.close();
  });

  it('a start out of range is OFFSET_OUT_OF_RANGE with min and max', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    expect(await failure(() => collect(store.tail(queue, { from: 4 })))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min: 0, max: 3 });
    await store.close();
  });

  it('what retention took away under it is an error, or skipped where asked', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 120, { properties: { pad: 'x'.repeat(100) } });
    const strict = store.tail(queue, { from: 0 });
    const lenient = store.tail(queue, { from: 'earliest', until: 'end', onExpired: 'skip' });
    await store.clean({ before: store.stats().flushedOffset });
    const { min, max } = store.bounds(queue);
    expect(min).toBeGreaterThan(40);
    expect(await failure(() => collect(strict))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min, max });
    expect(texts(await collect(lenient))).toEqual(bodies(min, max));
    await store.close();
  });

  it('a reader in the middle finds its way when messages are deleted while it reads', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 150, { properties: { pad: 'x'.repeat(100) } });
    const tail = store.tail(queue, { from: 'earliest', until: 'end', onExpired: 'skip' });
    const seen: number[] = [];
    for await (const message of tail) {
      seen.push(message.queueOffset);
      expect(text(message)).toBe(`m-${message.queueOffset}`);
      if (seen.length === 3) await store.clean({ before: store.stats().flushedOffset });
    }
    const { min } = store.bounds(queue);
    expect(seen.filter((offset) => offset >= min)).toEqual(Array.from({ length: 150 - min }, (_, i) => min + i));
    expect([...new Set(seen)].sort((a, b) => a - b)).toEqual(seen);
    await store.close();
  });

  const wrongOptions: readonly (readonly [string, object, RegExp])[] = [
    ['no start', { from: undefined }, /from/],
    ['a start that does not exist', { from: 'start' }, /from/],
    ['an end that does not exist', { from: 0, until: 'never' }, /until/],
    ['a negative end', { from: 0, until: -1 }, /until/],
    ['an onExpired that does not exist', { from: 0, onExpired: 'ignore' }, /onExpired/],
    ['an onCorrupt that does not exist', { from: 0, onCorrupt: 'ignore' }, /onCorrupt/],
    ['a misspelt option, with a suggestion', { from: 0, tag: 'x' }, /tag.*tags/s],
    ['a signal that is none', { from: 0, signal: {} }, /signal/],
  ];
  for (const [what, options, name] of wrongOptions) {
    it(`${what}: a wrong call that names it`, async () => {
      const store = await openTiny(memoryPlatform());
      const given = { until: 'end', ...options } as object as { from: 0 };
      for (const call of [() => collect(store.tail(queue, given)), () => collect(store.tailAll(given))]) {
        const error = await failure(call);
        expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
        expect((error as Error).message).toMatch(name);
      }
      await store.close();
    });
  }

  it('gives the event loop its turns', async () => {
    const store = await openTiny(memoryPlatform(), { segmentBytes: 262_144 });
    await appendMany(store, 4000, { properties: { pad: 'x'.repeat(900) } });
    let turnCount = 0;
    let reading = true;
    const count = (): void => {
      turnCount += 1;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    await collect(store.tail(queue, { from: 'earliest', until: 'end' }));
    reading = false;
    expect(turnCount).toBeGreaterThan(3);
    await store.close();
  });
});

describe('tailAll', () => {
  it('is one total order over all queues: that of the calls', async () => {
    const store = await openTiny(memoryPlatform());
    const all = Array.from({ length: 300 }, (_, i) => ({ topic: `T${i % 3}`, queueId: i % 4, body: `m-${i}` }));
    await Promise.all(all.map((message) => store.append(message)));
    const tail = store.tailAll({ from: 'earliest', until: 'end' });
    const seen = await collect(tail);
    expect(texts(seen)).toEqual(all.map((message) => message.body));
    expect(tail.position).toBe(store.stats().writtenOffset);
    await store.close();
  });

  it('goes on from its position wherever it stopped', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 100);
    const seen: string[] = [];
    let from: number | 'earliest' = 'earliest';
    while (seen.length < 100) {
      const tail: Tail<number> = store.tailAll({ from });
      seen.push(...texts(await collect(tail, 3 - (seen.length === 99 ? 2 : 0))));
      from = tail.position;
    }
    expect(seen).toEqual(bodies(0, 100));
    await store.close();
  });

  it('may be of some topics and tags', async () => {
    const store = await openTiny(memoryPlatform());
    for (let i = 0; i < 60; i += 1) await store.append({ topic: `T${i % 3}`, body: `m-${i}`, tag: i % 2 === 0 ? 'Aa' : 'BB' });
    const some = store.tailAll({ from: 'earliest', until: 'end', topics: ['T0', 'T2', 'absent'], tags: ['BB'] });
    const expected = Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 3 !== 1 && i % 2 === 1);
    expect(texts(await collect(some))).toEqual(expected.map((i) => `m-${i}`));
    expect(some.position).toBe(store.stats().writtenOffset);
    await store.close();
  });

  it('begins at a record or at the end of one, and nowhere else', async () => {
    const store = await openTiny(memoryPlatform());
    const receipts = await Promise.all(Array.from({ length: 60 }, (_, i) => store.append({ topic: 'T', body: `m-${i}` })));
    for (const [i, receipt] of receipts.entries()) {
      const at = collect(store.tailAll({ from: receipt.physicalOffset, until: 'end' }));
      const behind = collect(store.tailAll({ from: receipt.physicalOffset + receipt.recordBytes, until: 'end' }));
      expect(texts(await at)).toEqual(bodies(i, 60));
      expect(texts(await behind)).toEqual(bodies(i + 1, 60));
      expect(await failure(() => collect(store.tailAll({ from: receipt.physicalOffset + 1, until: 'end' })))).toBeInstanceOf(RangeError);
    }
    const beyond = await refusal(() => collect(store.tailAll({ from: store.stats().writtenOffset + 4096, until: 'end' })));
    expect(beyond).toBe('OFFSET_OUT_OF_RANGE');
    await store.close();
  });

  it('by time', async () => {
    const clock = settableClock(1_000_000);
    const store = await openTiny(memoryPlatform({ clock }));
    for (let i = 0; i < 100; i += 1) {
      clock.set(1_000_000 + Math.floor(i / 3) * 10);
      await store.append({ topic: `T${i % 4}`, body: `m-${i}` });
    }
    expect(texts(await collect(store.tailAll({ from: { time: 1_000_101 }, until: { time: 1_000_200 } })))).toEqual(bodies(33, 60));
    expect(await collect(store.tailAll({ from: { time: 2_000_000 }, until: 'end' }))).toEqual([]);
    await store.close();
  });

  it('waits, and is woken by any queue', async () => {
    const store = await openTiny(memoryPlatform());
    const seen = collect(store.tailAll({ from: 'latest' }), 4);
    await turns(10);
    for (let i = 0; i < 4; i += 1) {
      await store.append({ topic: `T${i}`, queueId: i, body: `m-${i}` });
      await turns(3);
    }
    expect(texts(await seen)).toEqual(bodies(0, 4));
    await store.close();
  });

  it('what was deleted under it is an error, or skipped where asked', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 120);
    const strict = store.tailAll({ from: 0 });
    const lenient = store.tailAll({ from: 0, until: 'end', onExpired: 'skip' });
    await store.clean({ before: store.stats().flushedOffset });
    expect(await refusal(() => collect(strict))).toBe('OFFSET_OUT_OF_RANGE');
    const { min, max } = store.bounds(queue);
    expect(texts(await collect(lenient))).toEqual(bodies(min, max));
    await store.close();
  });
});
