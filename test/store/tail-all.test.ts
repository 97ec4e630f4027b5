import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/format/message.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import { tailLog } from '../../src/store/tail-all.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { manualClock } from '../../src/testing/manual-clock.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readLog, root } from '../contract/harness.js';
import { collect, ReadFixture, rejection, type Stored, storeHost, turns } from './read-fixture.js';

/** Transaction type PREPARED: such a record has no place in a queue. */
const prepared = 0x4;

async function filled(count: number, bodyBytes = 20): Promise<ReadFixture> {
  const fixture = await ReadFixture.open();
  for (let i = 0; i < count; i += 1) append(fixture, bodyBytes);
  return fixture;
}

function append(fixture: ReadFixture, bodyBytes = 20): Stored {
  const count = fixture.stored.length;
  const tag = count % 3 === 0 ? 'red' : undefined;
  return fixture.append({ topic: count % 2 === 0 ? 'even' : 'odd', queueId: count % 4, body: Buffer.alloc(bodyBytes, count), tag });
}

function places(messages: readonly { readonly physicalOffset: number }[]): number[] {
  return messages.map((message) => message.physicalOffset);
}

function at(fixture: ReadFixture, number: number): Stored {
  const stored = fixture.stored[number];
  if (stored === undefined) throw new Error('no such message');
  return stored;
}

/** A body that holds a whole record, valid at the very place where it will lie. */
function forgedBody(fixture: ReadFixture, bodyStart: number): Buffer {
  const encoder = new RecordEncoder({ storeHost, recordChecksum: true, messageBytesMax: 1000, systemMessages: false });
  const bytes = encoder.stage({ topic: 'even', body: 'forged', queueId: 0 }, 0, false);
  const body = Buffer.alloc(bytes);
  encoder.write(body, 0, fixture.end + bodyStart, 1, 0);
  return body;
}

describe('order and filters', () => {
  it('hands out all queues in the order of the log, over segments, without what is no message', async () => {
    const fixture = await filled(10, 600);
    fixture.appendRepair('filler');
    fixture.appendRepair('tombstone');
    fixture.append({ topic: 'even', body: 'half', system: { sysFlag: prepared } });
    for (let i = 0; i < 10; i += 1) append(fixture, 600);
    expect(fixture.segments.bases.length).toBeGreaterThan(2);
    const tail = tailLog(fixture.view, { from: 'earliest', until: 'end' });
    expect(places(await collect(tail))).toEqual(places(fixture.stored));
    expect(tail.position).toBe(fixture.visible);
  });

  it('topics and tags are compared exactly', async () => {
    const fixture = await filled(24);
    const found = await collect(tailLog(fixture.view, { from: 'earliest', until: 'end', topics: ['odd'], tags: ['red'] }));
    expect(places(found)).toEqual(places(fixture.stored.filter((stored) => stored.topic === 'odd' && stored.message.tag === 'red')));
    expect(await collect(tailLog(fixture.view, { from: 'earliest', until: 'end', topics: ['od'] }))).toEqual([]);
    expect(() => tailLog(fixture.view, { from: 'earliest', topics: ['a/b'] })).toThrow(expect.objectContaining({ code: 'TOPIC_INVALID' }));
    expect(() => tailLog(fixture.view, { from: 'earliest', topics: 'odd' as unknown as string[] })).toThrow(TypeError);
  });

  it('a message larger than what is read at once is whole', async () => {
    const fixture = await ReadFixture.open({ segmentBytes: 4 * 1024 * 1024 });
    const small = fixture.append({ topic: 'a', body: 'small' });
    const large = fixture.append({ topic: 'a', body: Buffer.alloc(2 ** 20, 'x') });
    const behind = fixture.append({ topic: 'a', body: 'behind' });
    const found = await collect(tailLog(fixture.view, { from: 'earliest', until: 'end' }));
    expect(found.map((message) => message.body.length)).toEqual([5, 2 ** 20, 6]);
    expect(places(found)).toEqual(places([small, large, behind]));
  });

  it('waits for more, in a new segment too, and says where it is', async () => {
    const fixture = await ReadFixture.open();
    const tail = tailLog(fixture.view, { from: 'latest' });
    const heard = collect(tail, 30);
    for (let i = 0; i < 30; i += 1) {
      append(fixture, 400);
      if (i % 4 === 0) await turns(5);
    }
    expect(places(await heard)).toEqual(places(fixture.stored));
    expect(tail.position).toBe(fixture.visible);
  });

  it('sees nothing of what readers are not to see yet', async () => {
    const fixture = await filled(2);
    fixture.isHolding = true;
    append(fixture);
    const seen: Message[] = [];
    const tail = tailLog(fixture.view, { from: 'earliest' });
    const heard = (async () => {
      for await (const message of tail) seen.push(message);
    })();
    await turns(50);
    expect(seen).toHaveLength(2);
    fixture.show();
    await turns(50);
    expect(seen).toHaveLength(3);
    fixture.close();
    await heard;
  });
});

