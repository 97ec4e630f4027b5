import { beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import { RecordView } from '../../src/format/record-view.js';
import { manualClock, type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { contents, filesBelow, flipBit, readFile, removeTree, truncateFile, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readQueue, root, texts } from '../contract/harness.js';
import { type FrozenStore, freeze, frozenStore, type LogRecord, placeOf, walkLog } from './frozen-store.js';
import { linesOf, survivorsByKey, survivorsInLog, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

const tombstoneFlag = 0x4c4f5354;
const fillerTopic = 'STRATALOG_FILLER';

/** Killed before any queue entry was on the disk. */
let frozen: FrozenStore;
/** With all queue entries on the disk, but nothing that says how far they can be trusted. */
let withEntries: FrozenStore;
beforeAll(async () => {
  frozen = await frozenStore('killed', storeOfThreeQueues);
  withEntries = await withoutState(await frozenStore('closed', storeOfThreeQueues));
});

async function withoutState(store: FrozenStore): Promise<FrozenStore> {
  const disk = store.copy();
  await removeTree(disk, `${root}/stratalog/state`);
  return await freeze(disk);
}

async function flip(disk: MemoryPlatform, record: LogRecord, shift = 90): Promise<void> {
  const { path, at } = placeOf(record.offset);
  await flipBit(disk, path, at + shift, 1);
}

/** The log of a repaired store, as a stock reader walks it: what is lost stands there as tombstones, and no queue has a gap. */
async function expectWhole(
  disk: MemoryPlatform,
  lost: readonly LogRecord[],
  before: readonly LogRecord[] = frozen.records,
): Promise<LogRecord[]> {
  const records = await walkLog(disk);
  const real = records.filter((record) => record.flag !== tombstoneFlag && record.topic !== fillerTopic);
  expect(real).toEqual(before.filter((record) => !lost.includes(record)));
  const key = (record: LogRecord): string => `${record.topic}/${record.queueId}:${record.queueOffset}`;
  const tombstones = records.filter((record) => record.flag === tombstoneFlag);
  expect(tombstones.map(key).sort()).toEqual(lost.map(key).sort());
  expect(tombstones.every((record) => /^\0*$/.test(record.body))).toBe(true);
  for (const queue of new Set(records.filter((each) => each.topic !== fillerTopic).map((each) => `${each.topic}/${each.queueId}`))) {
    const offsets = records
      .filter((each) => each.topic !== fillerTopic && `${each.topic}/${each.queueId}` === queue)
      .map((each) => each.queueOffset);
    expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, i) => i));
  }
  return records;
}

async function skipAndCheck(disk: MemoryPlatform, lost: readonly LogRecord[], from: FrozenStore = frozen): Promise<Store['recovery']> {
  const store = await openTiny(disk, { recovery: 'skip' });
  const survivors = linesOf(from.records.filter((record) => !lost.includes(record)));
  expect(await survivorsOf(store)).toEqual(survivors);
  expect(await survivorsInLog(store)).toEqual(survivors);
  expect(await store.verify()).toMatchObject({ ok: true });
  const { recovery } = store;
  await store.close();
  await expectWhole(disk, lost, from.records);
  return recovery;
}

