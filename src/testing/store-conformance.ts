/**
 * What every `Store` must do on every `Platform`, in checks that need no test framework: a check that fails throws. A store of one's
 * own making (a wrapper, a remote one) and a platform of one's own are measured with it, as the store of this package is.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Platform, Store, StoreOptions } from '../index.js';
import type { ConformanceCheck } from './conformance.js';
import { lifeChecks } from './store-conformance-life.js';
import { messageChecks } from './store-conformance-messages.js';

export interface StoreConformanceOptions {
  /** Opens a store for writing in `directory`; `options` hold sizes so small that files are rolled. */
  readonly open: (directory: string, options: StoreOptions) => Promise<Store>;
  readonly platform: Platform;
  /** Absolute; made if it is not there. What the checks leave in it is the caller's to remove. */
  readonly directory: string;
}

/** What a check is given. */
export interface StoreUnderTest {
  /** Opens the store of this check, again and again, or the one in another directory. */
  readonly open: (options?: StoreOptions, directory?: string) => Promise<Store>;
  /** A path of its own that is not there yet. */
  readonly otherDirectory: string;
}

export type StoreCheckTable = Readonly<Record<string, (test: StoreUnderTest) => Promise<void>>>;

const tiny: StoreOptions = { segmentBytes: 4096, queueEntriesPerFile: 16, indexSlotCount: 7, indexEntryCount: 20, freeBytesMin: 0 };

/** Each check runs alone, in a directory of its own; all of them may run beside each other. */
export function storeConformance({ open, platform, directory }: StoreConformanceOptions): readonly ConformanceCheck[] {
  return Object.entries({ ...messageChecks, ...lifeChecks }).map(([name, check], index) => ({
    name,
    async run() {
      const own = join(directory, `store-${index}`);
      const stores = new Set<Store>();
      await platform.fs.makeDirectory(own);
      assert.deepEqual(platform.fs.list(own), [], 'the directory of a check must be empty');
      try {
        await check({
          otherDirectory: join(directory, `other-${index}`),
          async open(options = {}, inDirectory = own) {
            const store = await open(inDirectory, { ...tiny, platform, ...options });
            stores.add(store);
            return store;
          },
        });
      } finally {
        for (const store of stores) await store.close().catch(() => undefined);
      }
    },
  }));
}
