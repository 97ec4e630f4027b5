import { describe, expect, it } from 'vitest';
import { offsetAt } from '../../src/store/offset-at.js';
import { faultyPlatform, memoryPlatform } from '../../src/testing/index.js';
import { appendMany, collect, openTiny, refusal } from '../contract/harness.js';
import { ReadFixture, rejection } from './read-fixture.js';

const orders = { topic: 'orders' };

async function filled(times: readonly number[], bodyBytes = 20): Promise<ReadFixture> {
  const fixture = await ReadFixture.open();
  for (const time of times) fixture.append({ topic: 'orders', body: Buffer.alloc(bodyBytes) }, time);
  return fixture;
}

describe('offsetAt', () => {
  it('is the first message stored at or after the time, or the end', async () => {
    const { view } = await filled([10, 10, 20, 20, 20, 30]);
    const expected: readonly (readonly [number | Date, number])[] = [
      [-1, 0],
      [10, 0],
      [11, 2],
      [new Date(20), 2],
      [20.5, 5],
      [30, 5],
      [31, 6],
      [Number.NEGATIVE_INFINITY, 0],
      [Number.POSITIVE_INFINITY, 6],
    ];
    for (const [time, offset] of expected) expect(await offsetAt(view, orders, time), `at ${String(time)}`).toBe(offset);
    expect(await offsetAt(view, { topic: 'nobody' }, 10)).toBe(0);
  });

  it('wrong arguments are wrong calls', async () => {
    const { view } = await filled([10]);
    expect(await rejection(offsetAt(view, orders, Number.NaN))).toBeInstanceOf(RangeError);
    expect(await rejection(offsetAt(view, orders, new Date('never')))).toBeInstanceOf(RangeError);
    expect(await rejection(offsetAt(view, orders, '10' as unknown as number))).toBeInstanceOf(TypeError);
    expect(await rejection(offsetAt(view, { topic: 'a/b' }, 10))).toMatchObject({ code: 'TOPIC_INVALID' });
  });

  it('begins with what is left, also where the bounds are behind', async () => {
    const fixture = await filled(
      Array.from({ length: 40 }, (_, i) => i),
      300,
    );
    await fixture.expireFirst(false);
    const min = fixture.stored.findIndex((stored) => stored.physicalOffset >= fixture.segments.minOffset);
    expect(await offsetAt(fixture.view, orders, 0)).toBe(min);
    expect(await offsetAt(fixture.view, orders, min + 5)).toBe(min + 5);
    await fixture.trim();
    expect(await offsetAt(fixture.view, orders, 0)).toBe(min);
  });

  it('a damaged entry on the way is mended; damage to the log is CORRUPT', async () => {
    const fixture = await filled(Array.from({ length: 10 }, (_, i) => i));
    await fixture.writeQueues();
    fixture.pokeFile(fixture.queuePath('orders', 0), 5 * 20, Buffer.alloc(20));
    expect(await offsetAt(fixture.view, orders, 5)).toBe(5);
    expect(fixture.mendedSlots).toHaveLength(1);
    const bad = fixture.stored[5]?.physicalOffset ?? 0;
    fixture.poke(bad, Buffer.alloc(60));
    const view = { ...fixture.view, mendQueue: async () => false };
    expect(await rejection(offsetAt(view, orders, 5))).toMatchObject({ code: 'CORRUPT', offset: bad });
  });

  it('a damaged time on the way does not lead it past a message: that is CORRUPT', async () => {
    for (const bad of [0, 3, 4, 5, 6, 9]) {
      for (const time of [-1000, 0, 2.5, 5, 9, 1000]) {
        for (const wrong of [-5000n, 5000n]) {
          const fixture = await filled(Array.from({ length: 10 }, (_, i) => i));
          const bytes = Buffer.alloc(8);
          bytes.writeBigInt64BE(wrong);
          fixture.poke((fixture.stored[bad]?.physicalOffset ?? 0) + 56, bytes);
          const answer = await offsetAt(fixture.view, orders, time).catch((error: unknown) => error);
          const expected = Math.min(10, Math.max(0, Math.ceil(time)));
          if (answer !== expected) expect(answer, `${time}, ${bad}`).toMatchObject({ code: 'CORRUPT' });
        }
      }
    }
  });

  it('hosts of IPv6 do not mislead it', async () => {
    const fixture = await filled([10]);
    fixture.append({ topic: 'orders', body: '', system: { bornHost: { address: '::1', port: 1 } } }, 20);
    expect(await offsetAt(fixture.view, orders, 15)).toBe(1);
    expect(await offsetAt(fixture.view, orders, 21)).toBe(2);
  });

  it('a queue file that the disk does not let be read is no damage to the log', async () => {
    const disk = memoryPlatform();
    const writer = await openTiny(disk);
    await appendMany(writer, 40);
    await writer.close();
    const failing = faultyPlatform(disk);
    const store = await openTiny(failing, { openFilesMax: 4 });
    failing.add({ path: /consumequeue|rebuild/, count: Number.POSITIVE_INFINITY, fault: { kind: 'error', code: 'EIO' } });
    expect(await refusal(() => store.offsetAt({ topic: 'T' }, Date.now()))).toBe('IO');
    expect(await refusal(() => store.get(0))).toBe('IO');
    expect(await refusal(() => collect(store.tail({ topic: 'T' }, { from: 'earliest', until: 'end' })))).toBe('IO');
    expect(await refusal(() => collect(store.tailAll({ from: 'earliest', until: 'end' })))).toBe('none');
    failing.clear();
    expect(await store.offsetAt({ topic: 'T' }, 0)).toBe(0);
    expect(await store.get(0)).toMatchObject({ queueOffset: 0 });
    await store.close();
  });
});