describe('recovery skip', () => {
  it('puts the original bytes aside before it changes them', async () => {
    const disk = frozen.copy();
    const victim = frozen.records[33]!;
    await flip(disk, victim);
    const { path, at } = placeOf(victim.offset);
    const original = (await readFile(disk, path)).subarray(at, at + victim.bytes);
    const recovery = await skipAndCheck(disk, [victim]);
    expect(recovery.damage).toHaveLength(1);
    const { quarantinePath } = recovery.damage[0]!;
    expect(quarantinePath?.startsWith(`${root}/stratalog/aside/`)).toBe(true);
    expect((await readFile(disk, quarantinePath!)).equals(original)).toBe(true);
  });

  it('leaves in place of one record a tombstone of its queue offset and nothing else changed', async () => {
    const disk = frozen.copy();
    const victim = frozen.records[33]!;
    await flip(disk, victim);
    await skipAndCheck(disk, [victim]);
    const [before, after] = [await contents(frozen.copy(), `${root}/commitlog`), await contents(disk, `${root}/commitlog`)];
    expect([...after.keys()]).toEqual([...before.keys()]);
    for (const [path, bytes] of before) {
      const [was, is] = [Buffer.from(bytes, 'base64'), Buffer.from(after.get(path)!, 'base64')];
      const { path: hit, at } = placeOf(victim.offset);
      if (path === hit) for (const each of [was, is]) each.fill(0, at, at + victim.bytes);
      expect(is.equals(was)).toBe(true);
    }
  });

  it('reads leave tombstones out, and count them: no offset moves, and next goes past them', async () => {
    const disk = frozen.copy();
    const victim = frozen.records.find((record) => record.topic === 'U' && record.queueOffset === 4)!;
    await flip(disk, victim);
    const store = await openTiny(disk, { recovery: 'skip' });
    const queue = { topic: 'U', queueId: 0 };
    expect(store.bounds(queue)).toEqual({ min: 0, max: 30 });
    expect((await readQueue(store, queue)).map((message) => message.queueOffset)).toEqual(
      [...Array(30).keys()].filter((offset) => offset !== 4),
    );
    expect(await store.read(queue, { from: 4, countMax: 1 })).toMatchObject({ messages: [{ queueOffset: 5 }], next: 6 });
    expect(await store.get(victim.offset)).toBeUndefined();
    expect((await store.append({ ...queue, body: 'next' })).queueOffset).toBe(30);
    await store.close();
  });

  it('the second opening finds nothing more to do, in any mode', async () => {
    const disk = frozen.copy();
    await flip(disk, frozen.records[20]!);
    await flip(disk, frozen.records[50]!);
    await (await openTiny(disk, { recovery: 'skip' })).close();
    const again = await openTiny(disk);
    expect(again.recovery).toMatchObject({ cleanShutdown: true, damage: [], skippedBytes: 0, truncatedBytes: 0 });
    await again.close();
  });

  it('killed right after the repair, a strict opening finds nothing damaged', async () => {
    let disk = frozen.copy();
    await flip(disk, frozen.records[20]!);
    await openTiny(disk, { recovery: 'skip' });
    disk = disk.crash('synced');
    const again = await openTiny(disk);
    expect(again.recovery).toMatchObject({ cleanShutdown: false, damage: [] });
    expect(await survivorsOf(again)).toEqual(linesOf(frozen.records.filter((record) => record !== frozen.records[20])));
    await again.close();
  });

  it('repairs several spans in one opening, each with its own note', async () => {
    const disk = frozen.copy();
    const lost = [3, 4, 26, 60, 61, 62, 80].map((i) => frozen.records[i]!);
    for (const record of lost) await flip(disk, record);
    const { damage, skippedBytes } = await skipAndCheck(disk, lost);
    expect(damage.reduce((sum, note) => sum + note.bytes, 0)).toBe(skippedBytes);
    expect(skippedBytes).toBe(lost.reduce((sum, record) => sum + record.bytes, 0));
    expect(new Set(damage.map((note) => note.quarantinePath)).size).toBe(damage.length);
  });

  it('the first record of each segment', async () => {
    const disk = frozen.copy();
    const lost = frozen.records.filter((record) => record.offset % 4096 === 0);
    expect(lost).toHaveLength(5);
    for (const record of lost) await flip(disk, record);
    await skipAndCheck(disk, lost);
  });

  it('the blank that ends a segment: nothing is lost', async () => {
    const disk = frozen.copy();
    const last = frozen.records.filter((record) => record.offset < 4096).at(-1)!;
    await writeInto(disk, placeOf(0).path, Buffer.alloc(8, 0xff), last.offset + last.bytes);
    await skipAndCheck(disk, []);
  });

  it('a whole segment of rubbish becomes tombstones and a blank', async () => {
    const disk = frozen.copy();
    await writeInto(disk, placeOf(8192).path, Buffer.alloc(4096, 0x5a), 0);
    const lost = frozen.records.filter((record) => record.offset >= 8192 && record.offset < 12_288);
    const { damage } = await skipAndCheck(disk, lost);
    expect(damage).toMatchObject([{ path: placeOf(8192).path, offset: 0, bytes: 4096 }]);
  });

  it('a missing segment comes back as tombstones and a blank', async () => {
    const disk = frozen.copy();
    await removeTree(disk, placeOf(4096).path);
    const lost = frozen.records.filter((record) => record.offset >= 4096 && record.offset < 8192);
    const { damage } = await skipAndCheck(disk, lost);
    expect(damage).toMatchObject([{ path: placeOf(4096).path, offset: 0, bytes: 4096, quarantinePath: undefined }]);
    expect((await readFile(disk, placeOf(4096).path)).length).toBe(4096);
  });

  it('a segment that breaks off in its middle keeps what is left', async () => {
    const disk = frozen.copy();
    const victim = frozen.records.find((record) => record.offset > 4096 + 1500)!;
    await truncateFile(disk, placeOf(4096).path, victim.offset - 4096 + 10);
    const lost = frozen.records.filter((record) => record.offset >= victim.offset && record.offset < 8192);
    await skipAndCheck(disk, lost);
    expect((await readFile(disk, placeOf(4096).path)).length).toBe(4096);
  });

  for (const without of ['queue entries', 'good queue entries', 'an index'] as const) {
    it(`without ${without}: entries, the damaged record's own size, or a search tells where the log goes on`, async () => {
      const disk = withEntries.copy();
      const lost = [7, 40, 41].map((i) => frozen.records[i]!);
      await flip(disk, lost[0]!);
      // The size too: only a search is left.
      await flip(disk, lost[1]!, 2);
      await flip(disk, lost[2]!, 3);
      if (without === 'queue entries') await removeTree(disk, `${root}/consumequeue`);
      if (without === 'good queue entries') {
        for (const path of filesBelow(disk, `${root}/consumequeue`)) await writeInto(disk, path, Buffer.alloc(320, 0xee), 0);
      }
      if (without === 'an index') await removeTree(disk, `${root}/index`);
      const store = await openTiny(disk, { recovery: 'skip' });
      const survivors = linesOf(frozen.records.filter((record) => !lost.includes(record)));
      expect(await survivorsOf(store)).toEqual(survivors);
      expect(await survivorsByKey(store, ['T', 'U'], 'all')).toEqual(survivors);
      expect(await store.verify()).toMatchObject({ ok: true });
      await store.close();
      await expectWhole(disk, lost);
    });
  }

  it('a span of one sector in a store that has no record checksums is found by the body checksum', async () => {
    const plain = await frozenStore('killed', storeOfThreeQueues, { recordChecksum: false });
    const disk = plain.copy();
    const victim = plain.records[33]!;
    await flip(disk, victim, 88);
    await skipAndCheck(disk, [victim], plain);
  });

  it('in a store of IPv6 addresses tombstones carry such ones too', async () => {
    const host = { address: '2001:db8::1', port: 10_911 };
    const wide = await frozenStore('killed', storeOfThreeQueues, { storeHost: host });
    const disk = wide.copy();
    const lost = [20, 21].map((i) => wide.records[i]!);
    for (const record of lost) await flip(disk, record);
    const store = await openTiny(disk, { recovery: 'skip', storeHost: host });
    expect(await survivorsOf(store)).toEqual(linesOf(wide.records.filter((record) => !lost.includes(record))));
    await store.close();
    await expectWhole(disk, lost, wide.records);
  });
});

