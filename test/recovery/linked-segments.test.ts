import { describe, expect, it } from 'vitest';
import type { MemoryPlatform } from '../../src/testing/index.js';
import { contents, createFile, flipBit, writeInto } from '../contract/disk-surgery.js';
import { openTiny, root } from '../contract/harness.js';
import { type FrozenStore, frozenStore, placeOf } from './frozen-store.js';
import { linesOf, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

/** A backup made of hard links. */
async function linked(disk: MemoryPlatform): Promise<Map<string, string>> {
  await disk.fs.makeDirectory('/backup');
  for (const name of disk.fs.list(`${root}/commitlog`)) await disk.fs.link(`${root}/commitlog/${name}`, `/backup/${name}`);
  await disk.fs.syncDirectory('/backup');
  await disk.fs.syncDirectory('/');
  return await contents(disk, '/backup');
}

async function damaged(frozen: FrozenStore): Promise<MemoryPlatform> {
  const disk = frozen.copy();
  const { path, at } = placeOf(frozen.records[30]!.offset);
  await flipBit(disk, path, at + 90);
  return disk;
}

describe('a segment that a backup shares by a link', () => {
  for (const recovery of ['skip', 'truncate'] as const) {
    it(`is repaired in a copy of its own: ${recovery} leaves the backup as it was`, async () => {
      const frozen = await frozenStore('killed', storeOfThreeQueues);
      const disk = await damaged(frozen);
      const backup = await linked(disk);
      const store = await openTiny(disk, { recovery });
      const left = recovery === 'skip' ? frozen.records.filter((record) => record !== frozen.records[30]) : frozen.records.slice(0, 30);
      expect(await survivorsOf(store)).toEqual(linesOf(left));
      await store.append({ topic: 'T', body: 'after' });
      await store.close();
      expect(await contents(disk, '/backup')).toEqual(backup);
    });
  }

  it('is cut, given its length and appended to in a copy of its own', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    for (const rubbish of [Buffer.alloc(0), Buffer.from('torn')]) {
      const disk = frozen.copy();
      const last = frozen.records.at(-1)!;
      const { path, at } = placeOf(last.offset + last.bytes);
      if (rubbish.length > 0) await writeInto(disk, path, rubbish, at);
      const backup = await linked(disk);
      // A kill may have left one half made.
      await createFile(disk, `${root}/stratalog/tmp/${'16384'.padStart(20, '0')}.own`, Buffer.alloc(10));
      const store = await openTiny(disk);
      await store.append({ topic: 'T', body: 'after' });
      await store.close();
      expect(await contents(disk, '/backup')).toEqual(backup);
    }
  });
});
