import { describe, expect, it } from 'vitest';
import type { FileSystem, Store, StoreOptions } from '../../src/index.js';
import { faultyPlatform, manualClock, type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { collect, letting, openTiny, readQueue, root, systemError, turns } from '../contract/harness.js';

const startMs = 1_700_000_000_000;
const tenMinutesMs = 600_000;
const tenYearsMs = 3650 * 86_400_000;

interface Deletion {
  readonly path: string;
  readonly baseOffset: number;
  readonly bytes: number;
  readonly reason: string;
}

interface Running {
  readonly store: Store;
  readonly clock: ReturnType<typeof manualClock>;
  readonly platform: MemoryPlatform;
  readonly deletions: Deletion[];
  /** Lets what needs the clock happen while `call` runs. */
  during<T>(call: Promise<T>): Promise<T>;
}

async function open(retention: StoreOptions['retention'], more: StoreOptions = {}): Promise<Running> {
  const clock = manualClock(startMs);
  const platform = memoryPlatform({ clock });
  const deletions: Deletion[] = [];
  const listener = { onSegmentDeleted: (info: Deletion) => deletions.push(info) };
  const during = async <T>(call: Promise<T>): Promise<T> => await letting(clock, call);
  const store = await during(openTiny(platform, { retention, listener, ...more }));
  return { store, clock, platform, deletions, during };
}

/** Messages of about 200 bytes: 20 fill a segment. */
async function fill(running: Running, count: number, topic = 'T'): Promise<void> {
  await running.during(
    Promise.all(Array.from({ length: count }, (_, i) => running.store.append({ topic, body: `m-${i}`.padEnd(100, '.'), keys: ['k'] }))),
  );
}

async function expectExact(running: Running, max: number): Promise<void> {
  const { store, during } = running;
  const kept = await during(readQueue(store, { topic: 'T' }));
  const { min } = store.bounds({ topic: 'T' });
  expect(store.bounds({ topic: 'T' })).toEqual({ min: kept[0]?.queueOffset ?? max, max });
  expect(kept.map((message) => message.queueOffset)).toEqual(Array.from({ length: max - min }, (_, i) => min + i));
  expect(kept[0]?.physicalOffset ?? 0).toBeGreaterThanOrEqual(store.stats().minOffset);
  expect(await during(collect(store.findByKey({ topic: 'T', key: 'k' })))).toHaveLength(kept.length);
  expect((await during(store.verify())).ok).toBe(true);
}

describe('retention by age', () => {
  it('takes a segment when its newest message is older than allowed, to the millisecond', async () => {
    const running = await open({ maxAgeMs: tenMinutesMs });
    const { store, clock, during } = running;
    await fill(running, 45);
    await clock.advance(tenMinutesMs - clock.monotonicMs());
    await during(store.clean());
    expect(running.deletions).toEqual([]);
    await clock.advance(1);
    await during(store.clean());
    expect(running.deletions.map((deletion) => [deletion.baseOffset, deletion.bytes, deletion.reason])).toEqual([
      [0, 4096, 'age'],
      [4096, 4096, 'age'],
    ]);
    await expectExact(running, 45);
    await during(store.close());
  });

  it('keeps a segment for the sake of one young message in it', async () => {
    const running = await open({ maxAgeMs: tenMinutesMs });
    await fill(running, 10);
    await running.clock.advance(tenMinutesMs);
    await fill(running, 30);
    await running.clock.advance(tenMinutesMs / 2);
    await running.during(running.store.clean());
    expect(running.deletions).toEqual([]);
    await running.during(running.store.close());
  });

  it('is not moved by a wall clock that jumps ten years ahead, nor by one that jumps back', async () => {
    const clock = manualClock(startMs);
    let jumpMs = 0;
    const jumping = { ...clock, nowMs: () => clock.nowMs() + jumpMs };
    const platform = memoryPlatform({ clock: jumping });
    const deletions: Deletion[] = [];
    const opened = openTiny(platform, {
      retention: { maxAgeMs: tenMinutesMs },
      listener: { onSegmentDeleted: (info) => deletions.push(info) },
    });
    await clock.advance(100);
    const store = await opened;
    const running: Running = {
      store,
      clock,
      platform,
      deletions,
      during: async (call) => (await Promise.all([call, clock.advance(100)]))[0],
    };
    await fill(running, 60);
    for (const jump of [tenYearsMs, -tenYearsMs, tenYearsMs]) {
      jumpMs = jump;
      await clock.advance(60_000);
      await running.during(store.clean());
      expect(deletions).toEqual([]);
    }
    jumpMs = 0;
    await clock.advance(tenMinutesMs);
    await running.during(store.clean());
    expect(deletions.map((deletion) => deletion.reason)).toEqual(['age', 'age', 'age']);
    await running.during(store.close());
  });
});

describe('retention by bytes', () => {
  for (const maxBytes of [0, 1, 4096, 8192, 10_000, 1_000_000]) {
    it(`keeps at most ${maxBytes} bytes of whole segments, and never less than fits`, async () => {
      const running = await open({ maxBytes });
      await fill(running, 100);
      await running.during(running.store.clean());
      const { minOffset, writtenOffset, segmentCount } = running.store.stats();
      const kept = writtenOffset - minOffset;
      if (segmentCount > 1) expect(kept).toBeLessThanOrEqual(maxBytes);
      if (minOffset > 0) expect(kept + 4096).toBeGreaterThan(maxBytes);
      expect(new Set(running.deletions.map((deletion) => deletion.reason)).size).toBe(maxBytes < 10_001 ? 1 : 0);
      await expectExact(running, 100);
      await running.during(running.store.close());
    });
  }

  it('runs by itself: one segment a pass, at a roll and every ten seconds', async () => {
    const running = await open(undefined);
    await fill(running, 200);
    await running.during(running.store.close());
    const deletions: Deletion[] = [];
    const store = await running.during(
      openTiny(running.platform, { retention: { maxBytes: 8192 }, listener: { onSegmentDeleted: (info) => deletions.push(info) } }),
    );
    const before = store.stats().segmentCount;
    await running.clock.advance(9_000);
    expect(deletions).toHaveLength(0);
    for (let pass = 1; pass < 5; pass += 1) {
      await running.clock.advance(pass === 1 ? 1_500 : 10_000);
      await turns(100);
      expect(deletions).toHaveLength(pass);
    }
    for (let pass = 0; pass < 20; pass += 1) {
      await running.clock.advance(10_000);
      await turns(100);
    }
    expect(store.stats().segmentCount).toBe(Math.ceil(8192 / 4096));
    expect(deletions.length).toBe(before - store.stats().segmentCount);
    await running.during(store.close());
  });

  it('a store without bounds sets no timer and deletes nothing, however long it is open', async () => {
    const running = await open(undefined);
    await fill(running, 100);
    await running.clock.advance(tenMinutesMs);
    expect(running.store.stats().minOffset).toBe(0);
    await running.during(running.store.close());
  });
});

describe('retention by use of the disk', () => {
  it('deletes while more is used than allowed, and not once it is not', async () => {
    const clock = manualClock(startMs);
    const base = memoryPlatform({ clock });
    let usedBytes = 80;
    const platform = { ...base, fs: withUsage(base.fs, () => ({ usedBytes, availableBytes: 100 - usedBytes })) };
    const reasons: string[] = [];
    const onSegmentDeleted = ({ reason }: Deletion): void => {
      reasons.push(reason);
      usedBytes -= reasons.length === 2 ? 1 : 0;
    };
    const during = async <T>(call: Promise<T>): Promise<T> => (await Promise.all([call, clock.advance(100)]))[0];
    const store = await during(openTiny(platform, { retention: { diskUseRatioMax: 0.8 }, listener: { onSegmentDeleted } }));
    await during(Promise.all(Array.from({ length: 60 }, (_, i) => store.append({ topic: 'T', body: `m-${i}`.padEnd(100) }))));
    expect(await during(store.clean())).toEqual({ deletedSegmentCount: 0, freedBytes: 0 });
    usedBytes = 81;
    expect(await during(store.clean())).toEqual({ deletedSegmentCount: 2, freedBytes: 8192 });
    expect(reasons).toEqual(['disk', 'disk']);
    await during(store.close());
  });
});

/** A file system that says something else of its space. */
function withUsage(base: FileSystem, usage: () => { usedBytes: number; availableBytes: number }): FileSystem {
  return {
    open: (path, mode) => base.open(path, mode),
    exists: (path) => base.exists(path),
    list: (path) => base.list(path),
    makeDirectory: async (path) => await base.makeDirectory(path),
    rename: async (from, to) => await base.rename(from, to),
    remove: async (path) => await base.remove(path),
    link: async (from, to) => await base.link(from, to),
    copy: async (from, to, bytes) => await base.copy(from, to, bytes),
    syncDirectory: async (path) => await base.syncDirectory(path),
    lockDirectory: (path) => base.lockDirectory(path),
    diskUsage: async () => await Promise.resolve(usage()),
  };
}

describe('deleting', () => {
  it('takes a prefix of the log, oldest first, and never the segment being written', async () => {
    const running = await open({ maxBytes: 0 });
    await fill(running, 100);
    await running.during(running.store.clean({ before: Number.MAX_SAFE_INTEGER }));
    expect(running.deletions.map((deletion) => deletion.baseOffset)).toEqual(running.deletions.map((_, i) => i * 4096));
    expect(running.store.stats().segmentCount).toBe(1);
    expect(running.deletions.map((deletion) => deletion.path)).toEqual(
      running.deletions.map((_, i) => `${root}/commitlog/${String(i * 4096).padStart(20, '0')}`),
    );
    await expectExact(running, 100);
    await running.during(running.store.close());
  });

  it('stops at a hold, and at the lowest of several', async () => {
    const running = await open({ maxBytes: 0 });
    await fill(running, 100);
    const holds = [9000, 5000, 13_000].map((offset) => running.store.hold(offset));
    const minAfter: number[] = [];
    for (const hold of [undefined, holds[1], holds[0], holds[2]]) {
      hold?.release();
      await running.during(running.store.clean());
      minAfter.push(running.store.stats().minOffset);
    }
    const last = running.store.stats().writtenOffset;
    expect(minAfter).toEqual([4096, 8192, 12_288, last - (last % 4096)]);
    await running.during(running.store.close());
  });

  it('a request goes further than the bounds, and says so', async () => {
    const running = await open({ maxBytes: 12_288 });
    await fill(running, 100);
    await running.during(running.store.clean());
    const byBytes = running.deletions.length;
    await running.during(running.store.clean({ before: running.store.stats().writtenOffset }));
    expect(running.deletions.slice(0, byBytes).every((deletion) => deletion.reason === 'bytes')).toBe(true);
    expect(running.deletions.slice(byBytes).map((deletion) => deletion.reason)).toEqual(
      Array(running.deletions.length - byBytes).fill('request'),
    );
    expect(running.deletions.length).toBeGreaterThan(byBytes);
    await running.during(running.store.close());
  });

  it('first makes a safe point behind the segment, then removes it and syncs the directory, then what led into it', async () => {
    const lines: string[] = [];
    const base = memoryPlatform();
    const store = await openTiny(traceCalls(base, (line) => lines.push(line), root));
    // Enough for whole queue and index files to go.
    for (let i = 0; i < 60; i += 1) await store.append({ topic: 'T', body: `m-${i}`.padEnd(100), keys: ['k'] });
    lines.length = 0;
    await store.clean({ before: 8192 });
    const at = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line));
    const order = [
      /^rename stratalog\/tmp\/\w+ stratalog\/state/,
      /^sync checkpoint/,
      /^remove commitlog\/0+$/,
      /^syncDirectory commitlog$/,
      /^remove consumequeue\/T\/0\/0+$/,
      /^remove index\//,
    ].map(at);
    expect(order.every((index) => index >= 0)).toBe(true);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    await store.close();
  });

  it('that fails at any call loses nothing that is left, and goes on afterwards', async () => {
    for (let nth = 1; nth < 60; nth += 1) {
      const base = memoryPlatform();
      let count: number | undefined;
      const platform = withFaults(base, () => {
        if (count === undefined) return undefined;
        count += 1;
        return count === nth ? systemError('EIO') : undefined;
      });
      const store = await openTiny(platform);
      for (let i = 0; i < 60; i += 1) await store.append({ topic: 'T', body: `m-${i}`.padEnd(100), keys: ['k'] });
      count = 0;
      await store.clean({ before: 8192 }).catch(() => undefined);
      const failedCall = count >= nth;
      count = undefined;
      await store.close().catch(() => undefined);
      const again = await openTiny(base);
      const kept = await readQueue(again, { topic: 'T' });
      expect(kept.at(-1)!.queueOffset).toBe(59);
      expect(kept.map((message) => message.queueOffset)).toEqual(kept.map((_, i) => 60 - kept.length + i));
      await again.clean({ before: 8192 });
      expect(again.stats().minOffset).toBe(8192);
      expect(await collect(again.findByKey({ topic: 'T', key: 'k' }))).toHaveLength((await readQueue(again, { topic: 'T' })).length);
      expect((await again.verify()).ok).toBe(true);
      await again.close();
      if (!failedCall) break;
    }
  });

  it('cut off by a crash anywhere, the next opening finds whole segments, exact queues and no orphans', async () => {
    let crashes = 0;
    for (let nth = 1; nth < 80; nth += 1) {
      const base = memoryPlatform({ seed: nth });
      let left: number | undefined;
      let crashed: MemoryPlatform | undefined;
      const platform = withFaults(base, () => {
        if (left !== undefined && (left -= 1) === 0) crashed = base.crash('random');
        return undefined;
      });
      const store = await openTiny(platform);
      for (let i = 0; i < 60; i += 1) await store.append({ topic: i % 20 === 0 ? 'U' : 'T', body: `m-${i}`.padEnd(100), keys: ['k'] });
      left = nth;
      await store.clean({ before: 8192 }).catch(() => undefined);
      if (crashed === undefined) break;
      crashes += 1;
      const again = await openTiny(crashed);
      expect(again.stats().minOffset % 4096).toBe(0);
      expect((await readQueue(again, { topic: 'T' })).at(-1)!.queueOffset).toBe(56);
      expect(again.bounds({ topic: 'U' }).max).toBe(3);
      expect((await again.verify()).ok).toBe(true);
      await again.clean({ before: 8192 });
      await again.close();
      // Nothing that can never be deleted: no queue or index file below what is left.
      const queueFiles = crashed.fs.list(`${root}/consumequeue/T/0`);
      const min = (
        await openTiny(crashed).then(async (last) => {
          const bounds = last.bounds({ topic: 'T' });
          await last.close();
          return bounds;
        })
      ).min;
      expect(Number(queueFiles[0])).toBe(Math.floor(min / 16) * 320);
    }
    expect(crashes).toBeGreaterThan(15);
  });

  it('close ends a pass between two segments', async () => {
    const running = await open(undefined);
    await fill(running, 200);
    const cleaning = running.store.clean({ before: running.store.stats().writtenOffset });
    const closing = running.store.close();
    await running.during(closing);
    const { deletedSegmentCount } = await running.during(cleaning);
    expect(deletedSegmentCount).toBeLessThan(9);
    expect(running.platform.fs.list(`${root}/commitlog`).length).toBeGreaterThan(1);
  });
});

