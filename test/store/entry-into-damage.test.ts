import { expect, it } from 'vitest';
import type { AppendReceipt, Store } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, refusal, root, texts } from '../contract/harness.js';

const B = { topic: 'B' };

/** A record of another queue, and the first of B behind it, are one stretch in which nothing tells where records begin. */
async function damaged(): Promise<{ readonly disk: MemoryPlatform; readonly store: Store; readonly receipts: readonly AppendReceipt[] }> {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const before = await store.append({ topic: 'A', body: 'a'.repeat(100) });
  const receipts = [await store.append({ ...B, body: 'b'.repeat(100) })];
  for (let i = 1; i < 6; i += 1) receipts.push(await store.append({ ...B, body: `b-${i}` }));
  await store.snapshot('/copy');
  const { path, at } = segmentOf(root, 4096, before.physicalOffset);
  await writeInto(disk, path, Buffer.alloc(before.recordBytes + receipts[0]!.recordBytes, 0xee), at);
  return { disk, store, receipts };
}

it('get says the same of a damaged record behind another before and after its queue has been read', async () => {
  const { store, receipts } = await damaged();
  const place = receipts[0]!.physicalOffset;
  for (let i = 0; i < 2; i += 1) {
    expect(await refusal(() => store.get(place))).toBe('CORRUPT');
    expect(await refusal(() => store.read(B, { from: 0 }))).toBe('CORRUPT');
  }
  expect(texts((await store.read(B, { from: 1 })).messages)).toEqual(['b-1', 'b-2', 'b-3', 'b-4', 'b-5']);
  await store.close().catch(() => undefined);
});

it('an entry that is damaged itself, and so leads into the damage, hides no message', async () => {
  const { disk, store, receipts } = await damaged();
  const place = Buffer.alloc(8);
  place.writeBigInt64BE(BigInt(receipts[0]!.physicalOffset));
  await writeInto(disk, `${root}/consumequeue/B/0/${'0'.repeat(20)}`, place, 3 * 20);
  expect(texts((await store.read(B, { from: 3 })).messages)).toEqual(['b-3', 'b-4', 'b-5']);
  await store.close().catch(() => undefined);
});
