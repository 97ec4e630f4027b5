import { describe, expect, it } from 'vitest';
import type { AppendReceipt, Store } from '../../src/index.js';
import { decodeState, noSafeOffset } from '../../src/recovery/state.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { flipBit, readFile, removeTree, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readQueue, refusal, root, texts } from '../contract/harness.js';
import { crashImages } from '../recovery/crash-images.js';
import { freeze } from '../recovery/frozen-store.js';

async function append(store: Store, count: number, topic = 'T'): Promise<AppendReceipt[]> {
  const receipts: AppendReceipt[] = [];
  for (let i = 0; i < count; i += 1) receipts.push(await store.append({ topic, body: `${i}`.padEnd(100, '.') }));
  return receipts;
}

async function zero(disk: MemoryPlatform, from: number, bytes: number): Promise<void> {
  const { path, at } = segmentOf(root, 4096, from);
  await writeInto(disk, path, Buffer.alloc(bytes), at);
}

interface Damaged {
  readonly store: Store;
  readonly safeOffset: number;
  readonly left: readonly string[];
}

/** Some messages, a safe point, fifty more; then the last one below it and the first one above are damaged together. */
async function damagedAcross(disk: MemoryPlatform): Promise<Damaged & { readonly others: readonly AppendReceipt[] }> {
  const before = await openTiny(disk);
  await append(before, 8);
  const others = await append(before, 3, 'U');
  const last = (await append(before, 2)).at(-1)!;
  await before.close();
  const store = await openTiny(disk);
  const safeOffset = store.stats().flushedOffset;
  await append(store, 50);
  const left = texts(await readQueue(store, { topic: 'T' }));
  await zero(disk, last.physicalOffset, last.recordBytes + 60);
  return { store, safeOffset, left: left.toSpliced(9, 2), others: others.slice(1) };
}

/** And a queue is known to lead to damaged records, its last: no safe point can be taken before that is repaired. */
async function damagedWithoutSafePoint(disk: MemoryPlatform): Promise<Damaged> {
  const made = await damagedAcross(disk);
  for (const { physicalOffset } of made.others) await zero(disk, physicalOffset, 88);
  // With its entries as they were, the queue would be good.
  await writeInto(disk, `${root}/consumequeue/U/0/${'0'.repeat(20)}`, Buffer.alloc(20), 2 * 20);
  expect(await refusal(() => made.store.read({ topic: 'U' }, { from: 2 }))).toBe('CORRUPT');
  return made;
}

async function expectLeft(
  disk: MemoryPlatform,
  recovery: 'strict' | 'truncate' | 'skip',
  left: readonly string[],
  repairs = false,
): Promise<void> {
  const store = await openTiny(disk, { recovery });
  expect(store.recovery.truncatedBytes).toBe(0);
  if (repairs) await store.repair();
  expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(left);
  expect((await store.verify()).faults).toEqual([]);
  expect((await store.append({ topic: 'T', body: 'after' })).queueOffset).toBe(left.length + 2);
  await store.close();
}

describe('damage on both sides of a safe point', () => {
  for (const make of [damagedAcross, damagedWithoutSafePoint]) {
    it.each(['strict', 'truncate', 'skip'] as const)(
      `once repaired, the store opens after a kill with all that was left (%s, ${make.name})`,
      async (recovery) => {
        const disk = memoryPlatform();
        const { store, left } = await make(disk);
        expect((await store.repair()).damage.length).toBeGreaterThan(0);
        expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(left);
        await expectLeft(disk.crash('all'), recovery, left);
      },
    );

    it(`a repair that is cut off can be made again, and has cost nothing (${make.name})`, async () => {
      let left: readonly string[] = [];
      let before: Buffer | undefined;
      let changed = 0;
      let voided = 0;
      for await (const image of crashImages(memoryPlatform, async (dying) => {
        const made = await make(dying);
        left = made.left;
        before = await readFile(dying, segmentOf(root, 4096, made.safeOffset).path);
        return async () => await made.store.repair();
      })) {
        const { copy } = await freeze(image);
        if ((await readFile(copy(), segmentOf(root, 4096, 0).path)).equals(before!)) continue;
        changed += 1;
        if (decodeState(await readFile(copy(), `${root}/stratalog/state`))!.safeOffset === noSafeOffset) voided += 1;
        await expectLeft(copy(), 'skip', left, true);
        if (make === damagedAcross) await expectLeft(copy(), 'truncate', left, true);
        expect(['none', 'CORRUPT']).toContain(await refusal(async () => await expectLeft(copy(), 'strict', left, true)));
      }
      expect(changed).toBeGreaterThan(3);
      expect(voided > 3).toBe(make === damagedWithoutSafePoint);
    }, 60_000);
  }
});

describe('the last durable record', () => {
  it('once repaired, is known as such to a recovery that knows nothing else', async () => {
    const disk = memoryPlatform();
    const store = await openTiny(disk);
    const receipts = await append(store, 10);
    await zero(disk, receipts[9]!.physicalOffset, receipts[9]!.recordBytes);
    await store.repair();
    const after = disk.crash('all');
    await removeTree(after, `${root}/stratalog/state`);
    await flipBit(after, segmentOf(root, 4096, 0).path, receipts[5]!.physicalOffset + 95);
    // Without it, what follows the damage would pass for a torn tail.
    expect(await refusal(() => openTiny(after))).toBe('CORRUPT');
  });
});
