import type { FileSystem, Platform, StoreFile } from '../platform/platform.js';

export interface PlatformCall {
  readonly op: Exclude<keyof FileSystem | keyof StoreFile, 'path'>;
  readonly path: string;
  /** 1, 2, 3, … over all calls of this platform. */
  readonly number: number;
}

/** Counts a call; throws what it shall fail with. */
type Check = (op: PlatformCall['op'], path: string) => void;

/**
 * `base`, but a call for which `decide` returns an error fails with it before it does anything.
 *
 * @example The third sync fails.
 * ```ts
 * let syncs = 0;
 * const platform = withFaults(memoryPlatform(), (call) =>
 *   call.op === 'sync' && (syncs += 1) === 3 ? Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }) : undefined,
 * );
 * ```
 */
export function withFaults(base: Platform, decide: (call: PlatformCall) => Error | undefined): Platform {
  let number = 0;
  const check: Check = (op, path) => {
    number += 1;
    const failure = decide({ op, path, number });
    if (failure !== undefined) throw failure;
  };
  return { fs: faultyFileSystem(base.fs, check), clock: base.clock, randomBytes: (count) => base.randomBytes(count) };
}

/** The asynchronous ones are `async` functions, so that they reject where the synchronous ones throw. */
function faultyFileSystem(fs: FileSystem, check: Check): FileSystem {
  return {
    open: (path, mode) => (check('open', path), faultyFile(fs.open(path, mode), check)),
    exists: (path) => (check('exists', path), fs.exists(path)),
    list: (path) => (check('list', path), fs.list(path)),
    makeDirectory: async (path) => (check('makeDirectory', path), fs.makeDirectory(path)),
    rename: async (from, to) => (check('rename', from), fs.rename(from, to)),
    remove: async (path) => (check('remove', path), fs.remove(path)),
    link: async (from, to) => (check('link', from), fs.link(from, to)),
    copy: async (from, to, bytes) => (check('copy', from), fs.copy(from, to, bytes)),
    syncDirectory: async (path) => (check('syncDirectory', path), fs.syncDirectory(path)),
    lockDirectory: (path) => (check('lockDirectory', path), fs.lockDirectory(path)),
    diskUsage: async (path) => (check('diskUsage', path), fs.diskUsage(path)),
  };
}

function faultyFile(file: StoreFile, check: Check): StoreFile {
  const { path } = file;
  return {
    path,
    readSync: (into, at) => (check('readSync', path), file.readSync(into, at)),
    read: async (into, at) => (check('read', path), file.read(into, at)),
    writeSync: (parts, at) => (check('writeSync', path), file.writeSync(parts, at)),
    write: async (parts, at) => (check('write', path), file.write(parts, at)),
    sync: async (kind) => (check('sync', path), file.sync(kind)),
    truncate: async (bytes) => (check('truncate', path), file.truncate(bytes)),
    sizeBytes: () => (check('sizeBytes', path), file.sizeBytes()),
    linkCount: () => (check('linkCount', path), file.linkCount()),
    close: async () => (check('close', path), file.close()),
  };
}
