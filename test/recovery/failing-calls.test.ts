import { beforeAll, describe, expect, it } from 'vitest';
import { type Store, StoreError } from '../../src/index.js';
import { type MemoryPlatform, type PlatformCall, withFaults } from '../../src/testing/index.js';
import { contents, flipBit, removeTree } from '../contract/disk-surgery.js';
import { failure, openTiny, root, systemError } from '../contract/harness.js';
import { type FrozenStore, frozenStore, placeOf } from './frozen-store.js';
import { linesOf, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

interface Case {
  readonly frozen: () => FrozenStore;
  readonly damage?: (disk: MemoryPlatform) => Promise<void>;
  readonly recovery: 'strict' | 'skip' | 'truncate';
  readonly survivorCount: number;
}

const stores: Partial<Record<'closed' | 'killed', FrozenStore>> = {};
beforeAll(async () => {
  stores.closed = await frozenStore('closed', storeOfThreeQueues);
  stores.killed = await frozenStore('killed', storeOfThreeQueues);
});

async function damageTwo(disk: MemoryPlatform): Promise<void> {
  for (const i of [12, 55]) {
    const { path, at } = placeOf(stores.killed!.records[i]!.offset);
    await flipBit(disk, path, at + 90);
  }
}

const cases: Record<string, Case> = {
  'a clean opening': { frozen: () => stores.closed!, recovery: 'strict', survivorCount: 90 },
  'recovery after a kill': { frozen: () => stores.killed!, recovery: 'strict', survivorCount: 90 },
  'recovery without side files and queues': {
    frozen: () => stores.closed!,
    damage: async (disk) => {
      for (const name of ['stratalog', 'consumequeue', 'index']) await removeTree(disk, `${root}/${name}`);
    },
    recovery: 'strict',
    survivorCount: 90,
  },
  'recovery that skips damage': { frozen: () => stores.killed!, damage: damageTwo, recovery: 'skip', survivorCount: 88 },
  'recovery that cuts at damage': { frozen: () => stores.killed!, damage: damageTwo, recovery: 'truncate', survivorCount: 12 },
};

/** Opens with the Nth call failing, `once` or from then on; `undefined` when it made fewer calls. */
async function openWithFault(
  disk: MemoryPlatform,
  nth: number,
  code: string,
  once: boolean,
  recovery: Case['recovery'],
): Promise<{ result: unknown; failed: PlatformCall | undefined }> {
  let failed: PlatformCall | undefined;
  const platform = withFaults(disk, (call) => {
    if (call.number < nth || (once && call.number > nth)) return undefined;
    failed ??= call;
    return systemError(code);
  });
  const result: unknown = await openTiny(platform, { recovery }).catch((error: unknown) => error);
  return { result, failed };
}

describe('every call of an opening may fail', () => {
  for (const [name, each] of Object.entries(cases)) {
    for (const code of ['EIO', 'ENOSPC', 'EMFILE']) {
      for (const once of code === 'EMFILE' ? [true] : [true, false]) {
        it(`${name}, ${code} ${once ? 'once' : 'from then on'}: a typed error or a store, and the next opening finds everything`, async () => {
          let opened = 0;
          let refused = 0;
          // Every call of the first ones, then one in a few: the pattern of calls repeats from queue to queue.
          for (let nth = 1; ; nth += nth < 40 ? 1 : 11) {
            const disk = each.frozen().copy();
            await each.damage?.(disk);
            const { result, failed } = await openWithFault(disk, nth, code, once, each.recovery);
            if (result instanceof Error) {
              refused += 1;
              expect({ nth, failed, typed: StoreError.is(result), stored: (result as StoreError).stored }).toMatchObject({
                typed: true,
                stored: 'no',
              });
              expect(['IO', 'DISK_FULL', 'CORRUPT']).toContain((result as StoreError).code);
            } else {
              opened += 1;
              await (result as Store).close().catch(() => undefined);
            }
            const again = await openTiny(disk, { recovery: each.recovery });
            const found = await survivorsOf(again);
            if (found.length !== each.survivorCount) expect({ nth, failed, found: found.length }).toEqual({ found: each.survivorCount });
            expect(linesOf(each.frozen().records)).toEqual(expect.arrayContaining([...found]));
            await again.close();
            if (failed === undefined) break;
          }
          expect(opened).toBeGreaterThan(0);
          expect(refused).toBeGreaterThan(once ? 10 : 30);
        });
      }
    }
  }

  it('a strict refusal over damage changes nothing, whichever call fails before it', async () => {
    for (let nth = 1; ; nth += 3) {
      const disk = stores.killed!.copy();
      await damageTwo(disk);
      const before = await contents(disk, root);
      const { result, failed } = await openWithFault(disk, nth, 'EIO', true, 'strict');
      expect(['IO', 'CORRUPT']).toContain((result as StoreError).code);
      expect(await contents(disk, root)).toEqual(before);
      if (failed === undefined) break;
    }
  });
});

describe('a signal', () => {
  it('ends recovery with its reason wherever it is, and the store is as it was or opens as before', async () => {
    const reason = new Error('enough');
    let ended = 0;
    for (let nth = 1; nth < 200; nth += 1) {
      const disk = stores.killed!.copy();
      const before = await contents(disk, root);
      const controller = new AbortController();
      let changed = false;
      const platform = withFaults(disk, (call) => {
        if (call.number === nth) controller.abort(reason);
        if (call.number <= nth && ['write', 'writeSync', 'rename', 'remove', 'truncate'].includes(call.op)) changed = true;
        return undefined;
      });
      const result = await openTiny(platform, { signal: controller.signal }).catch((error: unknown) => error);
      if (result instanceof Error) {
        ended += 1;
        expect(result).toBe(reason);
        if (!changed) expect(await contents(disk, root)).toEqual(before);
      } else await (result as Store).close();
      const again = await openTiny(disk);
      expect(await survivorsOf(again)).toHaveLength(90);
      await again.close();
    }
    expect(ended).toBeGreaterThan(5);
  });

  it('that is aborted before leaves even a missing directory missing', async () => {
    const disk = stores.killed!.copy();
    await removeTree(disk, root);
    const reason = new Error('never mind');
    expect(await failure(() => openTiny(disk, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(disk.fs.exists(root)).toBe(false);
  });
});

describe('progress', () => {
  it('is told while recovery reads, never goes back and never beyond the whole', async () => {
    const told: { scannedBytes: number; totalBytes: number }[] = [];
    const disk = stores.killed!.copy();
    const store = await openTiny(disk, { listener: { onRecoveryProgress: (info) => told.push(info) } });
    expect(told.length).toBeGreaterThan(4);
    expect(new Set(told.map((info) => info.totalBytes))).toEqual(new Set([5 * 4096]));
    expect(told.map((info) => info.scannedBytes)).toEqual([...told].map((info) => info.scannedBytes).sort((a, b) => a - b));
    expect(told.at(-1)!.scannedBytes).toBeLessThanOrEqual(5 * 4096);
    const last = stores.killed!.records.at(-1)!;
    expect(store.recovery.scannedBytes).toBe(last.offset + last.bytes);
    await store.close();
  });

  it('of a clean opening there is none', async () => {
    const told: unknown[] = [];
    const store = await openTiny(stores.closed!.copy(), { listener: { onRecoveryProgress: (info) => told.push(info) } });
    expect(told).toEqual([]);
    expect(store.recovery).toMatchObject({ cleanShutdown: true, scannedBytes: 0, redispatchedCount: 0 });
    await store.close();
  });

  it('a listener that throws does not stop recovery', async () => {
    const store = await openTiny(stores.killed!.copy(), {
      listener: {
        onRecoveryProgress: () => {
          throw new Error('listener');
        },
      },
    });
    expect(await survivorsOf(store)).toHaveLength(90);
    await store.close();
  });
});
