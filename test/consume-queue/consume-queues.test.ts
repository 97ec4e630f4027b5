import { describe, expect, it } from 'vitest';
import type { FileSystem, Platform, StoreFile } from '../../src/platform/platform.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { accept, bytesOf, directory, filesOf, openQueues, physicalOffsets, rowsOf, systemError } from './queue-harness.js';

/** Counts files between their opening and the call that closes them. */
function countingFiles(platform: Platform): { fs: FileSystem; count: { now: number; max: number } } {
  const count = { now: 0, max: 0 };
  const open = (path: string, mode: 'read' | 'read-write' | 'create'): StoreFile => {
    const file = platform.fs.open(path, mode);
    count.now += 1;
    count.max = Math.max(count.max, count.now);
    const close = file.close.bind(file);
    file.close = () => {
      count.now -= 1;
      return close();
    };
    return file;
  };
  // The disk in memory remembers every change of a name until its folder is synced, and looks through all of them.
  const fs: FileSystem = { ...withFaults(platform, () => undefined).fs, open, syncDirectory: () => Promise.resolve() };
  return { fs, count };
}

describe('consume queues', () => {
  it('an entry can be read at once, before and after it is written', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 10));
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 10 });
    expect(queues.pendingBytes).toBe(200);
    const expected = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900];
    expect(physicalOffsets(queues, slot, 0, 10)).toEqual(expected);
    await queues.sync();
    expect(queues.pendingBytes).toBe(0);
    expect(physicalOffsets(queues, slot, 0, 10)).toEqual(expected);
    expect(queues.readEntries(slot, 10, Buffer.alloc(20), 1)).toBe(0);
    expect(registry.next[slot]).toBe(10);
  });

  it('the bytes are those of the format, at the places of the format', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 300_000);
    const slot = registry.slotOf('orders', 3);
    queues.restore(slot, 299_999, 299_999);
    accept(queues, [
      { slot, queueOffset: 299_999, physicalOffset: 4096 },
      { slot, queueOffset: 300_000, physicalOffset: 0x1_0000_0001 },
    ]);
    await queues.sync();
    const files = filesOf(platform, 'orders', 3);
    expect(files.map((file) => [file.name, file.bytes.length])).toEqual([
      ['00000000000000000000', 6_000_000],
      ['00000000000006000000', 6_000_000],
    ]);
    const prefill = '00000000000000007fffffff0000000000000000';
    const first = files[0]?.bytes ?? Buffer.alloc(0);
    for (let at = 0; at < 299_999 * 20; at += 20)
      if (first.toString('hex', at, at + 20) !== prefill) throw new Error(`no pre-fill at ${at}`);
    expect(first.toString('hex', 299_999 * 20)).toBe('000000000000100000000064ffffffffffffd000');
    expect(files[1]?.bytes.toString('hex', 0, 40)).toBe(`000000010000000100000064fffffffcfffffffd${'00'.repeat(20)}`);
  });

  it('a queue that starts at offset one billion is one file', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 300_000);
    const slot = registry.slotOf('deep', 0);
    accept(queues, rowsOf(slot, 1_000_000_000, 3));
    expect(queues.bounds(slot)).toEqual({ min: 1_000_000_000, max: 1_000_000_003 });
    await queues.sync();
    expect(platform.fs.list(`${directory}/deep/0`)).toEqual(['00000000019998000000']);
    const { usedBytes } = await platform.fs.diskUsage('/');
    expect(usedBytes).toBeLessThan(2_100_000);
    expect(physicalOffsets(queues, slot, 1_000_000_000, 1_000_000_003)).toEqual([100_000_000_000, 100_000_000_100, 100_000_000_200]);
    expect(queues.scanFiles('deep', 0)).toEqual({ min: 1_000_000_000, max: 1_000_000_003 });
  });

  it('rows that come again change nothing', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 6));
    await queues.sync();
    accept(queues, rowsOf(slot, 2, 6));
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 8 });
    expect(queues.pendingBytes).toBe(40);
    expect(physicalOffsets(queues, slot, 0, 8)).toEqual([0, 100, 200, 300, 400, 500, 600, 700]);
  });

  it('rows without a queue are left out', () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('orders', 0);
    accept(queues, [
      { slot: -1, queueOffset: 0, physicalOffset: 0 },
      { slot, queueOffset: 0, physicalOffset: 100 },
    ]);
    expect(queues.pendingBytes).toBe(20);
    expect(queues.bounds(7)).toEqual({ min: 0, max: 0 });
  });

  it('a queue that nobody knows is empty', () => {
    const { queues } = openQueues(memoryPlatform(), 4);
    const into = Buffer.alloc(20);
    expect([queues.bounds(3), queues.readEntries(3, 0, into, 1), queues.firstAtOrAbove(3, 100)]).toEqual([{ min: 0, max: 0 }, 0, 0]);
    expect(queues.rebuilding(3)).toBeUndefined();
    expect(queues.snapshotBounds()).toEqual([]);
  });

  it('bytes that wait for a rebuild are counted for the queues that have some', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const [idle, waiting, sound] = [0, 1, 2].map((queueId) => registry.slotOf('orders', queueId)) as [number, number, number];
    accept(queues, [...rowsOf(idle, 0, 1), ...rowsOf(waiting, 0, 1), ...rowsOf(sound, 0, 1)]);
    await queues.sync();
    queues.markDamaged(idle);
    expect(queues.failedBytes).toBe(0);
    queues.markDamaged(waiting);
    accept(queues, [...rowsOf(waiting, 1, 2), ...rowsOf(sound, 1, 3)]);
    expect([queues.failedBytes, queues.pendingBytes]).toEqual([40, 100]);
  });

  it('a file that no descriptor is left for can be read later, and is no damage', async () => {
    let code: string | undefined;
    const platform = withFaults(memoryPlatform(), ({ op }) => (code !== undefined && op === 'readSync' ? systemError(code) : undefined));
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await queues.sync();
    code = 'EMFILE';
    expect(() => queues.readEntries(slot, 1, Buffer.alloc(20), 1)).toThrow(expect.objectContaining({ code: 'IO' }));
    expect(queues.damagedSlots.size).toBe(0);
    code = undefined;
    expect(physicalOffsets(queues, slot, 0, 3)).toEqual([0, 100, 200]);
  });

  it('while four files are in the making others wait, and what is cut or found damaged meanwhile is not made', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slots = Array.from({ length: 7 }, (_, i) => registry.slotOf('orders', i));
    accept(
      queues,
      slots.flatMap((slot) => rowsOf(slot, 0, 2)),
    );
    queues.writePending(1 << 20);
    const [cut, damaged, sound] = slots.slice(4) as [number, number, number];
    await queues.cut(cut, 0);
    queues.markDamaged(damaged);
    await queues.close();
    expect(platform.fs.list(`${directory}/orders`)).toEqual(['0', '1', '2', '3', String(sound)]);
    expect(queues.failedBytes).toBe(40);
    accept(queues, rowsOf(cut, 0, 1));
    await queues.rebuild(damaged, async (put) => {
      for (let n = 0; n < 2; n += 1) put(n, n * 100, 100, 0);
    });
    await queues.sync();
    expect(queues.pendingBytes).toBe(0);
    expect([cut, damaged].map((slot) => physicalOffsets(queues, slot, 0, 1))).toEqual([[0], [0]]);
  });

  it('a gap marks the queue as damaged, and no entry is shifted', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await queues.sync();
    accept(queues, rowsOf(slot, 5, 2));
    expect([...queues.damagedSlots]).toEqual([slot]);
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 7 });
    expect(physicalOffsets(queues, slot, 5, 7)).toEqual([500, 600]);
    await expect(queues.sync()).rejects.toMatchObject({ code: 'IO' });
    await queues.rebuild(slot, async (put) => {
      for (let n = 0; n < 7; n += 1) put(n, n * 100, 100, 0);
    });
    await queues.sync();
    expect(physicalOffsets(queues, slot, 0, 7)).toEqual([0, 100, 200, 300, 400, 500, 600]);
  });

  it('an offset that no file could hold is not taken, and costs no memory', () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 1));
    accept(queues, [{ slot, queueOffset: Number.MAX_SAFE_INTEGER, physicalOffset: 100 }]);
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 1 });
    accept(queues, [{ slot, queueOffset: 2 ** 40, physicalOffset: 200 }]);
    expect(queues.pendingBytes).toBeLessThanOrEqual(20);
    expect(queues.damagedSlots.has(slot)).toBe(true);
  });

  it('waiters are called once a batch, after all of its rows are in, and only those of its queues', () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const a = registry.slotOf('orders', 0);
    const b = registry.slotOf('orders', 1);
    const seen: string[] = [];
    const remove = queues.waiters.add(a, () => seen.push(`a${queues.bounds(a).max}`));
    queues.waiters.add(b, () => seen.push(`b${queues.bounds(b).max}`));
    accept(queues, rowsOf(a, 0, 5));
    accept(queues, rowsOf(a, 0, 5));
    expect(seen).toEqual(['a5']);
    accept(queues, [...rowsOf(a, 5, 2), ...rowsOf(b, 0, 1)]);
    expect(seen).toEqual(['a5', 'a7', 'b1']);
    remove();
    remove();
    accept(queues, rowsOf(a, 7, 1));
    expect(seen).toHaveLength(3);
    expect(queues.waiters.queueCount).toBe(1);
  });

  it('writes take turns and keep to their bound', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 1000);
    const slots = Array.from({ length: 10 }, (_, i) => registry.slotOf('orders', i));
    accept(
      queues,
      slots.flatMap((slot) => rowsOf(slot, 0, 1)),
    );
    await queues.sync();
    accept(
      queues,
      slots.flatMap((slot) => rowsOf(slot, 1, 100)),
    );
    const before = queues.pendingBytes;
    queues.writePending(3000);
    expect(before - queues.pendingBytes).toBeGreaterThan(0);
    expect(before - queues.pendingBytes).toBeLessThanOrEqual(3000);
    for (let i = 0; i < 100 && queues.pendingBytes > 0; i += 1) queues.writePending(3000);
    expect(queues.pendingBytes).toBe(0);
    for (const slot of slots) expect(physicalOffsets(queues, slot, 0, 101)).toHaveLength(101);
  });

  it('a queue with much to write does not wait behind many with little, a safe point writes them all', async () => {
    let writeCount = 0;
    const platform = withFaults(memoryPlatform(), ({ op }) => {
      if (op === 'writeSync') writeCount += 1;
      return undefined;
    });
    const { queues, registry } = openQueues(platform, 10_000);
    const slots = Array.from({ length: 101 }, (_, i) => registry.slotOf('orders', i));
    const busy = slots[100] ?? -1;
    accept(
      queues,
      slots.flatMap((slot) => rowsOf(slot, 0, 1)),
    );
    await queues.sync();
    writeCount = 0;
    accept(
      queues,
      slots.flatMap((slot) => rowsOf(slot, 1, slot === busy ? 1000 : 1)),
    );
    queues.writePending(64 * 1024);
    expect([queues.pendingBytes, writeCount]).toEqual([100 * 20, 1]);
    await queues.sync();
    expect([queues.pendingBytes, writeCount]).toEqual([0, 101]);
  });

  it('while the disk is full entries wait in memory, and go to their own places afterwards', async () => {
    let full = true;
    const memory = memoryPlatform();
    const platform = withFaults(memory, ({ op }) => (full && (op === 'write' || op === 'writeSync') ? systemError('ENOSPC') : undefined));
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await expect(queues.sync()).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(queues.failedBytes).toBe(60);
    expect(queues.pendingBytes).toBe(60);
    expect(queues.damagedSlots.size).toBe(0);
    expect(memory.fs.list('/store/stratalog/rebuild')).toEqual([]);
    full = false;
    await queues.sync();
    full = true;
    accept(queues, rowsOf(slot, 3, 3));
    queues.writePending(1 << 20);
    expect(queues.failedBytes).toBe(60);
    full = false;
    await queues.sync();
    expect([queues.failedBytes, queues.pendingBytes]).toEqual([0, 0]);
    expect(physicalOffsets(queues, slot, 0, 6)).toEqual([0, 100, 200, 300, 400, 500]);
    const files = filesOf(memory, 'orders', 0);
    expect(files.map((file) => file.bytes.readUInt32BE(4))).toEqual([0, 400]);
  });

  it('any other failed write marks the queue for rebuilding, and only that one', async () => {
    let broken = false;
    const platform = withFaults(memoryPlatform(), ({ op, path }) =>
      broken && op === 'writeSync' && path.includes('/orders/1/') ? systemError('EIO') : undefined,
    );
    const { queues, registry } = openQueues(platform, 100);
    const good = registry.slotOf('orders', 0);
    const bad = registry.slotOf('orders', 1);
    accept(queues, [...rowsOf(good, 0, 3), ...rowsOf(bad, 0, 3)]);
    await queues.sync();
    broken = true;
    accept(queues, [...rowsOf(good, 3, 3), ...rowsOf(bad, 3, 3)]);
    queues.writePending(1 << 20);
    expect([...queues.damagedSlots]).toEqual([bad]);
    expect([queues.pendingBytes, queues.failedBytes]).toEqual([60, 60]);
    await expect(queues.sync()).rejects.toMatchObject({ code: 'IO' });
    expect(physicalOffsets(queues, bad, 0, 6)).toEqual([0, 100, 200, 300, 400, 500]);
    broken = false;
    await queues.rebuild(bad, async (put) => {
      for (let n = 0; n < 6; n += 1) put(n, n * 100, 100, 0);
    });
    await queues.sync();
    expect(queues.pendingBytes).toBe(0);
    expect(physicalOffsets(queues, bad, 0, 6)).toEqual([0, 100, 200, 300, 400, 500]);
  });

  it('a failed sync marks the queue for rebuilding and fails the safe point', async () => {
    let broken = true;
    const platform = withFaults(memoryPlatform(), ({ op, path }) =>
      broken && op === 'sync' && path.includes('/orders/') ? systemError('EIO') : undefined,
    );
    const { queues, registry } = openQueues(platform, 100);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await expect(queues.sync()).rejects.toMatchObject({ code: 'IO' });
    expect([...queues.damagedSlots]).toEqual([slot]);
    broken = false;
    // Trying the sync again must not be taken for success: the pages may be gone.
    await expect(queues.sync()).rejects.toMatchObject({ code: 'IO' });
  });

  it('ten thousand queues need eight open files', async () => {
    const { fs, count } = countingFiles(memoryPlatform());
    const { queues, registry, openFiles } = openQueues({ ...memoryPlatform(), fs }, 1000, 8);
    const slots = Array.from({ length: 10_000 }, (_, i) => registry.slotOf(`t${i % 100}`, Math.floor(i / 100)));
    accept(
      queues,
      slots.flatMap((slot) => rowsOf(slot, 0, 2)),
    );
    await queues.sync();
    accept(
      queues,
      slots.flatMap((slot) => rowsOf(slot, 2, 2)),
    );
    await queues.sync();
    for (const slot of slots) expect(physicalOffsets(queues, slot, 0, 4)).toEqual([0, 100, 200, 300]);
    expect(openFiles.count).toBe(8);
    // Besides, four files at a time may be in the making.
    expect(count.max).toBeLessThanOrEqual(8 + 4);
    expect(queues.snapshotBounds()).toHaveLength(10_000);
    expect(queues.listOnDisk()).toHaveLength(10_000);
  });

  it('a file left too short by a power cut gets its full length before it is written', async () => {
    const platform = memoryPlatform();
    await platform.fs.makeDirectory(`${directory}/orders/0`);
    await platform.fs.open(`${directory}/orders/0/00000000000000000000`, 'create').close();
    const { queues, registry } = openQueues(platform, 100);
    const slot = registry.slotOf('orders', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await queues.sync();
    expect(bytesOf(platform, `${directory}/orders/0/00000000000000000000`)).toHaveLength(2000);
  });

  it('a missing file is reported by its name', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('orders', 0);
    queues.restore(slot, 0, 8);
    expect(() => queues.readEntries(slot, 5, Buffer.alloc(20), 1)).toThrow(
      expect.objectContaining({ code: 'CORRUPT', path: `${directory}/orders/0/00000000000000000080`, offset: 20 }),
    );
    accept(queues, rowsOf(slot, 8, 1));
    await queues.sync();
    accept(queues, rowsOf(slot, 9, 1));
    await platform.fs.remove(`${directory}/orders/0/00000000000000000160`);
    await expect(queues.sync()).rejects.toMatchObject({ code: 'IO' });
    expect(queues.damagedSlots.has(slot)).toBe(true);
  });

  it('foreign names are reported and left alone', async () => {
    const platform = memoryPlatform();
    await platform.fs.makeDirectory(`${directory}/orders/0`);
    await platform.fs.makeDirectory(`${directory}/orders/x1`);
    await platform.fs.makeDirectory(`${directory}/orders/007`);
    await platform.fs.makeDirectory(`${directory}/orders/2147483647`);
    await platform.fs.makeDirectory(`${directory}/orders/2147483648`);
    await platform.fs.open(`${directory}/file`, 'create').close();
    for (const name of ['00000000000000000000', '00000000000000000080', '00000000000000000081', 'note']) {
      await platform.fs.open(`${directory}/orders/0/${name}`, 'create').close();
    }
    const strays: string[] = [];
    const { queues } = openQueues(platform, 4);
    expect(queues.listOnDisk((path) => strays.push(path))).toEqual([
      { topic: 'orders', queueId: 0, fileStarts: [0, 80] },
      { topic: 'orders', queueId: 2_147_483_647, fileStarts: [] },
    ]);
    expect(strays.sort()).toEqual(
      ['file', 'orders/0/00000000000000000081', 'orders/0/note', 'orders/007', 'orders/2147483648', 'orders/x1'].map(
        (path) => `${directory}/${path}`,
      ),
    );
  });
});
