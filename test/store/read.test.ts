import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import { bounds } from '../../src/store/bounds.js';
import { read } from '../../src/store/read.js';
import { topics } from '../../src/store/topics.js';
import { manualClock } from '../../src/testing/manual-clock.js';
import { withFaults } from '../../src/testing/with-faults.js';
import { ReadFixture, rejection, turns } from './read-fixture.js';

const orders = { topic: 'orders' };

async function filled(count: number, bodyBytes = 20): Promise<ReadFixture> {
  const fixture = await ReadFixture.open();
  for (let i = 0; i < count; i += 1) fixture.append({ topic: 'orders', body: Buffer.alloc(bodyBytes, i), tag: i % 2 === 0 ? 'Aa' : 'BB' });
  return fixture;
}

describe('what a read returns', () => {
  it('a queue that nobody has written to is empty, and reading it does not make it known', async () => {
    const fixture = await ReadFixture.open();
    expect(await read(fixture.view, orders, { from: 'earliest' })).toEqual({ messages: [], next: 0, min: 0, max: 0 });
    expect(bounds(fixture.view, { topic: 'orders', queueId: 7 })).toEqual({ min: 0, max: 0 });
    expect(await rejection(read(fixture.view, orders, { from: 1 }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min: 0, max: 0 });
    expect(fixture.registry.count).toBe(0);
    expect(topics(fixture.view)).toEqual([]);
  });

  it('the first message is whole, however small bytesMax is, and a later one only if it fits', async () => {
    const fixture = await filled(5, 500);
    const { recordBytes } = await fixtureFirst(fixture);
    expect((await read(fixture.view, orders, { from: 0, bytesMax: 1 })).messages).toHaveLength(1);
    expect((await read(fixture.view, orders, { from: 0, bytesMax: 2 * recordBytes })).messages).toHaveLength(2);
    const result = await read(fixture.view, orders, { from: 0, bytesMax: 3 * recordBytes - 1 });
    expect(result).toMatchObject({ next: 2, min: 0, max: 5 });
    expect(result.messages).toHaveLength(2);
  });

  it('what a filter leaves out takes no room, though its tag has the hash of one that passes', async () => {
    const fixture = await filled(5);
    const { recordBytes } = await fixtureFirst(fixture);
    const result = await read(fixture.view, orders, { from: 0, bytesMax: 2 * recordBytes, tags: ['Aa'] });
    expect(result.messages.map((message) => message.queueOffset)).toEqual([0, 2]);
    expect(result.next).toBe(4);
  });

  it('the body belongs to the caller: neither a later read nor the buffer pool changes it', async () => {
    const fixture = await filled(40);
    const first = await read(fixture.view, orders, { from: 0, countMax: 20 });
    const kept = first.messages.map((message) => Buffer.from(message.body));
    await read(fixture.view, orders, { from: 20 });
    expect(first.messages.map((message) => message.body)).toEqual(kept);
    expect(first.messages.map((message) => message.body[0])).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('tombstones are left out and passed by', async () => {
    const fixture = await filled(2);
    fixture.appendRepair('tombstone');
    fixture.append({ topic: 'orders', body: 'behind' });
    const result = await read(fixture.view, orders, { from: 0 });
    expect(result.messages.map((message) => message.queueOffset)).toEqual([0, 1, 3]);
    expect(await read(fixture.view, orders, { from: 2, countMax: 1 })).toMatchObject({ next: 4, messages: [{ queueOffset: 3 }] });
    expect(fixture.readCount).toBe(4);
  });

  it('tags with one hash are told apart', async () => {
    const fixture = await filled(6);
    const result = await read(fixture.view, orders, { from: 0, tags: ['BB'] });
    expect(result.messages.map((message) => message.tag)).toEqual(['BB', 'BB', 'BB']);
    expect(result.next).toBe(6);
  });

  it('what is durable is said of each message', async () => {
    const fixture = await filled(2);
    fixture.flushed = fixture.stored[1]?.physicalOffset ?? 0;
    expect((await read(fixture.view, orders, { from: 0 })).messages.map((message) => message.durable)).toEqual([true, false]);
  });

  it('topics and their queues are sorted; queues that nobody has written to do not count', async () => {
    const fixture = await ReadFixture.open();
    for (const queueId of [10, 9, 2]) fixture.append({ topic: 'b', queueId, body: '' });
    fixture.append({ topic: 'a', body: '' });
    fixture.slotOf('c', 1);
    expect(topics(fixture.view)).toEqual([
      { topic: 'a', queueIds: [0] },
      { topic: 'b', queueIds: [2, 9, 10] },
    ]);
  });
});

describe('wrong calls', () => {
  it('are TypeErrors and RangeErrors that name the argument, or TOPIC_INVALID', async () => {
    const { view } = await filled(1);
    const wrong: readonly (readonly [unknown, unknown, RegExp])[] = [
      [undefined, { from: 0 }, /TypeError: queue/],
      [{ topic: 5 }, { from: 0 }, /TypeError: topic/],
      [{ topic: 'a', queueId: '1' }, { from: 0 }, /TypeError: queueId/],
      [{ topic: 'a', queueId: -1 }, { from: 0 }, /RangeError: queueId/],
      [{ topic: 'a/b' }, { from: 0 }, /StoreError: topic "a\/b"/],
      [orders, undefined, /TypeError: options/],
      [orders, { from: 1.5 }, /RangeError: from/],
      [orders, { from: 0, countMax: 0 }, /RangeError: countMax/],
      [orders, { from: 0, signal: {} }, /TypeError: signal/],
    ];
    for (const [queue, options, what] of wrong) {
      expect(String(await rejection(read(view, queue as typeof orders, options as { from: 0 })))).toMatch(what);
    }
    expect(await rejection(read(view, { topic: '..' }, { from: 0 }))).toMatchObject({ code: 'TOPIC_INVALID' });
    expect(() => bounds(view, { topic: '..' })).toThrow(expect.objectContaining({ code: 'TOPIC_INVALID' }));
  });

  it('an offset below the oldest or above the end carries both', async () => {
    const fixture = await filled(40, 300);
    await fixture.expireFirst();
    const { min, max } = bounds(fixture.view, orders);
    expect(min).toBeGreaterThan(0);
    for (const from of [-1, 0, min - 1, max + 1]) {
      expect(await rejection(read(fixture.view, orders, { from }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min, max });
    }
    expect(await read(fixture.view, orders, { from: max })).toEqual({ messages: [], next: max, min, max });
  });
});

describe('retention beside a read', () => {
  it('bounds that are behind are looked at afresh: an offset is out of range, the earliest is the first that is left', async () => {
    const fixture = await filled(40, 300);
    await fixture.expireFirst(false);
    const min = fixture.stored.findIndex((stored) => stored.physicalOffset >= fixture.segments.minOffset);
    expect(bounds(fixture.view, orders).min).toBe(0);
    expect(await rejection(read(fixture.view, orders, { from: 2 }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min, max: 40 });
    expect((await read(fixture.view, orders, { from: 'earliest' })).messages[0]?.queueOffset).toBe(min);
    expect((await read(fixture.view, orders, { from: { time: 0 } })).messages[0]?.queueOffset).toBe(min);
    expect(fixture.mendedSlots).toEqual([]);
  });

  it('a segment deleted while its records are being read has expired, whatever the read itself says', async () => {
    let expire: (() => Promise<void>) | undefined;
    const fixture = await ReadFixture.open({
      segmentBytes: 2 ** 18,
      platform: (base) =>
        withFaults(base, (call) => {
          if (call.op === 'read' && call.path.endsWith('/commitlog/00000000000000000000') && expire !== undefined) {
            const run = expire;
            expire = undefined;
            void run();
            return Object.assign(new Error('EBADF: made up'), { code: 'EBADF' });
          }
          return undefined;
        }),
    });
    // So many bytes are not read in place.
    for (let i = 0; i < 80; i += 1) fixture.append({ topic: 'orders', body: Buffer.alloc(4000) });
    expire = async () => await fixture.expireFirst(false);
    expect(await rejection(read(fixture.view, orders, { from: 2 }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', max: 80 });
  });
});

describe('damage', () => {
  it('a damaged body is CORRUPT with the place in the segment, after the messages in front of it; the queue is not rebuilt for it', async () => {
    const fixture = await filled(30, 300);
    const bad = fixture.stored[15];
    if (bad === undefined) throw new Error('no message');
    fixture.damage(bad.physicalOffset + 100);
    const before = await read(fixture.view, orders, { from: 10 });
    expect(before.messages.map((message) => message.queueOffset)).toEqual([10, 11, 12, 13, 14]);
    expect(before.next).toBe(15);
    const base = fixture.segments.baseOf(bad.physicalOffset);
    expect(await rejection(read(fixture.view, orders, { from: 15 }))).toMatchObject({
      code: 'CORRUPT',
      path: fixture.segments.pathOf(base),
      offset: bad.physicalOffset - base,
      what: 'body checksum differs',
    });
    expect(fixture.mendedSlots).toEqual([]);
    expect((await read(fixture.view, orders, { from: 16 })).messages).toHaveLength(14);
  });

  it('every single damaged byte of a record is either found or was not looked at: never a wrong message', async () => {
    const fixture = await filled(3);
    const target = fixture.stored[1];
    if (target === undefined) throw new Error('no message');
    for (let i = 0; i < target.recordBytes; i += 1) {
      fixture.damage(target.physicalOffset + i);
      expect(StoreError.is(await rejection(read(fixture.view, orders, { from: 1 })), 'CORRUPT'), `byte ${i}`).toBe(true);
      fixture.damage(target.physicalOffset + i);
    }
    expect((await read(fixture.view, orders, { from: 0 })).messages).toHaveLength(3);
  });

  for (const [what, at, bytes] of [
    ['an entry of zeros', 0, Buffer.alloc(20)],
    ['a wrong offset', 7, Buffer.from([99])],
    ['an offset far beyond the log', 0, Buffer.from([0x10])],
    ['a size that is not its own', 11, Buffer.from([1])],
    ['an enormous size', 8, Buffer.from([0x7f, 0xff])],
    ['the hash of another tag', 19, Buffer.from([1])],
  ] as const) {
    it(`${what}: the queue is rebuilt and the message read`, async () => {
      const fixture = await filled(10);
      await fixture.writeQueues();
      fixture.pokeFile(fixture.queuePath('orders', 0), 4 * 20 + at, bytes);
      const result = await read(fixture.view, orders, { from: 0 });
      const rest = await read(fixture.view, orders, { from: result.next });
      expect([...result.messages, ...rest.messages].map((message) => message.body[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(fixture.mendedSlots).toEqual([fixture.slotOf('orders')]);
    });
  }

  it('a size larger than the record, within its segment or beyond, is found out', async () => {
    for (const isBeyond of [false, true]) {
      const fixture = await filled(10);
      await fixture.writeQueues();
      const size = Buffer.alloc(4);
      size.writeInt32BE(isBeyond ? 4096 : (fixture.stored[4]?.recordBytes ?? 0) + 1);
      fixture.append({ topic: 'other', body: Buffer.alloc(3000) });
      fixture.append({ topic: 'other', body: Buffer.alloc(3000) });
      fixture.pokeFile(fixture.queuePath('orders', 0), 4 * 20 + 8, size);
      expect((await read(fixture.view, orders, { from: 4, countMax: 1 })).messages[0]?.body[0]).toBe(4);
      expect(fixture.mendedSlots).toHaveLength(1);
    }
  });

  it('an entry that leads to another message of the queue is found out', async () => {
    const fixture = await filled(10);
    await fixture.writeQueues();
    const entry = Buffer.alloc(20);
    fixture.queues.readEntries(fixture.slotOf('orders'), 6, entry, 1);
    fixture.pokeFile(fixture.queuePath('orders', 0), 4 * 20, entry);
    expect((await read(fixture.view, orders, { from: 4, countMax: 1 })).messages[0]?.body[0]).toBe(4);
    expect(fixture.mendedSlots).toHaveLength(1);
  });

  it('where mending does not help, it is the log: CORRUPT', async () => {
    const fixture = await filled(10);
    await fixture.writeQueues();
    fixture.pokeFile(fixture.queuePath('orders', 0), 4 * 20, Buffer.alloc(20));
    const view = { ...fixture.view, mendQueue: async () => false };
    expect(await rejection(read(view, orders, { from: 4 }))).toMatchObject({ code: 'CORRUPT' });
    const failing = { ...fixture.view, mendQueue: async () => await Promise.reject(new Error('no room')) };
    expect(await rejection(read(failing, orders, { from: 4 }))).toMatchObject({ code: 'CORRUPT' });
  });

  it('a segment cut short on the disk keeps what it still holds readable', async () => {
    const fixture = await filled(12, 200);
    const cut = fixture.stored[6];
    if (cut === undefined) throw new Error('no message');
    await fixture.files.use(fixture.segments.pathOf(0), 'read-write').truncate(cut.physicalOffset + 10);
    expect((await read(fixture.view, orders, { from: 0 })).next).toBe(6);
    expect(await rejection(read(fixture.view, orders, { from: 6 }))).toMatchObject({ code: 'CORRUPT', what: 'the segment is too short' });
  });
});

describe('long polls', () => {
  it('wait for the first message, in a queue that nobody has written to as well', async () => {
    const fixture = await ReadFixture.open({ clock: manualClock() });
    const polled = read(fixture.view, { topic: 'new', queueId: 3 }, { from: 'latest', waitMs: 1000 });
    await turns();
    fixture.append({ topic: 'other', body: '' });
    await turns();
    fixture.append({ topic: 'new', queueId: 3, body: 'here' });
    expect(await polled).toMatchObject({ next: 1, min: 0, max: 1, messages: [{ queueOffset: 0 }] });
    expect(fixture.waitingCount).toBe(0);
  });

  it('wait on until something passes the filter; when the time is over, `next` is past what did not', async () => {
    const clock = manualClock();
    const fixture = await ReadFixture.open({ clock });
    const polled = read(fixture.view, orders, { from: 0, waitMs: 1000, tags: ['red'] });
    await clock.advance(500);
    fixture.append({ topic: 'orders', body: '', tag: 'blue' });
    await clock.advance(499);
    expect(fixture.waitingCount).toBe(1);
    await clock.advance(1);
    expect(await polled).toEqual({ messages: [], next: 1, min: 0, max: 1 });
    const again = read(fixture.view, orders, { from: 1, waitMs: 1000, tags: ['red'] });
    await turns();
    fixture.append({ topic: 'orders', body: '', tag: 'red' });
    expect((await again).next).toBe(2);
  });

  it('from a time still to come leave out what is stored before it', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    const polled = read(fixture.view, orders, { from: { time: 2000 }, waitMs: 5000 });
    await clock.advance(500);
    fixture.append({ topic: 'orders', body: 'early' });
    await clock.advance(500);
    fixture.append({ topic: 'orders', body: 'due' });
    expect((await polled).messages.map(({ queueOffset }) => queueOffset)).toEqual([1]);
  });

  it('keep the process alive while they wait, and not longer', async () => {
    const clock = manualClock();
    let heldCount = 0;
    const counting = {
      ...clock,
      schedule: (ms: number, callback: () => void, keepAlive?: boolean) => {
        const cancel = clock.schedule(ms, callback);
        if (keepAlive !== true) return cancel;
        heldCount += 1;
        return () => {
          heldCount -= 1;
          cancel();
        };
      },
    };
    const fixture = await ReadFixture.open({ clock: counting });
    const polled = read(fixture.view, orders, { from: 0, waitMs: Number.POSITIVE_INFINITY });
    await turns();
    expect(heldCount).toBe(1);
    fixture.append({ topic: 'orders', body: '' });
    await polled;
    expect(heldCount).toBe(0);
  });

  it('end with the reason of an abort, before the call too, with STORE_CLOSED, and with STORE_FAILED', async () => {
    const fixture = await filled(1);
    const { view } = fixture;
    const reason = new Error('enough');
    expect(await rejection(read(view, orders, { from: 0, signal: AbortSignal.abort(reason) }))).toBe(reason);
    const controller = new AbortController();
    const aborted = rejection(read(view, orders, { from: 1, waitMs: 9999, signal: controller.signal }));
    await turns();
    controller.abort(reason);
    expect(await aborted).toBe(reason);
    const failed = rejection(read(view, orders, { from: 1, waitMs: 9999 }));
    await turns();
    fixture.fail();
    expect(await failed).toMatchObject({ code: 'STORE_FAILED' });
    expect((await read(view, orders, { from: 0, waitMs: 9999 })).messages).toHaveLength(1);
    expect((await read(view, orders, { from: 1 })).messages).toHaveLength(0);
    fixture.failure = undefined;
    const closed = rejection(read(view, orders, { from: 1, waitMs: 9999 }));
    await turns();
    fixture.close();
    expect(await closed).toMatchObject({ code: 'STORE_CLOSED' });
    expect(await rejection(read(view, orders, { from: 0 }))).toMatchObject({ code: 'STORE_CLOSED' });
    expect(fixture.waitingCount).toBe(0);
  });
});

async function fixtureFirst(fixture: ReadFixture): Promise<{ readonly recordBytes: number }> {
  const { messages } = await read(fixture.view, orders, { from: 0, countMax: 1 });
  const first = messages[0];
  if (first === undefined) throw new Error('no message');
  return first;
}
