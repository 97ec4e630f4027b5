import { describe, expect, it } from 'vitest';
import type { Platform, Store } from '../../src/index.js';
import { StoreError } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform, type PlatformCall, withFaults } from '../../src/testing/index.js';
import { collect, openTiny, readQueue, refusal, root, systemError, turns } from './harness.js';
import { Oracle } from './oracle.js';

/**
 * One life of a store that comes by every part: open, append one by one and together, roll all kinds of files, read each way, flush,
 * clean, snapshot, verify, close, open again. Whatever fails must fail with a typed error.
 */
async function scenario(platform: Platform, oracle: Oracle, flush: 'sync' | 'async', untyped: string[] = []): Promise<void> {
  const typed = async (what: string, call: () => unknown): Promise<void> => {
    try {
      await call();
    } catch (error) {
      if (!StoreError.is(error)) untyped.push(`${what}: ${String(error)}`);
    }
  };
  for (let life = 0; life < 2; life += 1) {
    let store: Store | undefined;
    await typed('openStore', async () => {
      store = await openTiny(platform, { flush });
    });
    if (store !== undefined) await scenarioOf(store, oracle, life, typed);
    oracle.reopened();
  }
}

async function scenarioOf(store: Store, oracle: Oracle, life: number, typed: (what: string, call: () => unknown) => Promise<void>) {
  for (let i = 0; i < 6; i += 1) await oracle.append(store, 'T', i % 2, 300);
  await Promise.all([
    ...Array.from({ length: 12 }, (_, i) => oracle.append(store, 'T', i % 2, 120)),
    oracle.appendBatch(store, [
      ['T', 0, 200],
      ['U', 1, 200],
      ['U', 1, 50],
    ]),
    oracle.append(store, 'U', 0, 1500, 'async'),
  ]);
  oracle.appendSync(store, 'U', 0, 100);
  await typed('read', () => readQueue(store, { topic: 'T' }));
  await typed('get', () => store.get(0));
  await typed('findByKey', () => collect(store.findByKey({ topic: 'T', key: 'shared-1' })));
  await typed('offsetAt', () => store.offsetAt({ topic: 'T' }, Date.now()));
  await typed('tail', () => collect(store.tail({ topic: 'U' }, { from: 'earliest', until: 'end' })));
  await typed('tailAll', () => collect(store.tailAll({ from: 'earliest', until: 'end' })));
  await typed('verify', () => store.verify());
  await typed('snapshot', () => store.snapshot(`/copy-${life}`));
  await oracle.append(store, 'T', 0, 700);
  await typed('clean', () => store.clean());
  const count = oracle.count;
  await typed('flush', async () => {
    await store.flush();
    oracle.flushed(count);
  });
  await oracle.append(store, 'V', 3, 64);
  await typed('close', () => store.close());
}

async function callsOf(flush: 'sync' | 'async'): Promise<readonly PlatformCall[]> {
  const calls: PlatformCall[] = [];
  const platform = withFaults(memoryPlatform(), (call) => {
    calls.push(call);
    return undefined;
  });
  const oracle = new Oracle();
  await scenario(platform, oracle, flush);
  expect(oracle.acknowledgedCount).toBe(oracle.count);
  return calls;
}

async function survive(disk: MemoryPlatform, oracle: Oracle, keep: 'synced' | 'all'): Promise<void> {
  await turns(2);
  const after = disk.crash(keep);
  const store = await openTiny(after);
  await oracle.check(store, { keptWritten: keep === 'all', keptSeen: false });
  expect((await store.verify()).faults).toEqual([]);
  await oracle.append(store, 'T', 0, 50);
  await store.close();
}

const errnos = ['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE', 'EROFS', 'EACCES'] as const;
/** CONTRACT_STRIDE=1: every call with every error; otherwise a part of them, each call of the scenario at least in some run. */
const stride = Number(process.env['CONTRACT_STRIDE'] ?? '29');

