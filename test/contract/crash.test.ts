import { describe, expect, it } from 'vitest';
import type { Store, StoreFile, StoreOptions } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { collect, openTiny, randomFrom, readLog, refusal, seeds, texts, turns } from './harness.js';
import { Oracle } from './oracle.js';

type Random = (below: number) => number;

async function produce(store: Store, oracle: Oracle, random: Random, count: number): Promise<void> {
  const topic = `T${random(3)}`;
  for (let i = 0; i < count && store.status === 'open'; i += 1) {
    const kind = random(10);
    const queueId = random(2);
    const bytes = 8 + random(random(8) === 0 ? 2500 : 200);
    if (kind < 5) await oracle.append(store, topic, queueId, bytes);
    else if (kind < 7) void oracle.append(store, topic, queueId, bytes, random(2) === 0 ? 'sync' : 'async');
    else if (kind < 9) {
      const places = Array.from({ length: 1 + random(4) }, () => [`T${random(3)}`, random(2), 8 + random(300)] as const);
      await oracle.appendBatch(store, places);
    } else oracle.appendSync(store, topic, queueId, bytes);
    if (random(3) === 0) await turns(random(4));
  }
}

async function watch(store: Store, oracle: Oracle): Promise<void> {
  const seen = async (): Promise<void> => {
    for await (const message of store.tailAll({ from: 'latest' })) oracle.saw(message);
  };
  await seen().catch(() => undefined);
}

/** Runs producers and a reader until a random moment, then lets the power fail. */
async function live(platform: MemoryPlatform, oracle: Oracle, random: Random, options: StoreOptions, keep: 'synced' | 'random' | 'all') {
  const store = await openTiny(platform, options);
  const running = [
    watch(store, oracle),
    ...Array.from({ length: 1 + random(4) }, () => produce(store, oracle, random, 5 + random(30)).catch((error: unknown) => error)),
  ];
  if (random(4) === 0) running.push(store.flush().catch(() => undefined));
  await turns(random(120));
  const after = platform.crash(keep);
  const problems = (await Promise.all([...running.slice(1), refusal(() => store.close())])).filter((outcome) => outcome instanceof Error);
  await running[0];
  expect(problems).toEqual([]);
  return after;
}

