import { describe, expect, it } from 'vitest';
import type { FileSystem, Platform, Store, StoreFile, StoreOptions, StoreReader } from '../../../src/index.js';
import { openStore } from '../../../src/index.js';
import { faultyPlatform, memoryPlatform } from '../../../src/testing/index.js';
import { aroundCalls } from '../../contract/around-calls.js';
import { contents, flipBit, removeTree, segmentOf } from '../../contract/disk-surgery.js';
import {
  appendMany,
  collect,
  openReader,
  openTiny,
  readLog,
  readQueue,
  refusal,
  root,
  texts,
  tiny,
  turns,
  until,
} from '../../contract/harness.js';

function names(count: number, name = 'm'): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i}`);
}

/** A reader's looks at the slot are at least 50 ms apart. */
async function seen(reader: StoreReader, max: number): Promise<void> {
  await until(() => reader.bounds({ topic: 'T' }).max >= max);
}

/** Syncs of the log wait until they may. */
function slowSyncs(fs: FileSystem, mayGoOn: () => Promise<void>): FileSystem {
  const slow = (file: StoreFile): StoreFile =>
    new Proxy(file, {
      get(target, name) {
        if (name === 'sync') return async (kind: 'data' | 'all') => await mayGoOn().then(async () => await target.sync(kind));
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  return new Proxy(fs, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'open') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      return (path: string, mode: 'read' | 'read-write' | 'create') => {
        const file = target.open(path, mode);
        return path.includes('/commitlog/') || path.includes('/tmp/') ? slow(file) : file;
      };
    },
  });
}

async function withBoth(
  options: StoreOptions,
  work: (writer: Store, reader: StoreReader, platform: Platform) => Promise<void>,
): Promise<void> {
  const platform = memoryPlatform();
  const writer = await openTiny(platform, options);
  const reader = await openReader(platform);
  try {
    await work(writer, reader, platform);
  } finally {
    await reader.close();
    await writer.close();
  }
}

describe('a reader beside a live writer', () => {
  for (const flush of ['sync', 'async'] as const) {
    it(`sees what the writer appends, over rolls of segments and files (${flush})`, async () => {
      await withBoth({ flush }, async (writer, reader) => {
        await appendMany(writer, 150, { keys: ['k'] });
        await seen(reader, 150);
        expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(names(150));
        expect(texts(await readLog(reader))).toEqual(names(150));
        expect(texts(await collect(reader.findByKey({ topic: 'T', key: 'k' })))).toEqual(names(150).reverse());
        const { segmentCount } = writer.stats();
        expect(segmentCount).toBeGreaterThan(3);
        expect(reader.stats()).toMatchObject({ segmentCount, topicCount: 1, queueCount: 1 });
      });
    });

    it(`its tails and long polls wake for what comes later (${flush})`, async () => {
      await withBoth({ flush }, async (writer, reader) => {
        const tail = reader.tail({ topic: 'T' }, { from: 'earliest' });
        const all = reader.tailAll({ from: 'earliest' });
        const poll = reader.read({ topic: 'T' }, { from: 0, waitMs: 20_000 });
        const gotten = collect(tail, 60);
        const gottenAll = collect(all, 60);
        for (let i = 0; i < 6; i += 1) {
          await Promise.all(names(10, `p${i}`).map((body) => writer.append({ topic: 'T', body })));
          await turns(20);
        }
        const expected = Array.from({ length: 6 }, (_, i) => names(10, `p${i}`)).flat();
        expect(texts(await gotten)).toEqual(expected);
        expect(texts(await gottenAll)).toEqual(expected);
        expect((await poll).messages.length).toBeGreaterThan(0);
      });
    });
  }

  it('never shows what a sync writer has written and not yet made durable', async () => {
    const base = memoryPlatform();
    const gate = { opened: Promise.resolve(), open: (): void => undefined };
    const platform: Platform = { ...base, fs: slowSyncs(base.fs, () => gate.opened) };
    const writer = await openTiny(platform);
    const reader = await openReader(base);
    await appendMany(writer, 5);
    await seen(reader, 5);
    gate.opened = new Promise((resolve) => {
      gate.open = resolve;
    });
    const late = appendMany(writer, 5, {}, 'late');
    await until(() => writer.stats().writtenOffset > writer.stats().flushedOffset);
    await new Promise((resolve) => {
      setTimeout(resolve, 120);
    });
    expect(reader.bounds({ topic: 'T' }).max).toBe(5);
    expect(texts(await readLog(reader))).toEqual(names(5));
    expect(reader.stats().flushedOffset).toBe(writer.stats().flushedOffset);
    gate.open();
    await late;
    await seen(reader, 10);
    expect((await readQueue(reader, { topic: 'T' })).every((message) => message.durable)).toBe(true);
    await reader.close();
    await writer.close();
  });

  it('hears of the last bytes of an async writer long before they are synced', async () => {
    await withBoth({ flush: 'async', flushIntervalMs: 60_000 }, async (writer, reader) => {
      for (let i = 0; i < 30; i += 1) await writer.append({ topic: 'T', body: `m-${i}` });
      await seen(reader, 30);
      expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(names(30));
      const { flushedOffset, writtenOffset } = writer.stats();
      expect(flushedOffset).toBeLessThan(writtenOffset);
      expect(reader.stats()).toMatchObject({ flushedOffset, writtenOffset });
      expect((await readQueue(reader, { topic: 'T' })).map((message) => message.durable)).toEqual(names(30).map((_, i) => i === 0));
    });
  });

  it('follows deletions: the oldest messages expire for it as well', async () => {
    await withBoth({}, async (writer, reader) => {
      await appendMany(writer, 150);
      await seen(reader, 150);
      await writer.clean({ before: writer.stats().flushedOffset });
      const { min, max } = writer.bounds({ topic: 'T' });
      expect(min).toBeGreaterThan(0);
      await until(() => reader.bounds({ topic: 'T' }).min === min);
      expect(reader.bounds({ topic: 'T' })).toEqual({ min, max });
      expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(names(150).slice(min));
      expect(reader.stats().minOffset).toBe(writer.stats().minOffset);
      expect(await refusal(() => reader.read({ topic: 'T' }, { from: 0 }))).toBe('OFFSET_OUT_OF_RANGE');
      await appendMany(writer, 30, {}, 'later');
      await seen(reader, 180);
      expect(texts(await readQueue(reader, { topic: 'T' })).slice(-30)).toEqual(names(30, 'later'));
    });
  });

  it('knows the numbers of messages that were deleted before it saw them', async () => {
    await withBoth({}, async (writer, reader) => {
      await appendMany(writer, 5, { topic: 'X' });
      await appendMany(writer, 150);
      await writer.clean({ before: 8192 });
      expect(writer.bounds({ topic: 'X' })).toEqual({ min: 5, max: 5 });
      await seen(reader, 150);
      expect(reader.bounds({ topic: 'X' })).toEqual({ min: 5, max: 5 });
      expect(reader.bounds({ topic: 'T' })).toEqual(writer.bounds({ topic: 'T' }));
    });
  });

  it('goes on over a clean close and another run of the writer', async () => {
    const platform = memoryPlatform();
    const first = await openTiny(platform);
    await appendMany(first, 40);
    const reader = await openReader(platform);
    await first.close();
    const second = await openTiny(platform);
    await appendMany(second, 40, {}, 'second');
    await seen(reader, 80);
    expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual([...names(40), ...names(40, 'second')]);
    expect(reader.status).toBe('open');
    await reader.close();
    await second.close();
  });

  it('goes on with a writer that leaves record checksums out, also where closing the manifest takes its time', async () => {
    const platform = memoryPlatform();
    const first = await openTiny(platform);
    await first.append({ topic: 'T', body: 'm-0' });
    const slow = aroundCalls(platform, (op, path, call) => {
      if (op !== 'close' || !path.endsWith('/manifest')) return call();
      return new Promise((resolve) => setTimeout(resolve, 20)).then(call);
    });
    const reader = await openReader(slow);
    await first.close();
    const second = await openTiny(platform, { recordChecksum: false });
    const { physicalOffset } = await second.append({ topic: 'N', body: 'n-0' });
    await appendMany(second, 3, {}, 'second');
    await seen(reader, 4);
    expect(await refusal(() => reader.get(physicalOffset))).toBe('none');
    expect(texts(await readQueue(reader, { topic: 'N' }))).toEqual(['n-0']);
    expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(['m-0', ...names(3, 'second')]);
    await reader.close();
    await second.close();
  });
});

describe('a reader over a store that nobody writes', () => {
  it('reads a closed store whole and changes no byte', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 100, { keys: ['a', 'b'], tag: 'x' });
    await writer.close();
    const before = await contents(platform, root);
    const reader = await openReader(platform);
    expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(names(100));
    expect(texts(await readLog(reader))).toEqual(names(100));
    expect(texts(await collect(reader.findByKey({ topic: 'T', key: 'b' })))).toEqual(names(100).reverse());
    expect(reader.topics()).toEqual([{ topic: 'T', queueIds: [0] }]);
    expect(await reader.verify()).toMatchObject({ ok: true, recordCount: 100 });
    await reader.close();
    expect(await contents(platform, root)).toEqual(before);
  });

  it('reads what a crash has left, up to the slot, and changes no byte', async () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const platform = memoryPlatform({ seed });
      const writer = await openTiny(platform, { flush: 'sync' });
      await appendMany(writer, 60, { keys: ['k'] });
      const later = appendMany(writer, 20, {}, 'late').catch(() => undefined);
      await turns(seed % 5);
      const after = platform.crash('random');
      await later;
      await writer.close().catch(() => undefined);
      const before = await contents(after, root);
      const reader = await openReader(after);
      const found = await readQueue(reader, { topic: 'T' });
      expect(texts(found)).toEqual([...names(60), ...names(20, 'late')].slice(0, found.length));
      expect((await readLog(reader)).length).toBe(found.length);
      expect((await collect(reader.findByKey({ topic: 'T', key: 'k' }))).length).toBe(Math.min(60, found.length));
      await reader.close();
      expect(await contents(after, root)).toEqual(before);
    }
  });

  it('an async store after a power cut: no more than what is left of it, and on from there with the next writer', async () => {
    let goneOn = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const platform = memoryPlatform({ seed });
      const writer = await openTiny(platform, { flush: 'async', flushIntervalMs: 60_000 });
      await appendMany(writer, 30);
      await writer.flush();
      await appendMany(writer, 1 + (seed % 40), {}, 'late');
      await new Promise((resolve) => {
        setTimeout(resolve, 15);
      });
      const after = platform.crash('random');
      await writer.close().catch(() => undefined);
      const reader = await openReader(after);
      const found = texts(await readQueue(reader, { topic: 'T' }));
      expect([seed, found]).toEqual([seed, [...names(30), ...names(40, 'late')].slice(0, found.length)]);
      expect(texts(await readLog(reader))).toEqual(found);
      expect(await reader.verify()).toMatchObject({ ok: true });
      const next = await openTiny(after, { flush: 'async' });
      await appendMany(next, 20, {}, 'next');
      await until(async () => (await reader.read({ topic: 'T' }, { from: 'latest' })).max === next.bounds({ topic: 'T' }).max);
      expect(texts(await readLog(reader))).toEqual(texts(await readLog(next)));
      goneOn += 1;
      await reader.close();
      await next.close();
    }
    expect(goneOn).toBe(40);
  });

  it('after a kill it shows everything that was acknowledged', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 77);
    const after = platform.crash('all');
    await writer.close().catch(() => undefined);
    const reader = await openReader(after);
    expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(names(77));
    await reader.close();
  });

  it('a store without side files is read up to where its records verify', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 90, { keys: ['k'] });
    await writer.close();
    for (const name of ['manifest', 'state', 'watermark']) await platform.fs.remove(`${root}/stratalog/${name}`);
    const reader = await openReader(platform, { indexSlotCount: 7, indexEntryCount: 20 });
    expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(names(90));
    expect((await collect(reader.findByKey({ topic: 'T', key: 'k' }))).length).toBe(90);
    await reader.close();
  });

  it('a damaged store is opened all the same: what is damaged is refused when it is read, the rest is there', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 100);
    const offset = (await readLog(writer))[30]?.physicalOffset ?? 0;
    await writer.close();
    const place = segmentOf(root, 4096, offset);
    await flipBit(platform, place.path, place.at + 90);
    const reader = await openReader(platform);
    expect(await refusal(() => reader.get(offset))).toBe('CORRUPT');
    expect(await refusal(() => reader.read({ topic: 'T' }, { from: 30 }))).toBe('CORRUPT');
    expect(texts((await reader.read({ topic: 'T' }, { from: 31, countMax: 69 })).messages)).toEqual(names(100).slice(31));
    expect(await reader.verify()).toMatchObject({ ok: false });
    await reader.close();
    for (const name of ['state', 'watermark', 'manifest']) await flipBit(platform, `${root}/stratalog/${name}`, 20);
    const blind = await openReader(platform, tiny);
    expect(texts((await blind.read({ topic: 'T' }, { from: 0, countMax: 30 })).messages)).toEqual(names(30));
    await blind.close();
  });

  it('queue and index files of which the state speaks are gone: reads of them say so, the log is read', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 50, { keys: ['k'] });
    await writer.close();
    await removeTree(platform, `${root}/consumequeue`);
    await removeTree(platform, `${root}/index`);
    const reader = await openReader(platform);
    expect(texts(await readLog(reader))).toEqual(names(50));
    expect(await refusal(() => reader.read({ topic: 'T' }, { from: 0 }))).toBe('CORRUPT');
    expect(await refusal(() => collect(reader.findByKey({ topic: 'T', key: 'k' })))).toBe('CORRUPT');
    await reader.close();
  });

  it('where there is no store it says so and makes nothing', async () => {
    const platform = memoryPlatform();
    expect(await refusal(() => openReader(platform))).toBe('STORE_NOT_FOUND');
    expect(platform.fs.exists(root)).toBe(false);
    await platform.fs.makeDirectory(root);
    expect(await refusal(() => openReader(platform))).toBe('STORE_NOT_FOUND');
    expect(platform.fs.list(root)).toEqual([]);
  });
});

describe('what a reader refuses', () => {
  it('writing, with a code, for callers without types', async () => {
    await withBoth({}, async (_writer, reader) => {
      const untyped = reader as unknown as Record<string, (argument?: unknown) => unknown>;
      for (const name of ['append', 'appendBatch', 'appendAll', 'appendSync', 'flush', 'hold', 'repair', 'clean']) {
        expect([name, await refusal(() => untyped[name]?.({ topic: 'T', body: 'x' }))]).toEqual([name, 'STORE_READ_ONLY']);
      }
    });
  });

  it('everything once it is closed; its tails end', async () => {
    await withBoth({}, async (writer, reader) => {
      await appendMany(writer, 3);
      await seen(reader, 3);
      const tail = collect(reader.tail({ topic: 'T' }, { from: 'earliest' }));
      await turns(10);
      await reader.close();
      expect(texts(await tail)).toEqual(names(3));
      expect(reader.status).toBe('closed');
      expect(await refusal(() => reader.get(0))).toBe('STORE_CLOSED');
      expect(await refusal(() => reader.bounds({ topic: 'T' }))).toBe('STORE_CLOSED');
    });
  });

  it('reading on where the log was cut and goes on differently', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 10);
    const reader = await openReader(platform);
    const tail = collect(reader.tail({ topic: 'T' }, { from: 'latest' }));
    tail.catch(() => undefined);
    await writer.close();
    for (const directory of ['commitlog', 'consumequeue/T/0', 'index', 'stratalog']) {
      for (const name of platform.fs.list(`${root}/${directory}`))
        await platform.fs.remove(`${root}/${directory}/${name}`).catch(() => undefined);
    }
    const other = await openStore(root, {
      platform,
      segmentBytes: 4096,
      queueEntriesPerFile: 16,
      indexSlotCount: 7,
      indexEntryCount: 20,
      freeBytesMin: 0,
    });
    await appendMany(other, 3, {}, 'other');
    await until(() => reader.status === 'failed').catch(() => undefined);
    expect(await refusal(() => tail)).toBe('STORE_FAILED');
    expect(await refusal(() => reader.read({ topic: 'T' }, { from: 0 }))).toBe('STORE_FAILED');
    await reader.close();
    await other.close();
  }, 5000);

  it('closes every file, without complaint, though the disk no longer lets one be closed', async () => {
    const disk = memoryPlatform();
    const writer = await openTiny(disk);
    await appendMany(writer, 3);
    await writer.close();
    const failing = faultyPlatform(disk);
    const reader = await openReader(failing);
    expect(await readQueue(reader, { topic: 'T' })).toHaveLength(3);
    failing.add({ ops: ['close'], count: Number.POSITIVE_INFINITY, fault: { kind: 'error', code: 'EIO' } });
    await reader.close();
    expect(disk.openPaths).toEqual([]);
    expect(reader.status).toBe('closed');
  });
});
