import type { FileSystem, StoreFile } from '../platform/platform.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import { segmentName } from '../format/segment-name.js';
import type { Examination } from './examine.js';
import { withFile } from './own-segment.js';
import type { StorePaths } from './side-files.js';

/**
 * `stratalog/unsynced`: a sync of one of our files has failed since the last recovery.
 *
 * What the kernel then holds of that file reads well, and may be on no disk. Writing it once more in the same place and syncing that need
 * not help: where ext4 could not write a block that was new, it takes the block for written from then on, writes later bytes to
 * it and syncs them without an error, and after a power cut the place reads as zeros. Only another file, or one that was cut before
 * it was written again, is free of that. So the next recovery makes the files anew that it goes on with.
 *
 * The mark itself is not synced: it has to live as long as the kernel's memory of the file, no longer. A process that dies before it has
 * asked how a sync went leaves none, and needs none: the kernel tells the next one that syncs the file.
 */
export function noteFailedSyncs(fs: FileSystem, paths: StorePaths): FileSystem {
  const note = async (path: string): Promise<void> => {
    if (path.startsWith(`${paths.root}/`)) await leaveMark(fs, paths);
  };
  return {
    open: (path, mode) => new NotingFile(fs.open(path, mode), note),
    exists: (path) => fs.exists(path),
    list: (directory) => fs.list(directory),
    makeDirectory: async (path) => await fs.makeDirectory(path),
    rename: async (from, to) => await fs.rename(from, to),
    remove: async (path) => await fs.remove(path),
    link: async (from, to) => await fs.link(from, to),
    copy: async (from, to, bytes) => await fs.copy(from, to, bytes),
    syncDirectory: async (directory) => await fs.syncDirectory(directory),
    lockDirectory: (directory) => fs.lockDirectory(directory),
    diskUsage: async (path) => await fs.diskUsage(path),
  };
}

export function hasFailedSyncs(fs: FileSystem, paths: StorePaths): boolean {
  return fs.exists(paths.unsynced);
}

/** Once everything has been made anew and synced. */
export async function forgetFailedSyncs(fs: FileSystem, paths: StorePaths): Promise<void> {
  if (!fs.exists(paths.unsynced)) return;
  await fs.remove(paths.unsynced);
  await fs.syncDirectory(paths.own);
}

export interface AnewOptions {
  readonly platform: { readonly fs: FileSystem };
  readonly paths: StorePaths;
  readonly segments: LogSegments;
  readonly found: Pick<Examination, 'state' | 'making'>;
  readonly signal: AbortSignal | undefined;
  readonly beforeChanges: () => Promise<void>;
}

/**
 * After a failed sync replaces the files that may not be on the disk as they read: the segments that reach above `durable`, and the index
 * file that was written last. Queues are checked entry by entry when they are read, and heal themselves. A crash leaves the old file
 * or the new.
 */
export async function makeAnew(options: AnewOptions, durable: number): Promise<void> {
  const { paths, segments, found } = options;
  const { fs } = options.platform;
  if (!hasFailedSyncs(fs, paths)) return;
  await options.beforeChanges();
  for (const { base } of found.making) await replaceByCopy(fs, paths, `${paths.making}/${segmentName(base)}`);
  for (const base of segments.bases) {
    if (base + segments.segmentBytes <= durable) continue;
    options.signal?.throwIfAborted();
    await segments.forget(base);
    await replaceByCopy(fs, paths, segments.pathOf(base));
    await fs.syncDirectory(paths.commitLog);
  }
  const newest = found.state?.index?.at(-1);
  if (newest === undefined || !fs.exists(`${paths.index}/${newest.name}`)) return;
  await replaceByCopy(fs, paths, `${paths.index}/${newest.name}`);
  await fs.syncDirectory(paths.index);
}

async function replaceByCopy(fs: FileSystem, paths: StorePaths, path: string): Promise<void> {
  const copy = `${paths.making}/${path.slice(path.lastIndexOf('/') + 1)}.anew`;
  await fs.makeDirectory(paths.making);
  if (fs.exists(copy)) await fs.remove(copy);
  const last = Buffer.alloc(1);
  const bytes = await withFile(fs, path, 'read', async (file) => {
    const size = file.sizeBytes();
    if (size > 0) await file.read(last, size - 1);
    return size;
  });
  // Not the whole of it: a whole file may be copied by sharing its blocks, and those are what is in doubt.
  await fs.copy(path, copy, Math.max(0, bytes - 1));
  await withFile(fs, copy, 'read-write', async (file) => {
    if (bytes > 0) await file.write([last], bytes - 1);
    await file.sync('all');
  });
  await fs.rename(copy, path);
}

async function leaveMark(fs: FileSystem, paths: StorePaths): Promise<void> {
  try {
    if (!fs.exists(paths.unsynced)) await fs.open(paths.unsynced, 'create').close();
  } catch {
    // A disk that takes no name either will have lost more than this.
  }
}

class NotingFile implements StoreFile {
  readonly path: string;
  readonly #file: StoreFile;
  readonly #note: (path: string) => Promise<void>;

  constructor(file: StoreFile, note: (path: string) => Promise<void>) {
    this.path = file.path;
    this.#file = file;
    this.#note = note;
  }

  readSync(into: Uint8Array, at: number): number {
    return this.#file.readSync(into, at);
  }

  read(into: Uint8Array, at: number): Promise<number> {
    return this.#file.read(into, at);
  }

  writeSync(parts: readonly Uint8Array[], at: number): void {
    this.#file.writeSync(parts, at);
  }

  write(parts: readonly Uint8Array[], at: number): Promise<void> {
    return this.#file.write(parts, at);
  }

  async sync(kind: 'data' | 'all'): Promise<void> {
    try {
      await this.#file.sync(kind);
    } catch (error) {
      await this.#note(this.path);
      throw error;
    }
  }

  truncate(bytes: number): Promise<void> {
    return this.#file.truncate(bytes);
  }

  sizeBytes(): number {
    return this.#file.sizeBytes();
  }

  linkCount(): number {
    return this.#file.linkCount();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
