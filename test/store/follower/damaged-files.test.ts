import { describe, expect, it } from 'vitest';
import type { Platform, Store, StoreReader } from '../../../src/index.js';
import { type MemoryPlatform, memoryPlatform, withFaults } from '../../../src/testing/index.js';
import { filesBelow, writeInto } from '../../contract/disk-surgery.js';
import { openReader, openTiny, readLog, refusal, root, systemError } from '../../contract/harness.js';

const queue = { topic: 'T' };
const count = 100;
const segmentBytes = 4096;

/** A writer and its follower, which has taken the queue as it is in its files. */
async function followed(
  entriesPerFile: number,
  readerOn: (base: MemoryPlatform) => Platform = (base) => base,
): Promise<{ base: MemoryPlatform; writer: Store; reader: StoreReader }> {
  const base = memoryPlatform();
  const options = { queueEntriesPerFile: entriesPerFile };
  const filled = await openTiny(base, options);
  for (let i = 0; i < count; i += 1) await filled.append({ ...queue, body: `m-${i}`.padEnd(100) });
  await filled.close();
  const writer = await openTiny(base, options);
  const reader = await openReader(readerOn(base));
  expect(reader.bounds(queue)).toEqual({ min: 0, max: count });
  return { base, writer, reader };
}

/** Deletes the first segment, and tells the first message behind it. */
async function deleteFirstSegment(writer: Store): Promise<number> {
  const first = (await readLog(writer)).find((message) => message.physicalOffset >= segmentBytes);
  await writer.clean({ before: segmentBytes });
  return first?.queueOffset ?? -1;
}

async function damageEntries(base: MemoryPlatform, queueOffsets: readonly number[]): Promise<void> {
  const path = filesBelow(base, `${root}/consumequeue/T`)[0] ?? '';
  for (const queueOffset of queueOffsets) await writeInto(base, path, Buffer.alloc(20), queueOffset * 20);
}

/** Until a follower looks again. */
function lookTime(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 120);
  });
}

describe('a follower of a log that has lost its beginning', () => {
  it('does not hide good messages behind damaged queue entries', async () => {
    const { base, writer, reader } = await followed(1000);
    const first = await deleteFirstSegment(writer);
    await damageEntries(base, [0, 25, 50, 51]);
    await lookTime();
    await reader.get(0);
    expect(reader.bounds(queue)).toEqual({ min: first, max: count });
    expect((await reader.read(queue, { from: 'earliest', countMax: 1 })).messages[0]).toMatchObject({ queueOffset: first });
    await reader.close();
    await writer.close().catch(() => undefined);
  });

  it('nor a message whose own entry is damaged: once that is mended, it is there', async () => {
    const { base, writer, reader } = await followed(1000);
    const first = await deleteFirstSegment(writer);
    await damageEntries(base, [first]);
    await lookTime();
    expect(reader.bounds(queue)).toEqual({ min: first, max: count });
    expect(await refusal(() => reader.read(queue, { from: 'earliest' }))).toBe('CORRUPT');
    await writer.read(queue, { from: first });
    expect((await reader.read(queue, { from: 'earliest' })).messages[0]).toMatchObject({ queueOffset: first });
    await reader.close();
    await writer.close();
  });

  it('does not take messages for deleted because a queue file could not be read for a moment', async () => {
    for (const code of ['EIO', 'EACCES']) {
      let isFailing = false;
      const { writer, reader } = await followed(1000, (base) =>
        withFaults(base, ({ op, path }) =>
          isFailing && path.includes('/consumequeue/') && op === 'readSync' ? systemError(code) : undefined,
        ),
      );
      const first = await deleteFirstSegment(writer);
      await lookTime();
      isFailing = true;
      expect(reader.bounds(queue)).toEqual({ min: 0, max: count });
      expect(await refusal(() => reader.read(queue, { from: 'earliest' }))).toBe(code === 'EIO' ? 'CORRUPT' : 'IO');
      isFailing = false;
      await lookTime();
      expect(reader.bounds(queue)).toEqual({ min: first, max: count });
      await reader.close();
      await writer.close();
    }
  });

  it('takes messages of queue files that are gone in front for deleted', async () => {
    const { base, writer, reader } = await followed(4);
    const first = await deleteFirstSegment(writer);
    expect(filesBelow(base, `${root}/consumequeue/T`)).toHaveLength(Math.ceil(count / 4) - Math.floor(first / 4));
    await lookTime();
    expect(reader.bounds(queue)).toEqual({ min: first, max: count });
    await reader.close();
    await writer.close();
  });
});
