import { describe, expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../../src/testing/index.js';
import { createFile, flipBit, removeTree, segmentOf } from '../../contract/disk-surgery.js';
import { appendMany, openReader, openTiny, readLog, root, tiny } from '../../contract/harness.js';

/** A store without a word of ours, as a broker that was killed leaves one. */
const segmentBytes = tiny.segmentBytes ?? 0;

async function stockStore(messageCount: number): Promise<{ readonly disk: MemoryPlatform; readonly end: number }> {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  await appendMany(store, messageCount);
  const end = store.stats().writtenOffset;
  await store.close();
  await removeTree(disk, `${root}/stratalog`);
  return { disk, end };
}

async function addEmptySegment(disk: MemoryPlatform, end: number): Promise<void> {
  const next = (Math.floor(end / segmentBytes) + 1) * segmentBytes;
  await createFile(disk, segmentOf(root, segmentBytes, next).path, Buffer.alloc(segmentBytes));
}

describe('reading a store that another broker has written', () => {
  it.each([1, 30, 100])('of %d messages, the log ends behind the last of them, also where a segment was made in advance', async (count) => {
    const { disk, end } = await stockStore(count);
    await addEmptySegment(disk, end);
    const reader = await openReader(disk);
    expect(reader.stats()).toMatchObject({ writtenOffset: end });
    expect(await readLog(reader)).toHaveLength(count);
    expect(await reader.verify()).toMatchObject({ ok: true, recordCount: count });
    await reader.close();
  });

  it('of which all messages of a queue are deleted, the queue goes on with its number', async () => {
    const disk = memoryPlatform();
    const store = await openTiny(disk);
    for (let i = 0; i < 20; i += 1) await store.append({ topic: 'early', body: `${i}` });
    await appendMany(store, 100);
    await store.close();
    await removeTree(disk, `${root}/stratalog`);
    await disk.fs.remove(segmentOf(root, segmentBytes, 0).path);
    const reader = await openReader(disk);
    expect(reader.bounds({ topic: 'early' })).toEqual({ min: 20, max: 20 });
    expect(reader.bounds({ topic: 'T' }).max).toBe(100);
    expect(reader.bounds({ topic: 'T' }).min).toBeGreaterThan(0);
    await reader.close();
    const writer = await openTiny(disk);
    expect(writer.bounds({ topic: 'early' })).toEqual({ min: 20, max: 20 });
    await writer.close();
  });

  it('goes on behind a damaged record with the next segment that has records', async () => {
    const { disk, end } = await stockStore(100);
    await addEmptySegment(disk, end);
    await flipBit(disk, segmentOf(root, segmentBytes, segmentBytes + 200).path, 4);
    const reader = await openReader(disk);
    expect(reader.stats().writtenOffset).toBe(end);
    expect((await reader.verify()).ok).toBe(false);
    await reader.close();
  });
});
