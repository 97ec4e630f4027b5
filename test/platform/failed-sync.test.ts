import type * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { nodePlatform } from '../../src/platform/node-platform.js';
import { useTemporaryDirectory } from './temporary-directory.js';

type Done = (error: Error | null) => void;

/** Syncs asked of the kernel, and how many of the next ones fail. */
const kernel = vi.hoisted(() => ({ asked: [] as string[], failCount: 0 }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof nodeFs>();
  const failing =
    (name: 'fsync' | 'fdatasync') =>
    (fd: number, done: Done): void => {
      kernel.asked.push(name);
      if (kernel.failCount === 0) return real[name](fd, done);
      kernel.failCount -= 1;
      setImmediate(() => done(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })));
    };
  return { ...real, fsync: failing('fsync'), fdatasync: failing('fdatasync') };
});

const directory = useTemporaryDirectory();

describe('a sync that the kernel fails', () => {
  it.each(['data', 'all'] as const)('of %s is told to whoever asked, and is not tried again', async (kind) => {
    const file = nodePlatform.fs.open(join(directory(), 'file'), 'create');
    file.writeSync([Buffer.from('bytes')], 0);
    kernel.asked.length = 0;
    kernel.failCount = 1;
    await expect(file.sync(kind)).rejects.toMatchObject({ code: 'EIO' });
    expect(kernel.asked).toEqual([kind === 'data' ? 'fdatasync' : 'fsync']);
    await file.sync(kind);
    expect(kernel.asked).toHaveLength(2);
    await file.close();
  });
});
