import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AppendReceipt, nodePlatform, openStore, type Platform, type Store, type StoreOptions } from '../../src/index.js';
import { isAllZero } from '../../src/base/bytes.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { compareStore, isQueued } from './compare-store.js';
import {
  type Described,
  goldenFiles,
  goldenNames,
  type GoldenManifest,
  type GoldenMessage,
  readManifest,
  unpackGolden,
} from './golden-store.js';

/** Stores that real brokers have written, held against what those brokers said of them: no Java is needed here. */
const all = goldenNames().map(readManifest);
const names = all.filter((manifest) => manifest.refusedAs === undefined).map((manifest) => manifest.name);
const refused = all.filter((manifest) => manifest.refusedAs !== undefined).map(({ name, refusedAs }) => ({ name, refusedAs }));
const root = '/golden';
const bornAt = 77;

async function unpacked(name: string): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  await unpackGolden(name, platform.fs, root);
  return platform;
}

/** Sizes of segments and queue files show; those of an index file do not. */
function optionsFor(manifest: GoldenManifest, platform: Platform): StoreOptions {
  const { maxHashSlotNum, maxIndexNum } = manifest.settings;
  return { platform, freeBytesMin: 0, systemMessages: true, indexSlotCount: Number(maxHashSlotNum), indexEntryCount: Number(maxIndexNum) };
}

async function openGolden(manifest: GoldenManifest, platform: Platform, directory = root): Promise<Store> {
  return await openStore(directory, { ...optionsFor(manifest, platform), readOnly: false });
}

/** Files of a golden store that are not as they were; not looked at: what came besides, and segments made in advance that are gone. */
function changesSince(name: string, { fs }: Platform): readonly string[] {
  return [...goldenFiles(name)].flatMap(([path, content]) => {
    if (!fs.exists(`${root}/${path}`)) return isAllZero(content) ? [] : [`${path}: gone`];
    const file = fs.open(`${root}/${path}`, 'read');
    const found = Buffer.alloc(file.sizeBytes());
    file.readSync(found, 0);
    void file.close();
    return found.equals(content) ? [] : [`${path}: changed`];
  });
}

/** What a broker said, but only of records below `end`. */
function below(described: Described, end: number): Described {
  const isBelow = (offset: number): boolean => offset < end;
  return {
    minOffset: described.minOffset,
    maxOffset: Math.min(end, described.maxOffset),
    messages: described.messages.filter((message) => isBelow(message.physicalOffset)),
    queues: described.queues.map((queue) => {
      const offsets = queue.offsets.filter(isBelow);
      return { ...queue, offsets, max: queue.max - queue.offsets.length + offsets.length };
    }),
    keys: described.keys.map(([topic, key, offsets]) => [topic, key, offsets.filter(isBelow)] as const),
  };
}

/** Two more in every queue, one by itself and one together with those of all the others; what the store must then be. */
async function appendToAll(store: Store, manifest: GoldenManifest): Promise<Described> {
  const messages = manifest.queues.map(({ topic, queueId }, i) => ({
    topic,
    queueId,
    body: `added ${i}`,
    keys: ['added'],
    tag: 'new',
    bornAt,
  }));
  const receipts: AppendReceipt[] = [];
  for (const message of messages) receipts.push(await store.append(message));
  receipts.push(...(await store.appendBatch(messages)));
  const added = receipts.map((receipt, i) => describedOf(receipt, `added ${i % messages.length}`));
  const places = (topic: string, queueId?: number): readonly number[] =>
    receipts.filter((each) => each.topic === topic && each.queueId === (queueId ?? each.queueId)).map((each) => each.physicalOffset);
  const topics = [...new Set(manifest.queues.map((queue) => queue.topic))];
  return {
    minOffset: manifest.minOffset,
    maxOffset: store.stats().writtenOffset,
    messages: [...manifest.messages, ...added],
    queues: manifest.queues.map((queue) => ({
      ...queue,
      max: queue.max + 2,
      offsets: [...queue.offsets, ...places(queue.topic, queue.queueId)],
    })),
    keys: [...manifest.keys, ...topics.map((topic) => [topic, 'added', places(topic)] as const)],
  };
}

