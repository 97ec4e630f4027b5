import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/format/message.js';
import { tailQueue } from '../../src/store/tail.js';
import { manualClock } from '../../src/testing/manual-clock.js';
import { collect, ReadFixture, rejection, turns } from './read-fixture.js';

const orders = { topic: 'orders' };

async function filled(count: number, bodyBytes = 20): Promise<ReadFixture> {
  const fixture = await ReadFixture.open();
  for (let i = 0; i < count; i += 1) append(fixture, bodyBytes);
  return fixture;
}

function append(fixture: ReadFixture, bodyBytes = 20): void {
  const count = fixture.stored.length;
  fixture.append({ topic: 'orders', body: Buffer.alloc(bodyBytes, count), tag: count % 3 === 0 ? 'red' : 'blue' });
}

function numbers(messages: readonly Message[]): number[] {
  return messages.map((message) => message.queueOffset);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe('one cursor', () => {
  it('concurrent calls of next are served in order, those that wait too', async () => {
    const fixture = await filled(2);
    const messages = tailQueue(fixture.view, orders, { from: 0 })[Symbol.asyncIterator]();
    const asked = Promise.all(range(0, 5).map(async () => await messages.next()));
    await turns();
    append(fixture);
    await turns();
    append(fixture);
    append(fixture);
    expect((await asked).map((result) => (result.value as Message).queueOffset)).toEqual([0, 1, 2, 3, 4]);
  });

  it('messages and batches share it, whoever asks', async () => {
    const fixture = await filled(10);
    const tail = tailQueue(fixture.view, orders, { from: 0, until: 'end' });
    const single = tail[Symbol.asyncIterator]();
    const batched = tail.batches(3)[Symbol.asyncIterator]();
    const results = await Promise.all([single.next(), batched.next(), single.next(), batched.next()]);
    expect(results.map(({ value }) => numbers([value as Message | Message[]].flat()))).toEqual([[0], [1, 2, 3], [4], [5, 6, 7]]);
    expect(numbers(await collect(tail))).toEqual([8, 9]);
  });

  it('batches are never empty and never larger than asked for', async () => {
    const fixture = await filled(100);
    const sizes = (await collect(tailQueue(fixture.view, orders, { from: 0, until: 'end' }).batches(7))).map((batch) => batch.length);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
    expect(Math.max(...sizes)).toBe(7);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(100);
    const tail = tailQueue(fixture.view, orders, { from: 0 });
    expect(() => tail.batches(0)).toThrow(RangeError);
  });

  it('position is where a new tail goes on, before, during and after', async () => {
    const fixture = await filled(10);
    const tail = tailQueue(fixture.view, orders, { from: 2, tags: ['red'] });
    expect(tail.position).toBe(2);
    const seen = await collect(tail, 2);
    expect(numbers(seen)).toEqual([3, 6]);
    expect(tail.position).toBe(7);
    expect(numbers(await collect(tail))).toEqual([]);
    const rest = tailQueue(fixture.view, orders, { from: tail.position, tags: ['red'], until: 'end' });
    expect(numbers(await collect(rest))).toEqual([9]);
    expect(rest.position).toBe(10);
    expect(fixture.readCount).toBe(3);
  });

  it('a message that comes just before the tail begins to wait is not missed', async () => {
    const fixture = await filled(1);
    const { queues } = fixture;
    let isArmed = false;
    const view = {
      ...fixture.view,
      queues: {
        bounds: (slot: number) => {
          // The tail finds nothing; before it has subscribed, there is something.
          if (isArmed) queueMicrotask(() => append(fixture));
          isArmed = false;
          return queues.bounds(slot);
        },
        readEntries: (slot: number, from: number, into: Buffer, count: number) => queues.readEntries(slot, from, into, count),
        firstHeld: (slot: number, from: number) => queues.firstHeld(slot, from),
        isTrimmedTo: (slot: number, physicalOffset: number) => queues.isTrimmedTo(slot, physicalOffset),
        rebuilding: (slot: number) => queues.rebuilding(slot),
        waiters: queues.waiters,
      },
    };
    const tail = tailQueue(view, orders, { from: 'latest' });
    isArmed = true;
    expect(numbers(await collect(tail, 1))).toEqual([1]);
  });

  it('position moves past what the filter leaves out, while the tail waits', async () => {
    const fixture = await filled(3);
    const tail = tailQueue(fixture.view, orders, { from: 1, tags: ['none'] });
    const heard = collect(tail);
    await turns(50);
    expect(tail.position).toBe(3);
    await tail.close();
    expect(await heard).toEqual([]);
  });

  it('leaving a loop by break, by an error and by return closes it', async () => {
    const fixture = await filled(10);
    const broken = tailQueue(fixture.view, orders, { from: 0 });
    for await (const message of broken) if (message.queueOffset === 1) break;
    const thrown = tailQueue(fixture.view, orders, { from: 0 });
    const reason = new Error('enough');
    const loop = async (): Promise<void> => {
      for await (const message of thrown) if (message.queueOffset === 1) throw reason;
    };
    expect(await rejection(loop())).toBe(reason);
    for (const tail of [broken, thrown]) {
      expect(tail.position).toBe(2);
      expect(await tail[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
    }
    await using disposed = tailQueue(fixture.view, orders, { from: 10 });
    expect(disposed.position).toBe(10);
  });

  it('gives others a turn of the event loop after every batch that it reads', async () => {
    const fixture = await filled(3000);
    let turnCount = 0;
    const { clock } = fixture.view;
    const view = {
      ...fixture.view,
      clock: {
        ...clock,
        nextTurn: (callback: () => void) => {
          turnCount += 1;
          clock.nextTurn(callback);
        },
      },
    };
    expect(await collect(tailQueue(view, orders, { from: 0, until: 'end' }))).toHaveLength(3000);
    expect(turnCount).toBeGreaterThanOrEqual(2);
  });
});

describe('where it begins and ends', () => {
  it('latest and end are settled by the call, not by the first next', async () => {
    const fixture = await filled(3);
    const latest = tailQueue(fixture.view, orders, { from: 'latest', until: 5 });
    const ended = tailQueue(fixture.view, orders, { from: 'earliest', until: 'end' });
    append(fixture);
    append(fixture);
    append(fixture);
    expect(numbers(await collect(latest))).toEqual([3, 4]);
    expect(numbers(await collect(ended))).toEqual([0, 1, 2]);
  });

  it('an offset still to come is waited for, and so is a time', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    const byOffset = collect(tailQueue(fixture.view, orders, { from: 0, until: 2 }));
    const byTime = collect(tailQueue(fixture.view, orders, { from: 0, until: { time: new Date(2000) } }));
    const byLaterMessage = collect(tailQueue(fixture.view, orders, { from: 0, until: { time: 1900 } }));
    await clock.advance(400);
    append(fixture);
    await clock.advance(500);
    expect(fixture.waitingCount).toBe(2);
    expect(numbers(await byLaterMessage)).toEqual([0]);
    await clock.advance(50);
    append(fixture);
    expect(numbers(await byOffset)).toEqual([0, 1]);
    await clock.advance(50);
    expect(numbers(await byTime)).toEqual([0, 1]);
    expect(fixture.waitingCount).toBe(0);
  });

  it('what was stored before the time and is on its way when the clock has passed it, is waited for', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    append(fixture);
    const heard = collect(tailQueue(fixture.view, orders, { from: 0, until: { time: 2000 } }));
    await clock.advance(500);
    fixture.isHolding = true;
    append(fixture);
    await clock.advance(2000);
    expect(fixture.waitingCount).toBe(1);
    fixture.show();
    await clock.advance(20);
    expect(numbers(await heard)).toEqual([0, 1]);
  });

  it('the first message stored at or after the time ends it, though the filter leaves it out', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    fixture.append({ topic: 'orders', body: '' }, 1500);
    fixture.append({ topic: 'orders', body: '' }, 3000);
    expect(numbers(await collect(tailQueue(fixture.view, orders, { from: 0, until: { time: 3000 } })))).toEqual([0]);
  });

  it('from a time still to come it passes over what is stored before', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    fixture.append({ topic: 'orders', body: '' });
    const heard = collect(tailQueue(fixture.view, orders, { from: { time: 2000 } }), 1);
    await clock.advance(500);
    fixture.append({ topic: 'orders', body: '' });
    await clock.advance(500);
    fixture.append({ topic: 'orders', body: '' });
    expect(numbers(await heard)).toEqual([2]);
  });

  it('an offset below the oldest or above the end is out of range, once it is iterated', async () => {
    const fixture = await filled(40, 300);
    await fixture.expireFirst();
    const { min, max } = fixture.queues.bounds(fixture.slotOf('orders'));
    const below = tailQueue(fixture.view, orders, { from: 0, until: 'end' });
    expect(await rejection(collect(below))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min, max });
    const above = tailQueue(fixture.view, orders, { from: max + 1 });
    append(fixture);
    append(fixture);
    expect(await rejection(collect(above))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min });
    const skipping = tailQueue(fixture.view, orders, { from: 0, until: max, onExpired: 'skip' });
    expect(numbers(await collect(skipping))).toEqual(range(min, max));
    expect(() => tailQueue(fixture.view, orders, { from: 'first' as 'earliest' })).toThrow(TypeError);
    expect(() => tailQueue(fixture.view, orders, { from: 0, until: 0.5 })).toThrow(RangeError);
  });
});

