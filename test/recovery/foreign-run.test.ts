import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCheckpoint } from '../../src/format/checkpoint.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import type { NewMessage } from '../../src/index.js';
import type { MemoryPlatform } from '../../src/testing/index.js';
import { flipBit, removeTree, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readQueue, root, texts } from '../contract/harness.js';
import { type FrozenStore, frozenStore, placeOf } from './frozen-store.js';
import { linesOf, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

const storeHost = { address: '10.0.0.7', port: 10_911 };
let frozen: FrozenStore;
beforeAll(async () => {
  frozen = await frozenStore('closed', storeOfThreeQueues);
});

/** What a broker that knows nothing of us leaves: records behind ours, another checkpoint, and its clean exit. */
async function brokerRan(
  disk: MemoryPlatform,
  messages: readonly NewMessage[],
  recordChecksum = false,
  spoil?: (record: Buffer) => void,
): Promise<number[]> {
  const encoder = new RecordEncoder({ storeHost, recordChecksum, messageBytesMax: 2048, systemMessages: true });
  const last = frozen.records.at(-1)!;
  let end = last.offset + last.bytes;
  const offsets: number[] = [];
  for (const [i, message] of messages.entries()) {
    const bytes = Buffer.alloc(encoder.stage(message, 1, false));
    encoder.write(bytes, 0, end, 30 + i, 1_800_000_000_000 + i);
    spoil?.(bytes);
    const { path, at } = placeOf(end);
    await writeInto(disk, path, bytes, at);
    offsets.push(end);
    end += bytes.length;
  }
  const checkpoint = encodeCheckpoint({
    logTime: 1_800_000_000_000,
    queuesTime: 1_800_000_000_000,
    indexTime: 0,
    masterFlushedOffset: 0,
    confirmedOffset: 0,
  });
  await writeInto(disk, `${root}/checkpoint`, checkpoint, 0);
  return offsets;
}

const foreign: NewMessage[] = Array.from({ length: 5 }, (_, i) => ({ topic: 'U', body: `foreign-${i}`, keys: ['all'] }));

describe('after another broker has run in the directory', () => {
  it('what it appended is read, numbered and found as our own', async () => {
    const disk = frozen.copy();
    await brokerRan(disk, foreign);
    const store = await openTiny(disk);
    expect(store.recovery).toMatchObject({ cleanShutdown: false, truncatedBytes: 0, damage: [] });
    expect(texts(await readQueue(store, { topic: 'U' })).slice(30)).toEqual(foreign.map((message) => message.body));
    expect((await store.append({ topic: 'U', body: 'ours' })).queueOffset).toBe(35);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
    const again = await openTiny(disk);
    expect(again.recovery.cleanShutdown).toBe(true);
    expect(await readQueue(again, { topic: 'U' })).toHaveLength(36);
    await again.close();
  });

  it('a stale copy of our checksum among its properties counts for nothing in what it wrote', async () => {
    const disk = frozen.copy();
    // A broker copies the property into retry and delay records, where it no longer fits. It is one by its form: below 2^31, read backwards.
    const offsets = await brokerRan(disk, foreign, true, (record) => {
      record.write('1234567890', record.length - 11, 'latin1');
    });
    const store = await openTiny(disk);
    expect(texts(await readQueue(store, { topic: 'U' })).slice(30)).toEqual(foreign.map((message) => message.body));
    expect(await store.get(offsets[2]!)).toMatchObject({ body: Buffer.from('foreign-2') });
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('in what we wrote the checksum must still match', async () => {
    const disk = frozen.copy();
    await brokerRan(disk, foreign);
    // The flag is covered by our checksum alone.
    const victim = frozen.records[12]!;
    const { path, at } = placeOf(victim.offset);
    await flipBit(disk, path, at + 17);
    await expect(openTiny(disk)).rejects.toMatchObject({ code: 'CORRUPT', path, offset: at });
    const store = await openTiny(disk, { recovery: 'skip' });
    const survivors = await survivorsOf(store);
    expect(survivors).toHaveLength(frozen.records.length - 1 + foreign.length);
    expect(survivors).toEqual(expect.arrayContaining([...linesOf(frozen.records.filter((record) => record !== victim))]));
    await store.close();
  });

  it('our watermark stands: it is only low; behind it the first byte that does not verify is the end', async () => {
    const disk = frozen.copy();
    const offsets = await brokerRan(disk, foreign);
    const { path, at } = placeOf(offsets[3]!);
    await flipBit(disk, path, at + 90);
    const store = await openTiny(disk);
    expect(texts(await readQueue(store, { topic: 'U' })).slice(30)).toEqual(['foreign-0', 'foreign-1', 'foreign-2']);
    expect(store.recovery.damage).toHaveLength(1);
    await store.close();
  });

  it('that left its abort behind, the same', async () => {
    const disk = frozen.copy();
    await brokerRan(disk, foreign);
    const file = disk.fs.open(`${root}/abort`, 'create');
    file.writeSync([Buffer.from('4711')], 0);
    await file.close();
    const store = await openTiny(disk);
    expect(await readQueue(store, { topic: 'U' })).toHaveLength(35);
    await store.close();
  });

  it('a store of its making alone is taken over as it is', async () => {
    const disk = frozen.copy();
    await removeTree(disk, `${root}/stratalog`);
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    expect(store.recovery.cleanShutdown).toBe(false);
    await store.close();
  });

  it('and without our files, its own rule says where the tail may begin: below its checkpoint damage is damage', async () => {
    const disk = frozen.copy();
    await removeTree(disk, `${root}/stratalog`);
    // Its checkpoint is newer than every record: all but the last segment is durable.
    await brokerRan(disk, []);
    const victim = frozen.records[12]!;
    const { path, at } = placeOf(victim.offset);
    await flipBit(disk, path, at + 90);
    await expect(openTiny(disk)).rejects.toMatchObject({ code: 'CORRUPT', path, offset: at });
    const inTail = frozen.copy();
    await removeTree(inTail, `${root}/stratalog`);
    await brokerRan(inTail, []);
    const torn = frozen.records.at(-1)!;
    await flipBit(inTail, placeOf(torn.offset).path, placeOf(torn.offset).at + 90);
    const store = await openTiny(inTail);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records.slice(0, -1)));
    await store.close();
  });

  it('that had cut the end of our log: what we then append goes on from there', async () => {
    const disk = frozen.copy();
    const cut = frozen.records.at(-1)!;
    const { path, at } = placeOf(cut.offset);
    await writeInto(disk, path, Buffer.alloc(4096 - at), at);
    await writeInto(disk, `${root}/checkpoint`, Buffer.alloc(24, 1), 0);
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records.slice(0, -1)));
    expect(await store.append({ topic: cut.topic, queueId: cut.queueId, body: 'next' })).toMatchObject({ physicalOffset: cut.offset });
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('a segment that it took away from the front stays away', async () => {
    const disk = frozen.copy();
    await removeTree(disk, placeOf(0).path);
    await brokerRan(disk, []);
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records.filter((record) => record.offset >= 4096)));
    expect(store.bounds({ topic: 'U' }).max).toBe(30);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });
});
