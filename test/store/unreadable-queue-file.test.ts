import { expect, it } from 'vitest';
import type { Platform } from '../../src/index.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { appendMany, collect, openTiny, readQueue, root, systemError, texts } from '../contract/harness.js';

const file = `${root}/consumequeue/X/0/${'0'.repeat(20)}`;

interface Sector {
  code: string | undefined;
}

/** A queue file lies on a sector that cannot be read; a file made anew in its place can. */
function over(disk: Platform, sector: Sector): Platform {
  return withFaults(disk, (call) => {
    const isMadeAnew = call.op === 'rename' && call.path.includes('/rebuild/');
    if (isMadeAnew || (call.op === 'remove' && call.path === file)) sector.code = undefined;
    const isRead = (call.op === 'read' || call.op === 'readSync') && call.path === file;
    return sector.code !== undefined && isRead ? systemError(sector.code) : undefined;
  });
}

it('deletion goes on over a queue file that cannot be read', async () => {
  const sector: Sector = { code: undefined };
  const store = await openTiny(over(memoryPlatform(), sector));
  await appendMany(store, 5, { topic: 'X' });
  await appendMany(store, 200, { topic: 'T' });
  await appendMany(store, 1, { topic: 'X' });
  await store.snapshot('/copy');
  sector.code = 'EIO';
  for (const before of [4096, 8192, 12_288]) {
    await store.clean({ before });
    expect(store.stats().minOffset).toBe(before);
  }
  expect(await readQueue(store, { topic: 'X' })).toHaveLength(1);
  await store.close();
});

it('that too many files are open is no damage', async () => {
  const sector: Sector = { code: undefined };
  const store = await openTiny(over(memoryPlatform(), sector));
  await appendMany(store, 5, { topic: 'X' });
  await appendMany(store, 100, { topic: 'T' });
  await appendMany(store, 1, { topic: 'X' });
  await store.snapshot('/copy');
  sector.code = 'EMFILE';
  await expect(store.clean({ before: 4096 })).rejects.toMatchObject({ code: 'IO' });
  sector.code = undefined;
  await store.clean({ before: 4096 });
  expect(store.bounds({ topic: 'X' })).toEqual({ min: 5, max: 6 });
  await store.close();
});

it('a store that was closed opens over it, and makes it anew', async () => {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  await appendMany(store, 5, { topic: 'X' });
  await appendMany(store, 100, { topic: 'T' });
  await appendMany(store, 1, { topic: 'X' });
  await store.clean({ before: 4096 });
  await store.close();
  const again = await openTiny(over(disk, { code: 'EIO' }));
  expect(await readQueue(again, { topic: 'X' })).toHaveLength(1);
  await again.close();
});

it('and one that was killed', async () => {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  await appendMany(store, 5, { topic: 'X' });
  await store.snapshot('/copy');
  const again = await openTiny(over(disk.crash('all'), { code: 'EIO' }));
  expect(await readQueue(again, { topic: 'X' })).toHaveLength(5);
  await again.close();
});

it.each([
  ['its length', 1],
  ['its place', 30],
  ['its body', 90],
])('where a file is missing behind a damaged record (%s), a tail leaves out that message alone', async (_, byte) => {
  const platform = memoryPlatform();
  const store = await openTiny(platform, { queueEntriesPerFile: 2 });
  await appendMany(store, 8);
  await store.snapshot('/copy');
  const { physicalOffset } = (await readQueue(store, { topic: 'T' }))[3]!;
  const { path, at } = segmentOf(root, 4096, physicalOffset);
  await flipBit(platform, path, at + byte);
  await platform.fs.remove(`${root}/consumequeue/T/0/${String(4 * 20).padStart(20, '0')}`);
  const tail = store.tail({ topic: 'T' }, { from: 'earliest', until: 'end', onCorrupt: 'skip' });
  expect(texts(await collect(tail))).toEqual([0, 1, 2, 4, 5, 6, 7].map((i) => `m-${i}`));
  await store.close().catch(() => undefined);
});
