import { beforeAll, describe, expect, it } from 'vitest';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import type { AppendReceipt, Store } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { createFile, flipBit, removeTree, writeInto } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readLog, readQueue, root } from '../contract/harness.js';
import { type FrozenStore, freeze, frozenStore, type LogRecord, placeOf, walkLog } from './frozen-store.js';
import { linesOf, survivorsInLog, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

const tombstoneFlag = 0x4c4f5354;
const segmentBytes = 16_384;

/** Killed before any queue entry was on the disk: the log alone has to tell where it goes on. */
let frozen: FrozenStore;
beforeAll(async () => {
  frozen = await frozenStore('killed', storeOfThreeQueues, { segmentBytes });
});

async function zero(disk: MemoryPlatform, from: number, to: number): Promise<void> {
  const { path, at } = placeOf(from, segmentBytes);
  await writeInto(disk, path, Buffer.alloc(to - from), at);
}

/** @param nameless of the lost: those whose number nobody knows any more. */
async function expectLost(
  disk: MemoryPlatform,
  lost: readonly LogRecord[],
  before: FrozenStore,
  nameless: readonly LogRecord[] = [],
): Promise<void> {
  const store = await openTiny(disk, { segmentBytes, recovery: 'skip' });
  const left = before.records.filter((record) => !lost.includes(record));
  expect(await survivorsInLog(store)).toEqual(linesOf(left));
  expect(await survivorsOf(store)).toEqual(linesOf(left));
  expect((await store.verify()).faults).toEqual([]);
  await store.close();
  const key = (record: LogRecord): string => `${record.topic}/${record.queueId}:${record.queueOffset}`;
  const tombstones = (await walkLog(disk)).filter((record) => record.flag === tombstoneFlag);
  expect(tombstones.map(key).sort()).toEqual(
    lost
      .filter((record) => !nameless.includes(record))
      .map(key)
      .sort(),
  );
}

const heads: Readonly<Record<string, (disk: MemoryPlatform, record: LogRecord) => Promise<void>>> = {
  size: (disk, record) => flipBit(disk, placeOf(record.offset, segmentBytes).path, placeOf(record.offset, segmentBytes).at + 2, 1),
  magic: (disk, record) => flipBit(disk, placeOf(record.offset, segmentBytes).path, placeOf(record.offset, segmentBytes).at + 5, 1),
  'own place': (disk, record) => flipBit(disk, placeOf(record.offset, segmentBytes).path, placeOf(record.offset, segmentBytes).at + 34, 1),
  'body length': (disk, record) =>
    flipBit(disk, placeOf(record.offset, segmentBytes).path, placeOf(record.offset, segmentBytes).at + 86, 1),
  body: (disk, record) => flipBit(disk, placeOf(record.offset, segmentBytes).path, placeOf(record.offset, segmentBytes).at + 90, 1),
  'whole head': (disk, record) => zero(disk, record.offset, record.offset + 88),
};

describe('several damaged records in one segment, no queue entry on the disk', () => {
  for (const [what, damage] of Object.entries(heads)) {
    it(`cost no more than themselves: ${what}`, async () => {
      const disk = frozen.copy();
      const lost = [3, 9, 10, 30, 33, 60].map((i) => frozen.records[i]!);
      for (const record of lost) await damage(disk, record);
      await expectLost(disk, lost, frozen);
    });
  }

  it('cost no more than themselves: one with its head, one with its tail, in each third', async () => {
    const disk = frozen.copy();
    const lost = [5, 8, 35, 38, 70, 74].map((i) => frozen.records[i]!);
    for (const [i, record] of lost.entries()) await zero(disk, record.offset + (i % 2) * 60, record.offset + (i % 2) * 60 + 60);
    await expectLost(disk, lost, frozen);
  });

  it('the last of them is the last durable record', async () => {
    const disk = frozen.copy();
    const lost = [70, 89].map((i) => frozen.records[i]!);
    for (const record of lost) await zero(disk, record.offset, record.offset + 40);
    await expectLost(disk, lost, frozen, [lost[1]!]);
  });

  it('the records between them, and what is lost, keep their numbers also where most of a segment is gone', async () => {
    const disk = frozen.copy();
    const lost = frozen.records.slice(10, 20).concat(frozen.records.slice(24, 44));
    await zero(disk, lost[0]!.offset, frozen.records[20]!.offset);
    await zero(disk, lost[10]!.offset, frozen.records[44]!.offset);
    await expectLost(disk, lost, frozen);
  });
});

describe('a whole segment and the first record of the next one, and queue entries on the disk for a part of the first only', () => {
  it('cost themselves: what entries do not speak of has its tombstones where there is room', async () => {
    const platform = memoryPlatform();
    const options = { segmentBytes: 4096 };
    const first = await openTiny(platform, options);
    await appendMany(first, 6);
    await first.close();
    const second = await openTiny(platform, options);
    await storeOfThreeQueues(second);
    const store = await freeze(platform);
    const disk = store.copy();
    await disk.fs.remove(`${root}/stratalog/state`);
    await writeInto(disk, placeOf(0, 4096).path, Buffer.alloc(4096), 0);
    const next = store.records.find((record) => record.offset === 4096)!;
    await writeInto(disk, placeOf(4096, 4096).path, Buffer.alloc(next.bytes), 0);
    const opened = await openTiny(disk, { ...options, recovery: 'skip' });
    expect((await opened.verify()).faults).toEqual([]);
    expect(await survivorsOf(opened)).toEqual(linesOf(store.records.filter((record) => record.offset > 4096)));
    await opened.close();
  });
});

/** Records that verify in their place inside the body of the next message: as given, one after the other. */
function forge(bodyAt: number, queues: readonly { topic: string; queueOffset: number }[]): Buffer {
  const encoder = new RecordEncoder({
    storeHost: { address: '127.0.0.1', port: 10_911 },
    recordChecksum: true,
    messageBytesMax: 4096,
    systemMessages: false,
  });
  const forged: Buffer[] = [];
  let at = bodyAt;
  for (const { topic, queueOffset } of queues) {
    const bytes = Buffer.alloc(encoder.stage({ topic, body: 'forged' }, 0, false));
    encoder.write(bytes, 0, at, queueOffset, Date.now());
    forged.push(bytes);
    at += bytes.length;
  }
  return Buffer.concat(forged);
}

/** 20 messages of topic T, the carrier in topic F, 20 more of both. */
async function withCarrier(forged: readonly { topic: string; queueOffset: number }[]): Promise<FrozenStore> {
  return await frozenStore(
    'killed',
    async (store: Store) => {
      let end = 0;
      for (let i = 0; i < 20; i += 1) {
        const { physicalOffset, recordBytes } = await store.append({ topic: 'T', body: `honest-${i}` });
        end = physicalOffset + recordBytes;
      }
      await store.append({ topic: 'F', body: forge(end + 88, forged) });
      for (let i = 20; i < 40; i += 1) await store.append({ topic: i % 5 === 0 ? 'F' : 'T', body: `honest-${i}` });
    },
    { segmentBytes },
  );
}

describe('records forged inside a body, and damage behind it in the same segment', () => {
  const forgeries: Readonly<Record<string, readonly { topic: string; queueOffset: number }[]>> = {
    'of a queue of their own': [0, 1, 2].map((queueOffset) => ({ topic: 'Evil', queueOffset })),
    'with the next numbers of a known queue': [20, 21].map((queueOffset) => ({ topic: 'T', queueOffset })),
    'with the number of the message that holds them': [{ topic: 'F', queueOffset: 0 }],
    'with that number, and others of a queue of their own': [0, 0, 1].map((queueOffset, i) => ({
      topic: i === 0 ? 'F' : 'Evil',
      queueOffset,
    })),
  };
  for (const [what, forged] of Object.entries(forgeries)) {
    it(`${what}: are not taken for records`, async () => {
      const store = await withCarrier(forged);
      const carrier = store.records.findIndex((record) => record.topic === 'F');
      const disk = store.copy();
      const lost = [store.records[carrier]!, store.records[carrier + 6]!];
      for (const record of lost) await zero(disk, record.offset, record.offset + 88);
      const opened = await openTiny(disk, { segmentBytes, recovery: 'skip' });
      const found = await survivorsInLog(opened);
      expect(found.filter((line) => line.includes('forged'))).toEqual([]);
      expect(linesOf(store.records)).toEqual(expect.arrayContaining([...found]));
      expect(opened.topics().map((each) => each.topic)).not.toContain('Evil');
      expect((await opened.verify()).faults).toEqual([]);
      await opened.close();
    });
  }
});

it('what a damaged record says of its number decides between several that may have been lost there', async () => {
  const platform = memoryPlatform();
  const store = await openTiny(platform, { segmentBytes: 16_384 });
  const sent = [
    { topic: 'Orders', queueId: 1 },
    { topic: 'Orders', queueId: 2 },
    { topic: 'Orders', queueId: 1 },
    { topic: 'Orders', queueId: 1 },
    { topic: 'T', queueId: 1 },
    { topic: 'Orders', queueId: 2 },
  ];
  const receipts: AppendReceipt[] = [];
  for (const message of sent) receipts.push(await store.append({ ...message, body: 'body' }));
  await store.close();
  const lost = [0, 2, 4].map((i) => receipts[i]!);
  for (const { physicalOffset } of lost) await flipBit(platform, `${root}/commitlog/${'0'.repeat(20)}`, physicalOffset + 90);
  // The queues are made anew without them; how far these went is known.
  await removeTree(platform, `${root}/consumequeue/Orders`);
  const again = await openTiny(platform, { segmentBytes: 16_384 });
  expect((await again.repair()).damage).toHaveLength(3);
  expect(await again.verify()).toMatchObject({ ok: true });
  expect((await readLog(again)).map(({ physicalOffset }) => physicalOffset)).toEqual([1, 3, 5].map((i) => receipts[i]!.physicalOffset));
  expect(again.bounds({ topic: 'Orders', queueId: 1 })).toEqual({ min: 0, max: 3 });
  await again.close();
});

it('the numbers lost in front of a segment that a kill left half made are those in front of its first record', async () => {
  const base = memoryPlatform();
  const bytes = 4096;
  const store = await openTiny(base, { segmentBytes: bytes });
  const receipts: AppendReceipt[] = [];
  const making = `${root}/stratalog/tmp/${String(bytes).padStart(20, '0')}`;
  for (let i = 0; i < 25; i += 1) receipts.push(await store.append({ topic: 'T', body: 'b'.repeat(200) }));
  await store.close();
  const first = receipts.find(({ physicalOffset }) => physicalOffset >= bytes)!;
  // As a kill leaves it between the first write into the new segment and its move.
  await base.fs.rename(`${root}/commitlog/${String(bytes).padStart(20, '0')}`, making);
  await base.fs.syncDirectory(`${root}/stratalog/tmp`);
  await base.fs.syncDirectory(`${root}/commitlog`);
  await removeTree(base, `${root}/consumequeue`);
  await removeTree(base, `${root}/stratalog/state`);
  await createFile(base, `${root}/abort`);
  // The last two records in front of it, and the blank behind them.
  const from = receipts[first.queueOffset - 2]!.physicalOffset;
  await writeInto(base, `${root}/commitlog/${'0'.repeat(20)}`, Buffer.alloc(bytes - from, 0xff), from);
  const again = await openTiny(base, { segmentBytes: bytes, recovery: 'skip' });
  expect(await again.verify()).toMatchObject({ ok: true });
  expect(again.bounds({ topic: 'T' })).toEqual({ min: 0, max: 25 });
  expect(await readQueue(again, { topic: 'T' })).toHaveLength(23);
  await again.close();
});
