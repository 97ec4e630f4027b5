import * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../src/platform/node-platform.js';
import type { Platform } from '../../src/platform/platform.js';
import { systemError } from '../../src/platform/system-error.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { type PlatformCall, withFaults } from '../../src/testing/with-faults.js';

/** One of each call, each with the outcome; a failing one does not end it. */
async function everyCall(platform: Platform, directory: string): Promise<void> {
  const { fs } = platform;
  const attempt = async (call: () => unknown): Promise<void> => {
    try {
      await call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
    }
  };
  await attempt(() => fs.makeDirectory(join(directory, 'd')));
  await attempt(() => fs.lockDirectory(directory)?.release());
  const file = fs.open(join(directory, 'f'), 'create');
  await attempt(() => file.writeSync([Buffer.from('abc')], 0));
  await attempt(() => file.write([Buffer.from('def')], 3));
  await attempt(() => file.readSync(Buffer.alloc(1), 0));
  await attempt(() => file.read(Buffer.alloc(1), 0));
  await attempt(() => file.sync('data'));
  await attempt(() => file.truncate(4));
  await attempt(() => file.sizeBytes());
  await attempt(() => file.linkCount());
  await attempt(() => file.close());
  await attempt(() => fs.exists(join(directory, 'f')));
  await attempt(() => fs.list(directory));
  await attempt(() => fs.link(join(directory, 'f'), join(directory, 'g')));
  await attempt(() => fs.copy(join(directory, 'f'), join(directory, 'h'), 2));
  await attempt(() => fs.rename(join(directory, 'f'), join(directory, 'i')));
  await attempt(() => fs.syncDirectory(directory));
  await attempt(() => fs.diskUsage(directory));
  await attempt(() => fs.remove(join(directory, 'd')));
}

const everyOp =
  'makeDirectory lockDirectory open writeSync write readSync read sync truncate sizeBytes linkCount close exists list link copy rename syncDirectory diskUsage remove';

describe('withFaults', () => {
  it('counts every call from 1, with its path, and changes nothing while no error is returned', async () => {
    const calls: PlatformCall[] = [];
    const base = memoryPlatform();
    await base.fs.makeDirectory('/d');
    await everyCall(
      withFaults(base, (call) => {
        calls.push(call);
        return undefined;
      }),
      '/d',
    );
    expect(calls.map(({ op }) => op).join(' ')).toBe(everyOp);
    expect(calls.map(({ number }) => number)).toEqual(calls.map((_, index) => index + 1));
    expect(calls.find(({ op }) => op === 'sync')?.path).toBe('/d/f');
    expect(base.fs.list('/d')).toEqual(['g', 'h', 'i', 'lock']);
  });

  it('fails each call in turn before it does anything, the asynchronous ones by rejecting', async () => {
    for (const op of everyOp.split(' ').filter((name) => name !== 'open')) {
      const base = memoryPlatform();
      await base.fs.makeDirectory('/d');
      const made: string[] = [];
      const recording = withFaults(base, (call) => {
        made.push(call.op);
        return undefined;
      });
      const failing = withFaults(recording, (call) => (call.op === op ? systemError('EIO', call.op, call.path) : undefined));
      // Without its directory the last call has nothing to remove.
      if (op === 'makeDirectory') await expect(everyCall(failing, '/d')).rejects.toMatchObject({ code: 'ENOENT' });
      else await everyCall(failing, '/d');
      expect(made).not.toContain(op);
    }
  });

  it('throws from synchronous calls and rejects from asynchronous ones with exactly that error', async () => {
    const failure = new Error('as told');
    const platform = withFaults(memoryPlatform(), () => failure);
    expect(() => platform.fs.open('/f', 'create')).toThrow(failure);
    expect(() => platform.fs.exists('/f')).toThrow(failure);
    const promise = platform.fs.makeDirectory('/d');
    await expect(promise).rejects.toBe(failure);
  });

  it("works over Node's files", async () => {
    const directory = nodeFs.mkdtempSync(join(tmpdir(), 'stratalog-faults-'));
    try {
      let syncs = 0;
      const platform = withFaults(nodePlatform, ({ op, path }) => {
        if (op === 'sync') syncs += 1;
        return op === 'sync' && syncs === 2 ? systemError('EIO', 'fdatasync', path) : undefined;
      });
      const file = platform.fs.open(join(directory, 'f'), 'create');
      await file.sync('data');
      await expect(file.sync('data')).rejects.toMatchObject({ code: 'EIO', path: join(directory, 'f') });
      await file.sync('data');
      await file.close();
      expect(platform.clock).toBe(nodePlatform.clock);
      expect(platform.randomBytes(4)).toHaveLength(4);
    } finally {
      nodeFs.rmSync(directory, { recursive: true, force: true });
    }
  });
});
