import { describe, expect, it } from 'vitest';
import type { Message, Store } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { contents, createFile, filesBelow, flipBit, readFile, removeTree, segmentOf, truncateFile, writeInto } from './disk-surgery.js';
import { collect, failure, openTiny, randomFrom, readLog, readQueue, refusal, root, seeds, systemError, text, texts } from './harness.js';

const queue = { topic: 'T' };
const all = (count: number): string[] => Array.from({ length: count }, (_, i) => `m-${i}`);

/** 100 messages, closed or killed. */
async function written(
  end: 'closed' | 'killed',
  count = 100,
): Promise<{ readonly platform: MemoryPlatform; readonly messages: Message[] }> {
  const platform = memoryPlatform();
  const store = await openTiny(platform);
  for (let i = 0; i < count; i += 1) await store.append({ topic: 'T', body: `m-${i}`, keys: [`k-${i}`, 'all'], tag: `t${i % 3}` });
  const messages = await readLog(store);
  if (end === 'closed') {
    await store.close();
    return { platform, messages };
  }
  return { platform: platform.crash('all'), messages };
}

async function expectWhole(store: Store, count = 100): Promise<void> {
  expect(texts(await readQueue(store, queue))).toEqual(all(count));
  expect(texts(await readLog(store))).toEqual(all(count));
  for (let i = 0; i < count; i += 9) {
    expect(texts(await collect(store.findByKey({ topic: 'T', key: `k-${i}` }))), `by key k-${i}`).toEqual([`m-${i}`]);
  }
  expect(await collect(store.findByKey({ topic: 'T', key: 'all' }))).toHaveLength(count);
  expect((await store.verify()).faults).toEqual([]);
  expect((await store.append({ topic: 'T', body: `m-${count}` })).queueOffset).toBe(count);
}

function indexFile(platform: MemoryPlatform, position: number): string {
  const path = filesBelow(platform, `${root}/index`).at(position);
  if (path === undefined) throw systemError('ENOENT');
  return path;
}

const harmless: readonly (readonly [string, (platform: MemoryPlatform) => Promise<void>])[] = [
  ['all queues are deleted', (platform) => removeTree(platform, `${root}/consumequeue`)],
  ['one queue is deleted', (platform) => removeTree(platform, `${root}/consumequeue/T/0`)],
  ['the first file of a queue is deleted', (platform) => removeTree(platform, `${root}/consumequeue/T/0/${'0'.repeat(20)}`)],
  [
    'the last file of a queue is empty',
    (platform) => truncateFile(platform, `${root}/consumequeue/T/0/${String(6 * 320).padStart(20, '0')}`, 0),
  ],
  ['a file of a queue is short', (platform) => truncateFile(platform, `${root}/consumequeue/T/0/${String(320).padStart(20, '0')}`, 100)],
  ['the index is deleted', (platform) => removeTree(platform, `${root}/index`)],
  ['one index file is deleted', async (platform) => removeTree(platform, indexFile(platform, 1))],
  ['the last index file is deleted', async (platform) => removeTree(platform, indexFile(platform, -1))],
  ['an index file is short', async (platform) => truncateFile(platform, indexFile(platform, 0), 50)],
  ['an index file is empty', async (platform) => truncateFile(platform, indexFile(platform, -1), 0)],
  ['the checkpoint is deleted', (platform) => removeTree(platform, `${root}/checkpoint`)],
  ["the checkpoint is somebody else's", (platform) => writeInto(platform, `${root}/checkpoint`, Buffer.alloc(40, 0x7f), 0)],
  ['the checkpoint is empty', (platform) => truncateFile(platform, `${root}/checkpoint`, 0)],
  ['the side files are deleted', (platform) => removeTree(platform, `${root}/stratalog`)],
  ['the state is deleted', (platform) => removeTree(platform, `${root}/stratalog/state`)],
  ['the watermark is deleted', (platform) => removeTree(platform, `${root}/stratalog/watermark`)],
  ['the watermark is garbage', (platform) => writeInto(platform, `${root}/stratalog/watermark`, Buffer.alloc(8192, 0x5a), 0)],
  ['the state is garbage', (platform) => writeInto(platform, `${root}/stratalog/state`, Buffer.alloc(64, 0x5a), 0)],
  ['the manifest is garbage', (platform) => writeInto(platform, `${root}/stratalog/manifest`, Buffer.alloc(64, 0x5a), 0)],
  ['the state is empty', (platform) => truncateFile(platform, `${root}/stratalog/state`, 0)],
  ['the configuration is deleted', (platform) => removeTree(platform, `${root}/config`)],
  ['the configuration is garbage', (platform) => writeInto(platform, `${root}/config/topics.json`, Buffer.alloc(10, 0x7b), 0)],
  ['the lock file is deleted', (platform) => removeTree(platform, `${root}/lock`)],
  ['a foreign abort is there', (platform) => createFile(platform, `${root}/abort`, Buffer.from('12345')).catch(() => undefined)],
  [
    'everything but the log is deleted',
    async (platform) => {
      for (const name of platform.fs.list(root)) if (name !== 'commitlog') await removeTree(platform, `${root}/${name}`);
    },
  ],
  [
    '.DS_Store lies everywhere',
    async (platform) => {
      for (const folder of ['', '/commitlog', '/consumequeue', '/consumequeue/T', '/consumequeue/T/0', '/index', '/config', '/stratalog']) {
        await createFile(platform, `${root}${folder}/.DS_Store`, Buffer.from('mac'));
      }
    },
  ],
  [
    'stray files and folders lie everywhere',
    async (platform) => {
      for (const folder of [
        '',
        '/commitlog',
        '/consumequeue/T/0',
        '/consumequeue/T',
        '/index',
        '/config',
        '/stratalog',
        '/stratalog/tmp',
      ]) {
        await platform.fs.makeDirectory(`${root}${folder}/lost+found`);
        await createFile(platform, `${root}${folder}/note.tmp`, Buffer.from('x'));
      }
    },
  ],
  [
    'the last segment is followed by an empty one',
    async (platform) => {
      const last = Number(platform.fs.list(`${root}/commitlog`).at(-1));
      await createFile(platform, `${root}/commitlog/${String(last + 4096).padStart(20, '0')}`);
    },
  ],
  [
    'the last segment is followed by one of zeros',
    async (platform) => {
      const last = Number(platform.fs.list(`${root}/commitlog`).at(-1));
      await createFile(platform, `${root}/commitlog/${String(last + 4096).padStart(20, '0')}`, Buffer.alloc(4096));
    },
  ],
];