function describedOf(receipt: AppendReceipt, body: string): GoldenMessage {
  const { topic, queueId, queueOffset, physicalOffset, recordBytes, storedAt, messageId } = receipt;
  return {
    ...{ topic, queueId, queueOffset, physicalOffset, recordBytes, storedAt, messageId, bornAt },
    ...{ flag: 0, sysFlag: 0, reconsumeTimes: 0, preparedTransactionOffset: 0, bodyBytes: body.length },
    bodySha256: createHash('sha256').update(body).digest('hex').slice(0, 32),
    properties: { KEYS: 'added', TAGS: 'new' },
  };
}

describe.each(names)('golden store %s', (name) => {
  const manifest = readManifest(name);

  it('is read without a change: every message by offset, by id, in its queue, by key and by time', async () => {
    const platform = await unpacked(name);
    const store = await openStore(root, { ...optionsFor(manifest, platform), systemMessages: undefined, readOnly: true });
    // Where stratalog has written, a reader goes by its word, and that knows nothing of what a broker has appended since.
    const readable = store.stats().writtenOffset;
    if (manifest.filledBy === 'broker') expect(readable).toBe(manifest.maxOffset);
    else expect(readable).toBeGreaterThan(0);
    expect(await compareStore(store, below(manifest, readable))).toEqual([]);
    expect(changesSince(name, platform)).toEqual([]);
    await store.close();
  });

  it('is opened for writing: the same messages are there, and the store finds nothing wrong with itself', async () => {
    const store = await openGolden(manifest, await unpacked(name));
    expect(store.recovery).toMatchObject({ cleanShutdown: false, truncatedBytes: 0, skippedBytes: 0, damage: [] });
    expect(await compareStore(store, manifest)).toEqual([]);
    expect(await store.verify()).toMatchObject({ ok: true, faultCount: 0, recordCount: manifest.messages.length });
    await store.close();
  });

  it('is opened and closed without a change to the records and queue entries in it', async () => {
    const platform = await unpacked(name);
    await (await openGolden(manifest, platform)).close();
    const isKept = (change: string): boolean => change.startsWith('commitlog/') || change.startsWith('consumequeue/');
    expect(changesSince(name, platform).filter(isKept)).toEqual([]);
  });

  it('takes more messages, and all are there when it is opened again, after a close and after a kill', async () => {
    const platform = await unpacked(name);
    const store = await openGolden(manifest, platform);
    const grown = await appendToAll(store, manifest);
    expect(grown.messages[manifest.messages.length]?.physicalOffset).toBeGreaterThanOrEqual(manifest.maxOffset);
    expect(await compareStore(store, grown)).toEqual([]);
    await store.close();
    const again = await openGolden(manifest, platform);
    expect(again.recovery.cleanShutdown).toBe(true);
    expect(await compareStore(again, grown)).toEqual([]);
    expect(await again.verify()).toMatchObject({ ok: true, recordCount: grown.messages.length });
    const killed = await openGolden(manifest, platform.crash('all'));
    expect(await compareStore(killed, grown)).toEqual([]);
    await killed.close();
  });
});

describe.each(refused)('golden store $name', ({ name, refusedAs }) => {
  it(`is refused, for it has ${refusedAs}, and nothing in it is touched`, async () => {
    const platform = await unpacked(name);
    for (const readOnly of [true, false] as const) {
      const refusal = await openStore(root, { platform, freeBytesMin: 0, readOnly: readOnly as false }).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'FORMAT_UNSUPPORTED' });
      expect(String(refusal)).toContain(refusedAs);
    }
    expect([...changesSince(name, platform)]).toEqual([]);
  });
});

