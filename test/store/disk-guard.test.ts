import { describe, expect, it } from 'vitest';
import type { FileSystem, Platform } from '../../src/index.js';
import { DiskGuard } from '../../src/store/disk-guard.js';
import { manualClock, memoryPlatform } from '../../src/testing/index.js';
import { failure, openTiny, readQueue, systemError, until } from '../contract/harness.js';

const mib = 1024 * 1024;

interface Guarded {
  readonly guard: DiskGuard;
  readonly clock: ReturnType<typeof manualClock>;
  available: number | Error;
  looks: number;
}

function guard(freeBytesMin: number, availableBytes: number): Guarded {
  const clock = manualClock();
  const base = memoryPlatform({ clock });
  const fs = {
    diskUsage: async () => {
      guarded.looks += 1;
      if (guarded.available instanceof Error) throw guarded.available;
      return await Promise.resolve({ usedBytes: 0, availableBytes: guarded.available });
    },
  } as unknown as FileSystem;
  const platform: Platform = { fs, clock, randomBytes: (count) => base.randomBytes(count) };
  const guarded: Guarded = { guard: new DiskGuard(platform, '/store', freeBytesMin), clock, available: availableBytes, looks: 0 };
  return guarded;
}

describe('the guard of free space', () => {
  it('refuses while less than freeBytesMin is left, and lets writes through again by itself', async () => {
    const each = guard(10 * mib, 9 * mib);
    await each.guard.look(0);
    expect(each.guard.check(0)).toMatchObject({ code: 'DISK_FULL', retryable: true });
    expect(each.guard.check(0)?.message).toContain('freeBytesMin');
    // A little more than nothing must be free again: no going back and forth at the edge.
    for (const [available, isRefused] of [
      [9, true],
      [11, true],
      [12, false],
    ] as const) {
      each.available = available * mib;
      // Each refusal looks again.
      each.guard.check(0);
      await each.clock.advance(1000);
      expect([available, each.guard.check(0) !== undefined]).toEqual([available, isRefused]);
    }
  });

  it('exactly freeBytesMin is enough', async () => {
    const each = guard(10 * mib, 10 * mib);
    await each.guard.look(0);
    expect(each.guard.check(0)).toBeUndefined();
    expect(each.guard.check(1)).toMatchObject({ code: 'DISK_FULL' });
  });

  it('of 0 never asks and never refuses', async () => {
    const each = guard(0, 0);
    for (const appended of [0, mib, 2 ** 40]) expect(each.guard.check(appended)).toBeUndefined();
    await each.clock.advance(10_000);
    expect(each.looks).toBe(0);
  });

  it('counts what was appended since it looked', async () => {
    const each = guard(10 * mib, 40 * mib);
    await each.guard.look(0);
    each.available = 0;
    expect(each.guard.check(29 * mib)).toBeUndefined();
    expect(each.guard.check(31 * mib)).toMatchObject({ code: 'DISK_FULL' });
  });

  it('asks once a second while there is plenty, however often it is called', async () => {
    const each = guard(10 * mib, 2 ** 40);
    await each.guard.look(0);
    for (let second = 0; second < 10; second += 1) {
      for (let i = 0; i < 100; i += 1) each.guard.check(second * mib + i * 10_000);
      await each.clock.advance(1000);
    }
    expect(each.looks).toBeGreaterThanOrEqual(9);
    expect(each.looks).toBeLessThanOrEqual(11);
  });

  it('asks more often as it runs short: when half of what was left may be used up', async () => {
    const each = guard(0 + mib, 5 * mib);
    await each.guard.look(0);
    each.guard.check(mib / 2);
    await each.clock.advance(0);
    expect(each.looks).toBe(1);
    each.guard.check(2 * mib);
    await each.clock.advance(0);
    expect(each.looks).toBe(2);
  });

  it('a disk that does not say is not full for that', async () => {
    const each = guard(10 * mib, 0);
    each.available = systemError('EACCES');
    await each.guard.look(0);
    expect(each.guard.check(100 * mib)).toBeUndefined();
  });

  it('two looks at once are one', async () => {
    const each = guard(10 * mib, 20 * mib);
    await Promise.all([each.guard.look(0), each.guard.look(0)]);
    expect(each.looks).toBe(1);
  });
});

describe('a store on a disk that is nearly full', () => {
  it('refuses appends before the disk does, serves reads, and takes appends again when there is room', async () => {
    const base = memoryPlatform();
    let availableBytes = 100 * mib;
    const platform = {
      ...base,
      fs: Object.assign(Object.create(base.fs) as FileSystem, {
        diskUsage: async () => await Promise.resolve({ usedBytes: 0, availableBytes }),
      }),
    };
    const store = await openTiny(withBoundFs(base, platform), { freeBytesMin: 64 * mib });
    await store.append({ topic: 'T', body: 'before' });
    expect(store.writeError).toBeUndefined();
    availableBytes = 60 * mib;
    await until(
      async () => ((await failure(() => store.append({ topic: 'T', body: 'x'.repeat(2000) }))) as { code?: string }).code === 'DISK_FULL',
    );
    expect(store.writeError).toMatchObject({ code: 'DISK_FULL' });
    for (const call of [
      () => store.appendSync({ topic: 'T', body: 'no' }),
      () => store.appendBatch([{ topic: 'T', body: 'no' }]),
      () => store.appendAll([{ topic: 'T', body: 'no' }]),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'DISK_FULL', stored: 'no' });
    }
    const count = (await readQueue(store, { topic: 'T' })).length;
    availableBytes = 100 * mib;
    await until(() => store.writeError === undefined);
    expect((await store.append({ topic: 'T', body: 'after' })).queueOffset).toBe(count);
    await store.close();
  });

  it('is refused from its first append on', async () => {
    const base = memoryPlatform({ capacityBytes: 10 * mib });
    const store = await openTiny(base, { freeBytesMin: 64 * mib });
    expect(await failure(() => store.append({ topic: 'T', body: 'x' }))).toMatchObject({ code: 'DISK_FULL' });
    await store.close();
  });
});

/** The memory file system has private state: its own methods need it as `this`. */
function withBoundFs(base: Platform, changed: Platform): Platform {
  const { fs } = base;
  return {
    ...base,
    fs: {
      open: (path, mode) => fs.open(path, mode),
      exists: (path) => fs.exists(path),
      list: (path) => fs.list(path),
      makeDirectory: async (path) => await fs.makeDirectory(path),
      rename: async (from, to) => await fs.rename(from, to),
      remove: async (path) => await fs.remove(path),
      link: async (from, to) => await fs.link(from, to),
      copy: async (from, to, bytes) => await fs.copy(from, to, bytes),
      syncDirectory: async (path) => await fs.syncDirectory(path),
      lockDirectory: (path) => fs.lockDirectory(path),
      diskUsage: async (path) => await changed.fs.diskUsage(path),
    },
  };
}