describe('a power cut at any moment', () => {
  for (const flush of ['sync', 'async'] as const) {
    for (const keep of ['synced', 'random', 'all'] as const) {
      for (const seed of seeds(12)) {
        it(`loses nothing that was promised: ${flush}, ${keep}, seed ${seed}`, async () => {
          const random = randomFrom(seed * 31 + (flush === 'sync' ? 1 : 2));
          const oracle = new Oracle();
          let platform = memoryPlatform({ seed });
          for (let generation = 0; generation < 3; generation += 1) {
            platform = await live(platform, oracle, random, { flush, flushIntervalMs: 1 + random(20) }, keep);
            const store = await openTiny(platform, { flush });
            await oracle.check(store, { keptWritten: keep === 'all', keptSeen: flush === 'sync' || keep === 'all' });
            expect((await store.verify()).faults).toEqual([]);
            if (random(2) === 0) await store.close();
            else platform = platform.crash(random(2) === 0 ? 'synced' : 'all');
          }
        });
      }
    }
  }

  for (const seed of seeds(25)) {
    it(`over generations of other options and other ends nothing is lost, changed or brought back (seed ${seed})`, async () => {
      const random = randomFrom(seed * 977);
      const oracle = new Oracle();
      let platform = memoryPlatform({ seed });
      for (let generation = 0; generation < 6; generation += 1) {
        const flush = random(2) === 0 ? 'sync' : 'async';
        const keep = (['synced', 'random', 'all'] as const)[random(3)]!;
        const options = {
          flush,
          recordChecksum: random(3) !== 0,
          recovery: (['strict', 'skip', 'truncate'] as const)[random(3)]!,
        } as const;
        platform = await live(platform, oracle, random, options, keep);
        const store = await openTiny(platform, options);
        expect(store.recovery.damage.filter((damage) => damage.what === '')).toEqual([]);
        expect(store.recovery.skippedBytes).toBe(0);
        await oracle.check(store, { keptWritten: keep === 'all', keptSeen: flush === 'sync' || keep === 'all' });
        if (random(2) === 0) await store.close();
        else platform = platform.crash((['synced', 'random', 'all'] as const)[random(3)]);
      }
    });
  }

  for (const seed of seeds(20)) {
    it(`while opening after a power cut loses nothing either (seed ${seed})`, async () => {
      const random = randomFrom(seed * 131);
      const oracle = new Oracle();
      let platform = await live(memoryPlatform({ seed }), oracle, random, { flush: 'sync' }, 'random');
      for (let attempt = 0; attempt < 6; attempt += 1) {
        const opening = openTiny(platform).catch(() => undefined);
        await turns(random(40));
        const crashed = platform.crash((['synced', 'random', 'all'] as const)[random(3)]);
        const store = await opening;
        if (store !== undefined) await refusal(() => store.close());
        platform = crashed;
      }
      const store = await openTiny(platform);
      await oracle.check(store, { keptWritten: false, keptSeen: true });
      expect((await store.verify()).faults).toEqual([]);
      await store.close();
    });
  }

  for (const seed of seeds(15)) {
    it(`while closing or cleaning loses nothing either (seed ${seed})`, async () => {
      const random = randomFrom(seed * 733);
      const oracle = new Oracle();
      let platform = memoryPlatform({ seed });
      for (let round = 0; round < 4; round += 1) {
        const store = await openTiny(platform, { flush: random(2) === 0 ? 'sync' : 'async' });
        await Promise.all([produce(store, oracle, random, 40), produce(store, oracle, random, 40)]);
        const countBefore = oracle.count;
        await store.flush();
        oracle.flushed(countBefore);
        const held = store.hold(0);
        const ending = round % 2 === 0 ? refusal(() => store.close()) : refusal(() => store.clean({ before: store.stats().flushedOffset }));
        await turns(random(60));
        const after = platform.crash((['synced', 'random'] as const)[random(2)]);
        await ending;
        held.release();
        await refusal(() => store.close());
        platform = after;
        const again = await openTiny(platform);
        await oracle.check(again, { keptWritten: false, keptSeen: true });
        await again.close();
      }
    });
  }

  it('control: a disk that forgets its syncs is found out', async () => {
    let caught = 0;
    for (const seed of seeds(6)) {
      const disk = memoryPlatform({ seed });
      const open = (path: string, mode: 'read' | 'read-write' | 'create'): StoreFile => {
        const file = disk.fs.open(path, mode);
        return new Proxy(file, {
          get: (target, name) => {
            if (name === 'sync') return () => Promise.resolve();
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? (value.bind(target) as unknown) : value;
          },
        });
      };
      const fs = new Proxy(disk.fs, {
        get: (target, name) => {
          if (name === 'open') return open;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
      const oracle = new Oracle();
      const store = await openTiny({ fs, clock: disk.clock, randomBytes: (count) => disk.randomBytes(count) });
      await produce(store, oracle, randomFrom(seed), 60);
      const after = disk.crash('random');
      await refusal(() => store.close());
      const outcome = await refusal(async () => {
        const again = await openTiny(after, { recovery: 'truncate' });
        await oracle.check(again, { keptWritten: false, keptSeen: true });
      });
      if (outcome !== 'none') caught += 1;
    }
    expect(caught).toBeGreaterThan(3);
  });

  it('what a second crash uncovers is not what the first one cut off', async () => {
    for (const seed of seeds(10)) {
      let platform = memoryPlatform({ seed });
      let store = await openTiny(platform, { flush: 'async', flushIntervalMs: 600_000 });
      for (let i = 0; i < 30; i += 1) await store.append({ topic: 'T', body: `old-${i}` });
      platform = platform.crash('random');
      store = await openTiny(platform, { flush: 'async', flushIntervalMs: 600_000 });
      const kept = texts(await readLog(store));
      await store.append({ topic: 'T', body: 'new' }, { flush: 'sync' });
      platform = platform.crash('random');
      store = await openTiny(platform);
      expect(texts(await readLog(store))).toEqual([...kept, 'new']);
      await store.close();
    }
  });

  it('an asynchronous store loses a suffix only, also over rolled segments', async () => {
    for (const seed of seeds(20)) {
      const platform = memoryPlatform({ seed });
      const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 5 });
      await Promise.all(Array.from({ length: 200 }, (_, i) => store.append({ topic: 'T', body: `m-${i}`, keys: ['k'] })));
      await turns(seed * 3);
      const after = await openTiny(platform.crash('random'));
      const left = texts(await readLog(after));
      expect(left).toEqual(Array.from({ length: left.length }, (_, i) => `m-${i}`));
      expect(await collect(after.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(left.length);
      await after.close();
    }
  });

  it('after a clean close a power cut leaves it a clean one, whatever of the names was not synced', async () => {
    const unclean: number[] = [];
    for (const seed of seeds(60)) {
      const platform = memoryPlatform({ seed });
      const store = await openTiny(platform);
      for (let i = 0; i < 20 + (seed % 40); i += 1) await store.append({ topic: 'T', body: `m-${i}`, keys: ['k'] });
      await store.close();
      const again = await openTiny(platform.crash('random'));
      if (!again.recovery.cleanShutdown) unclean.push(seed);
      expect(await readLog(again)).toHaveLength(20 + (seed % 40));
      await again.close();
    }
    expect(unclean).toEqual([]);
  });

  it('after a clean close a power cut changes nothing', async () => {
    for (const keep of ['synced', 'random'] as const) {
      const platform = memoryPlatform({ seed: 7 });
      const store = await openTiny(platform, { flush: 'async' });
      const oracle = new Oracle();
      await produce(store, oracle, randomFrom(5), 80);
      await store.close();
      oracle.flushed(oracle.count);
      const again = await openTiny(platform.crash(keep));
      expect(again.recovery).toMatchObject({ truncatedBytes: 0, skippedBytes: 0 });
      await oracle.check(again, { keptWritten: true, keptSeen: true });
      await again.close();
    }
  });
});