describe('a store whose address has become an IPv6 one', () => {
  it('has tombstones with a short address where records of IPv4 hosts were: no number is left out', async () => {
    const small = await frozenStore('killed', async (store) => {
      for (let i = 0; i < 30; i += 1) await store.append({ topic: i % 2 === 0 ? 'T' : 'U', body: '' });
    });
    const disk = small.copy();
    const lost = [10, 11, 14].map((i) => small.records[i]!);
    for (const record of lost) await flip(disk, record, 20);
    const store = await openTiny(disk, { recovery: 'skip', storeHost: { address: '2001:db8::1', port: 10_911 } });
    expect(await survivorsOf(store)).toEqual(linesOf(small.records.filter((record) => !lost.includes(record))));
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
    await expectWhole(disk, lost, small.records);
  });
});

describe('a damaged record too small for what takes its place', () => {
  async function withSmallest(store: Store): Promise<void> {
    for (let i = 0; i < 6; i += 1) await store.append({ topic: 'T', body: `m-${i}` });
    await store.append({ topic: 'Z', body: '' });
    for (let i = 0; i < 6; i += 1) await store.append({ topic: 'T', body: `n-${i}` });
  }

  for (const recordChecksum of [true, false]) {
    for (const [field, shift] of Object.entries({ topic: 90, 'queue offset': 27, size: 3, magic: 5 })) {
      it(`${field} of the smallest record there is, ${recordChecksum ? 'with' : 'without'} record checksum: all others are kept`, async () => {
        const small = await frozenStore('killed', withSmallest, { recordChecksum });
        const victim = small.records.find((record) => record.topic === 'Z')!;
        expect(victim.bytes).toBe(recordChecksum ? 112 : 92);
        const disk = small.copy();
        await flip(disk, victim, shift);
        const store = await openTiny(disk, { recovery: 'skip', recordChecksum });
        const survivors = await survivorsOf(store);
        const others = linesOf(small.records.filter((record) => record !== victim));
        // Without a checksum of the record a flipped topic or number cannot be seen.
        expect(survivors.filter((line) => line.startsWith('T/'))).toEqual(others);
        expect((await store.verify()).ok).toBe(true);
        await store.close();
        expect((await walkLog(disk)).filter((record) => record.topic === 'T')).toHaveLength(12);
        const again = await openTiny(disk, { recordChecksum });
        expect(again.recovery.cleanShutdown).toBe(true);
        await again.close();
      });
    }
  }
});

