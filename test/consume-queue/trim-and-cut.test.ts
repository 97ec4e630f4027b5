import { describe, expect, it } from 'vitest';
import { isAllZero } from '../../src/base/bytes.js';
import { writePrefill, writeQueueEntry } from '../../src/format/queue-entry.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import {
  accept,
  bytesOf,
  directory,
  filesOf,
  openQueues,
  physicalOffsets,
  preparedPlatform,
  rowsOf,
  systemError,
} from './queue-harness.js';

describe('trimming', () => {
  it('min is the first entry whose record is left, to the byte, at every place of a file', async () => {
    for (let keepFrom = 0; keepFrom <= 1300; keepFrom += 50) {
      const platform = memoryPlatform();
      const { queues, registry } = openQueues(platform, 4);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 0, 13));
      await queues.sync();
      const expected = Math.min(13, Math.ceil(keepFrom / 100));
      const removed = await queues.trim(keepFrom);
      expect(queues.bounds(slot)).toEqual({ min: expected, max: 13 });
      expect(removed).toBe(Math.min(3, Math.floor(expected / 4)));
      expect(platform.fs.list(`${directory}/a/0`)).toHaveLength(4 - removed);
    }
  });

  it('min is exact also where entries are still in memory, and of a queue that got no message for long', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const busy = registry.slotOf('a', 0);
    const quiet = registry.slotOf('a', 1);
    accept(queues, [...rowsOf(quiet, 0, 2, 0), ...rowsOf(busy, 0, 10, 1000)]);
    await queues.sync();
    accept(queues, rowsOf(busy, 10, 10, 2000));
    await queues.trim(2450);
    expect(queues.bounds(busy)).toEqual({ min: 15, max: 20 });
    expect(queues.bounds(quiet)).toEqual({ min: 2, max: 2 });
  });

  it('a queue whose messages have all expired keeps its numbering, and takes the next one', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 8));
    await queues.sync();
    expect(await queues.trim(1_000_000)).toBe(1);
    expect(queues.bounds(slot)).toEqual({ min: 8, max: 8 });
    expect(platform.fs.list(`${directory}/a/0`)).toEqual(['00000000000000000080']);
    expect(await queues.trim(1_000_000)).toBe(0);
    const reopened = openQueues(platform, 4);
    reopened.registry.slotOf('a', 0);
    for (const { slot: at, min, max } of queues.snapshotBounds()) reopened.queues.restore(at, min, max);
    expect(reopened.registry.next[slot]).toBe(8);
    accept(reopened.queues, rowsOf(slot, 8, 1, 1_000_000));
    await reopened.queues.sync();
    expect(reopened.queues.bounds(slot)).toEqual({ min: 8, max: 9 });
    expect(physicalOffsets(reopened.queues, slot, 8, 9)).toEqual([1_000_000]);
  });

  it('pre-fill is no entry, also while the log starts at 0: where there should be one, it is damage', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 10);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 5, 2, 0));
    await queues.sync();
    queues.restore(slot, 0, 7);
    await queues.trim(0);
    expect([queues.bounds(slot), [...queues.damagedSlots]]).toEqual([{ min: 0, max: 7 }, [slot]]);
  });

  it('files that went before the state file knew of it are not missed', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 40));
    await queues.sync();
    expect(await queues.trim(1000)).toBe(2);
    const reopened = openQueues(platform, 4);
    reopened.registry.slotOf('a', 0);
    reopened.queues.restore(slot, 0, 40);
    await reopened.queues.trim(1000);
    expect(reopened.queues.bounds(slot)).toEqual({ min: 10, max: 40 });
    expect(reopened.queues.damagedSlots.size).toBe(0);
  });

  it('a missing file in the middle is damage, whatever the search has to read', async () => {
    for (const missing of ['00000000000000000000', '00000000000000000080']) {
      const platform = memoryPlatform();
      const { queues, registry } = openQueues(platform, 4, 1);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 0, 12));
      await queues.sync();
      await platform.fs.remove(`${directory}/a/0/${missing}`);
      await queues.trim(50);
      expect([...queues.damagedSlots]).toEqual([slot]);
      expect(queues.bounds(slot)).toEqual({ min: 0, max: 12 });
    }
  });

  it('min never goes back to a file that is left in front of missing ones', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 4, 1);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 12));
    await queues.sync();
    const reopened = openQueues(platform, 4, 1);
    reopened.registry.slotOf('a', 0);
    reopened.queues.restore(slot, 5, 12);
    expect(reopened.queues.firstAtOrAbove(slot, 0)).toBe(5);
    // The one descriptor goes to the last file.
    expect(physicalOffsets(reopened.queues, slot, 8, 12)).toEqual([800, 900, 1000, 1100]);
    for (const name of ['00000000000000000080', '00000000000000000160']) await platform.fs.remove(`${directory}/a/0/${name}`);
    await reopened.queues.trim(600);
    expect([...reopened.queues.damagedSlots]).toEqual([slot]);
    expect(reopened.queues.bounds(slot)).toEqual({ min: 5, max: 12 });
    await platform.fs.remove(`${directory}/a/0/00000000000000000000`);
    const empty = openQueues(platform, 4, 1);
    empty.registry.slotOf('a', 0);
    empty.queues.restore(slot, 5, 12);
    await empty.queues.trim(600);
    expect([...empty.queues.damagedSlots]).toEqual([slot]);
    expect(empty.queues.bounds(slot)).toEqual({ min: 5, max: 12 });
  });

  it.each([
    ['zeros', '00'.repeat(20)],
    ['a negative place', `ffffffffffffff9c00000064${'00'.repeat(8)}`],
    ['a place beyond all numbers', `7fffffffffffffff00000064${'00'.repeat(8)}`],
  ])('an entry that is none ends the search as damage: %s', async (_, hex) => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 16);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 16));
    await queues.sync();
    const path = `${directory}/a/0/00000000000000000000`;
    const file = platform.fs.open(path, 'read-write');
    file.writeSync([Buffer.from(hex, 'hex')], 8 * 20);
    await file.close();
    expect(() => queues.firstAtOrAbove(slot, 300)).toThrow(expect.objectContaining({ code: 'CORRUPT', path, offset: 160 }));
    await queues.trim(300);
    expect([...queues.damagedSlots]).toEqual([slot]);
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 16 });
  });

  it('a file that cannot be removed keeps no other queue from being trimmed, one that is gone already keeps nothing', async () => {
    let code: string | undefined = 'EBUSY';
    const memory = memoryPlatform();
    const platform = withFaults(memory, ({ op, path }) => {
      if (code === undefined || op !== 'remove' || !path.includes('/a/0/')) return undefined;
      // Somebody else was quicker.
      if (code === 'ENOENT') void memory.fs.remove(path);
      return systemError(code);
    });
    const { queues, registry } = openQueues(platform, 4);
    const slots = [0, 1].map((queueId) => registry.slotOf('a', queueId));
    const fileCounts = (): number[] => [0, 1].map((queueId) => memory.fs.list(`${directory}/a/${queueId}`).length);
    for (const slot of slots) accept(queues, rowsOf(slot, 0, 12));
    await queues.sync();
    await expect(queues.trim(500)).rejects.toMatchObject({ code: 'IO' });
    expect(fileCounts()).toEqual([3, 2]);
    expect(slots.map((slot) => queues.bounds(slot).min)).toEqual([5, 5]);
    code = 'ENOENT';
    expect(await queues.trim(800)).toBe(3);
    code = undefined;
    await queues.sync();
    expect([fileCounts(), queues.damagedSlots.size]).toEqual([[1, 1], 0]);
  });

  it.each([
    ['list', 500],
    ['remove', 500],
    ['list', 5000],
    ['remove', 5000],
  ])(
    'files that could not be removed go with the next call, though nothing else is left to do (%s, before %i)',
    async (failing, offset) => {
      let code: string | undefined;
      const memory = memoryPlatform();
      const platform = withFaults(memory, ({ op, path }) => {
        return code !== undefined && op === failing && path.includes('/a/0') ? systemError(code) : undefined;
      });
      const { queues, registry } = openQueues(platform, 4);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 0, 12));
      await queues.sync();
      code = 'EIO';
      await expect(queues.trim(offset)).rejects.toMatchObject({ code: 'IO' });
      // Told once, it stops nobody.
      code = 'EMFILE';
      expect(await queues.trim(offset)).toBe(0);
      const { min } = queues.bounds(slot);
      code = undefined;
      expect(await queues.trim(offset)).toBe(Math.floor(Math.min(min, 11) / 4));
      expect(memory.fs.list(`${directory}/a/0`)[0]).toBe(String(Math.floor(Math.min(min, 11) / 4) * 80).padStart(20, '0'));
      expect([await queues.trim(offset), queues.bounds(slot), queues.damagedSlots.size]).toEqual([0, { min, max: 12 }, 0]);
    },
  );

  it('files removed before they were synced are not missed by the safe point, whatever has expired', async () => {
    for (let keepFrom = 0; keepFrom <= 1300; keepFrom += 100) {
      const platform = await preparedPlatform();
      const { queues, registry } = openQueues(platform, 4);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 0, 12));
      for (let i = 0; i < 3; i += 1) {
        queues.writePending(1 << 20);
        await queues.close();
      }
      expect(queues.pendingBytes).toBe(0);
      await queues.trim(keepFrom);
      const files = filesOf(platform, 'a', 0);
      await queues.sync();
      expect(queues.damagedSlots.size).toBe(0);
      const min = Math.min(12, keepFrom / 100);
      expect(queues.snapshotBounds()).toEqual([{ slot, min, max: 12 }]);
      expect(filesOf(platform.crash('synced'), 'a', 0)).toEqual(files);
    }
  });

  it('one queue that cannot be read otherwise does not keep the others from being trimmed', async () => {
    let code: string | undefined;
    const platform = withFaults(memoryPlatform(), ({ op, path }) =>
      code !== undefined && op.startsWith('read') && path.includes('/a/0/') ? systemError(code) : undefined,
    );
    const { queues, registry } = openQueues(platform, 4);
    const bad = registry.slotOf('a', 0);
    const good = registry.slotOf('a', 1);
    accept(queues, [...rowsOf(bad, 0, 4, 0), ...rowsOf(good, 0, 4, 0)]);
    await queues.sync();
    code = 'EMFILE';
    await expect(queues.trim(200)).rejects.toMatchObject({ code: 'IO' });
    expect([queues.bounds(bad).min, queues.bounds(good).min]).toEqual([0, 2]);
    expect(queues.damagedSlots.size).toBe(0);
    code = undefined;
    await queues.trim(200);
    expect(queues.bounds(bad).min).toBe(2);
    // A sector that cannot be read is damage: the queue is made anew elsewhere.
    code = 'EIO';
    expect(() => queues.readEntries(bad, 3, Buffer.alloc(20), 1)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  });

  it('stops when it is told to', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 4));
    await queues.sync();
    await expect(queues.trim(300, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect(queues.bounds(slot)).toEqual({ min: 0, max: 4 });
  });
});

