import { describe, expect, it } from 'vitest';
import type { AppendReceipt, Store } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { flipBit } from '../contract/disk-surgery.js';
import { appendMany, collect, openReader, openTiny, readQueue, root, settableClock, texts } from '../contract/harness.js';

const queue = { topic: 'T' };
const segmentBytes = 4096;
const count = 100;
const startMs = 1000;

interface Made {
  readonly platform: MemoryPlatform;
  readonly store: Store;
  readonly receipts: readonly AppendReceipt[];
}

/** One queue, in several segments, one message every 10 ms, all of it on the disk. */
async function made(): Promise<Made> {
  const clock = settableClock(startMs);
  const platform = memoryPlatform({ clock });
  const store = await openTiny(platform);
  const receipts: AppendReceipt[] = [];
  for (let i = 0; i < count; i += 1) {
    clock.set(startMs + 10 * i);
    receipts.push(await store.append({ ...queue, body: `m-${i}` }));
    // Others come between.
    for (let other = 0; other < i % 3; other += 1) await store.append({ topic: 'U', body: 'u' });
  }
  await store.snapshot('/copy');
  return { platform, store, receipts };
}

/** One bit of the place that an entry names is another one. */
async function damageEntry(platform: MemoryPlatform, queueOffset: number, bit: number): Promise<void> {
  const path = `${root}/consumequeue/T/0/${String(Math.floor(queueOffset / 16) * 320).padStart(20, '0')}`;
  await flipBit(platform, path, (queueOffset % 16) * 20 + 7 - Math.floor(bit / 8), bit % 8);
}

const first = (receipts: readonly AppendReceipt[]): number => receipts.findIndex((each) => each.physicalOffset >= segmentBytes);

describe('one damaged entry, in a queue of which the log has lost the beginning, costs no message', () => {
  it('whichever it is, when a store is opened that was closed', async () => {
    const { platform, store, receipts } = await made();
    await store.clean({ before: segmentBytes });
    await store.close();
    const min = first(receipts);
    for (let queueOffset = min; queueOffset < count; queueOffset += 1) {
      for (const bit of [12, 63]) {
        const disk = platform.crash('synced');
        await damageEntry(disk, queueOffset, bit);
        const again = await openTiny(disk);
        expect([queueOffset, bit, (await readQueue(again, queue)).length]).toEqual([queueOffset, bit, count - min]);
        await again.close();
      }
    }
  });

  it('nor when it was killed', async () => {
    const { platform, store, receipts } = await made();
    await store.clean({ before: segmentBytes });
    await store.snapshot('/later');
    const min = first(receipts);
    for (let queueOffset = min; queueOffset < count; queueOffset += 1) {
      const disk = platform.crash('synced');
      await damageEntry(disk, queueOffset, 12);
      const again = await openTiny(disk);
      expect([queueOffset, (await readQueue(again, queue)).length]).toEqual([queueOffset, count - min]);
      await again.close();
    }
  });

  it('nor when the beginning is deleted over it', async () => {
    const { platform, receipts, store } = await made();
    await store.close();
    const min = first(receipts);
    for (let queueOffset = min - 3; queueOffset < count; queueOffset += 1) {
      for (const bit of [9, 12]) {
        const disk = platform.crash('synced');
        const again = await openTiny(disk);
        await damageEntry(disk, queueOffset, bit);
        await again.clean({ before: segmentBytes });
        expect([queueOffset, bit, again.bounds(queue), (await readQueue(again, queue)).length]).toEqual([
          queueOffset,
          bit,
          { min, max: count },
          count - min,
        ]);
        await again.close();
      }
    }
  });

  it('nor when nothing around the entry contradicts it, because its queue has few messages', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    await store.append({ ...queue, body: 'first' });
    await appendMany(store, 45, { topic: 'U' });
    const { physicalOffset } = await store.append({ ...queue, body: 'second' });
    expect(Math.floor(physicalOffset / segmentBytes)).toBe(1);
    await appendMany(store, 60, { topic: 'U' });
    await store.append({ ...queue, body: 'third' });
    await store.snapshot('/copy');
    await damageEntry(platform, 1, 12);
    await store.clean({ before: segmentBytes });
    expect(texts(await readQueue(store, queue))).toEqual(['second', 'third']);
    await store.close();
  });

  it('for one who looks for a time, or tails from it', async () => {
    const { platform, receipts, store } = await made();
    await store.clean({ before: segmentBytes });
    const wanted = first(receipts) + 5;
    const time = startMs + 10 * wanted;
    await store.snapshot('/later');
    for (let queueOffset = first(receipts); queueOffset < count; queueOffset += 1) {
      const disk = platform.crash('synced');
      const again = await openTiny(disk);
      await damageEntry(disk, queueOffset, 12);
      expect([queueOffset, await again.offsetAt(queue, time)]).toEqual([queueOffset, wanted]);
      expect(await collect(again.tail(queue, { from: { time }, until: 'end' }))).toHaveLength(count - wanted);
      await again.close();
    }
  });

  it('for a tail that passes over what has expired', async () => {
    const { platform, receipts, store } = await made();
    await store.clean({ before: segmentBytes });
    const { min } = store.bounds(queue);
    await damageEntry(platform, min + 5, 12);
    const heard = await collect(store.tail(queue, { from: 'earliest', until: 'end', onExpired: 'skip' }));
    expect(heard.map((each) => each.queueOffset)).toEqual(receipts.slice(min).map((each) => each.queueOffset));
    await store.close();
  });
});

describe('who follows cannot mend it', () => {
  it('is told of the damage, and loses nothing silently', async () => {
    const { platform, receipts, store } = await made();
    await store.clean({ before: segmentBytes });
    await store.close();
    const min = first(receipts);
    for (const queueOffset of [min, min + 1, min + 20, count - 2]) {
      const disk = platform.crash('synced');
      await damageEntry(disk, queueOffset, 12);
      const reader = await openReader(disk);
      expect(reader.bounds(queue)).toEqual({ min, max: count });
      await expect(reader.read(queue, { from: queueOffset })).rejects.toMatchObject({ code: 'CORRUPT' });
      const tail = reader.tail(queue, { from: 'earliest', until: 'end', onExpired: 'skip' });
      await expect(collect(tail)).rejects.toMatchObject({ code: 'CORRUPT' });
      await expect(reader.offsetAt(queue, startMs + 10 * queueOffset)).rejects.toMatchObject({ code: 'CORRUPT' });
      const past = reader.tail(queue, { from: 'earliest', until: 'end', onCorrupt: 'skip' });
      expect(await collect(past)).toHaveLength(count - min - 1);
      await reader.close();
    }
  });
});