describe('what is said of lost numbers', () => {
  it('by a record with an absurd number is not believed: no more is made up for than can have been there', async () => {
    const disk = frozen.copy();
    const [forged, victim] = [frozen.records[50]!, frozen.records[40]!];
    const storeHost = { address: '127.0.0.1', port: 10_911 };
    const encoder = new RecordEncoder({ storeHost, recordChecksum: true, messageBytesMax: 4096, systemMessages: false });
    const empty = encoder.stage({ topic: 'Absurd', body: '' }, 1, false);
    const bytes = Buffer.alloc(encoder.stage({ topic: 'Absurd', body: 'x'.repeat(forged.bytes - empty) }, 1, false));
    encoder.write(bytes, 0, forged.offset, 2 ** 40, 1_700_000_000_000);
    await writeInto(disk, placeOf(forged.offset).path, bytes, placeOf(forged.offset).at);
    await flip(disk, victim);
    const store = await openTiny(disk, { recovery: 'skip' });
    expect(store.recovery.damage).toHaveLength(1);
    expect(store.bounds({ topic: 'Absurd' }).max).toBe(2 ** 40 + 1);
    expect(texts(await readQueue(store, { topic: 'Absurd' }))).toEqual(['x'.repeat(forged.bytes - empty)]);
    const own = frozen.records.filter((record) => record.topic === victim.topic && record.queueId === victim.queueId);
    expect((await readQueue(store, victim)).length).toBe(
      own.length - 1 - (forged.topic === victim.topic && forged.queueId === victim.queueId ? 1 : 0),
    );
    await store.close();
  });
});

describe('a large damaged record', () => {
  it('is filled in parts', async () => {
    const options = { segmentBytes: 8 * 1024 * 1024 };
    const large = await frozenStore(
      'killed',
      async (store) => {
        await store.append({ topic: 'T', body: 'before' });
        await store.append({ topic: 'T', body: Buffer.alloc(3_500_000, 'x') });
        await store.append({ topic: 'T', body: 'after' });
      },
      options,
    );
    const disk = large.copy();
    await flipBit(disk, placeOf(0).path, large.records[1]!.offset + 1_000_000);
    const store = await openTiny(disk, { ...options, recovery: 'skip' });
    expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(['before', 'after']);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
    const fillers = (await walkLog(disk)).filter((record) => record.topic === fillerTopic);
    expect(fillers.length).toBeGreaterThan(1);
    expect(Math.max(...fillers.map((record) => record.bytes))).toBeLessThanOrEqual(1024 * 1024 + 200);
  });
});

describe('recovery skip and batches', () => {
  async function withBatches(store: Store): Promise<void> {
    for (let i = 0; i < 8; i += 1) {
      await store.append({ topic: 'T', body: `single-${i}` });
      await store.appendBatch(Array.from({ length: 4 }, (_, j) => ({ topic: j % 2 === 0 ? 'T' : 'B', body: `batch-${i}-${j}` })));
    }
  }

  for (const [what, member] of Object.entries({ first: 0, second: 1, last: 3 })) {
    it(`the ${what} record of a batch in the middle of the log is lost alone`, async () => {
      const batches = await frozenStore('killed', withBatches);
      const disk = batches.copy();
      const victim = batches.records.find((record) => record.body === `batch-3-${member}`)!;
      await flip(disk, victim);
      await skipAndCheck(disk, [victim], batches);
    });
  }
});