describe('a deletion that fails', () => {
  for (const op of ['remove', 'syncDirectory', 'close'] as const) {
    for (const done of [false, true]) {
      it(`at ${op}${done ? ', though it was done,' : ''} is made up for, and never leaves a hole in the log`, async () => {
        for (let call = 1; call <= 3; call += 1) {
          const disk = memoryPlatform({ seed: call });
          const failing = faultyPlatform(disk);
          const store = await openTiny(failing);
          await Promise.all(Array.from({ length: 90 }, (_, i) => store.append({ topic: `T-${i % 2}`, body: `m-${i}`.padEnd(100, '.') })));
          failing.add({ ops: [op], path: /commitlog/, from: call, fault: { kind: 'error', code: 'EIO', done } });
          await store.clean({ before: 4096 }).catch(() => undefined);
          await store.clean({ before: 8192 }).catch(() => undefined);
          // Whatever of the removals reaches the disk, it is a prefix.
          const after = disk.crash('random');
          const bases = after.fs.list(`${root}/commitlog`).map(Number);
          expect(bases).toEqual(bases.map((_, i) => (bases[0] ?? 0) + i * 4096));
          const again = await openTiny(after);
          expect((await again.verify()).faults).toEqual([]);
          const log = await collect(again.tailAll({ from: 'earliest', until: 'end' }));
          expect(log.at(-1)?.body.toString()).toMatch(/^m-89\./);
          await again.clean({ before: 8192 });
          expect(again.stats().minOffset).toBe(8192);
          await again.close();
          await store.close().catch(() => undefined);
        }
      });
    }
  }

  it('keeps its bounds in step with the log once the disk is well again', async () => {
    const disk = memoryPlatform();
    const failing = faultyPlatform(disk);
    const store = await openTiny(failing);
    await Promise.all(Array.from({ length: 90 }, (_, i) => store.append({ topic: 'T', body: `m-${i}`.padEnd(100, '.') })));
    failing.add({ ops: ['syncDirectory'], path: /commitlog/, fault: { kind: 'error', code: 'EIO' } });
    await expect(store.clean({ before: 4096 })).rejects.toMatchObject({ code: 'IO' });
    await store.clean();
    const [first] = await readQueue(store, { topic: 'T' });
    expect([store.stats().minOffset, store.bounds({ topic: 'T' }).min]).toEqual([4096, first?.queueOffset]);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('goes on where one file of expired queue entries cannot be removed, and removes it when it can', async () => {
    const failing = faultyPlatform(memoryPlatform());
    const store = await openTiny(failing);
    for (let i = 0; i < 200; i += 1) await store.append({ topic: 'T', body: 't'.padEnd(100, '.') });
    const first = /consumequeue\/T\/0\/0{20}$/;
    failing.add({ ops: ['remove'], path: first, count: Number.POSITIVE_INFINITY, fault: { kind: 'error', code: 'EACCES' } });
    await expect(store.clean({ before: 4096 })).rejects.toMatchObject({ code: 'IO' });
    for (let before = 8192; before <= 5 * 4096; before += 4096) await store.clean({ before }).catch(() => undefined);
    expect(store.stats().minOffset).toBeGreaterThanOrEqual(4 * 4096);
    failing.clear();
    await store.clean({ before: 6 * 4096 });
    expect(failing.fs.list(`${root}/consumequeue/T/0`)).not.toContain('0'.repeat(20));
    await store.close();
  });

  for (const [what, path] of [
    ['with its queues', /consumequeue|rebuild/],
    ['not even with the state', /consumequeue|rebuild|tmp\/[0-9a-f]{16}$/],
  ] as const)
    it(`where no safe point can be taken, ${what}, no queue forgets its next number`, async () => {
      const disk = memoryPlatform();
      const failing = faultyPlatform(disk);
      const store = await openTiny(failing);
      await store.append({ topic: 'Once', body: 'x' });
      await Promise.all(Array.from({ length: 60 }, (_, i) => store.append({ topic: 'T', body: `m-${i}`.padEnd(100, '.') })));
      const fail = (): void => {
        failing.add({ ops: ['sync'], path, count: Number.POSITIVE_INFINITY, fault: { kind: 'error', code: 'EACCES' } });
      };
      fail();
      if (what === 'with its queues') {
        await store.clean({ before: 8192 });
        expect(store.stats().minOffset).toBe(8192);
      } else {
        // Nothing can tell the number then but the message itself.
        await expect(store.clean({ before: 8192 })).rejects.toMatchObject({ code: 'IO' });
        expect(store.stats().minOffset).toBe(0);
        failing.clear();
        await store.clean({ before: 8192 });
        // Known by now, it may go though no safe point can be taken.
        fail();
      }
      await Promise.all(Array.from({ length: 60 }, (_, i) => store.append({ topic: 'T', body: `n-${i}`.padEnd(100, '.') })));
      await store.clean({ before: 12_288 });
      expect(store.stats().minOffset).toBe(12_288);
      const again = await openTiny(disk.crash('synced'));
      expect(again.bounds({ topic: 'Once' })).toEqual({ min: 1, max: 1 });
      expect(await again.append({ topic: 'Once', body: 'y' })).toMatchObject({ queueOffset: 1 });
      expect(await again.append({ topic: 'T', body: 'y' })).toMatchObject({ queueOffset: 120 });
      await again.close();
      await store.close().catch(() => undefined);
    });
});