describe('cutting', () => {
  it('leaves zeros behind the last entry, and no file that has none', async () => {
    for (let max = 0; max <= 13; max += 1) {
      const platform = memoryPlatform();
      const { queues, registry } = openQueues(platform, 4);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 0, 12));
      await queues.sync();
      const before = Buffer.concat(filesOf(platform, 'a', 0).map((file) => file.bytes));
      await queues.cut(slot, max);
      const end = Math.min(max, 12);
      expect(queues.bounds(slot)).toEqual({ min: 0, max: end });
      const after = filesOf(platform, 'a', 0);
      expect(after).toHaveLength(Math.ceil(end / 4));
      before.fill(0, end * 20);
      expect(Buffer.concat(after.map((file) => file.bytes))).toEqual(before.subarray(0, after.length * 80));
      expect(queues.scanFiles('a', 0)).toEqual({ min: 0, max: end });
      accept(queues, rowsOf(slot, end, 3));
      await queues.sync();
      expect(physicalOffsets(queues, slot, 0, end + 3)).toEqual(Array.from({ length: end + 3 }, (_, n) => n * 100));
    }
  });

  it('is durable when it returns, and min does not stay above max', async () => {
    const platform = await preparedPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 12));
    await queues.sync();
    await queues.trim(900);
    expect(queues.bounds(slot)).toEqual({ min: 9, max: 12 });
    await queues.cut(slot, 7);
    expect(queues.bounds(slot)).toEqual({ min: 7, max: 7 });
    const after = platform.crash('synced');
    expect(after.fs.list(`${directory}/a/0`)).toEqual([]);
  });

  it('the zeros behind the last entry are durable when it returns', async () => {
    const platform = await preparedPlatform();
    const { queues, registry } = openQueues(platform, 100);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 90));
    await queues.sync();
    await queues.cut(slot, 10);
    const bytes = bytesOf(platform.crash('synced'), `${directory}/a/0/00000000000000000000`);
    expect(bytes).toHaveLength(2000);
    expect(bytes.readUInt32BE(9 * 20 + 4)).toBe(900);
    expect(isAllZero(bytes, 200)).toBe(true);
  });

  it('whether it is due can be told by a look', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    expect(queues.isCleanBehind(slot, 0)).toBe(true);
    accept(queues, rowsOf(slot, 0, 7));
    await queues.sync();
    const verdicts = Array.from({ length: 10 }, (_, max) => queues.isCleanBehind(slot, max));
    expect(verdicts).toEqual([false, false, false, false, false, false, false, true, true, true]);
    await queues.cut(slot, 4);
    expect(queues.isCleanBehind(slot, 4)).toBe(true);
  });

  it('a file that would hold pre-fill alone goes too', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 10);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 15, 3));
    await queues.sync();
    await queues.cut(slot, 15);
    expect(platform.fs.list(`${directory}/a/0`)).toEqual([]);
    accept(queues, rowsOf(slot, 17, 1));
    await queues.sync();
    expect(queues.bounds(slot)).toEqual({ min: 17, max: 18 });
  });

  it('gives a short file its full length again', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 10);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await queues.sync();
    const path = `${directory}/a/0/00000000000000000000`;
    const file = platform.fs.open(path, 'read-write');
    await file.truncate(50);
    await file.close();
    await queues.cut(slot, 2);
    expect(bytesOf(platform, path)).toHaveLength(200);
    expect(queues.scanFiles('a', 0)).toEqual({ min: 0, max: 2 });
  });

  it('what is written again behind a cut is durable after the next safe point', async () => {
    const platform = await preparedPlatform();
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 9));
    await queues.sync();
    accept(queues, rowsOf(slot, 9, 2));
    queues.writePending(1000);
    await queues.cut(slot, 5);
    expect(queues.snapshotBounds()).toEqual([{ slot, min: 0, max: 5 }]);
    accept(queues, rowsOf(slot, 5, 2, 5000));
    await queues.sync();
    expect(queues.snapshotBounds()).toEqual([{ slot, min: 0, max: 7 }]);
    const bytes = bytesOf(platform.crash('synced'), `${directory}/a/0/00000000000000000080`);
    expect([0, 1, 2, 3].map((n) => bytes.readUInt32BE(n * 20 + 4))).toEqual([400, 5000, 5100, 0]);
  });

  it('a safe point right after a cut claims nothing that was cut', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 9));
    await queues.sync();
    accept(queues, rowsOf(slot, 9, 2));
    queues.writePending(1000);
    await queues.cut(slot, 5);
    await queues.sync();
    expect(queues.snapshotBounds()).toEqual([{ slot, min: 0, max: 5 }]);
    expect(queues.damagedSlots.size).toBe(0);
  });

  it('takes back entries that are in memory only', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 10);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await queues.sync();
    accept(queues, rowsOf(slot, 3, 3));
    await queues.cut(slot, 4);
    expect([queues.bounds(slot).max, queues.pendingBytes]).toEqual([4, 20]);
    await queues.cut(slot, 2);
    expect([queues.bounds(slot).max, queues.pendingBytes]).toEqual([2, 0]);
  });
});

