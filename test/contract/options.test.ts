import { describe, expect, it } from 'vitest';
import type { StoreOptions } from '../../src/index.js';
import { openStore, queueFor } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { contents, createFile } from './disk-surgery.js';
import { appendMany, failure, openReader, openTiny, readLog, refusal, root, texts, tiny } from './harness.js';

const wrongOptions: readonly (readonly [string, unknown, RegExp])[] = [
  ['an unknown option', { flushMode: 'sync' }, /flushMode/],
  ['a misspelt option, with a suggestion', { segmentByte: 4096 }, /segmentByte.*segmentBytes/s],
  ['a misspelt bound of retention, with a suggestion', { retention: { maxAge: 5 } }, /maxAge.*maxAgeMs/s],
  ['a flush mode that does not exist', { flush: 'never' }, /flush/],
  ['a negative interval', { flushIntervalMs: -1 }, /flushIntervalMs/],
  ['a segment of no bytes', { segmentBytes: 0 }, /segmentBytes/],
  ['a segment of half a byte more', { segmentBytes: 4096.5 }, /segmentBytes/],
  ['a segment of 8 GiB', { segmentBytes: 2 ** 33 }, /segmentBytes/],
  ['a segment size that is text', { segmentBytes: '4096' }, /segmentBytes/],
  ['no queue entries', { queueEntriesPerFile: 0 }, /queueEntriesPerFile/],
  ['no index slots', { indexSlotCount: 0 }, /indexSlotCount/],
  ['no index entries', { indexEntryCount: 0 }, /indexEntryCount/],
  ['a number as switch', { keyIndex: 1 }, /keyIndex/],
  ['a negative message size', { messageBytesMax: -1 }, /messageBytesMax/],
  ['a pending limit that is NaN', { pendingBytesMax: Number.NaN }, /pendingBytesMax/],
  ['a negative free space', { freeBytesMin: -1 }, /freeBytesMin/],
  ['a recovery that does not exist', { recovery: 'repair' }, /recovery/],
  ['a ratio above one', { retention: { diskUseRatioMax: 1.5 } }, /diskUseRatioMax/],
  ['a negative age', { retention: { maxAgeMs: -1 } }, /maxAgeMs/],
  ['a negative size', { retention: { maxBytes: -1 } }, /maxBytes/],
  ['a store host without a port', { storeHost: { address: '127.0.0.1' } }, /storeHost|port/],
  ['a store host that is no address', { storeHost: { address: 'localhost', port: 1 } }, /storeHost|address/],
  ['a string as listener', { listener: 'x' }, /listener/],
  ['a number as signal', { signal: 5 }, /signal/],
  ['a number as admit', { admit: 5 }, /admit/],
  ['an object as targets', { targets: {} }, /targets/],
];