describe('what can be repaired from the log is', () => {
  for (const end of ['closed', 'killed'] as const) {
    for (const [what, harm] of harmless) {
      it(`${what}, after the store was ${end}`, async () => {
        const { platform } = await written(end);
        const outcome = await failure(() => harm(platform));
        if (end === 'killed' && outcome instanceof Error && (outcome as { code?: string }).code === 'ENOENT') return;
        expect((outcome as Error).message).toBe('nothing was refused');
        const store = await openTiny(platform);
        await expectWhole(store);
        await store.close();
        const again = await openTiny(platform);
        expect(texts(await readQueue(again, queue))).toEqual(all(101));
        await again.close();
      });
    }
  }

  it('an unused segment left behind by a broker is no message', async () => {
    const { platform } = await written('killed');
    const store = await openTiny(platform);
    await expectWhole(store);
    await store.close();
  });
});

/** Where in the files the record of message `index` lies. */
function placeOf(message: Message, inside: number): { readonly path: string; readonly at: number } {
  const { path, at } = segmentOf(root, 4096, message.physicalOffset);
  return { path, at: at + inside };
}

describe('a flipped bit in a durable message', () => {
  it('strict refuses with CORRUPT, says where, and changes no byte', async () => {
    const { platform, messages } = await written('killed');
    const { path, at } = placeOf(messages[50]!, 90);
    await flipBit(platform, path, at);
    const before = await contents(platform, root);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const error = await failure(() => openTiny(platform));
      expect(error).toMatchObject({ code: 'CORRUPT', path });
      const { offset } = error as { offset: number };
      const start = placeOf(messages[50]!, 0).at;
      expect([start, messages[50]!.physicalOffset]).toContain(offset);
      expect(await contents(platform, root)).toEqual(before);
    }
    await flipBit(platform, path, at);
    const store = await openTiny(platform);
    await expectWhole(store);
    await store.close();
  });

  for (const inside of [0, 4, 8, 12, 20, 28, 36, 60, 84, 88, 91, 95, 100, 110]) {
    it(`skip keeps all the rest and puts the bytes aside (byte ${inside} of the record)`, async () => {
      const { platform, messages } = await written('killed');
      const { path, at } = placeOf(messages[50]!, inside);
      await flipBit(platform, path, at, 3);
      let store = await openTiny(platform, { recovery: 'skip' });
      const rest = all(100).filter((_, i) => i !== 50);
      expect(texts(await readLog(store))).toEqual(rest);
      expect(texts(await readQueue(store, queue))).toEqual(rest);
      expect(store.bounds(queue)).toEqual({ min: 0, max: 100 });
      expect(await collect(store.findByKey({ topic: 'T', key: 'all' }))).toHaveLength(99);
      expect(await collect(store.findByKey({ topic: 'T', key: 'k-50' }))).toEqual([]);
      expect(await store.get(messages[50]!.physicalOffset)).toBeUndefined();
      expect(store.recovery.skippedBytes).toBeGreaterThan(0);
      expect(store.recovery.damage.length).toBeGreaterThan(0);
      for (const damage of store.recovery.damage) expect(platform.fs.exists(damage.quarantinePath!)).toBe(true);
      expect((await store.append({ topic: 'T', body: 'm-100' })).queueOffset).toBe(100);
      await store.close();
      store = await openTiny(platform);
      expect(texts(await readQueue(store, queue))).toEqual([...rest, 'm-100']);
      expect((await store.verify()).faults).toEqual([]);
      await store.close();
    });
  }

  it('truncate cuts the log there', async () => {
    const { platform, messages } = await written('killed');
    const { path, at } = placeOf(messages[50]!, 90);
    await flipBit(platform, path, at);
    const store = await openTiny(platform, { recovery: 'truncate' });
    expect(texts(await readLog(store))).toEqual(all(50));
    expect(texts(await readQueue(store, queue))).toEqual(all(50));
    expect(await collect(store.findByKey({ topic: 'T', key: 'all' }))).toHaveLength(50);
    expect(store.recovery.truncatedBytes).toBeGreaterThan(0);
    for (const damage of store.recovery.damage) expect(damage.quarantinePath).toBeDefined();
    await store.append({ topic: 'T', body: 'next' });
    expect(texts(await readLog(store))).toEqual([...all(50), 'next']);
    await store.close();
    const again = await openTiny(platform);
    expect(texts(await readQueue(again, queue))).toEqual([...all(50), 'next']);
    await again.close();
  });

  it('in a closed store is found by reads and verify, costs one message, and repair mends it', async () => {
    const { platform, messages } = await written('closed');
    const { path, at } = placeOf(messages[20]!, 90);
    await flipBit(platform, path, at);
    const store = await openTiny(platform);
    const error = await failure(() => store.get(messages[20]!.physicalOffset));
    expect(error).toMatchObject({ code: 'CORRUPT', path });
    expect(await refusal(() => store.read(queue, { from: 20 }))).toBe('CORRUPT');
    expect(text((await store.read(queue, { from: 21 })).messages[0]!)).toBe('m-21');
    expect(await refusal(() => collect(store.tail(queue, { from: 0, until: 'end' })))).toBe('CORRUPT');
    expect(await refusal(() => collect(store.tailAll({ from: 0, until: 'end' })))).toBe('CORRUPT');
    const rest = all(100).filter((_, i) => i !== 20);
    expect(texts(await collect(store.tail(queue, { from: 0, until: 'end', onCorrupt: 'skip' })))).toEqual(rest);
    expect(texts(await collect(store.tailAll({ from: 0, until: 'end', onCorrupt: 'skip' })))).toEqual(rest);
    const report = await store.verify();
    expect(report.ok).toBe(false);
    expect(report.faultCount).toBeGreaterThan(0);
    const repaired = await store.repair();
    expect(repaired.damage).toHaveLength(1);
    expect(texts(await readQueue(store, queue))).toEqual(rest);
    expect(texts(await readLog(store))).toEqual(rest);
    expect((await store.verify()).faults).toEqual([]);
    await store.append({ topic: 'T', body: 'm-100' });
    await store.close();
    const again = await openTiny(platform.crash('synced'));
    expect(texts(await readQueue(again, queue))).toEqual([...rest, 'm-100']);
    await again.close();
  });

  it('repair of a healthy store changes nothing', async () => {
    const { platform } = await written('closed');
    const store = await openTiny(platform);
    expect(await store.repair()).toMatchObject({ damage: [], skippedBytes: 0, truncatedBytes: 0 });
    await expectWhole(store);
    await store.close();
  });

  for (const seed of seeds(30)) {
    it(`anywhere in the log never yields a wrong message and costs no more than it touches (seed ${seed})`, async () => {
      const random = randomFrom(seed * 7);
      const end = seed % 2 === 0 ? 'closed' : 'killed';
      const { platform, messages } = await written(end);
      const victim = messages[random(90)]!;
      const { path, at } = placeOf(victim, random(victim.recordBytes));
      await flipBit(platform, path, at, random(8));
      const recovery = (['strict', 'skip'] as const)[random(2)]!;
      const opened = await openTiny(platform, { recovery }).catch((error: unknown) => error);
      if (opened instanceof Error) {
        expect(recovery).toBe('strict');
        expect(opened).toMatchObject({ code: 'CORRUPT' });
        return;
      }
      const store = opened as Store;
      const rest = texts(messages.filter((message) => message !== victim));
      expect(texts(await collect(store.tail(queue, { from: 'earliest', until: 'end', onCorrupt: 'skip' })))).toEqual(rest);
      expect(texts(await collect(store.tailAll({ from: 'earliest', until: 'end', onCorrupt: 'skip' })))).toEqual(rest);
      for (const message of messages) {
        const found = await store.get(message.physicalOffset).catch((error: unknown) => error);
        if (message === victim) {
          if (found !== undefined) expect(found).toMatchObject({ code: 'CORRUPT' });
        } else expect(text(found as Message)).toBe(text(message));
      }
      await store.repair();
      expect(texts(await readQueue(store, queue))).toEqual(rest);
      await store.close();
    });
  }
});