describe('how it ends', () => {
  it('close ends a loop that waits; calls that wait get the end', async () => {
    const fixture = await filled(1);
    const tail = tailQueue(fixture.view, orders, { from: 1 });
    const iterator = tail[Symbol.asyncIterator]();
    const asked = Promise.all([iterator.next(), iterator.next()]);
    await turns();
    await tail.close();
    expect((await asked).map((result) => result.done)).toEqual([true, true]);
    await turns();
    expect(fixture.waitingCount).toBe(0);
    await tail.close();
  });

  it('closing the store ends loops, also where messages have been read ahead; a new tail throws STORE_CLOSED', async () => {
    const fixture = await filled(10);
    const waiting = collect(tailQueue(fixture.view, orders, { from: 'latest' }));
    const tail = tailQueue(fixture.view, orders, { from: 0 });
    const iterator = tail[Symbol.asyncIterator]();
    await iterator.next();
    await turns();
    fixture.close();
    expect(await waiting).toEqual([]);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(tail.position).toBe(1);
    expect(() => tailQueue(fixture.view, orders, { from: 0 })).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });

  it('an abort throws its reason, once; also when it came before the call', async () => {
    const fixture = await filled(3);
    const reason = new Error('enough');
    expect(await rejection(collect(tailQueue(fixture.view, orders, { from: 0, signal: AbortSignal.abort(reason) })))).toBe(reason);
    const controller = new AbortController();
    const iterator = tailQueue(fixture.view, orders, { from: 2, signal: controller.signal })[Symbol.asyncIterator]();
    await iterator.next();
    const asked = [rejection(iterator.next()), iterator.next()] as const;
    await turns();
    controller.abort(reason);
    expect(await asked[0]).toBe(reason);
    expect(await asked[1]).toEqual({ done: true, value: undefined });
    expect(fixture.waitingCount).toBe(0);
    const readAhead = tailQueue(fixture.view, orders, { from: 0, signal: AbortSignal.any([]) });
    expect(numbers(await collect(readAhead, 3))).toEqual([0, 1, 2]);
  });

  it('an abort in the middle comes before what has been read ahead', async () => {
    const fixture = await filled(3);
    const reason = new Error('enough');
    const controller = new AbortController();
    const iterator = tailQueue(fixture.view, orders, { from: 0, signal: controller.signal })[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort(reason);
    expect(await rejection(iterator.next())).toBe(reason);
  });

  it('in a store that has failed, what is there is read, and STORE_FAILED thrown where it would wait', async () => {
    const fixture = await filled(3);
    const seen: number[] = [];
    const loop = async (): Promise<void> => {
      for await (const message of tailQueue(fixture.view, orders, { from: 0 })) seen.push(message.queueOffset);
    };
    const waiting = rejection(loop());
    await turns();
    fixture.fail();
    expect(await waiting).toMatchObject({ code: 'STORE_FAILED' });
    expect(seen).toEqual([0, 1, 2]);
    expect(numbers(await collect(tailQueue(fixture.view, orders, { from: 0, until: 'end' })))).toEqual([0, 1, 2]);
    expect(await rejection(collect(tailQueue(fixture.view, orders, { from: 3 })))).toMatchObject({ code: 'STORE_FAILED' });
  });

  it('an error ends it, and those who asked after it get the end', async () => {
    const fixture = await filled(6);
    fixture.damage((fixture.stored[2]?.physicalOffset ?? 0) + 95);
    const tail = tailQueue(fixture.view, orders, { from: 0 });
    const iterator = tail[Symbol.asyncIterator]();
    const results = await Promise.allSettled(range(0, 4).map(async () => await iterator.next()));
    expect(results.map((result) => (result.status === 'rejected' ? (result.reason as { code: string }).code : result.value.done))).toEqual([
      false,
      false,
      'CORRUPT',
      true,
    ]);
    expect(tail.position).toBe(2);
  });
});

describe('what has gone', () => {
  it('expiring under the tail is an error, or skipped; a tail that begins with the earliest begins with what is left', async () => {
    const fixture = await filled(60, 300);
    const strict = tailQueue(fixture.view, orders, { from: 3, until: 'end' });
    const lenient = tailQueue(fixture.view, orders, { from: 3, until: 'end', onExpired: 'skip' });
    const earliest = tailQueue(fixture.view, orders, { from: 'earliest', until: 'end' });
    await fixture.expireFirst(false);
    const min = fixture.stored.findIndex((stored) => stored.physicalOffset >= fixture.segments.minOffset);
    expect(await rejection(collect(strict))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min, max: 60 });
    expect(strict.position).toBe(3);
    expect(numbers(await collect(lenient))).toEqual(range(min, 60));
    expect(numbers(await collect(earliest))).toEqual(range(min, 60));
  });

  it('damage is an error, or left out, one message at a time', async () => {
    const fixture = await filled(20);
    for (const number of [3, 4, 11]) fixture.damage((fixture.stored[number]?.physicalOffset ?? 0) + 95);
    const tail = tailQueue(fixture.view, orders, { from: 0, until: 'end', onCorrupt: 'skip' });
    expect(numbers(await collect(tail))).toEqual(range(0, 20).filter((number) => ![3, 4, 11].includes(number)));
    expect(tail.position).toBe(20);
  });

  it('a record that is no record any more is left out as well; the queue is not rebuilt for it', async () => {
    const fixture = await filled(6);
    fixture.poke(fixture.stored[2]?.physicalOffset ?? 0, Buffer.alloc(40));
    const tail = tailQueue(fixture.view, orders, { from: 0, until: 'end', onCorrupt: 'skip' });
    expect(numbers(await collect(tail))).toEqual([0, 1, 3, 4, 5]);
    expect(fixture.mendedSlots).toEqual([]);
  });
});