describe('where it begins and ends', () => {
  it('an offset is that of a record, of what has no place in a queue, of a blank, or the end of one', async () => {
    const fixture = await filled(7, 400);
    const half = fixture.append({ topic: 'even', body: 'half', system: { sysFlag: prepared } });
    append(fixture, 400);
    const filler = fixture.appendRepair('filler');
    append(fixture, 400);
    const ends = fixture.stored.map((stored) => stored.physicalOffset + stored.recordBytes);
    for (const from of [
      ...places(fixture.stored),
      ...ends,
      half.physicalOffset,
      half.physicalOffset + half.recordBytes,
      filler,
      filler + 200,
    ]) {
      const found = await collect(tailLog(fixture.view, { from, until: 'end' }));
      expect(places(found), `from ${from}`).toEqual(places(fixture.stored.filter((stored) => stored.physicalOffset >= from)));
    }
  });

  it('any other offset is a RangeError, also where the body of a message holds a record', async () => {
    const fixture = await filled(3);
    const bodyStart = 88;
    const outer = fixture.append({ topic: 'odd', body: forgedBody(fixture, bodyStart) });
    append(fixture);
    for (const from of [1, outer.physicalOffset + 1, outer.physicalOffset + bodyStart, fixture.visible - 1]) {
      expect(await rejection(collect(tailLog(fixture.view, { from, until: 'end' }))), `from ${from}`).toBeInstanceOf(RangeError);
    }
    expect(() => tailLog(fixture.view, { from: 0.5 })).toThrow(RangeError);
  });

  it('below the oldest and above the end is out of range', async () => {
    const fixture = await filled(30, 300);
    await fixture.expireFirst();
    const range = { code: 'OFFSET_OUT_OF_RANGE', min: fixture.segments.minOffset, max: fixture.visible };
    expect(await rejection(collect(tailLog(fixture.view, { from: 0, until: 'end' })))).toMatchObject(range);
    expect(await rejection(collect(tailLog(fixture.view, { from: -1, until: 'end' })))).toMatchObject(range);
    expect(await rejection(collect(tailLog(fixture.view, { from: fixture.visible + 1 })))).toMatchObject(range);
    const found = await collect(tailLog(fixture.view, { from: 0, until: 'end', onExpired: 'skip' }));
    expect(found[0]?.physicalOffset).toBe(fixture.segments.minOffset);
  });

  it('an end still to come is waited for, an offset or a time', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    const first = append(fixture);
    const byOffset = collect(tailLog(fixture.view, { from: 0, until: first.recordBytes + 1 }));
    const byTime = collect(tailLog(fixture.view, { from: 0, until: { time: 2000 } }));
    await clock.advance(500);
    const second = append(fixture);
    expect(places(await byOffset)).toEqual(places([first, second]));
    await clock.advance(500);
    expect(places(await byTime)).toEqual(places([first, second]));
    append(fixture);
    expect(places(await collect(tailLog(fixture.view, { from: 0, until: { time: 2000 } })))).toEqual(places([first, second]));
  });

  it('what was stored before the time and is on its way when the clock has passed it, is waited for', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    const heard = collect(tailLog(fixture.view, { from: 'earliest', until: { time: 2000 } }));
    await clock.advance(500);
    fixture.isHolding = true;
    const late = append(fixture);
    await clock.advance(2000);
    expect(fixture.waitingCount).toBe(1);
    fixture.show();
    await clock.advance(20);
    expect(places(await heard)).toEqual(places([late]));
  });

  it('from a time still to come it passes over what is stored before', async () => {
    const clock = manualClock(1000);
    const fixture = await ReadFixture.open({ clock });
    const heard = collect(tailLog(fixture.view, { from: { time: 2000 } }), 1);
    await clock.advance(500);
    append(fixture);
    await clock.advance(500);
    const due = append(fixture);
    expect(places(await heard)).toEqual(places([due]));
  });
});