describe('a failing call', () => {
  for (const flush of ['sync', 'async'] as const) {
    for (const [e, errno] of errnos.entries()) {
      for (const duration of ['once', 'for good'] as const) {
        it(`${errno} ${duration}, ${flush}: no false promise, no hang, and reopening works`, { timeout: 240_000 }, async () => {
          const calls = await callsOf(flush);
          const failures: string[] = [];
          for (let number = 1 + ((e * 5 + (duration === 'once' ? 0 : 3)) % stride); number <= calls.length; number += stride) {
            const disk = memoryPlatform();
            let failed: PlatformCall | undefined;
            const platform = withFaults(disk, (call) => {
              if (call.number !== number && !(duration === 'for good' && call.number > number)) return undefined;
              failed ??= call;
              return systemError(errno);
            });
            const oracle = new Oracle();
            const outcome = await Promise.race([
              refusal(async () => {
                await scenario(platform, oracle, flush);
                await survive(disk, oracle, number % 2 === 0 ? 'synced' : 'all');
              }),
              new Promise<string>((resolve) => setTimeout(resolve, 10_000, 'hangs')),
            ]);
            if (outcome !== 'none') failures.push(`call ${number}, ${failed?.op} ${failed?.path}: ${outcome}`);
          }
          expect(failures.join('\n')).toBe('');
        });
      }
    }
  }

  for (const [e, errno] of errnos.entries()) {
    it(`${errno}: every error has a code of the store`, async () => {
      const calls = await callsOf('sync');
      const failures: string[] = [];
      for (let number = 1 + e; number <= calls.length; number += 2 * stride) {
        const untyped: string[] = [];
        const fault = (call: PlatformCall): Error | undefined => (call.number === number ? systemError(errno) : undefined);
        await scenario(withFaults(memoryPlatform(), fault), new Oracle(), 'sync', untyped);
        failures.push(...untyped.map((what) => `call ${number}, ${calls[number - 1]?.op} ${calls[number - 1]?.path}: ${what}`));
      }
      expect(failures.join('\n')).toBe('');
    });
  }

  for (const op of [
    'write',
    'writeSync',
    'sync',
    'syncDirectory',
    'rename',
    'truncate',
    'open',
    'read',
    'readSync',
    'linkCount',
    'diskUsage',
  ] as const) {
    for (const errno of ['EIO', 'ENOSPC'] as const) {
      it(`every ${op} fails with ${errno} from some moment on: the same`, { timeout: 120_000 }, async () => {
        for (let from = 0; from < 40; from += 3) {
          const disk = memoryPlatform();
          let seen = 0;
          const platform = withFaults(disk, (call) => (call.op === op && (seen += 1) > from ? systemError(errno) : undefined));
          const oracle = new Oracle();
          const outcome = await Promise.race([
            refusal(async () => {
              await scenario(platform, oracle, 'sync');
              await survive(disk, oracle, from % 2 === 0 ? 'synced' : 'all');
            }),
            new Promise<string>((resolve) => setTimeout(resolve, 10_000, 'hangs')),
          ]);
          expect([from, outcome]).toEqual([from, 'none']);
        }
      });
    }
  }

  it('leaves no name behind that a broker would stumble over', async () => {
    const calls = await callsOf('sync');
    for (let number = 1; number <= calls.length; number += 29) {
      const disk = memoryPlatform();
      await scenario(
        withFaults(disk, (call) => (call.number === number ? systemError('EIO') : undefined)),
        new Oracle(),
        'sync',
      );
      for (const name of disk.fs.exists(`${root}/commitlog`) ? disk.fs.list(`${root}/commitlog`) : []) expect(name).toMatch(/^\d{20}$/);
      for (const name of disk.fs.exists(`${root}/index`) ? disk.fs.list(`${root}/index`) : []) expect(name).toMatch(/^\d{17}$/);
      for (const name of disk.fs.exists(`${root}/consumequeue`) ? disk.fs.list(`${root}/consumequeue`) : [])
        expect(name).toMatch(/^[TUV]$/);
    }
  });
});
