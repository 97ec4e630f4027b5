import { describe, expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { removeTree, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readQueue, refusal, root, texts } from '../contract/harness.js';

const messageCount = 60;

/** Queue U has sixty messages in four files; those from `from` to `to` are damaged, below the safe point, and some of its files are gone. */
async function damagedStore(from: number, to: number, lost: 'all files' | 'one file'): Promise<MemoryPlatform> {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const places = [];
  for (let i = 0; i < messageCount; i += 1) places.push(await store.append({ topic: 'U', body: `${i}` }));
  for (let i = 0; i < messageCount; i += 1) await store.append({ topic: 'T', body: 't'.padEnd(100, '.') });
  await store.close();
  const [first, last] = [places[from]!, places[to]!];
  const { path, at } = segmentOf(root, 4096, first.physicalOffset);
  await writeInto(disk, path, Buffer.alloc(last.physicalOffset + last.recordBytes - first.physicalOffset), at);
  const folder = `${root}/consumequeue/U`;
  await removeTree(disk, lost === 'all files' ? folder : `${folder}/0/${'320'.padStart(20, '0')}`);
  return disk;
}

for (const lost of ['all files', 'one file'] as const)
  describe(`a queue of which ${lost === 'all files' ? 'all files are' : 'one file is'} missing, and messages are damaged`, () => {
    for (const recovery of ['strict', 'skip', 'truncate'] as const)
      it(`does not give the number of its last message again, ${recovery}`, async () => {
        const store = await openTiny(await damagedStore(59, 59, lost), { recovery });
        expect(store.bounds({ topic: 'U' })).toEqual({ min: 0, max: 60 });
        expect((await store.append({ topic: 'U', body: 'next' })).queueOffset).toBe(60);
        await store.repair();
        const bodies = texts(await readQueue(store, { topic: 'U' }));
        expect(bodies).toEqual([...Array.from({ length: 59 }, (_, i) => `${i}`), 'next']);
        expect((await store.verify()).faults).toEqual([]);
        await store.close();
      });

    it('does not let its first messages count as expired', async () => {
      const store = await openTiny(await damagedStore(0, 2, lost));
      expect(store.bounds({ topic: 'U' })).toEqual({ min: 0, max: 60 });
      expect(await refusal(() => store.read({ topic: 'U' }, { from: 'earliest' }))).toBe('CORRUPT');
      expect((await store.read({ topic: 'U' }, { from: 3 })).messages[0]?.queueOffset).toBe(3);
      await store.repair();
      expect((await readQueue(store, { topic: 'U' })).length).toBe(57);
      await store.close();
    });
  });

it('is found out after a crash too, where a deletion has taken the first file of the queue', async () => {
  const disk = memoryPlatform();
  const options = { queueEntriesPerFile: 2 };
  const store = await openTiny(disk, options);
  const places = [];
  const fillTo = async (end: number): Promise<void> => {
    while (store.stats().writtenOffset < end) await store.append({ topic: 'T', body: 't'.padEnd(100, '.') });
  };
  for (let i = 0; i < 3; i += 1) await store.append({ topic: 'U', body: `${i}` });
  await fillTo(4096 + 100);
  for (let i = 3; i < 8; i += 1) places.push(await store.append({ topic: 'U', body: `${i}` }));
  await fillTo(3 * 4096);
  await store.snapshot('/copy');
  await store.clean({ before: 4096 });
  const killed = disk.crash('all');
  const last = places.at(-1)!;
  const { path, at } = segmentOf(root, 4096, last.physicalOffset);
  await writeInto(killed, path, Buffer.alloc(last.recordBytes), at);
  const again = await openTiny(killed, options);
  expect((await again.append({ topic: 'U', body: 'next' })).queueOffset).toBe(8);
  await again.repair();
  expect(texts(await readQueue(again, { topic: 'U' }))).toEqual(['3', '4', '5', '6', 'next']);
  await again.close();
});
