import { expect, it } from 'vitest';
import { openStore } from '../../../src/index.js';
import { StorePaths } from '../../../src/recovery/side-files.js';
import { voidState } from '../../../src/recovery/void-state.js';
import { type MemoryPlatform, memoryPlatform } from '../../../src/testing/index.js';
import { removeTree } from '../../contract/disk-surgery.js';
import { appendMany, openReader, openTiny, root, tiny } from '../../contract/harness.js';

/** As a repair leaves it that was killed. All five messages of queue U have expired, and its files are gone. */
async function withVoidState(): Promise<MemoryPlatform> {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  await appendMany(store, 5, { topic: 'U' });
  await appendMany(store, 100, { topic: 'T' });
  await store.clean({ before: 8192 });
  await store.close();
  await voidState(disk, new StorePaths(root));
  await removeTree(disk, `${root}/consumequeue/U`);
  return disk;
}

it('a reader knows the numbers of expired queues also where the state is void, as the writer will', async () => {
  const disk = await withVoidState();
  const reader = await openReader(disk);
  const seen = ['U', 'T'].map((topic) => reader.bounds({ topic }));
  expect(seen[0]).toEqual({ min: 5, max: 5 });
  expect(reader.recovery.scannedBytes).toBeGreaterThan(4000);
  await reader.close();
  const writer = await openTiny(disk);
  expect(['U', 'T'].map((topic) => writer.bounds({ topic }))).toEqual(seen);
  await writer.close();
});

it('a snapshot that such a reader makes knows them too', async () => {
  const disk = await withVoidState();
  const reader = await openReader(disk);
  await reader.snapshot('/copy');
  const seen = reader.bounds({ topic: 'T' });
  await reader.close();
  const copy = await openStore('/copy', { ...tiny, platform: disk });
  expect([copy.bounds({ topic: 'U' }), copy.bounds({ topic: 'T' })]).toEqual([{ min: 5, max: 5 }, seen]);
  await copy.close();
});
