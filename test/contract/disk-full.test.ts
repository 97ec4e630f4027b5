import { describe, expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { collect, failure, openTiny, readLog, refusal, seeds, texts, until } from './harness.js';
import { Oracle } from './oracle.js';

const pages = (count: number): number => count * 4096;

describe('a full disk', () => {
  for (const freeBytesMin of [0, pages(20)]) {
    it(`refuses with DISK_FULL, goes on by itself once there is room, and loses nothing (freeBytesMin ${freeBytesMin})`, async () => {
      const platform = memoryPlatform({ capacityBytes: pages(120) });
      const store = await openTiny(platform, { freeBytesMin });
      const oracle = new Oracle();
      let refused: unknown;
      for (let i = 0; i < 2000 && refused === undefined; i += 1) refused = await oracle.append(store, 'T', i % 2, 500);
      expect(refused).toMatchObject({ code: 'DISK_FULL', stored: 'no', retryable: true });
      expect(store.writeError).toMatchObject({ code: 'DISK_FULL' });
      expect(store.status).toBe('open');
      expect(await readLog(store)).toHaveLength(oracle.acknowledgedCount);
      for (let i = 0; i < 10; i += 1) expect(await oracle.append(store, 'T', 0, 500)).toMatchObject({ code: 'DISK_FULL' });
      const { min } = store.bounds({ topic: 'T' });
      expect(min).toBe(0);
      const cleaned = await store.clean({ before: pages(80) });
      expect(cleaned.deletedSegmentCount).toBeGreaterThan(0);
      await until(async () => (await refusal(() => store.append({ topic: 'T', body: 'again' }))) === 'none');
      expect(store.writeError).toBeUndefined();
      const { min: after, max } = store.bounds({ topic: 'T' });
      const left = await collect(store.tail({ topic: 'T' }, { from: 'earliest', until: 'end' }));
      expect(left.map((message) => message.queueOffset)).toEqual(Array.from({ length: max - after }, (_, i) => after + i));
      await store.close();
    });
  }

  it('of a pipeline a prefix is stored, again and again', async () => {
    for (const seed of seeds(10)) {
      const platform = memoryPlatform({ seed, capacityBytes: pages(60 + (seed % 16)) });
      const store = await openTiny(platform, { flush: seed % 2 === 0 ? 'sync' : 'async' });
      for (let round = 0; round < 3; round += 1) {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 400 }, (_, i) => store.append({ topic: 'T', body: `${round}-${i}`.padEnd(300 + ((i * 37) % 900), '.') })),
        );
        const firstRefused = outcomes.findIndex((outcome) => outcome.status === 'rejected');
        expect(firstRefused).toBeGreaterThanOrEqual(0);
        for (const [i, outcome] of outcomes.entries()) {
          expect([i, outcome.status]).toEqual([i, i < firstRefused ? 'fulfilled' : 'rejected']);
          if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'DISK_FULL', stored: 'no' });
        }
        await store.flush();
        const stored = texts(await readLog(store)).filter((body) => body.startsWith(`${round}-`));
        expect(stored).toHaveLength(firstRefused);
        if (round < 2) await store.clean({ before: Math.max(0, store.stats().flushedOffset - 8192) });
      }
      const count = (await readLog(store)).length;
      await refusal(() => store.close());
      const again = await openTiny(platform, { recovery: 'strict' }).catch((error: unknown) => error);
      if (again instanceof Error) expect(again).toMatchObject({ code: 'DISK_FULL' });
      else {
        expect(await readLog(again as typeof store)).toHaveLength(count);
        await refusal(() => (again as typeof store).close());
      }
    }
  });

  it('what was refused does not come back after a crash', async () => {
    for (const keep of ['synced', 'random', 'all'] as const) {
      for (const seed of seeds(8)) {
        const disk = memoryPlatform({ seed, capacityBytes: pages(50 + (seed % 16)) });
        const store = await openTiny(disk);
        const oracle = new Oracle();
        await Promise.all(Array.from({ length: 300 }, (_, i) => oracle.append(store, 'T', i % 3, 200 + ((i * 91) % 1500))));
        await Promise.all(Array.from({ length: 30 }, (_, i) => oracle.append(store, 'T', i % 3, 20)));
        const after = disk.crash(keep);
        await refusal(() => store.close());
        const again = await openTiny(after).catch((error: unknown) => error);
        if (again instanceof Error) expect(again).toMatchObject({ code: 'DISK_FULL' });
        else {
          await oracle.check(again as typeof store, { keptWritten: keep === 'all', keptSeen: true });
          await refusal(() => (again as typeof store).close());
        }
      }
    }
  });

  it('a disk too small for a new store refuses it with DISK_FULL, and nothing hangs', async () => {
    for (let count = 0; count < 14; count += 1) {
      const platform = memoryPlatform({ capacityBytes: pages(count) });
      const outcome = await refusal(async () => {
        const store = await openTiny(platform);
        await refusal(() => store.append({ topic: 'T', body: 'x', keys: ['k'] }));
        await refusal(() => store.close());
      });
      expect([count, outcome === 'none' ? 'DISK_FULL' : outcome]).toEqual([count, 'DISK_FULL']);
    }
  });

  it('close of a store on a full disk says whether all reached the disk', async () => {
    const platform = memoryPlatform({ capacityBytes: pages(60) });
    const store = await openTiny(platform);
    const oracle = new Oracle();
    for (let i = 0; i < 200; i += 1) await oracle.append(store, 'T', 0, 700);
    const closed = await failure(() => store.close());
    expect((closed as Error).message === 'nothing was refused' || (closed as { name: string }).name === 'StoreError').toBe(true);
    expect(store.status).toBe('closed');
  });
});