describe('more than a bit is gone', () => {
  it('a middle segment is missing: strict says so and changes nothing, skip keeps the rest, truncate cuts', async () => {
    for (const end of ['killed', 'closed'] as const) {
      const { platform, messages } = await written(end);
      const missing = `${root}/commitlog/${String(8192).padStart(20, '0')}`;
      await removeTree(platform, missing);
      const left = texts(messages.filter((message) => message.physicalOffset < 8192 || message.physicalOffset >= 12_288));
      const before = await contents(platform, root);
      const strict = await failure(() => openTiny(platform));
      expect([end, strict]).toMatchObject([end, { code: 'CORRUPT' }]);
      expect((strict as Error).message).toContain('8192');
      expect(await contents(platform, root)).toEqual(before);
      const store = await openTiny(platform, { recovery: 'skip' });
      expect(texts(await readLog(store))).toEqual(left);
      expect(texts(await readQueue(store, queue))).toEqual(left);
      expect((await store.append({ topic: 'T', body: 'x' })).queueOffset).toBe(100);
      await store.close();
    }
  });

  it('a middle segment is missing: truncate cuts there', async () => {
    const { platform, messages } = await written('killed');
    await removeTree(platform, `${root}/commitlog/${String(8192).padStart(20, '0')}`);
    const store = await openTiny(platform, { recovery: 'truncate' });
    expect(texts(await readLog(store))).toEqual(texts(messages.filter((message) => message.physicalOffset < 8192)));
    await store.append({ topic: 'T', body: 'x' });
    await store.close();
    await (await openTiny(platform)).close();
  });

  it('a middle segment is short: strict refuses, skip keeps the rest', async () => {
    const { platform, messages } = await written('killed');
    await truncateFile(platform, `${root}/commitlog/${String(4096).padStart(20, '0')}`, 1000);
    expect(await refusal(() => openTiny(platform))).toBe('CORRUPT');
    const store = await openTiny(platform, { recovery: 'skip' });
    const inner = messages.filter(
      (message) => message.physicalOffset < 4096 + 1000 - message.recordBytes || message.physicalOffset >= 8192,
    );
    expect(texts(await readLog(store))).toEqual(texts(inner));
    await store.close();
  });

  it('blocks of zeros, of garbage, and blocks moved elsewhere never yield a wrong message', async () => {
    for (const seed of seeds(20)) {
      const random = randomFrom(seed * 13);
      const { platform, messages } = await written('killed');
      const segments = platform.fs.list(`${root}/commitlog`).slice(0, -1);
      const path = `${root}/commitlog/${segments[random(segments.length)]!}`;
      const at = random(8) * 512;
      const from = `${root}/commitlog/${segments[random(segments.length)]!}`;
      const block = (await readFile(platform, from)).subarray(random(8) * 512).subarray(0, 512);
      await writeInto(platform, path, [Buffer.alloc(512), Buffer.alloc(512, random(255) + 1), block][random(3)]!, at);
      const changed = await openTiny(platform, { recovery: 'skip' });
      const base = Number(path.slice(-20)) + at;
      const untouched = messages.filter(
        (message) => message.physicalOffset + message.recordBytes <= base || message.physicalOffset >= base + 512,
      );
      const found = texts(await readLog(changed));
      expect(found.filter((body) => !all(100).includes(body))).toEqual([]);
      expect(found).toEqual(expect.arrayContaining(texts(untouched)));
      expect(texts(await readQueue(changed, queue))).toEqual(found);
      await changed.close();
    }
  });
});