describe('golden stores', () => {
  it('are there from both versions, closed and killed, and of every kind', () => {
    const manifests = names.map(readManifest);
    const kinds = new Set(manifests.map(({ rocketmqVersion, end }) => `${rocketmqVersion.slice(0, 1)} ${end}`));
    expect([...kinds].sort()).toEqual(['4 closed', '4 killed', '5 closed', '5 killed']);
    const topics = new Set(manifests.flatMap(({ queues }) => queues.map((queue) => queue.topic)));
    const expected = ['SCHEDULE_TOPIC_XXXX', 'rmq_sys_wheel_timer', 'RMQ_SYS_TRANS_HALF_TOPIC', 'RMQ_SYS_TRANS_OP_HALF_TOPIC'];
    expect([...topics]).toEqual(expect.arrayContaining([...expected, '%RETRY%golden-group', '%DLQ%golden-group']));
  });

  it('of those that a broker copied our records into, some copies carry our checksum, which fits them no more', async () => {
    const copying = names.filter((name) => name.includes('copies'));
    expect(copying.length).toBeGreaterThan(1);
    for (const name of copying) {
      const { messages } = readManifest(name);
      const withChecksum = messages.filter((message) => '__CRC32#' in message.properties);
      const copies = withChecksum.filter((message) => ['%RETRY%golden-group', '%DLQ%golden-group', 'Later'].includes(message.topic));
      expect(copies.length).toBeGreaterThan(2);
    }
  });

  it('control: a manifest with one altered value is told from the right one, whichever value it is', async () => {
    const manifest = readManifest('v5-closed');
    const store = await openGolden(manifest, await unpacked(manifest.name));
    const chosen = manifest.messages.findIndex((each) => each.topic === 'Orders' && 'KEYS' in each.properties && isQueued(each));
    const message = manifest.messages[chosen];
    if (message === undefined) throw new Error('no message to alter');
    const alter = (changes: Partial<GoldenMessage>): Described => ({
      ...manifest,
      messages: manifest.messages.with(chosen, { ...message, ...changes }),
    });
    const numbers = ['recordBytes', 'queueId', 'queueOffset', 'storedAt', 'bornAt', 'flag', 'reconsumeTimes', 'bodyBytes'] as const;
    const longest = manifest.queues.findIndex((queue) => queue.offsets.length > 5);
    const [queue, key] = [manifest.queues[longest], manifest.keys[0]];
    if (queue === undefined || key === undefined) throw new Error('no queue, no key to alter');
    const altered: readonly Described[] = [
      ...numbers.map((field) => alter({ [field]: message[field] + 1 })),
      alter({ sysFlag: message.sysFlag + 1 }),
      alter({ preparedTransactionOffset: message.preparedTransactionOffset + 1 }),
      alter({ physicalOffset: message.physicalOffset + 1 }),
      alter({ topic: 'orders' }),
      alter({ messageId: message.messageId.replace(/.$/, 'F') }),
      alter({ bodySha256: '0'.repeat(32) }),
      alter({ properties: { ...message.properties, KEYS: 'other' } }),
      alter({ properties: { ...message.properties, TAGS: 'other' } }),
      alter({ properties: { ...message.properties, other: 'one more' } }),
      { ...manifest, queues: manifest.queues.with(longest, { ...queue, max: queue.max + 1 }) },
      { ...manifest, queues: manifest.queues.with(longest, { ...queue, min: queue.min + 1 }) },
      { ...manifest, queues: manifest.queues.with(longest, { ...queue, offsets: [...queue.offsets].reverse() }) },
      { ...manifest, keys: manifest.keys.with(0, [key[0], key[1], []]) },
      { ...manifest, messages: manifest.messages.toSpliced(chosen, 1) },
    ];
    const unnoticed: number[] = [];
    for (const [i, each] of altered.entries()) if ((await compareStore(store, each)).length === 0) unnoticed.push(i);
    expect(unnoticed).toEqual([]);
    expect(await compareStore(store, manifest)).toEqual([]);
    await store.close();
  });

  it('are opened on the file system of this machine too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'stratalog-golden-'));
    try {
      for (const name of ['v5-broker-killed', 'v4-closed']) {
        const manifest = readManifest(name);
        await unpackGolden(name, nodePlatform.fs, join(directory, name));
        const store = await openGolden(manifest, nodePlatform, join(directory, name));
        expect(await compareStore(store, manifest)).toEqual([]);
        await store.close();
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
