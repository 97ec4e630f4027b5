import * as fs from 'node:fs';
import { lockDirectory } from './directory-lock.js';
import { copyFileHead } from './node-copy.js';
import { NodeFile } from './node-file.js';
import type { FileSystem, StoreFile } from './platform.js';
import { systemError } from './system-error.js';

/** Readable and writable by the owner alone: a store holds other people's messages. */
const fileMode = 0o600;
const directoryMode = 0o700;

/** Windows has neither flag. Without NOFOLLOW a planted link would make us write elsewhere; without NONBLOCK a planted FIFO hangs us. */
const safeOpenFlags = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);

const openFlags = {
  read: fs.constants.O_RDONLY | safeOpenFlags,
  'read-write': fs.constants.O_RDWR | safeOpenFlags,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | safeOpenFlags,
} as const;

const windows = process.platform === 'win32';
/** On Windows a virus scanner or an indexer may hold a file for a moment: 10 tries in about 3 seconds. */
const busyTryCountMax = 10;
const busyCodes: ReadonlySet<string | undefined> = new Set(['EPERM', 'EBUSY', 'EACCES']);
/**
 * A directory cannot be synced without a descriptor. Others in this process may have taken them all, for a moment; nothing has been
 * synced yet, so to ask again is safe, and a new segment need not end the store.
 */
const shortageCodes: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE']);

/** What the kernel answers if `unlink` is given a directory: EISDIR on Linux, EPERM elsewhere. */
const unlinkedDirectoryCodes: ReadonlySet<string | undefined> = new Set(['EISDIR', 'EPERM']);

/** Files and directories of this machine. */
export const nodeFileSystem: FileSystem = {
  open(path: string, mode: 'read' | 'read-write' | 'create'): StoreFile {
    const fd = fs.openSync(path, openFlags[mode], fileMode);
    try {
      const facts = fs.fstatSync(fd);
      // Devices, pipes and sockets can hang a reader or never end.
      if (!facts.isFile()) throw systemError(facts.isDirectory() ? 'EISDIR' : 'EINVAL', 'open', path);
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
    return new NodeFile(path, fd);
  },

  exists(path: string): boolean {
    try {
      return fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
      throw error;
    }
  },

  list(directory: string): readonly string[] {
    return fs.readdirSync(directory).sort();
  },

  async makeDirectory(path: string): Promise<void> {
    await settled((done) => fs.mkdir(path, { recursive: true, mode: directoryMode }, done));
  },

  rename(from: string, to: string): Promise<void> {
    return whileBusy(() => settled((done) => fs.rename(from, to, done)));
  },

  remove(path: string): Promise<void> {
    return whileBusy(() => removeOnce(path));
  },

  link(from: string, to: string): Promise<void> {
    return settled((done) => fs.link(from, to, done));
  },

  copy(from: string, to: string, bytes: number): Promise<void> {
    return copyFileHead(nodeFileSystem, from, to, bytes);
  },

  async syncDirectory(directory: string): Promise<void> {
    // Windows can sync no directory: NTFS writes names to its journal by itself.
    if (windows) return;
    const fd = await tryAgain(
      () => openDirectory(directory),
      (code) => shortageCodes.has(code),
    );
    try {
      await settled((done) => fs.fsync(fd, done));
    } finally {
      await settled((done) => fs.close(fd, done));
    }
  },

  lockDirectory,

  diskUsage(path: string): Promise<{ readonly usedBytes: number; readonly availableBytes: number }> {
    return new Promise((resolve, reject) => {
      fs.statfs(path, (error, facts) => {
        if (error !== null) reject(error);
        else resolve({ usedBytes: (facts.blocks - facts.bfree) * facts.bsize, availableBytes: facts.bavail * facts.bsize });
      });
    });
  },
};

function settled(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}

async function removeOnce(path: string): Promise<void> {
  try {
    await settled((done) => fs.unlink(path, done));
  } catch (error) {
    if (!unlinkedDirectoryCodes.has((error as NodeJS.ErrnoException).code)) throw error;
    await settled((done) => fs.rmdir(path, done)).catch((failure: NodeJS.ErrnoException) => {
      throw failure.code === 'ENOTDIR' ? error : failure;
    });
  }
}

function openDirectory(directory: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY, (error, fd) => (error === null ? resolve(fd) : reject(error)));
  });
}

function whileBusy(attempt: () => Promise<void>): Promise<void> {
  return tryAgain(attempt, (code) => windows && busyCodes.has(code));
}

async function tryAgain<T>(attempt: () => Promise<T>, mayPass: (code: string | undefined) => boolean): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === busyTryCountMax || !mayPass((error as NodeJS.ErrnoException).code)) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(500, 10 * 2 ** tries)));
    }
  }
}
