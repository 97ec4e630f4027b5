import { expect, it } from 'vitest';
import type { AppendReceipt, DispatchTarget, Store } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { segmentOf, writeInto } from '../contract/disk-surgery.js';
import { collect, failure, openTiny, root, texts, turns } from '../contract/harness.js';

const segmentBytes = 4096;

async function append(store: Store, count: number): Promise<AppendReceipt[]> {
  const receipts: AppendReceipt[] = [];
  for (let i = 0; i < count; i += 1) receipts.push(await store.append({ topic: 'T', body: `${i}`.padEnd(100, '.') }));
  return receipts;
}

/** Repairs two neighbouring records as one; the place between them is no record's beginning any more. */
async function repairTogether(disk: MemoryPlatform, store: Store, first: AppendReceipt, second: AppendReceipt): Promise<void> {
  const { path, at } = segmentOf(root, segmentBytes, first.physicalOffset);
  await writeInto(disk, path, Buffer.alloc(first.recordBytes + second.recordBytes), at);
  expect((await store.repair()).damage).toHaveLength(1);
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

it('a target goes on where sync() had told it to, also when that place was repaired', async () => {
  let durable: number | undefined;
  const seen: number[] = [];
  const target: DispatchTarget = {
    name: 'own',
    from: () => durable,
    dispatch: (message) => void seen.push(message.queueOffset),
    sync: async (end) => {
      if (end > 0) durable ??= end;
      await Promise.resolve();
    },
  };
  const disk = memoryPlatform();
  const store = await openTiny(disk, { targets: [target] });
  const receipts = await append(store, 10);
  await store.snapshot('/copy');
  receipts.push(...(await append(store, 50)));
  await repairTogether(disk, store, receipts[9]!, receipts[10]!);
  expect(durable).toBe(receipts[10]!.physicalOffset);
  seen.length = 0;
  const again = await openTiny(disk.crash('all'), { targets: [target] });
  await again.close();
  expect(seen).toEqual(numbers(11, 60));
});

it('the same, where the store is closed while the target is still looking for its place', async () => {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  for (let queueId = 0; queueId < 2000; queueId += 1) store.appendSync({ topic: 'Q', queueId, body: 'q' });
  const receipts = await append(store, 60);
  await repairTogether(disk, store, receipts[9]!, receipts[10]!);
  await store.close();
  const seen: number[] = [];
  const target: DispatchTarget = {
    name: 'own',
    from: () => receipts[10]!.physicalOffset,
    dispatch: (message) => void seen.push(message.queueOffset),
    sync: () => Promise.resolve(),
  };
  const again = await openTiny(disk, { targets: [target] });
  await again.close();
  expect(seen).toEqual(numbers(11, 60));
});

it('the same, where older damage stands in front of the repair in the same segment', async () => {
  const seen: number[] = [];
  const disk = memoryPlatform();
  const store = await openTiny(disk, { segmentBytes: 4 * segmentBytes });
  const receipts = await append(store, 10);
  await store.snapshot('/copy');
  receipts.push(...(await append(store, 50)));
  await store.flush();
  const crashed = disk.crash('all');
  const write = async (bytes: Buffer, offset: number): Promise<void> => {
    const { path, at } = segmentOf(root, 4 * segmentBytes, offset);
    await writeInto(crashed, path, bytes, at);
  };
  await write(Buffer.alloc(8), receipts[3]!.physicalOffset);
  const [first, kept, next] = [20, 21, 23].map((i) => receipts[i]!.physicalOffset) as [number, number, number];
  await write(Buffer.alloc(next - first), first);
  const target: DispatchTarget = {
    name: 'own',
    from: () => kept,
    dispatch: (message) => void seen.push(message.queueOffset),
    sync: () => Promise.resolve(),
  };
  const again = await openTiny(crashed, { segmentBytes: 4 * segmentBytes, recovery: 'skip', targets: [target] });
  await turns(200);
  const tailed = await collect(again.tailAll({ from: kept, until: 'end' }));
  expect(tailed.map((message) => message.queueOffset)).toEqual(seen);
  expect(seen).toEqual(numbers(60 - seen.length, 60));
  expect(seen[0]).toBeGreaterThanOrEqual(23);
  await again.close().catch(() => undefined);
});

it('a reader of the log goes on at a place that it has kept, also when that was repaired', async () => {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const receipts = await append(store, 60);
  const from = receipts[10]!.physicalOffset;
  const early = store.tailAll({ from: 'earliest' });
  for await (const message of early) if (message.queueOffset === 9) break;
  expect(early.position).toBe(from);
  await repairTogether(disk, store, receipts[9]!, receipts[10]!);
  const messages = await collect(store.tailAll({ from, until: 'end' }));
  expect(messages.map((message) => message.queueOffset)).toEqual(numbers(11, 60));
  // A place at which nothing ever began is still refused.
  expect(await failure(() => collect(store.tailAll({ from: 50, until: 'end' })))).toBeInstanceOf(RangeError);
  await store.close();
});

it('and where the repair has left nothing up to the end of the segment, with the next one', async () => {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const receipts = await append(store, 60);
  const next = receipts.findIndex((receipt) => receipt.physicalOffset === segmentBytes);
  const { path, at } = segmentOf(root, segmentBytes, receipts[next - 2]!.physicalOffset);
  await writeInto(disk, path, Buffer.alloc(segmentBytes - at), at);
  const from = receipts[next - 1]!.physicalOffset;
  await store.repair();
  const messages = await collect(store.tailAll({ from, until: 'end' }));
  expect(texts(messages)).toHaveLength(60 - next);
  await store.close();
});
