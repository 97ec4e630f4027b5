import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/deferred.js';
import type { PutEntry } from '../../src/consume-queue/queue-rebuilder.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import {
  accept,
  directory,
  filesOf,
  openQueues,
  physicalOffsets,
  preparedPlatform,
  rebuildDirectory,
  rowsOf,
  systemError,
  tagsCodeOf,
} from './queue-harness.js';

function fillWith(from: number, to: number): (put: PutEntry) => Promise<void> {
  return async (put) => {
    for (let n = from; n < to; n += 1) put(n, n * 100, 100, tagsCodeOf(n * 100));
  };
}

const damages: readonly { readonly name: string; readonly files: readonly string[] }[] = [
  { name: 'the first file is missing', files: ['00000000000000000000'] },
  { name: 'a file in the middle is missing', files: ['00000000000000000080'] },
  { name: 'the last file is missing', files: ['00000000000000000160'] },
  { name: 'all files are missing', files: ['00000000000000000000', '00000000000000000080', '00000000000000000160'] },
  { name: 'nothing is missing', files: [] },
];

describe('rebuilding a queue', () => {
  for (const { name, files } of damages) {
    it(`gives the same bytes: ${name}`, async () => {
      const platform = memoryPlatform();
      const { queues, registry } = openQueues(platform, 4, 2);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 2, 9));
      await queues.sync();
      const original = filesOf(platform, 'a', 0);
      for (const file of files) {
        await platform.fs.remove(`${directory}/a/0/${file}`);
      }
      const reopened = openQueues(platform, 4, 2);
      reopened.registry.slotOf('a', 0);
      reopened.queues.restore(slot, 2, 11);
      await reopened.queues.rebuild(slot, fillWith(2, 11));
      expect(filesOf(platform, 'a', 0)).toEqual(original);
      expect(reopened.queues.bounds(slot)).toEqual({ min: 2, max: 11 });
      expect(platform.fs.list(rebuildDirectory)).toEqual([]);
      accept(reopened.queues, rowsOf(slot, 11, 3));
      await reopened.queues.sync();
      expect(physicalOffsets(reopened.queues, slot, 2, 14)).toEqual(Array.from({ length: 12 }, (_, i) => (i + 2) * 100));
    });
  }

  it('makes a queue that nobody knew, and raises the next offset', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    await queues.rebuild(slot, fillWith(6, 20));
    expect(queues.bounds(slot)).toEqual({ min: 6, max: 20 });
    expect(registry.next[slot]).toBe(20);
    expect(queues.scanFiles('a', 0)).toEqual({ min: 6, max: 20 });
  });

  it('appends go on meanwhile, reads of files wait, other queues do not notice', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    const other = registry.slotOf('a', 1);
    accept(queues, [...rowsOf(slot, 0, 6), ...rowsOf(other, 0, 1)]);
    await queues.sync();
    const scanned = deferred();
    const rebuilt = queues.rebuild(slot, async (put) => {
      await fillWith(0, 6)(put);
      await scanned.promise;
      await fillWith(6, 8)(put);
    });
    const joined = queues.rebuild(slot, () => Promise.reject(new Error('never called')));
    accept(queues, rowsOf(slot, 6, 6));
    queues.writePending(1 << 20);
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 12 });
    expect(() => queues.readEntries(slot, 5, Buffer.alloc(20), 1)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    expect(physicalOffsets(queues, slot, 6, 12)).toEqual([600, 700, 800, 900, 1000, 1100]);
    expect(physicalOffsets(queues, other, 0, 1)).toEqual([0]);
    expect(queues.rebuilding(other)).toBeUndefined();
    const waiting = queues.rebuilding(slot);
    scanned.resolve();
    await Promise.all([rebuilt, joined, waiting]);
    expect(queues.rebuilding(slot)).toBeUndefined();
    expect(queues.damagedSlots.size).toBe(0);
    await queues.sync();
    expect(queues.pendingBytes).toBe(0);
    expect(physicalOffsets(queues, slot, 0, 12)).toEqual(Array.from({ length: 12 }, (_, n) => n * 100));
  });

  it('a queue of which nothing is left in the log keeps its numbering', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 6));
    await queues.sync();
    await queues.rebuild(slot, () => Promise.resolve());
    expect(queues.bounds(slot)).toEqual({ min: 6, max: 6 });
    expect(platform.fs.list(`${directory}/a/0`)).toEqual([]);
    accept(queues, rowsOf(slot, 6, 1));
    await queues.sync();
    expect(queues.scanFiles('a', 0)).toEqual({ min: 6, max: 7 });
  });

  it('min is exact if retention goes on meanwhile', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 12));
    await queues.sync();
    await queues.rebuild(slot, async (put) => {
      await fillWith(0, 12)(put);
      await queues.trim(730);
    });
    expect(queues.bounds(slot)).toEqual({ min: 8, max: 12 });
  });

  it('min never goes back, though retention was on its way when the rebuild began', async () => {
    const mins: number[] = [];
    let watch: (() => void) | undefined;
    const platform = withFaults(memoryPlatform(), () => {
      watch?.();
      return undefined;
    });
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 12));
    await queues.sync();
    watch = () => mins.push(queues.bounds(slot).min);
    const trimmed = queues.trim(730);
    // Retention waits for its first look into the file.
    for (let i = 0; i < 1000 && mins.length === 0; i += 1) await Promise.resolve();
    await Promise.all([queues.rebuild(slot, fillWith(0, 12)), trimmed]);
    watch = undefined;
    expect(mins).toEqual(mins.toSorted((a, b) => a - b));
    expect([mins[0], mins.at(-1)]).toEqual([0, 8]);
    expect(queues.bounds(slot)).toEqual({ min: 8, max: 12 });
    expect(physicalOffsets(queues, slot, 8, 12)).toEqual([800, 900, 1000, 1100]);
  });

  it('of a number that the log has twice the first record counts', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    await queues.rebuild(slot, async (put) => {
      await fillWith(0, 6)(put);
      put(3, 9000, 100, 0);
      put(5, 9100, 100, 0);
      await fillWith(6, 7)(put);
    });
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 7 });
    expect(physicalOffsets(queues, slot, 0, 7)).toEqual([0, 100, 200, 300, 400, 500, 600]);
  });

  it('a file of more entries than fit into one write, and with a hole in it, has each entry at its place', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 10_000);
    const slot = registry.slotOf('a', 0);
    await queues.rebuild(slot, async (put) => {
      await fillWith(2, 7000)(put);
      await fillWith(7002, 7004)(put);
    });
    expect(queues.bounds(slot)).toEqual({ min: 2, max: 7004 });
    const [file] = filesOf(platform, 'a', 0);
    const offsets = Array.from({ length: 7004 }, (_, n) => file?.bytes.readUInt32BE(n * 20 + 4));
    expect(offsets).toEqual(Array.from({ length: 7004 }, (_, n) => (n < 2 || n === 7000 || n === 7001 ? 0 : n * 100)));
    expect(queues.scanFiles('a', 0)).toEqual({ min: 2, max: 7004 });
  });

  it('entries missing at the end of the log leave the queue marked', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    queues.restore(slot, 0, 9);
    await expect(queues.rebuild(slot, fillWith(0, 7))).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(queues.damagedSlots.has(slot)).toBe(true);
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 9 });
    expect(physicalOffsets(queues, slot, 0, 7)).toHaveLength(7);
  });

  it('a failure leaves the old files, the mark, and nothing in the rebuild folder; the next try succeeds', async () => {
    for (const op of ['open', 'writeSync', 'sync', 'rename', 'makeDirectory'] as const) {
      let broken = false;
      const memory = memoryPlatform();
      const platform = withFaults(memory, (call) => (broken && call.op === op ? systemError('EIO') : undefined));
      const { queues, registry } = openQueues(platform, 4);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 0, 10));
      await queues.sync();
      const original = filesOf(memory, 'a', 0);
      broken = true;
      await expect(queues.rebuild(slot, fillWith(0, 10))).rejects.toMatchObject({ code: 'IO' });
      broken = false;
      expect(queues.damagedSlots.has(slot)).toBe(true);
      expect(filesOf(memory, 'a', 0)).toEqual(original);
      expect(memory.fs.list(rebuildDirectory)).toEqual([]);
      await queues.rebuild(slot, fillWith(0, 10));
      expect(queues.damagedSlots.size).toBe(0);
      expect(filesOf(memory, 'a', 0)).toEqual(original);
    }
  });

  it('is durable when it returns', async () => {
    const platform = await preparedPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    await queues.rebuild(slot, fillWith(0, 10));
    const expected = filesOf(platform, 'a', 0);
    expect(filesOf(platform.crash('synced'), 'a', 0)).toEqual(expected);
  });

  it('is readable where its folder cannot be synced; the safe point fails, and the next one makes it durable', async () => {
    const base = await preparedPlatform();
    let failing = true;
    const platform = withFaults(base, (call) => (failing && call.op === 'syncDirectory' ? systemError('ENOSPC') : undefined));
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    await queues.rebuild(slot, fillWith(3, 10));
    expect([queues.bounds(slot), queues.damagedSlots.size]).toEqual([{ min: 3, max: 10 }, 0]);
    await expect(queues.sync()).rejects.toMatchObject({ code: 'DISK_FULL' });
    failing = false;
    const expected = filesOf(base, 'a', 0);
    await queues.sync();
    expect(filesOf(base.crash('synced'), 'a', 0)).toEqual(expected);
  });
});
