/**
 * One process, and in it one store, has a directory at a time.
 *
 * The lock is the range [0, 1) of the file `lock`, which is what RocketMQ locks: each refuses the other. The kernel releases it
 * when the holder dies, so there is no stale lock to clear. On Linux it is an open file description lock: it conflicts with the
 * fcntl locks of Java, with a second descriptor in this very process, and does not end when somebody else closes that file.
 *
 * Where the native package does not load (musl), the kernel-released thing is a name: an abstract socket on Linux, a pipe on
 * Windows. It keeps other stratalog processes out (of the same network namespace), but no broker.
 */
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { systemErrorCode } from '../base/errors.js';
import { lockByName } from './lock-by-name.js';
import type { DirectoryLock } from './platform.js';

interface RangeLocks {
  tryLock(fd: number, offset: number, length: number): boolean;
}

type Release = () => void;

const lockFileMode = 0o600;

/** Two copies of the package in one process must see each other's locks, also where the kernel's lock is per process. */
const registryKey = Symbol.for('stratalog.lockedDirectories');

/** `range`: refuses brokers too. `file`, `name`: refuses other stratalog stores only. */
export type DirectoryLockKind = 'range' | 'file' | 'name';

/** What a lock of this machine keeps out. */
export function directoryLockKind(): DirectoryLockKind {
  if (rangeLocks() === undefined) return 'name';
  return process.platform === 'darwin' ? 'file' : 'range';
}

/** `undefined`: somebody holds it. The directory must be there. */
export function lockDirectory(directory: string): DirectoryLock | undefined {
  const real = fs.realpathSync.native(directory);
  const locked = lockedDirectories();
  if (locked.has(real)) return undefined;
  const native = rangeLocks();
  const unlock = native === undefined ? lockByName(real) : lockRange(native, real);
  if (unlock === undefined) return undefined;
  locked.add(real);
  const forgetHolder = noteHolder(real);
  let held = true;
  return {
    refusesBrokers: directoryLockKind() === 'range',
    release(): void {
      if (!held) return;
      held = false;
      forgetHolder();
      unlock();
      locked.delete(real);
    },
  };
}

function lockedDirectories(): Set<string> {
  const shared = globalThis as { [registryKey]?: Set<string> };
  shared[registryKey] ??= new Set();
  return shared[registryKey];
}

let loaded: { readonly locks: RangeLocks | undefined } | undefined;

/** Loaded at the first lock: a machine without the native part can still import the package. */
function rangeLocks(): RangeLocks | undefined {
  if (loaded === undefined) {
    try {
      loaded = { locks: createRequire(import.meta.url)('fs-native-extensions') as RangeLocks };
    } catch {
      loaded = { locks: undefined };
    }
  }
  return loaded.locks;
}

function lockRange(native: RangeLocks, directory: string): Release | undefined {
  const path = join(directory, 'lock');
  const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);
  const fd = fs.openSync(path, flags, lockFileMode);
  try {
    if (!isGranted(native, fd)) {
      fs.closeSync(fd);
      return undefined;
    }
    // As RocketMQ leaves it. Nobody reads it.
    if (fs.fstatSync(fd).size === 0) fs.writeSync(fd, 'lock', 0, 'latin1');
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return () => fs.closeSync(fd);
}

function isGranted(native: RangeLocks, fd: number): boolean {
  try {
    return native.tryLock(fd, 0, 1);
  } catch (error) {
    // That somebody holds it is `false` on most systems, and one of these codes on the rest.
    const code = systemErrorCode(error);
    if (code === 'EACCES' || code === 'EBUSY') return false;
    throw error;
  }
}

/**
 * Leaves our process id in `stratalog/pid`, for the error of the next who asks. Only a courtesy: it never fails the lock, and
 * it makes no folder. Returns what takes it away again.
 */
function noteHolder(directory: string): () => void {
  const path = join(directory, 'stratalog', 'pid');
  try {
    const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_TRUNC;
    const fd = fs.openSync(path, flags | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0), lockFileMode);
    try {
      fs.writeSync(fd, `${process.pid}\n`);
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return () => undefined;
  }
  return () => {
    try {
      fs.unlinkSync(path);
    } catch {
      // It is only read beside a lock that somebody holds.
    }
  };
}
