import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform, openStore, type Store } from '../../src/index.js';
import { faultyPlatform, memoryPlatform, storeConformance } from '../../src/testing/index.js';

const real = mkdtempSync(join(tmpdir(), 'stratalog-conformance-'));
afterAll(() => rmSync(real, { recursive: true, force: true }));

const open = async (directory: string, options: object): Promise<Store> => await openStore(directory, { ...options, readOnly: false });

describe('the store of this package', () => {
  describe('on a disk in memory', () => {
    for (const { name, run } of storeConformance({ open, platform: memoryPlatform(), directory: '/conformance' })) it(name, run);
  });
  describe('on the files of this machine', () => {
    for (const { name, run } of storeConformance({ open, platform: nodePlatform, directory: real })) it(name, run);
  });
  describe('on a faulty platform without faults', () => {
    for (const { name, run } of storeConformance({ open, platform: faultyPlatform(memoryPlatform()), directory: '/conformance' }))
      it(name, run);
  });
});

describe('controls: a store that', () => {
  /** How many checks fail when each store is changed in this way. */
  async function failuresOf(change: (store: Store) => Store): Promise<readonly string[]> {
    const opened = async (directory: string, options: object): Promise<Store> => change(await open(directory, options));
    const failed: string[] = [];
    for (const { name, run } of storeConformance({ open: opened, platform: memoryPlatform(), directory: '/conformance' })) {
      await run().catch(() => failed.push(name));
    }
    return failed;
  }

  function changed(store: Store, method: keyof Store, instead: (...args: never[]) => unknown): Store {
    return new Proxy(store, {
      get: (target, name) => {
        if (name === method) return instead;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  it('is not changed passes', async () => {
    expect(await failuresOf((store) => store)).toEqual([]);
  });

  it('loses a message, finds no key, deletes nothing or forgets to close is found out', async () => {
    expect(await failuresOf((store) => changed(store, 'appendAll', async () => await Promise.resolve({ count: 100 })))).toEqual([
      'an import stores everything in its order',
    ]);
    expect(await failuresOf((store) => changed(store, 'findByKey', async function* () {}))).toEqual(
      expect.arrayContaining(['keys are found newest first, each message once, in pages too']),
    );
    expect(await failuresOf((store) => changed(store, 'clean', async () => await Promise.resolve({})))).toEqual([
      'deleting takes whole segments off the beginning, and nothing that is held',
    ]);
    expect(await failuresOf((store) => changed(store, 'offsetAt', async () => await Promise.resolve(0)))).toEqual([
      'a time leads to the first message stored at or after it',
    ]);
  });
});