/** Records that verify, for the place in the log where the body of the next message will lie. */
function forge(bodyAt: number): Buffer {
  const storeHost = { address: '127.0.0.1', port: 10_911 };
  const encoder = new RecordEncoder({ storeHost, recordChecksum: true, messageBytesMax: 4096, systemMessages: false });
  const forged: Buffer[] = [];
  let at = bodyAt;
  for (let queueOffset = 0; queueOffset < 3; queueOffset += 1) {
    const bytes = Buffer.alloc(encoder.stage({ topic: 'Evil', body: 'forged' }, 1, false));
    encoder.write(bytes, 0, at, queueOffset, 1_700_000_000_000);
    forged.push(bytes);
    at += bytes.length;
  }
  return Buffer.concat(forged);
}

describe('a record forged inside a body', () => {
  it('is not taken for the place where the log goes on', async () => {
    const bodyStart = 88;
    const options = { segmentBytes: 16_384 };
    const forgeries = await frozenStore(
      'killed',
      async (store) => {
        for (let i = 0; i < 30; i += 1) {
          const { physicalOffset, recordBytes } = await store.append({ topic: 'T', body: `honest-${i}` });
          if (i % 10 === 5) await store.append({ topic: 'F', body: forge(physicalOffset + recordBytes + bodyStart) });
        }
      },
      options,
    );
    const path = placeOf(0).path;
    const all = forgeries.records.filter((record) => record.topic === 'F');
    expect(all).toHaveLength(3);
    const log = await readFile(forgeries.copy(), path);
    const view = new RecordView();
    // Control: the forged records verify where they lie.
    for (const { offset } of all) {
      expect([view.read(log, offset + bodyStart, log.length), view.physicalOffset, view.verify(true)]).toEqual([
        'record',
        offset + bodyStart,
        true,
      ]);
    }
    for (const lost of all) {
      const disk = forgeries.copy();
      await flipBit(disk, path, lost.offset + 1, 3);
      const store = await openTiny(disk, { ...options, recovery: 'skip' });
      expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(Array.from({ length: 30 }, (_, i) => `honest-${i}`));
      expect(store.topics().map((each) => each.topic)).not.toContain('Evil');
      expect(await survivorsInLog(store)).toEqual(linesOf(forgeries.records.filter((record) => record !== lost)));
      await store.close();
    }
  });

  it('with queue entries, several damaged records of unknown size in one segment cost only themselves', async () => {
    const disk = withEntries.copy();
    const lost = [3, 9, 10, 18].map((i) => withEntries.records[i]!);
    for (const record of lost) await flip(disk, record, 1);
    await skipAndCheck(disk, lost, withEntries);
  });

  it('the last record of a queue, that nothing else speaks of, has its number kept', async () => {
    const disk = frozen.copy();
    const victim = frozen.records.filter((record) => record.topic === 'U').at(-1)!;
    await flip(disk, victim);
    const store = await openTiny(disk, { recovery: 'skip' });
    expect(store.bounds(victim)).toEqual({ min: 0, max: victim.queueOffset + 1 });
    expect((await store.append({ topic: 'U', body: 'new' })).queueOffset).toBe(victim.queueOffset + 1);
    await store.close();
  });

  it('a damaged record that names a queue nobody knows, or a number that is not the next, makes no queue', async () => {
    const victim = frozen.records.filter((record) => record.topic === 'U').at(-1)!;
    for (const shift of [12, 22]) {
      const disk = frozen.copy();
      await flip(disk, victim, shift);
      const store = await openTiny(disk, { recovery: 'skip' });
      expect(
        store
          .topics()
          .flatMap((each) => each.queueIds.map((queueId) => `${each.topic}/${queueId}`))
          .sort(),
      ).toEqual(['T/0', 'T/1', 'U/0']);
      expect(store.bounds(victim).max).toBe(victim.queueOffset);
      await store.close();
    }
  });
});

it('a time is still found behind whose message a damaged one was replaced', async () => {
  const clock = manualClock();
  const platform = memoryPlatform({ clock });
  const store = await openTiny(platform);
  const first = await store.append({ topic: 'T', body: 'kept' });
  // With a safe point behind it, recovery has no need to read it.
  await store.snapshot('/copy');
  const second = await store.append({ topic: 'T', body: 'lost' });
  await store.append({ topic: 'T', body: 'kept too' });
  const time = clock.nowMs();
  const killed = platform.crash('all');
  await flipBit(killed, `${root}/commitlog/${'0'.repeat(20)}`, second.physicalOffset + 85);
  const again = await openTiny(killed, { recovery: 'skip' });
  expect(again.recovery.damage).toHaveLength(1);
  expect(await again.offsetAt({ topic: 'T' }, time)).toBe(first.queueOffset);
  await again.close();
});
