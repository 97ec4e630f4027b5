import type { FileSystem } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';

/** Moves files into another directory under names that are free there, and makes both directories durable. */
export async function setAside(
  fs: FileSystem,
  files: OpenFiles,
  directory: string,
  names: readonly string[],
  asideDirectory: string,
): Promise<void> {
  if (names.length === 0) return;
  await fs.makeDirectory(asideDirectory);
  for (const name of names) {
    const path = `${directory}/${name}`;
    await files.forget(path);
    await fs.rename(path, freePath(fs, `${asideDirectory}/index-${name}`));
  }
  await fs.syncDirectory(asideDirectory);
  await fs.syncDirectory(directory);
}

function freePath(fs: FileSystem, wanted: string): string {
  let path = wanted;
  for (let i = 1; fs.exists(path); i += 1) path = `${wanted}.${i}`;
  return path;
}
