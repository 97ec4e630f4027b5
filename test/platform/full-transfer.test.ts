import { randomInt } from 'node:crypto';
import type * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nodePlatform } from '../../src/platform/node-platform.js';
import { useTemporaryDirectory } from './temporary-directory.js';

/** What a call of the kernel moves at most; 0: nothing, without an error. */
const limit = vi.hoisted(() => ({ bytesMax: Number.MAX_SAFE_INTEGER, callCount: 0 }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof nodeFs>();
  const few = (bytes: number): number => {
    limit.callCount += 1;
    return Math.min(bytes, limit.bytesMax);
  };
  const cut = (parts: readonly Uint8Array[]): Uint8Array => {
    const whole = Buffer.concat(parts);
    return whole.subarray(0, few(whole.length));
  };
  return {
    ...real,
    readSync: (fd: number, into: Uint8Array, offset: number, bytes: number, at: number) => real.readSync(fd, into, offset, few(bytes), at),
    read: (fd: number, into: Uint8Array, offset: number, bytes: number, at: number, done: () => void) =>
      real.read(fd, into, offset, few(bytes), at, done),
    writeSync: (fd: number, from: Uint8Array, offset: number, bytes: number, at: number) =>
      real.writeSync(fd, from, offset, few(bytes), at),
    write: (fd: number, from: Uint8Array, offset: number, bytes: number, at: number, done: () => void) =>
      real.write(fd, from, offset, few(bytes), at, done),
    writevSync: (fd: number, parts: Uint8Array[], at: number) => real.writeSync(fd, cut(parts), 0, undefined, at),
    writev: (fd: number, parts: Uint8Array[], at: number, done: () => void) => {
      const bytes = cut(parts);
      real.write(fd, bytes, 0, bytes.length, at, done);
    },
  };
});

const directory = useTemporaryDirectory();

describe('a kernel that moves less than it was asked to', () => {
  beforeEach(() => {
    limit.callCount = 0;
  });
  afterEach(() => {
    limit.bytesMax = Number.MAX_SAFE_INTEGER;
  });

  for (const bytesMax of [1, 7, 1000]) {
    it(`${bytesMax} bytes at a time: reads and writes of either kind still move everything`, async () => {
      limit.bytesMax = bytesMax;
      const parts = Array.from({ length: 30 }, (_, index) => Buffer.alloc(index, randomInt(256)));
      const whole = Buffer.concat(parts);
      const file = nodePlatform.fs.open(join(directory(), 'f'), 'create');
      file.writeSync(parts, 3);
      await file.write(parts, 3 + whole.length);
      file.writeSync([whole], 3 + 2 * whole.length);
      await file.write([whole], 3 + 3 * whole.length);
      const wanted = Buffer.concat([Buffer.alloc(3), whole, whole, whole, whole]);
      expect(file.sizeBytes()).toBe(wanted.length);
      const sync = Buffer.alloc(wanted.length + 10);
      expect(file.readSync(sync, 0)).toBe(wanted.length);
      const async = Buffer.alloc(wanted.length);
      expect(await file.read(async, 0)).toBe(wanted.length);
      expect(sync.subarray(0, wanted.length).equals(wanted)).toBe(true);
      expect(async.equals(wanted)).toBe(true);
      expect(limit.callCount).toBeGreaterThan((2 * wanted.length) / bytesMax);
      await file.close();
    });
  }

  it('nothing at all, without a reason: a write fails instead of trying for ever', async () => {
    const file = nodePlatform.fs.open(join(directory(), 'f'), 'create');
    limit.bytesMax = 0;
    expect(() => file.writeSync([Buffer.alloc(3)], 0)).toThrow(expect.objectContaining({ code: 'EIO' }));
    await expect(file.write([Buffer.alloc(3), Buffer.alloc(3)], 0)).rejects.toMatchObject({ code: 'EIO' });
    await file.close();
  });
});
