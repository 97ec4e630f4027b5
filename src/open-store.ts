import { resolve } from 'node:path';
import { nodePlatform } from './platform/node-platform.js';
import type { Store, StoreOptions, StoreReader } from './store/contract.js';
import { FollowingStore } from './store/follower/following-store.js';
import { openFollower } from './store/follower/open-follower.js';
import { openWriter } from './store/open-writer.js';
import { resolveOptions } from './store/options.js';
import { WritingStore } from './store/store.js';

/**
 * Opens the store in `directory`, which is made where there is none. Rejects with STORE_LOCKED while any process holds it, this one
 * included; with CORRUPT where what was durable no longer verifies (see `recovery`); with OPTIONS_INCOMPATIBLE where an option that is
 * kept with the store is another one; with TypeError or RangeError naming a wrong option.
 *
 * `readOnly`: beside a live writer, over a backup, or on read-only media. Takes no lock, changes no byte, runs no recovery, deletes
 * nothing. No store there: STORE_NOT_FOUND.
 */
export function openStore(directory: string, options: StoreOptions & { readonly readOnly: true }): Promise<StoreReader>;
export function openStore(directory: string, options?: StoreOptions): Promise<Store>;
export async function openStore(directory: string, options: StoreOptions = {}): Promise<Store | StoreReader> {
  if (typeof directory !== 'string' || directory === '') throw new TypeError('directory must be a path');
  const resolved = resolveOptions(options);
  const platform = options.platform ?? nodePlatform;
  if (resolved.readOnly) return new FollowingStore(await openFollower(resolve(directory), resolved, platform));
  return new WritingStore(await openWriter(resolve(directory), resolved, platform));
}
