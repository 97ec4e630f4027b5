import type { LogSegments } from '../commit-log/log-segments.js';
import { segmentName } from '../format/segment-name.js';
import type { FileSystem, StoreFile } from '../platform/platform.js';
import type { StorePaths } from './side-files.js';

export interface OwnOptions {
  readonly fs: FileSystem;
  readonly paths: StorePaths;
  readonly segments: LogSegments;
}

/**
 * Before the first change of a segment that lies under several names: a snapshot, or a backup that somebody else has made with links, has
 * the same file. It keeps that one; the store goes on with a copy of its own under its name. A crash leaves either.
 */
export async function ownSegment(options: OwnOptions, base: number): Promise<void> {
  const { fs, paths, segments } = options;
  const path = segments.pathOf(base);
  const found = await withFile(
    fs,
    path,
    'read',
    async (file) => await Promise.resolve({ links: file.linkCount(), bytes: file.sizeBytes() }),
  );
  if (found.links <= 1) return;
  // No segment's name: what recovery finds here under one is a segment on its way into the log.
  const copy = `${paths.making}/${segmentName(base)}.own`;
  await fs.makeDirectory(paths.making);
  if (fs.exists(copy)) await fs.remove(copy);
  await fs.copy(path, copy, found.bytes);
  await withFile(fs, copy, 'read-write', async (file) => await file.sync('all'));
  await segments.forget(base);
  await fs.rename(copy, path);
  // A reader may have opened the old one meanwhile.
  await segments.forget(base);
  await fs.syncDirectory(paths.commitLog);
}

/** Opens a segment for changes that nobody else shall see. */
export async function withOwnSegment<T>(options: OwnOptions, base: number, work: (file: StoreFile) => Promise<T>): Promise<T> {
  await ownSegment(options, base);
  return await withFile(options.fs, options.segments.pathOf(base), 'read-write', work);
}

export async function withFile<T>(
  fs: FileSystem,
  path: string,
  mode: 'read' | 'read-write',
  work: (file: StoreFile) => Promise<T>,
): Promise<T> {
  const file = fs.open(path, mode);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}
