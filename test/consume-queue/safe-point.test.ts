import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FileSystem, Platform, StoreFile } from '../../src/platform/platform.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { accept, directory, openQueues, rebuildDirectory, rowsOf, systemError } from './queue-harness.js';

/** The calls that make something durable or visible, in order; fails the test by `overlap` if two syncs run at once. */
function traced(base: Platform): { platform: Platform; trace: string[]; overlaps: string[] } {
  const trace: string[] = [];
  const overlaps: string[] = [];
  const running = new Set<string>();
  const sync = async (name: string, work: () => Promise<void>): Promise<void> => {
    if (running.size > 0) overlaps.push(`${name} during ${[...running].join()}`);
    running.add(name);
    trace.push(name);
    await work();
    running.delete(name);
  };
  const plain = withFaults(base, () => undefined).fs;
  const open = (path: string, mode: 'read' | 'read-write' | 'create'): StoreFile => {
    const file = plain.open(path, mode);
    return { ...file, sync: (kind) => sync(`sync ${path}`, () => file.sync(kind)) };
  };
  const fs: FileSystem = {
    ...plain,
    open,
    syncDirectory: (path) => sync(`syncDirectory ${path}`, () => plain.syncDirectory(path)),
    rename: (from, to) => {
      trace.push(`rename ${to}`);
      return plain.rename(from, to);
    },
  };
  return { platform: { ...base, fs }, trace, overlaps };
}

