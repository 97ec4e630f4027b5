import { beforeAll, describe, expect, it } from 'vitest';
import type { StoreOptions } from '../../src/index.js';
import { filesBelow, readFile, removeTree, writeInto } from '../contract/disk-surgery.js';
import { openTiny, root } from '../contract/harness.js';
import { damagesOfPart, damagesOfWhole } from './damage-kinds.js';
import { type FrozenStore, frozenStore, walkLog } from './frozen-store.js';
import { linesOf, survivorsByKey, survivorsInLog, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

const stores: Partial<Record<'closed' | 'killed', FrozenStore>> = {};
beforeAll(async () => {
  stores.closed = await frozenStore('closed', storeOfThreeQueues);
  // Killed in its second run: queues, index and side files of the first are there.
  stores.killed = await frozenStore('killed', storeOfThreeQueues);
});

/** Nothing but the log counts: whatever happens to the other files, all is there, is found in every way, and goes on where it was. */
async function expectIntact(frozen: FrozenStore, disk: ReturnType<FrozenStore['copy']>, options: StoreOptions): Promise<void> {
  const all = linesOf(frozen.records);
  const store = await openTiny(disk, options);
  expect(await survivorsOf(store)).toEqual(all);
  expect(await survivorsInLog(store)).toEqual(all);
  expect(await survivorsByKey(store, ['T', 'U'], 'all')).toEqual(all);
  expect(store.recovery).toMatchObject({ truncatedBytes: 0, skippedBytes: 0, damage: [] });
  expect(await store.append({ topic: 'U', body: 'next' })).toMatchObject({ queueOffset: 30, physicalOffset: endOf(frozen) });
  await store.close();
  expect(await walkLog(disk)).toMatchObject([...frozen.records, { topic: 'U', queueOffset: 30, body: 'next' }]);
}

/**
 * Nothing in the format of the index tells a link that leads past an entry from one that does not: a query may find less then, but
 * nothing wrong, and `verify` tells.
 */
async function expectIndexDoubted(frozen: FrozenStore, disk: ReturnType<FrozenStore['copy']>, options: StoreOptions): Promise<void> {
  const all = linesOf(frozen.records);
  const store = await openTiny(disk, options);
  const { ok } = await store.verify();
  const found = await survivorsByKey(store, ['T', 'U'], 'all');
  expect(all).toEqual(expect.arrayContaining([...found]));
  if (ok) expect(found).toEqual(all);
  expect(await survivorsOf(store)).toEqual(all);
  await store.close();
}

function endOf(frozen: FrozenStore): number {
  const last = frozen.records.at(-1)!;
  return last.offset + last.bytes;
}

const files: Record<string, string> = {
  checkpoint: 'checkpoint',
  manifest: 'stratalog/manifest',
  state: 'stratalog/state',
  watermark: 'stratalog/watermark',
  'topic configuration': 'config/topics.json',
  abort: 'abort',
  'first queue file': 'consumequeue/T/0/00000000000000000000',
  'last queue file': 'consumequeue/T/0/00000000000000000320',
  'oldest index file': 'index/*0',
  'index file in the middle': 'index/*4',
  'newest index file': 'index/*-1',
};

function pathOf(disk: ReturnType<FrozenStore['copy']>, file: string): string | undefined {
  const [folder, nth] = file.split('/*');
  const path = nth === undefined ? `${root}/${file}` : filesBelow(disk, `${root}/${folder ?? ''}`).at(Number(nth));
  return path !== undefined && disk.fs.exists(path) ? path : undefined;
}

describe('files beside the log', () => {
  for (const ending of ['closed', 'killed'] as const) {
    for (const [name, file] of Object.entries(files)) {
      for (const [kind, damage] of Object.entries({ ...damagesOfWhole, ...damagesOfPart })) {
        it(`${name} of a ${ending} store: after ${kind} nothing is lost and no number is given twice`, async () => {
          const frozen = stores[ending]!;
          const path = pathOf(frozen.copy(), file);
          // A store that was closed has no `abort`; one that was killed early has no queue files yet.
          if (path === undefined)
            return expect(['abort', 'queue file'].some((each) => name.includes(each)) || ending === 'killed').toBe(true);
          const size = (await readFile(frozen.copy(), path)).length;
          const places = kind in damagesOfPart ? new Set([0, 3, 40, 70, 97, 600, size - 5].filter((at) => at >= 0 && at < size)) : [0];
          const modes = ['strict', 'skip', 'truncate'] as const;
          const expectWell = kind === 'a flipped bit' && name.includes('index file') ? expectIndexDoubted : expectIntact;
          for (const [i, at] of [...places].entries()) {
            const disk = frozen.copy();
            await damage(disk, path, at);
            await expectWell(frozen, disk, { recovery: modes[i % 3]! });
          }
        });
      }
    }

    for (const folder of ['stratalog', 'consumequeue', 'consumequeue/T', 'consumequeue/T/1', 'index', 'config']) {
      it(`the folder ${folder} of a ${ending} store may be deleted`, async () => {
        const frozen = stores[ending]!;
        const disk = frozen.copy();
        if (!disk.fs.exists(`${root}/${folder}`)) return expect(ending).toBe('killed');
        await removeTree(disk, `${root}/${folder}`);
        await expectIntact(frozen, disk, {});
      });
    }

    it(`everything but the log of a ${ending} store may be deleted`, async () => {
      const frozen = stores[ending]!;
      const disk = frozen.copy();
      for (const name of disk.fs.list(root)) if (name !== 'commitlog') await removeTree(disk, `${root}/${name}`);
      await expectIntact(frozen, disk, {});
    });

    it(`names of no meaning anywhere in a ${ending} store are left where they are`, async () => {
      const frozen = stores[ending]!;
      const disk = frozen.copy();
      const strays: string[] = [];
      for (const folder of ['', '/commitlog', '/consumequeue', '/index', '/config', '/stratalog']) {
        if (!disk.fs.exists(root + folder)) continue;
        for (const name of ['.DS_Store', 'x.tmp', '0000000000000000409x', '~$1', '000000000000000000001']) {
          // A number in the index folder is an index file to a stock broker: set aside, as all that we did not write.
          if (folder === '/index' && /^\d+$/.test(name)) continue;
          strays.push(`${root}${folder}/${name}`);
          const file = disk.fs.open(strays.at(-1)!, 'create');
          file.writeSync([Buffer.from('not ours')], 0);
          await file.sync('all');
          await file.close();
        }
        await disk.fs.makeDirectory(`${root}${folder}/lost+found`);
      }
      await expectIntact(frozen, disk, {});
      for (const path of strays) expect((await readFile(disk, path)).toString()).toBe('not ours');
    });
  }
});

describe('the two slots of the watermark', () => {
  it('with one torn the other counts: damage below it is still told from a torn tail', async () => {
    const frozen = stores.killed!;
    const victim = frozen.records[10]!;
    for (const slot of [0, 1]) {
      const disk = frozen.copy();
      await writeInto(disk, `${root}/stratalog/watermark`, Buffer.alloc(512, 0xff), slot * 4096);
      await damagesOfPart['a flipped bit']!(disk, `${root}/commitlog/${'0'.repeat(20)}`, victim.offset + 90);
      await expect(openTiny(disk)).rejects.toMatchObject({ code: 'CORRUPT', offset: victim.offset });
    }
  });

  it('with both gone, what RocketMQ itself would read again counts as the tail', async () => {
    const frozen = stores.killed!;
    const disk = frozen.copy();
    const victim = frozen.records[10]!;
    await removeTree(disk, `${root}/stratalog/watermark`);
    await removeTree(disk, `${root}/checkpoint`);
    await damagesOfPart['a flipped bit']!(disk, `${root}/commitlog/${'0'.repeat(20)}`, victim.offset + 90);
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records.slice(0, 10)));
    expect(store.recovery.damage.every((note) => note.quarantinePath !== undefined)).toBe(true);
    expect(store.recovery.damage.length).toBeGreaterThan(0);
    await store.close();
  });

  it('a watermark of another store counts for nothing', async () => {
    const frozen = stores.killed!;
    const other = await frozenStore('killed', async (store) => {
      for (let i = 0; i < 3; i += 1) await store.append({ topic: 'Other', body: 'x' });
    });
    const disk = frozen.copy();
    await writeInto(disk, `${root}/stratalog/watermark`, await readFile(other.copy(), `${root}/stratalog/watermark`), 0);
    await expectIntact(frozen, disk, {});
  });
});
