import { dirname } from 'node:path';
import type { Clock, Platform } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { filesBelow } from '../contract/disk-surgery.js';

/** All files of a store, by their paths inside it, and their bytes; damage is done to these before a disk is made of them. */
export type Image = Map<string, Buffer>;

/** Where the store lies on every disk made here. */
export const root = '/store';

/** Of one moment: also beside a store that is at work. */
export function imageOf(platform: Platform): Image {
  const image: Image = new Map();
  for (const path of filesBelow(platform, root)) {
    const file = platform.fs.open(path, 'read');
    const bytes = Buffer.alloc(file.sizeBytes());
    file.readSync(bytes, 0);
    file.close().catch(() => undefined);
    image.set(path.slice(root.length + 1), bytes);
  }
  return image;
}

/** Files are replaced, not changed: a copy shares them until then. */
export function copyOf(image: Image): Image {
  return new Map(image);
}

export async function diskOf(image: Image, seed: number, clock: Clock): Promise<MemoryPlatform> {
  const platform = memoryPlatform({ seed, clock });
  const directories = new Set([...image.keys()].map((path) => dirname(`${root}/${path}`)));
  directories.add(root);
  await Promise.all([...directories].map(async (directory) => await platform.fs.makeDirectory(directory)));
  for (const [path, bytes] of image) {
    const file = platform.fs.open(`${root}/${path}`, 'create');
    // What is zeros only is a hole here as it is on a disk.
    if (bytes.length > 0) file.writeSync([bytes], 0);
    // Nothing of it is lost when the power goes.
    await file.sync('all');
    file.close().catch(() => undefined);
  }
  for (let directory of directories) {
    for (; directory !== '/'; directory = dirname(directory)) await platform.fs.syncDirectory(directory);
    await platform.fs.syncDirectory('/');
  }
  return platform;
}

export function areEqual(one: Image, other: Image): boolean {
  if (one.size !== other.size) return false;
  for (const [path, bytes] of one) {
    const others = other.get(path);
    if (others === undefined || (others !== bytes && !others.equals(bytes))) return false;
  }
  return true;
}
