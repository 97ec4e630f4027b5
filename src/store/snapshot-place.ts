import { StoreError, systemErrorCode } from '../base/errors.js';
import type { DirectoryLock, FileSystem } from '../platform/platform.js';
import { makeDurableDirectory } from './open-writer.js';
import { removeTree } from './snapshot-files.js';

/**
 * Calls `work` with a directory to make a copy in, and to rename from when it is whole; what is still there afterwards is removed.
 *
 *   <target>.partial/lock     held from the beginning to the end, whoever opens and closes the copy meanwhile
 *   <target>.partial/store/   the copy
 *
 * Another snapshot of the same name, here or in another process, must neither mix its files with ours nor put its own under our name. The
 * lock of a process that was killed is free, and the next one of that name removes what it left.
 */
export async function withSnapshotPlace<T>(fs: FileSystem, target: string, work: (copy: string) => Promise<T>): Promise<T> {
  const place = `${target}.partial`;
  await makeDurableDirectory(fs, place);
  const lock = lockPlace(fs, place);
  if (lock === undefined) throw new StoreError('STORE_LOCKED', `another snapshot to ${target} is being made`);
  try {
    await removeTree(fs, place, ['lock']);
    return await work(`${place}/store`);
  } finally {
    await leave(fs, place, lock);
  }
}

/** Undefined: somebody has it, or had it until now. */
function lockPlace(fs: FileSystem, place: string): DirectoryLock | undefined {
  let lock: DirectoryLock | undefined;
  try {
    lock = fs.lockDirectory(place);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  if (lock === undefined || fs.exists(place)) return lock;
  // The lock of a file that was removed since it was opened keeps nobody out.
  lock.release();
  return undefined;
}

/** The lock is given up last: once somebody else may have it, nothing in there is ours to remove. */
async function leave(fs: FileSystem, place: string, lock: DirectoryLock): Promise<void> {
  try {
    await removeTree(fs, place, ['lock']);
    await removeTree(fs, place);
    lock.release();
  } catch {
    lock.release();
    // Where a removed file has its name until it is closed, the directory was not empty before. Where somebody has it by now, it is not.
    await fs.remove(place).catch(() => undefined);
  }
}