describe('damage to what is derived', () => {
  for (const seed of seeds(25)) {
    it(`a flipped bit in a queue file costs nothing (seed ${seed})`, async () => {
      const random = randomFrom(seed * 17);
      const { platform } = await written(seed % 2 === 0 ? 'closed' : 'killed');
      const paths = filesBelow(platform, `${root}/consumequeue`);
      if (paths.length === 0) return;
      const path = paths[random(paths.length)]!;
      await flipBit(platform, path, random((await readFile(platform, path)).length), random(8));
      const store = await openTiny(platform);
      expect(texts(await readQueue(store, queue))).toEqual(all(100));
      expect(texts(await collect(store.tail(queue, { from: 'earliest', until: 'end', tags: ['t1'] })))).toEqual(
        all(100).filter((_, i) => i % 3 === 1),
      );
      expect((await store.append({ topic: 'T', body: 'x' })).queueOffset).toBe(100);
      await store.close();
    });
  }

  for (const [field, at] of [
    ['place', 7],
    ['size', 11],
    ['tag hash', 19],
  ] as const) {
    it(`a wrong ${field} in a queue entry is mended from the log`, async () => {
      const { platform } = await written('closed');
      const path = `${root}/consumequeue/T/0/${'0'.repeat(20)}`;
      for (const bit of [0, 1, 2, 3, 4, 5, 6, 7]) {
        await flipBit(platform, path, 5 * 20 + at, bit);
        const store = await openTiny(platform);
        expect(texts((await store.read(queue, { from: 5, countMax: 2 })).messages)).toEqual(['m-5', 'm-6']);
        expect(texts(await collect(store.tail(queue, { from: 4, until: 7, tags: ['t2'] })))).toEqual(['m-5']);
        expect((await store.verify()).faults).toEqual([]);
        await store.close();
      }
    });
  }

  for (const seed of seeds(40)) {
    it(`a flipped bit in an index file hides nothing unless verify says so, and gives nothing wrong (seed ${seed})`, async () => {
      const random = randomFrom(seed * 19);
      const { platform } = await written(seed % 2 === 0 ? 'closed' : 'killed');
      const paths = filesBelow(platform, `${root}/index`);
      if (paths.length === 0) return;
      const path = paths[random(paths.length)]!;
      const bytes = await readFile(platform, path);
      const used = 40 + 7 * 4 + 20 * bytes.readInt32BE(36);
      await flipBit(platform, path, random(Math.max(40, Math.min(used, bytes.length))), random(8));
      const store = await openTiny(platform);
      const report = await store.verify();
      let missing = 0;
      for (let i = 0; i < 100; i += 1) {
        const found = texts(await collect(store.findByKey({ topic: 'T', key: `k-${i}` })));
        if (found.length === 0) missing += 1;
        else expect(found).toEqual([`m-${i}`]);
      }
      const together = texts(await collect(store.findByKey({ topic: 'T', key: 'all' })));
      expect(together).toEqual([...together].sort((a, b) => Number(b.slice(2)) - Number(a.slice(2))));
      missing += 100 - together.length;
      if (report.ok) expect(missing).toBe(0);
      await store.repair();
      await store.close();
    });
  }

  it('index chains that run in circles do not hang a query', async () => {
    const { platform } = await written('closed');
    for (const path of filesBelow(platform, `${root}/index`)) {
      const bytes = await readFile(platform, path);
      for (let entry = 1; entry < bytes.readInt32BE(36); entry += 1)
        bytes.writeInt32BE(entry % 2 === 0 ? entry - 1 : entry + 1, 68 + entry * 20 + 16);
      await writeInto(platform, path, bytes, 0);
    }
    const store = await openTiny(platform);
    for (let i = 0; i < 20; i += 1) {
      for (const message of await collect(store.findByKey({ topic: 'T', key: `k-${i}` }))) expect(text(message)).toBe(`m-${i}`);
    }
    await store.close();
  });
});
