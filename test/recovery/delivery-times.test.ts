import { describe, expect, it } from 'vitest';
import { writeQueueEntry } from '../../src/format/queue-entry.js';
import type { AppendReceipt } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { readFile, removeTree, writeInto } from '../contract/disk-surgery.js';
import { openTiny, root } from '../contract/harness.js';

/** A broker has delay levels of its own: when a message is due stands in the queue entry, and nowhere else. */
const options = { systemMessages: true, queueEntriesPerFile: 16 };
const path = `${root}/consumequeue/SCHEDULE_TOPIC_XXXX/3/00000000000000000000`;
const entryBytes = 20;
const hourMs = 3_600_000;
/** What stratalog takes level 4 for. */
const level4Ms = 30_000;

/** Five messages of level 4, and one in the same queue without a level; then nothing of ours is left that says who wrote this. */
async function foreignStore(): Promise<{ readonly disk: MemoryPlatform; readonly receipts: readonly AppendReceipt[] }> {
  const disk = memoryPlatform();
  const store = await openTiny(disk, options);
  const receipts: AppendReceipt[] = [];
  for (let i = 0; i < 5; i += 1) receipts.push(await store.append({ ...place, body: `late ${i}`, properties: { DELAY: '4' } }));
  receipts.push(await store.append({ ...place, body: 'no level', tag: 'tagged' }));
  await store.close();
  await removeTree(disk, `${root}/stratalog`);
  return { disk, receipts };
}

const place = { topic: 'SCHEDULE_TOPIC_XXXX', queueId: 3 };

async function setTime(disk: MemoryPlatform, { physicalOffset, recordBytes, queueOffset }: AppendReceipt, time: number): Promise<void> {
  const entry = Buffer.alloc(entryBytes);
  writeQueueEntry(entry, 0, physicalOffset, recordBytes, time);
  await writeInto(disk, path, entry, queueOffset * entryBytes);
}

async function openAndClose(disk: MemoryPlatform): Promise<void> {
  const store = await openTiny(disk, options);
  expect(await store.verify()).toMatchObject({ ok: true, recordCount: 6 });
  await store.close();
}

function timeIn(queue: Buffer, { queueOffset }: AppendReceipt): number {
  return Number(queue.readBigInt64BE(queueOffset * entryBytes + 12));
}

describe('when delayed messages are due', () => {
  it('stays as the broker has decided it, when the store changes hands', async () => {
    const { disk, receipts } = await foreignStore();
    for (const [i, receipt] of receipts.slice(0, 5).entries()) await setTime(disk, receipt, receipt.storedAt + i * hourMs);
    const before = await readFile(disk, path);
    await openAndClose(disk);
    expect(await readFile(disk, path)).toEqual(before);
  });

  it('stays so when the queue is made anew because one entry is damaged; of that one, the level has to tell', async () => {
    const { disk, receipts } = await foreignStore();
    for (const receipt of receipts.slice(0, 5)) await setTime(disk, receipt, receipt.storedAt + 7 * hourMs);
    const store = await openTiny(disk, options);
    await store.close();
    await writeInto(disk, path, Buffer.alloc(entryBytes), 2 * entryBytes);
    const again = await openTiny(disk, options);
    expect((await again.read(place, { from: 0 })).messages).toHaveLength(6);
    await again.close();
    const queue = await readFile(disk, path);
    const delays = receipts.slice(0, 5).map((receipt) => timeIn(queue, receipt) - receipt.storedAt);
    expect(delays).toEqual([7 * hourMs, 7 * hourMs, level4Ms, 7 * hourMs, 7 * hourMs]);
  });

  it('is told by the level where no entry tells it: none there, one of another record, one with a time that cannot be', async () => {
    const { disk, receipts } = await foreignStore();
    const untouched = await readFile(disk, path);
    const [first, second, third, , , unscheduled] = receipts as [AppendReceipt, AppendReceipt, AppendReceipt, ...AppendReceipt[]];
    await setTime(disk, { ...first, physicalOffset: first.physicalOffset + 8 }, first.storedAt + hourMs);
    await setTime(disk, second, second.storedAt - 1);
    await setTime(disk, third, third.storedAt + 400 * 24 * hourMs);
    if (unscheduled === undefined) throw new Error('six receipts');
    await setTime(disk, unscheduled, unscheduled.storedAt + hourMs);
    await openAndClose(disk);
    expect(await readFile(disk, path)).toEqual(untouched);
    await removeTree(disk, `${root}/consumequeue`);
    await removeTree(disk, `${root}/stratalog`);
    await openAndClose(disk);
    expect(await readFile(disk, path)).toEqual(untouched);
  });

  it('control: verify finds an entry with a time that cannot be', async () => {
    const { disk, receipts } = await foreignStore();
    await openAndClose(disk);
    const [first] = receipts as [AppendReceipt];
    await setTime(disk, first, first.storedAt - 1);
    const store = await openTiny(disk, options);
    expect(await store.verify()).toMatchObject({ ok: false, faultCount: 1 });
    await store.close();
  });
});
