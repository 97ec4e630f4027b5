import type { FileSystem, Platform, StoreFile } from '../platform/platform.js';

export interface PlatformCall {
  readonly op: Exclude<keyof FileSystem | keyof StoreFile, 'path'>;
  readonly path: string;
  /** 1, 2, 3, … over all calls of this platform. */
  readonly number: number;
}

/** Counts a call, then makes it or throws what it shall fail with. */
type Guard = <T>(op: PlatformCall['op'], path: string, call: () => T) => T;

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
  const guard: Guard = (op, path, call) => {
    number += 1;
    const failure = decide({ op, path, number });
    if (failure !== undefined) throw failure;
    return call();
  };
  return { fs: faultyFileSystem(base.fs, guard), clock: base.clock, randomBytes: (count) => base.randomBytes(count) };
}

/** The asynchronous ones are `async` functions, so that they reject where the synchronous ones throw. */
function faultyFileSystem(fs: FileSystem, guard: Guard): FileSystem {
  return {
    open: (path, mode) => guard('open', path, () => faultyFile(fs.open(path, mode), guard)),
    exists: (path) => guard('exists', path, () => fs.exists(path)),
    list: (path) => guard('list', path, () => fs.list(path)),
    makeDirectory: async (path) => guard('makeDirectory', path, () => fs.makeDirectory(path)),
    rename: async (from, to) => guard('rename', from, () => fs.rename(from, to)),
    remove: async (path) => guard('remove', path, () => fs.remove(path)),
    link: async (from, to) => guard('link', from, () => fs.link(from, to)),
    copy: async (from, to, bytes) => guard('copy', from, () => fs.copy(from, to, bytes)),
    syncDirectory: async (path) => guard('syncDirectory', path, () => fs.syncDirectory(path)),
    lockDirectory: (path) => guard('lockDirectory', path, () => fs.lockDirectory(path)),
    diskUsage: async (path) => guard('diskUsage', path, () => fs.diskUsage(path)),
  };
}

function faultyFile(file: StoreFile, guard: Guard): StoreFile {
  const { path } = file;
  return {
    path,
    readSync: (into, at) => guard('readSync', path, () => file.readSync(into, at)),
    read: async (into, at) => guard('read', path, () => file.read(into, at)),
    writeSync: (parts, at) => guard('writeSync', path, () => file.writeSync(parts, at)),
    write: async (parts, at) => guard('write', path, () => file.write(parts, at)),
    sync: async (kind) => guard('sync', path, () => file.sync(kind)),
    truncate: async (bytes) => guard('truncate', path, () => file.truncate(bytes)),
    sizeBytes: () => guard('sizeBytes', path, () => file.sizeBytes()),
    linkCount: () => guard('linkCount', path, () => file.linkCount()),
    close: async () => guard('close', path, () => file.close()),
  };
}
