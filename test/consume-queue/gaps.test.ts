import { describe, expect, it } from 'vitest';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { accept, bytesOf, directory, openQueues, physicalOffsets, rebuildDirectory, rowsOf } from './queue-harness.js';

describe('a gap in the numbers of a queue', () => {
  it('behind entries that expired in memory starts the queue anew there, and shifts nothing', async () => {
    const { queues, registry } = openQueues(memoryPlatform(), 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 3));
    await queues.trim(1000);
    expect(queues.bounds(slot)).toEqual({ min: 3, max: 3 });
    accept(queues, rowsOf(slot, 6, 2, 2000));
    expect([queues.bounds(slot), queues.pendingBytes]).toEqual([{ min: 6, max: 8 }, 40]);
    expect(physicalOffsets(queues, slot, 6, 8)).toEqual([2000, 2100]);
    await queues.sync();
    expect(physicalOffsets(queues, slot, 6, 8)).toEqual([2000, 2100]);
    expect(queues.damagedSlots.size).toBe(0);
  });

  for (const isExpired of [false, true]) {
    const whose = isExpired ? 'expired entries' : 'entries';
    it(`that comes while the first file of ${whose} is about to be made puts no entry at the place of another one`, async () => {
      const platform = memoryPlatform();
      const { queues, registry } = openQueues(platform, 4);
      const slot = registry.slotOf('a', 0);
      accept(queues, rowsOf(slot, 0, 2));
      // Waits for the rebuild folder, with the entries still to be copied.
      queues.writePending(1000);
      if (isExpired) await queues.trim(1000);
      accept(queues, rowsOf(slot, 9, 1, 2000));
      expect(queues.damagedSlots.has(slot)).toBe(!isExpired);
      const synced = queues.sync();
      if (isExpired) await synced;
      else await expect(synced).rejects.toMatchObject({ code: 'IO' });
      await queues.close();
      expect(platform.fs.exists(`${directory}/a/0`) ? platform.fs.list(`${directory}/a/0`) : []).toEqual(
        isExpired ? ['00000000000000000160'] : [],
      );
      expect(physicalOffsets(queues, slot, 9, 10)).toEqual([2000]);
      expect(platform.fs.list(rebuildDirectory)).toEqual([]);
    });
  }

  it('that comes while a file is being written leaves that file as it is, and the entries behind the gap where they belong', async () => {
    const meanwhile: (() => void)[] = [];
    const platform = withFaults(memoryPlatform(), ({ op }) => {
      if (op === 'write') for (const act of meanwhile) act();
      return undefined;
    });
    const { queues, registry } = openQueues(platform, 4);
    const slot = registry.slotOf('a', 0);
    accept(queues, rowsOf(slot, 0, 2));
    meanwhile.push(() => accept(queues, rowsOf(slot, 5, 2)));
    queues.writePending(1000);
    await queues.close();
    expect([...queues.damagedSlots]).toEqual([slot]);
    expect([queues.pendingBytes, queues.failedBytes]).toEqual([40, 40]);
    expect(physicalOffsets(queues, slot, 5, 7)).toEqual([500, 600]);
    const bytes = bytesOf(platform, `${directory}/a/0/00000000000000000000`);
    expect([0, 1, 2, 3].map((n) => bytes.readUInt32BE(n * 20 + 4))).toEqual([0, 100, 0, 0]);
  });
});