describe('what has gone', () => {
  it('expiring under the tail is an error, or skipped', async () => {
    const fixture = await filled(30, 300);
    const second = at(fixture, 1).physicalOffset;
    const strict = tailLog(fixture.view, { from: second, until: 'end' });
    const lenient = tailLog(fixture.view, { from: second, until: 'end', onExpired: 'skip' });
    const earliest = tailLog(fixture.view, { from: 'earliest', until: 'end' });
    await fixture.expireFirst();
    const left = fixture.stored.filter((stored) => stored.physicalOffset >= fixture.segments.minOffset);
    expect(await rejection(collect(strict))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
    expect(strict.position).toBe(second);
    expect(places(await collect(lenient))).toEqual(places(left));
    expect(places(await collect(earliest))).toEqual(places(left));
  });

  it('damage is CORRUPT at its place, and a new tail from the position meets it again', async () => {
    const fixture = await filled(10, 300);
    const bad = at(fixture, 4);
    fixture.poke(bad.physicalOffset, Buffer.alloc(8));
    const tail = tailLog(fixture.view, { from: 'earliest', until: 'end' });
    expect(await rejection(collect(tail))).toMatchObject({ code: 'CORRUPT', offset: bad.physicalOffset });
    expect(tail.position).toBe(bad.physicalOffset);
    expect(await rejection(collect(tailLog(fixture.view, { from: tail.position, until: 'end' })))).toMatchObject({ code: 'CORRUPT' });
  });

  it('skipping goes on at the next record that a queue leads to, however the record is damaged', async () => {
    const fixture = await filled(40, 200);
    const bad = [0, 7, 8, 19, 39];
    bad.forEach((number, i) => {
      const { physicalOffset, recordBytes } = at(fixture, number);
      if (i % 2 === 0) fixture.poke(physicalOffset, Buffer.alloc(40, 0xff));
      else fixture.damage(physicalOffset + recordBytes - 30);
    });
    const tail = tailLog(fixture.view, { from: 'earliest', until: 'end', onCorrupt: 'skip' });
    expect(places(await collect(tail))).toEqual(places(fixture.stored.filter((_, number) => !bad.includes(number))));
    expect(tail.position).toBe(fixture.visible);
  });

  it('skips no more than the damage where the next entry of its queue, or the one after, is damaged too', async () => {
    for (const [queueOffset, bit] of [
      [11, 4],
      [11, 7],
      [12, 4],
    ] as const) {
      const platform = memoryPlatform();
      const store = await openTiny(platform);
      await appendMany(store, 100, { topic: 'T' });
      await store.snapshot('/copy');
      const all = places(await readLog(store));
      const { path, at: position } = segmentOf(root, 4096, all[10] ?? 0);
      await flipBit(platform, path, position + 4);
      await flipBit(platform, `${root}/consumequeue/T/0/${'0'.repeat(20)}`, 20 * queueOffset + 6, bit);
      const found = await collect(store.tailAll({ from: 'earliest', until: 'end', onCorrupt: 'skip' }));
      expect(places(found)).toEqual(all.filter((_, i) => i !== 10));
      await store.close().catch(() => undefined);
    }
  });

  it('where a record claims to go on to a false one, skipping is not led astray by it', async () => {
    const fixture = await filled(3);
    const outer = fixture.append({ topic: 'odd', body: forgedBody(fixture, 88) });
    append(fixture);
    fixture.poke(outer.physicalOffset, Buffer.alloc(8));
    const tail = tailLog(fixture.view, { from: 'earliest', until: 'end', onCorrupt: 'skip' });
    expect(places(await collect(tail))).toEqual(places(fixture.stored.filter((stored) => stored !== outer)));
  });
});