describe('opening', () => {
  for (const [what, options, name] of wrongOptions) {
    it(`${what}: TypeError or RangeError that names the option, and nothing is created`, async () => {
      const platform = memoryPlatform();
      const error = await failure(() => openStore(root, { ...tiny, platform, ...(options as StoreOptions) }));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
      expect((error as Error).message).toMatch(name);
      expect(platform.fs.exists(root)).toBe(false);
    });
  }

  it('a directory that is no text is a wrong call', async () => {
    for (const directory of [undefined, '', 5, null]) {
      const error = await failure(() => openStore(directory as string, { ...tiny, platform: memoryPlatform() }));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
      expect((error as Error).message).toMatch(/directory/);
    }
  });

  it('options that are kept with the store need not be given again', async () => {
    const platform = memoryPlatform();
    let store = await openTiny(platform);
    await appendMany(store, 100);
    await store.close();
    store = await openStore(root, { platform });
    await appendMany(store, 100, {}, 'n');
    expect(store.stats().segmentCount).toBeGreaterThan(2);
    expect(store.bounds({ topic: 'T' })).toEqual({ min: 0, max: 200 });
    await store.close();
  });

  for (const different of [{ segmentBytes: 8192 }, { queueEntriesPerFile: 17 }, { indexSlotCount: 8 }, { indexEntryCount: 21 }]) {
    it(`another ${Object.keys(different)[0]} than the store's is OPTIONS_INCOMPATIBLE and changes nothing`, async () => {
      const platform = memoryPlatform();
      const store = await openTiny(platform);
      await appendMany(store, 40);
      await store.close();
      const before = await contents(platform, root);
      expect(await refusal(() => openTiny(platform, different))).toBe('OPTIONS_INCOMPATIBLE');
      expect(await contents(platform, root)).toEqual(before);
      await (await openTiny(platform)).close();
    });
  }

  it('read-only where there is no store is STORE_NOT_FOUND and makes none', async () => {
    const platform = memoryPlatform();
    expect(await refusal(() => openReader(platform))).toBe('STORE_NOT_FOUND');
    expect(platform.fs.exists(root)).toBe(false);
    await platform.fs.makeDirectory(root);
    expect(await refusal(() => openReader(platform))).toBe('STORE_NOT_FOUND');
    expect(platform.fs.list(root)).toEqual([]);
  });

  it('a file in place of the directory is a typed error', async () => {
    const platform = memoryPlatform();
    await createFile(platform, root, Buffer.from('x'));
    expect(await refusal(() => openTiny(platform))).toBe('IO');
    expect(await refusal(() => openReader(platform))).toMatch(/IO|STORE_NOT_FOUND/);
  });

  it('queues kept in RocksDB are FORMAT_UNSUPPORTED, and nothing is touched', async () => {
    const platform = memoryPlatform();
    await platform.fs.makeDirectory(`${root}/consumequeue`);
    for (const name of ['CURRENT', 'MANIFEST-000001', 'IDENTITY', '000004.log', 'LOCK', 'OPTIONS-000007']) {
      await createFile(platform, `${root}/consumequeue/${name}`, Buffer.from('x'));
    }
    const before = await contents(platform, root);
    expect(await refusal(() => openTiny(platform))).toBe('FORMAT_UNSUPPORTED');
    expect(await contents(platform, root)).toEqual(before);
  });

  it('while one holds it a second opening is STORE_LOCKED, retryable, with the pid of the holder', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    const error = await failure(() => openTiny(platform));
    expect(error).toMatchObject({ code: 'STORE_LOCKED', retryable: true });
    expect([process.pid, undefined]).toContain((error as { pid: number | undefined }).pid);
    await store.append({ topic: 'T', body: 'x' });
    await store.close();
    await (await openTiny(platform)).close();
  });

  it('of many openings at once exactly one wins', async () => {
    const platform = memoryPlatform();
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => openTiny(platform)));
    const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'STORE_LOCKED' });
    await winners[0]!.append({ topic: 'T', body: 'x' });
    await winners[0]!.close();
  });

  it('an aborted signal ends the opening with its reason, and the store is as it was', async () => {
    const platform = memoryPlatform();
    const first = await openTiny(platform);
    await appendMany(first, 50);
    const crashed = platform.crash('all');
    const before = await contents(crashed, root);
    const reason = new Error('enough');
    expect(await failure(() => openTiny(crashed, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await contents(crashed, root)).toEqual(before);
    const store = await openTiny(crashed);
    expect(await readLog(store)).toHaveLength(50);
    await store.close();
  });

  it('tells its directory, status and what opening found', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    expect(store.directory).toBe(root);
    expect(store.status).toBe('open');
    expect(store.recovery).toMatchObject({ truncatedBytes: 0, skippedBytes: 0, damage: [] });
    await store.append({ topic: 'T', body: 'x' });
    await store.close();
    const again = await openTiny(platform);
    expect(again.recovery).toMatchObject({ cleanShutdown: true, truncatedBytes: 0, skippedBytes: 0, damage: [] });
    const crashed = platform.crash('all');
    const third = await openTiny(crashed);
    expect(third.recovery.cleanShutdown).toBe(false);
    await third.close();
  });

  it('admit may rewrite a message', async () => {
    const store = await openTiny(memoryPlatform(), { admit: (message) => ({ ...message, body: `[${String(message.body)}]` }) });
    await store.append({ topic: 'T', body: 'a' });
    store.appendSync({ topic: 'T', body: 'b' });
    await store.appendBatch([
      { topic: 'T', body: 'c' },
      { topic: 'T', body: 'd' },
    ]);
    await store.appendAll([{ topic: 'T', body: 'e' }]);
    expect(texts(await readLog(store))).toEqual(['[a]', '[b]', '[c]', '[d]', '[e]']);
    await store.close();
  });

  it('what admit throws refuses this message alone', async () => {
    const refusing = new Error('not this one');
    const store = await openTiny(memoryPlatform(), {
      admit: (message) => {
        if (message.tag === 'bad') throw refusing;
        return message;
      },
    });
    const first = store.append({ topic: 'T', body: 'a' });
    expect(await failure(() => store.append({ topic: 'T', body: 'b', tag: 'bad' }))).toBe(refusing);
    expect(await failure(() => store.appendSync({ topic: 'T', body: 'b', tag: 'bad' }))).toBe(refusing);
    expect(
      await failure(() =>
        store.appendBatch([
          { topic: 'T', body: 'c' },
          { topic: 'T', body: 'd', tag: 'bad' },
        ]),
      ),
    ).toBe(refusing);
    await first;
    expect((await store.append({ topic: 'T', body: 'e' })).queueOffset).toBe(1);
    expect(texts(await readLog(store))).toEqual(['a', 'e']);
    await store.close();
  });

  it('what a listener throws never reaches the store', async () => {
    const fail = (): never => {
      throw new Error('listener');
    };
    const platform = memoryPlatform();
    const listener = { onSegmentRolled: fail, onSegmentDeleted: fail, onFlushed: fail, onFailed: fail, onRecoveryProgress: fail };
    const store = await openTiny(platform, { listener });
    await appendMany(store, 100);
    await store.clean({ before: store.stats().flushedOffset });
    expect(store.status).toBe('open');
    await store.close();
    await (await openTiny(platform.crash('all'), { listener })).close();
  });

  it('tells a listener what was rolled, flushed and deleted', async () => {
    const told: string[] = [];
    const store = await openTiny(memoryPlatform(), {
      listener: {
        onSegmentRolled: (info) => told.push(`rolled ${info.baseOffset}`),
        onFlushed: () => told.push('flushed'),
        onSegmentDeleted: (info) => told.push(`deleted ${info.baseOffset} ${info.reason}`),
      },
    });
    await appendMany(store, 100);
    await store.clean({ before: store.stats().flushedOffset });
    expect(told).toEqual(expect.arrayContaining(['rolled 4096', 'flushed', 'deleted 0 request']));
    await store.close();
  });

  it('the queue of a key is stable and in range', () => {
    const queues = Array.from({ length: 1000 }, (_, i) => queueFor(`key-${i}`, 8));
    expect(new Set(queues)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7]));
    expect(queueFor('anything', 1)).toBe(0);
    // XXH64 of no bytes is EF46DB3751D8E999, of `a` it is D24EC4F1A98C6E5B.
    expect(queueFor('', 1000)).toBe(Number(0xef46db3751d8e999n % 1000n));
    expect(queueFor('a', 1000)).toBe(Number(0xd24ec4f1a98c6e5bn % 1000n));
    for (const count of [0, -1, 0.5, Number.NaN, '8']) expect(() => queueFor('a', count as number)).toThrow(/queueCount/);
    expect(() => queueFor(5 as unknown as string, 8)).toThrow(/key/);
  });
});
