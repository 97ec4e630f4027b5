import { expect, it } from 'vitest';
import { queueEntryBytes } from '../../src/format/queue-entry.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { readFile, removeTree, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readQueue, root, texts } from '../contract/harness.js';

/** Queue U has five messages, all of them behind the segment that is missing. */
async function cutWithAllOfU(cleanBefore: number): Promise<MemoryPlatform> {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const fillTo = async (end: number): Promise<void> => {
    while (store.stats().writtenOffset < end) await store.append({ topic: 'T', body: 't'.padEnd(100, '.') });
  };
  await fillTo(3 * 4096);
  await appendMany(store, 5, { topic: 'U' });
  await store.clean({ before: cleanBefore });
  await store.close();
  await removeTree(disk, segmentOf(root, 4096, 2 * 4096).path);
  return disk;
}

/** Entries in the file of queue U that lead somewhere. */
async function entriesOfU(disk: MemoryPlatform): Promise<number> {
  const bytes = await readFile(disk, `${root}/consumequeue/U/0/${'0'.repeat(20)}`);
  let count = 0;
  for (let at = 0; at < bytes.length; at += queueEntryBytes) if (bytes.readBigInt64BE(at) > 0n) count += 1;
  return count;
}

for (const [what, cleanBefore, next] of [
  ['begins anew, as the others fall back, in a log that is whole in front', 0, 0],
  ['goes on with its numbers where older messages may have expired', 4096, 5],
] as const)
  it(`a queue of which truncate has left nothing ${what}; no entry of it leads to what others write there`, async () => {
    const disk = await cutWithAllOfU(cleanBefore);
    const store = await openTiny(disk, { recovery: 'truncate' });
    expect(store.bounds({ topic: 'U' })).toEqual({ min: next, max: next });
    for (let i = 0; i < 60; i += 1) await store.append({ topic: 'X', body: 'x'.padEnd(100, '.') });
    expect((await store.append({ topic: 'U', body: 'new' })).queueOffset).toBe(next);
    await store.close();
    expect(await entriesOfU(disk)).toBe(1);

    // Nothing but the log and the files of the queues tells now.
    await removeTree(disk, `${root}/stratalog/state`);
    const again = await openTiny(disk);
    expect(texts(await readQueue(again, { topic: 'U' }))).toEqual(['new']);
    expect((await again.verify()).faults).toEqual([]);
    await again.close();
  });

it('a skip after such a cut does not look for messages of that queue in damage further on', async () => {
  const disk = await cutWithAllOfU(0);
  const store = await openTiny(disk, { recovery: 'truncate' });
  const places = [];
  for (let i = 0; i < 60; i += 1) places.push(await store.append({ topic: 'X', body: 'x'.padEnd(100, '.') }));
  await store.append({ topic: 'U', body: 'new' });
  await store.close();
  await removeTree(disk, `${root}/stratalog/state`);
  const [first, last] = [places[50]!, places[52]!];
  const { path, at } = segmentOf(root, 4096, first.physicalOffset);
  await writeInto(disk, path, Buffer.alloc(last.physicalOffset + last.recordBytes - first.physicalOffset), at);

  const again = await openTiny(disk, { recovery: 'skip' });
  expect(again.bounds({ topic: 'U' })).toEqual({ min: 0, max: 1 });
  expect((await readQueue(again, { topic: 'X' })).length).toBe(57);
  expect((await again.verify()).faults).toEqual([]);
  await again.close();
});