describe('what files say by themselves', () => {
  it('is right at every length, with pre-fill and without', async () => {
    for (let first = 0; first <= 9; first += 3) {
      for (let count = 1; count <= 9; count += 1) {
        const platform = memoryPlatform();
        const { queues, registry } = openQueues(platform, 4);
        accept(queues, rowsOf(registry.slotOf('a', 0), first, count, 0));
        await queues.sync();
        expect(queues.scanFiles('a', 0)).toEqual({ min: first, max: first + count });
      }
    }
  });

  it('entries behind a hole count, so that their numbers are not given twice', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 1000);
    accept(queues, rowsOf(registry.slotOf('a', 0), 0, 900));
    await queues.sync();
    const file = platform.fs.open(`${directory}/a/0/00000000000000000000`, 'read-write');
    for (const [from, count] of [
      [100, 50],
      [300, 500],
    ] as const)
      file.writeSync([Buffer.alloc(count * 20)], from * 20);
    await file.close();
    expect(queues.scanFiles('a', 0)).toEqual({ min: 0, max: 900 });
  });

  it('garbage behind the entries, or pre-fill alone, counts for nothing, however much of it there is', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 10_000);
    accept(queues, [...rowsOf(registry.slotOf('a', 0), 0, 10), ...rowsOf(registry.slotOf('b', 0), 0, 1)]);
    await queues.sync();
    const garbage = Buffer.alloc(4000 * 20);
    for (let n = 0; n < 4000; n += 1) writeQueueEntry(garbage, n * 20, -100, 100, 0);
    const prefill = Buffer.alloc(4000 * 20);
    writePrefill(prefill, 0, 4000);
    const overwrite = async (topic: string, from: number, bytes: Buffer): Promise<void> => {
      const file = platform.fs.open(`${directory}/${topic}/0/00000000000000000000`, 'read-write');
      file.writeSync([bytes], from * 20);
      await file.close();
    };
    await overwrite('a', 10, garbage);
    await overwrite('b', 0, prefill);
    expect(queues.scanFiles('a', 0)).toEqual({ min: 0, max: 10 });
    expect(queues.scanFiles('b', 0)).toEqual({ min: 4000, max: 4000 });
  });

  it('an empty last file does not hide the entries of the one before, and nothing is nothing', async () => {
    const platform = memoryPlatform();
    const { queues, registry } = openQueues(platform, 4);
    accept(queues, rowsOf(registry.slotOf('a', 0), 0, 7));
    await queues.sync();
    await platform.fs.open(`${directory}/a/0/00000000000000000160`, 'create').close();
    expect(queues.scanFiles('a', 0)).toEqual({ min: 0, max: 7 });
    expect(queues.scanFiles('b', 0)).toEqual({ min: 0, max: 0 });
  });
});
