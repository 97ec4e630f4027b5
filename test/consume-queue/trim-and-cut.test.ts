import { describe, expect, it } from 'vitest';
import { isAllZero } from '../../src/base/bytes.js';
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

  it('pre-fill is no entry, also while the log starts at 0', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 10);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 5, 2, 0));
    await queues.sync();
    queues.restore(slot, 0, 7);
    await queues.trim(0);
    expect(queues.bounds(slot)).toEqual({ min: 5, max: 7 });
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
