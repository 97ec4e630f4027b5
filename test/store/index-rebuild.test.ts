import { describe, expect, it } from 'vitest';
import { openStore, type Platform, type Store } from '../../src/index.js';
import { indexEntryAt } from '../../src/format/index-layout.js';
import { faultyPlatform } from '../../src/testing/faulty-platform.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';

const directory = '/store';
const slotCount = 1;

function open(platform: Platform, indexEntryCount = 1000): Promise<Store> {
  return openStore(directory, {
    platform,
    segmentBytes: 4096,
    queueEntriesPerFile: 16,
    indexSlotCount: slotCount,
    indexEntryCount,
    freeBytesMin: 0,
  });
}

/** A closed store of 200 messages with a key each, in whose only index file the newest entry leads to one that cannot be. */
async function storeWithBrokenChain(): Promise<Platform> {
  const platform = memoryPlatform();
  const store = await open(platform);
  await store.appendAll(Array.from({ length: 200 }, (_, i) => ({ topic: 'T', body: `message ${i}`, keys: [`key-${i}`] })));
  await store.close();
  const path = `${directory}/index/${platform.fs.list(`${directory}/index`)[0]}`;
  const file = platform.fs.open(path, 'read-write');
  file.writeSync([Buffer.from('00ffffff', 'hex')], indexEntryAt(slotCount, 200) + 16);
  await file.close();
  return platform;
}

async function countOf(store: Store, key: string): Promise<number> {
  let count = 0;
  for await (const message of store.findByKey({ topic: 'T', key })) count += message.keys.includes(key) ? 1 : 0;
  return count;
}

describe('an index with a broken chain', () => {
  it('is made anew by the query that meets it, which then finds everything', async () => {
    const store = await open(await storeWithBrokenChain());
    expect(await countOf(store, 'key-0')).toBe(1);
    expect(await store.verify()).toMatchObject({ ok: true });
    await store.close();
  });

  it('has a query wait that begins while it is being made anew', async () => {
    for (let turnCount = 0; turnCount < 12; turnCount += 1) {
      const store = await open(await storeWithBrokenChain());
      const first = countOf(store, 'key-0');
      for (let i = 0; i < turnCount; i += 1) await new Promise((resolve) => setImmediate(resolve));
      expect([turnCount, await countOf(store, 'key-1'), await countOf(store, 'key-150'), await first]).toEqual([turnCount, 1, 1, 1]);
      await store.close();
    }
  });

  it('loses no key when the store is closed while it is being made anew', async () => {
    for (let turnCount = 0; turnCount < 12; turnCount += 1) {
      const platform = await storeWithBrokenChain();
      const store = await open(platform);
      const query = countOf(store, 'key-0').catch(() => 0);
      for (let i = 0; i < turnCount; i += 1) await new Promise((resolve) => setImmediate(resolve));
      await store.close();
      await query;
      const again = await open(platform);
      for (const i of [0, 1, 99, 199]) expect([turnCount, i, await countOf(again, `key-${i}`)]).toEqual([turnCount, i, 1]);
      expect(await again.verify()).toMatchObject({ ok: true });
      await again.close();
    }
  });

  it('that somebody has deleted under a store in use is made anew at closing, and that is a clean end', async () => {
    for (const when of ['before the keys', 'behind the keys'] as const) {
      const platform = memoryPlatform();
      const store = await open(platform);
      const names = (): readonly string[] => platform.fs.list(`${directory}/index`);
      await store.append({ topic: 'T', body: 'first', keys: ['key-0'] });
      await store.snapshot(`/${when}`);
      if (when === 'before the keys') for (const name of names()) await platform.fs.remove(`${directory}/index/${name}`);
      await store.appendAll(Array.from({ length: 50 }, (_, i) => ({ topic: 'T', body: `message ${i}`, keys: [`key-${i + 1}`] })));
      if (when === 'behind the keys') for (const name of names()) await platform.fs.remove(`${directory}/index/${name}`);
      await store.close();
      const again = await open(platform);
      expect(again.recovery.cleanShutdown).toBe(true);
      for (const i of [0, 1, 25, 50]) expect([when, i, await countOf(again, `key-${i}`)]).toEqual([when, i, 1]);
      expect(await again.verify()).toMatchObject({ ok: true });
      await again.close();
    }
  });
});

it.each([8, 1000])(
  'a query that goes on after the index has been made anew leaves none out, with files of %i entries',
  async (entryCount) => {
    const platform = memoryPlatform();
    const filled = await open(platform, entryCount);
    for (let i = 0; i < 60; i += 1) await filled.append({ topic: 'T', body: `m-${i}`, keys: ['all', `key-${i}`] });
    await filled.close();
    const store = await open(platform, entryCount);
    const found: string[] = [];
    for await (const { body } of store.findByKey({ topic: 'T', key: 'all' })) {
      found.push(body.toString());
      if (found.length !== 5) continue;
      const path = `${directory}/index/${platform.fs.list(`${directory}/index`)[0]}`;
      const file = platform.fs.open(path, 'read-write');
      for (let entry = 1; entry < Math.min(entryCount - 1, 120); entry += 1) {
        file.writeSync([Buffer.from('00ffffff', 'hex')], indexEntryAt(slotCount, entry) + 16);
      }
      await file.close();
      // Another query meets the damage, and has the index made anew.
      expect(await countOf(store, 'key-1')).toBe(1);
      expect(platform.fs.exists(path)).toBe(false);
    }
    expect(found).toEqual(Array.from({ length: 60 }, (_, i) => `m-${59 - i}`));
    expect(await store.verify()).toMatchObject({ ok: true });
    await store.close();
  },
);

it('a query over an index whose slots could not be read leaves out none in the middle', async () => {
  const platform = faultyPlatform(memoryPlatform());
  const store = await open(platform, 5);
  const append = async (to: Store, body: string): Promise<unknown> => await to.append({ topic: 'T', body, keys: ['all'] });
  for (let i = 0; i < 5; i += 1) await append(store, `m-${i}`);
  await store.close();
  const again = await open(platform, 5);
  platform.add({ ops: ['readSync'], path: /index/, count: 1, fault: { kind: 'error', code: 'EIO' } });
  await append(again, 'm-5');
  expect(platform.struckCount).toBe(1);
  const found: string[] = [];
  for await (const { body } of again.findByKey({ topic: 'T', key: 'all' })) found.push(body.toString());
  expect(found).toEqual(['m-5', 'm-4', 'm-3', 'm-2', 'm-1', 'm-0']);
  await again.close();
});