describe('a safe point', () => {
  it('syncs files one after the other, then folders from the bottom up, each once', async () => {
    const { platform, trace, overlaps } = traced(memoryPlatform());
    const { queues, registry } = openQueues(platform, 4);
    const a = registry.slotOf('a', 0);
    const b = registry.slotOf('b', 5);
    accept(queues, [...rowsOf(a, 0, 6), ...rowsOf(b, 0, 1)]);
    await queues.sync();
    expect(overlaps).toEqual([]);
    const syncs = trace.filter((call) => call.startsWith('sync '));
    expect(new Set(syncs)).toEqual(
      new Set(
        ['a/0/00000000000000000000', 'a/0/00000000000000000080', 'b/5/00000000000000000000'].map((path) => `sync ${directory}/${path}`),
      ),
    );
    for (const call of syncs) {
      const path = call.slice('sync '.length);
      expect(trace.lastIndexOf(call)).toBeGreaterThan(trace.indexOf(`rename ${path}`));
      expect(trace.indexOf(`syncDirectory ${dirname(path)}`)).toBeGreaterThan(trace.lastIndexOf(call));
    }
    expect(trace.filter((call) => call.startsWith('syncDirectory'))).toEqual(
      [`${directory}/a/0`, `${directory}/b/5`, `${directory}/a`, `${directory}/b`, directory, '/store'].map(
        (path) => `syncDirectory ${path}`,
      ),
    );
  });

  it('syncs only what was written since the last one', async () => {
    const { platform, trace } = traced(memoryPlatform());
    const { queues, registry } = openQueues(platform, 4);
    const a = registry.slotOf('a', 0);
    const b = registry.slotOf('b', 0);
    accept(queues, [...rowsOf(a, 0, 3), ...rowsOf(b, 0, 3)]);
    await queues.sync();
    trace.length = 0;
    await queues.sync();
    expect(trace).toEqual([]);
    accept(queues, rowsOf(a, 3, 1));
    await queues.sync();
    expect(trace).toEqual([`sync ${directory}/a/0/00000000000000000000`]);
    trace.length = 0;
    accept(queues, rowsOf(a, 4, 1));
    await queues.sync();
    const second = `${directory}/a/0/00000000000000000080`;
    expect(trace).toEqual([`rename ${second}`, `sync ${second}`, `syncDirectory ${directory}/a/0`]);
  });

  it('sees to the folders of a queue that an earlier process may have left unsynced', async () => {
    const memory = memoryPlatform();
    const first = openQueues(memory, 4);
    const slot = first.registry.slotOf('a', 0);
    accept(first.queues, rowsOf(slot, 0, 2));
    first.queues.writePending(1000);
    await first.queues.close();
    const { platform, trace } = traced(memory.crash('all'));
    const second = openQueues(platform, 4);
    second.registry.slotOf('a', 0);
    await second.queues.cut(slot, 0);
    accept(second.queues, rowsOf(slot, 0, 2));
    await second.queues.sync();
    expect(trace.slice(-4)).toEqual([`${directory}/a/0`, `${directory}/a`, directory, '/store'].map((path) => `syncDirectory ${path}`));
  });

  it('a file appears under its name whole, with its first entries in it', async () => {
    const memory = memoryPlatform();
    const seen: string[] = [];
    const plain = withFaults(memory, () => undefined).fs;
    const fs: FileSystem = {
      ...plain,
      open: (path, mode) => {
        if (mode === 'create') seen.push(`create ${path.startsWith(`${rebuildDirectory}/`) ? 'aside' : path}`);
        return plain.open(path, mode);
      },
      rename: async (from, to) => {
        const file = plain.open(from, 'read');
        const bytes = Buffer.alloc(file.sizeBytes());
        file.readSync(bytes, 0);
        seen.push(`${bytes.length} ${bytes.toString('hex', 40, 80)}`);
        await file.close();
        await plain.rename(from, to);
      },
    };
    const { queues, registry } = openQueues({ ...memory, fs }, 4);
    accept(queues, rowsOf(registry.slotOf('a', 0), 3, 1));
    await queues.sync();
    expect(seen).toEqual(['create aside', '80 00000000000000007fffffff0000000000000000000000000000012c00000064fffffffffffffc7c']);
    expect(memory.fs.list(rebuildDirectory)).toEqual([]);
  });

  it('what an earlier process left in the rebuild folder is removed, foreign files are not', async () => {
    const memory = memoryPlatform();
    await memory.fs.makeDirectory(`${rebuildDirectory}/queue-3`);
    for (const name of ['new-7', 'queue-3/00000000000000000000', 'note'])
      await memory.fs.open(`${rebuildDirectory}/${name}`, 'create').close();
    const { queues, registry } = openQueues(memory, 4);
    accept(queues, rowsOf(registry.slotOf('a', 0), 0, 1));
    await queues.sync();
    expect(memory.fs.list(rebuildDirectory)).toEqual(['note']);
  });

  it('does not sync again what a rebuild has made anew since it was written', async () => {
    const { platform, trace } = traced(memoryPlatform());
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 3));
    queues.writePending(1000);
    await queues.close();
    await queues.rebuild(slot, async (put) => {
      for (let n = 0; n < 3; n += 1) put(n, n * 100, 100, 0);
    });
    trace.length = 0;
    await queues.sync();
    expect(trace.filter((call) => call.startsWith('sync '))).toEqual([]);
    expect(queues.snapshotBounds()).toEqual([{ slot, min: 0, max: 3 }]);
  });

  it("what cannot be removed from the rebuild folder is in nobody's way", async () => {
    const memory = memoryPlatform();
    await memory.fs.makeDirectory(`${rebuildDirectory}/queue-2`);
    for (const name of ['new-1', 'queue-2/00000000000000000000']) await memory.fs.open(`${rebuildDirectory}/${name}`, 'create').close();
    const left = [`${rebuildDirectory}/new-1`, `${rebuildDirectory}/queue-2/00000000000000000000`];
    const platform = withFaults(memory, ({ op, path }) => (op === 'remove' && left.includes(path) ? systemError('EBUSY') : undefined));
    const { queues, registry } = openQueues(platform, 4);
    const [a, b] = [registry.slotOf('a', 0), registry.slotOf('b', 0)];
    accept(queues, [...rowsOf(a, 0, 1), ...rowsOf(b, 0, 1)]);
    await queues.sync();
    expect(queues.scanFiles('a', 0)).toEqual({ min: 0, max: 1 });
    await queues.rebuild(b, async (put) => put(0, 0, 100, 0));
    expect(queues.scanFiles('b', 0)).toEqual({ min: 0, max: 1 });
    expect(memory.fs.list(rebuildDirectory)).toEqual(['new-1', 'queue-2']);
  });

  it('fails if a folder cannot be synced, and the next one tries again', async () => {
    let broken = true;
    const platform = withFaults(memoryPlatform(), ({ op, path }) =>
      broken && op === 'syncDirectory' && path.endsWith('/a') ? Object.assign(new Error('EIO'), { code: 'EIO' }) : undefined,
    );
    const { platform: watched, trace } = traced(platform);
    const { queues, registry } = openQueues(watched, 4);
    accept(queues, rowsOf(registry.slotOf('a', 0), 0, 1));
    await expect(queues.sync()).rejects.toMatchObject({ code: 'IO' });
    broken = false;
    trace.length = 0;
    await queues.sync();
    expect(trace).toEqual([`syncDirectory ${directory}/a`, `syncDirectory ${directory}`, 'syncDirectory /store']);
  });

  it('bounds for the state file are those that a completed safe point covers', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 3));
    expect(queues.snapshotBounds()).toEqual([{ slot, min: 0, max: 0 }]);
    await queues.sync();
    accept(queues, rowsOf(slot, 3, 3));
    queues.writePending(1000);
    expect(queues.snapshotBounds()).toEqual([{ slot, min: 0, max: 3 }]);
    await queues.sync();
    expect(queues.snapshotBounds()).toEqual([{ slot, min: 0, max: 6 }]);
  });
});
