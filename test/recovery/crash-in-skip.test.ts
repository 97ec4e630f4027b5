import { expect, it } from 'vitest';
import type { MemoryPlatform } from '../../src/testing/index.js';
import { removeTree, truncateFile, writeInto } from '../contract/disk-surgery.js';
import { openTiny, refusal } from '../contract/harness.js';
import { crashImages } from './crash-images.js';
import { freeze, type FrozenStore, frozenStore, type LogRecord, placeOf } from './frozen-store.js';
import { linesOf, survivorsInLog, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

type Damage = (disk: MemoryPlatform, frozen: FrozenStore) => Promise<readonly LogRecord[]>;

async function damaged(frozen: FrozenStore, damage: Damage): Promise<MemoryPlatform> {
  const disk = frozen.copy();
  await damage(disk, frozen);
  return disk;
}

async function expectLeft(disk: MemoryPlatform, recovery: 'strict' | 'skip', left: readonly string[]): Promise<void> {
  const store = await openTiny(disk, { recovery });
  expect(await survivorsOf(store)).toEqual(left);
  expect(await survivorsInLog(store)).toEqual(left);
  expect((await store.verify()).faults).toEqual([]);
  for (const [topic, queueOffset] of [
    ['T', 30],
    ['U', 30],
  ] as const)
    expect((await store.append({ topic, body: 'after' })).queueOffset).toBe(queueOffset);
  await store.close();
}

const damages: readonly {
  readonly what: string;
  readonly damage: Damage;
}[] = [
  {
    what: 'a segment is missing',
    damage: async (disk, { records }) => {
      await removeTree(disk, placeOf(4096).path);
      return records.filter((record) => record.offset >= 4096 && record.offset < 8192);
    },
  },
  {
    what: 'the last segment is missing',
    damage: async (disk, { records }) => {
      const base = records.at(-1)!.offset - (records.at(-1)!.offset % 4096);
      await removeTree(disk, placeOf(base).path);
      return records.filter((record) => record.offset >= base);
    },
  },
  {
    what: 'a segment in the middle is short, and another one is damaged',
    damage: async (disk, { records }) => {
      const cut = records.find((record) => record.offset > 4096 + 2000)!;
      await truncateFile(disk, placeOf(cut.offset).path, placeOf(cut.offset).at);
      const inFirst = records.slice(5, 7);
      for (const record of inFirst) await writeInto(disk, placeOf(record.offset).path, Buffer.alloc(88), placeOf(record.offset).at);
      return records.filter((record) => inFirst.includes(record) || (record.offset >= cut.offset && record.offset < 8192));
    },
  },
  {
    what: 'the segment with the last safe point is short',
    damage: async (disk, { records }) => {
      const last = records.at(-1)!;
      await truncateFile(disk, placeOf(last.offset).path, placeOf(last.offset).at + 40);
      return [last];
    },
  },
];

for (const { what, damage } of damages) {
  it(`a skip that is cut off leaves a store that is refused or whole, and that skip makes whole: ${what}`, async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const lost = await damage(frozen.copy(), frozen);
    const left = linesOf(frozen.records.filter((record) => !lost.includes(record)));
    const seen: string[] = [];
    for await (const image of crashImages(
      async () => await damaged(frozen, damage),
      async (dying) => await Promise.resolve(async () => await openTiny(dying, { recovery: 'skip' })),
    )) {
      const { copy } = await freeze(image);
      seen.push(await refusal(async () => await expectLeft(copy(), 'strict', left)));
      await expectLeft(copy(), 'skip', left);
    }
    expect([...new Set(seen)].sort()).toEqual(['CORRUPT', 'none']);
  }, 60_000);

  it(`a cut that is cut off can be gone on with: ${what}`, async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const lost = await damage(frozen.copy(), frozen);
    const left = linesOf(frozen.records.filter((record) => record.offset < lost[0]!.offset));
    for await (const image of crashImages(
      async () => await damaged(frozen, damage),
      async (dying) => await Promise.resolve(async () => await openTiny(dying, { recovery: 'truncate' })),
    )) {
      const store = await openTiny(image, { recovery: 'truncate' });
      expect(await survivorsOf(store)).toEqual(left);
      expect(await survivorsInLog(store)).toEqual(left);
      expect((await store.verify()).faults).toEqual([]);
      await store.close();
    }
  }, 60_000);
}
