import { StoreError } from '../base/errors.js';
import { readLockHolder } from '../platform/lock-holder.js';
import type { Platform } from '../platform/platform.js';

/** Somebody has the store: who, as far as the lock file tells. `advice`: what to do about it. */
export function storeLocked(platform: Platform, directory: string, advice: string): StoreError {
  const pid = readLockHolder(platform.fs, directory);
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new StoreError('STORE_LOCKED', `${directory} is in use by ${holder}; ${advice}`, { details: { pid } });
}
