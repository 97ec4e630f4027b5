import { describe, expect, it } from 'vitest';
import type { AppendReceipt, Store, StoreReader } from '../../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../../src/testing/index.js';
import { contents, flipBit, removeTree, segmentOf, writeInto } from '../../contract/disk-surgery.js';
import { collect, openReader, openTiny, readQueue, refusal, root, texts, until } from '../../contract/harness.js';

const segmentBytes = 16_384;
const A = { topic: 'A' };
const B = { topic: 'B' };

interface Made {
  readonly platform: MemoryPlatform;
  readonly store: Store;
  /** Three of A, then three of B. */
  readonly receipts: readonly AppendReceipt[];
}

/** The writer is still at work: all that comes behind its last safe point, a follower feeds from the log. */
async function made(hasSafePoint: boolean): Promise<Made> {
  const platform = memoryPlatform();
  const store = await openTiny(platform, { segmentBytes });
  if (hasSafePoint) {
    await store.append({ topic: 'C', body: 'c' });
    await store.snapshot('/copy');
  }
  const receipts = [];
  for (let i = 0; i < 3; i += 1) receipts.push(await store.append({ ...A, body: `a-${i}` }));
  for (let i = 0; i < 3; i += 1) receipts.push(await store.append({ ...B, body: `b-${i}` }));
  return { platform, store, receipts };
}

async function goOn({ store }: Made): Promise<void> {
  while (store.stats().writtenOffset < segmentBytes + 500) await store.append({ ...A, body: 'x'.repeat(400) });
  for (let i = 3; i < 6; i += 1) await store.append({ ...B, body: `b-${i}` });
}

async function damage({ platform, receipts }: Made): Promise<void> {
  const { path, at } = segmentOf(root, segmentBytes, receipts[1]!.physicalOffset);
  await flipBit(platform, path, at + 5, 1);
}

/** From the second message of A on, nothing of the segment is left, and nothing tells what was there. */
async function damageAll({ platform, receipts }: Made): Promise<void> {
  const { path, at } = segmentOf(root, segmentBytes, receipts[1]!.physicalOffset);
  await writeInto(platform, path, Buffer.alloc(segmentBytes - at, 0xee), at);
}

async function tailed(reader: StoreReader, topic: string): Promise<{ readonly bodies: readonly string[]; readonly error: string }> {
  const bodies: string[] = [];
  const error = await refusal(async () => {
    for await (const message of reader.tail({ topic }, { from: 'earliest', until: 'end' })) bodies.push(String(message.body));
  });
  return { bodies, error };
}

for (const hasSafePoint of [false, true]) {
  describe(`a follower, of good messages behind a damaged record in the same segment (above a safe point: ${hasSafePoint})`, () => {
    for (const hasMore of [false, true]) {
      it(`shows what the writer shows, also where queues ${hasMore ? 'begin' : 'end'} there`, async () => {
        const all = await made(hasSafePoint);
        if (hasMore) await goOn(all);
        await damage(all);
        const before = await contents(all.platform, root);
        const reader = await openReader(all.platform);
        expect(reader.bounds(B)).toEqual({ min: 0, max: hasMore ? 6 : 3 });
        expect(texts(await readQueue(reader, B))).toEqual(texts(await readQueue(all.store, B)));
        const place = all.receipts[4]!.physicalOffset;
        expect((await reader.get(place))?.queueOffset).toBe(1);
        expect(texts(await collect(reader.tailAll({ from: place, until: 'end' })))).toContain('b-1');
        expect(await tailed(reader, 'A')).toEqual({ bodies: ['a-0'], error: 'CORRUPT' });
        expect(await refusal(() => reader.get(all.receipts[1]!.physicalOffset))).toBe('CORRUPT');
        await reader.close();
        expect(await contents(all.platform, root)).toEqual(before);
        await all.store.close();
      });
    }

    it('hears of damage that is met while it follows', async () => {
      const all = await made(hasSafePoint);
      await damage(all);
      const reader = await openReader(all.platform);
      const tail = reader.tail(B, { from: 'earliest' });
      await goOn(all);
      expect(texts(await collect(tail, 6))).toEqual(['b-0', 'b-1', 'b-2', 'b-3', 'b-4', 'b-5']);
      await reader.close();
      await all.store.close();
    });
  });

  describe(`a follower, where nothing tells what the damage has taken (above a safe point: ${hasSafePoint})`, () => {
    it('does not take the first messages of a queue for expired', async () => {
      const all = await made(hasSafePoint);
      await goOn(all);
      await damageAll(all);
      await removeTree(all.platform, `${root}/consumequeue`);
      const reader = await openReader(all.platform);
      expect(reader.bounds(B)).toEqual({ min: 0, max: 6 });
      expect(await tailed(reader, 'B')).toEqual({ bodies: [], error: 'CORRUPT' });
      expect(texts((await reader.read(B, { from: 3 })).messages)).toEqual(['b-3', 'b-4', 'b-5']);
      for (const receipt of all.receipts.slice(1)) expect(await refusal(() => reader.get(receipt.physicalOffset))).toBe('CORRUPT');
      await reader.close();
      await all.store.close();
    });

    it('is not led astray by a number or a topic that is damaged', async () => {
      for (const [byte, bit] of [
        [22, 7],
        [27, 1],
        [15, 0],
        [93, 1],
      ] as const) {
        const all = await made(hasSafePoint);
        await goOn(all);
        const { path, at } = segmentOf(root, segmentBytes, all.receipts[4]!.physicalOffset);
        await flipBit(all.platform, path, at + byte, bit);
        const reader = await openReader(all.platform);
        expect(reader.bounds(B)).toEqual({ min: 0, max: 6 });
        expect(await tailed(reader, 'B')).toEqual({ bodies: ['b-0'], error: 'CORRUPT' });
        expect(texts((await reader.read(B, { from: 2 })).messages)).toEqual(['b-2', 'b-3', 'b-4', 'b-5']);
        expect(reader.topics()).toEqual(all.store.topics());
        await reader.close();
        await all.store.close();
      }
    });

    it('knows the last messages of a queue by its entries, or by the next state of the writer', async () => {
      const all = await made(hasSafePoint);
      await damageAll(all);
      const reader = await openReader(all.platform);
      await all.store.close();
      const later = await openReader(all.platform);
      expect(await tailed(later, 'B')).toEqual({ bodies: [], error: 'CORRUPT' });
      await later.close();
      await until(() => reader.bounds(B).max > 0);
      expect(reader.bounds(B)).toEqual({ min: 0, max: 3 });
      expect(await tailed(reader, 'B')).toEqual({ bodies: [], error: 'CORRUPT' });
      await reader.close();
    });
  });
}
