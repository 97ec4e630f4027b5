import type { FileSystem, Platform } from '../platform/platform.js';
import type { FaultRule } from './fault-rules.js';
import { FaultyCalls } from './faulty-calls.js';
import { FaultyFile } from './faulty-file.js';
import { SeededRandom } from './seeded-random.js';
import type { PlatformCall } from './with-faults.js';

export interface FaultyPlatform extends Platform {
  /** From now on; the returned function takes the rule away again. */
  add(rule: FaultRule): () => void;
  /** No rule is left. */
  clear(): void;
  /** Calls so far. */
  readonly callCount: number;
  /** How many of them went wrong. */
  readonly struckCount: number;
}

/**
 * `base` (a disk in memory, the machine's own files, another faulty platform), but calls go wrong as the rules say. Same seed, same
 * rules, same calls: the same faults.
 *
 * @param options.seed Decides which bit, how short, how far away. 1 by default; any number.
 * @param options.rules Those to begin with; more can be added and all taken away at any time.
 * @param options.onCall Is told every call as text: `12 writeSync /store/commitlog/0 @0 +512 #8d2c1a07 =`, the number after `#` being a
 * CRC-32 of the bytes. An asynchronous one is told when it begins and, by its number, when it ends.
 * @param options.before Is called before each call, and may let the power of a disk in memory fail.
 * @example The disk is full from the tenth write into the log on, and the third sync of it fails and loses what it should have kept.
 * ```ts
 * const platform = faultyPlatform(memoryPlatform(), {
 *   rules: [
 *     { ops: ['write', 'writeSync'], path: /commitlog/, from: 10, count: Infinity, fault: { kind: 'error', code: 'ENOSPC' } },
 *     { path: /commitlog/, from: 3, fault: { kind: 'lost-sync' } },
 *   ],
 * });
 * ```
 */
export function faultyPlatform(
  base: Platform,
  options: {
    readonly seed?: number | undefined;
    readonly rules?: readonly FaultRule[] | undefined;
    readonly onCall?: ((line: string) => void) | undefined;
    readonly before?: ((call: PlatformCall) => void) | undefined;
  } = {},
): FaultyPlatform {
  const calls = new FaultyCalls(new SeededRandom(options.seed ?? 1), base.clock, options.onCall, options.before);
  for (const rule of options.rules ?? []) calls.rules.add(rule);
  return {
    fs: faultyFileSystem(base.fs, calls),
    clock: base.clock,
    randomBytes: (count) => base.randomBytes(count),
    add: (rule) => calls.rules.add(rule),
    clear: () => calls.rules.clear(),
    get callCount() {
      return calls.count;
    },
    get struckCount() {
      return calls.rules.struckCount;
    },
  };
}

function faultyFileSystem(fs: FileSystem, calls: FaultyCalls): FileSystem {
  return {
    open: (path, mode) => calls.now('open', path, ` ${mode}`, () => new FaultyFile(fs.open(path, mode), calls)),
    exists: (path) => calls.now('exists', path, '', () => fs.exists(path), String),
    list: (path) => calls.now('list', path, '', () => fs.list(path), String),
    makeDirectory: (path) => calls.later('makeDirectory', path, '', () => fs.makeDirectory(path)),
    rename: (from, to) => calls.later('rename', from, ` ${to}`, () => fs.rename(from, to)),
    remove: (path) => calls.later('remove', path, '', () => fs.remove(path)),
    link: (from, to) => calls.later('link', from, ` ${to}`, () => fs.link(from, to)),
    copy: (from, to, bytes) => calls.later('copy', from, ` ${to} +${bytes}`, () => fs.copy(from, to, bytes)),
    syncDirectory: (path) => calls.later('syncDirectory', path, '', () => fs.syncDirectory(path)),
    lockDirectory: (path) => calls.now('lockDirectory', path, '', () => fs.lockDirectory(path), shownLock),
    diskUsage: (path) => calls.later('diskUsage', path, '', () => fs.diskUsage(path), shownUsage),
  };
}

function shownLock(lock: { release(): void } | undefined): string {
  return lock === undefined ? 'refused' : 'locked';
}

function shownUsage({ usedBytes, availableBytes }: { readonly usedBytes: number; readonly availableBytes: number }): string {
  return `${usedBytes} ${availableBytes}`;
}
