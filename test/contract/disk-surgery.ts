import { dirname } from 'node:path';
import type { Platform } from '../../src/index.js';

/** What a careless hand, a bad disk or another program does to a store's files between two openings. */

export function isDirectory(platform: Platform, path: string): boolean {
  try {
    platform.fs.list(path);
    return true;
  } catch {
    return false;
  }
}

/** Paths of all files below `directory`, sorted. */
export function filesBelow(platform: Platform, directory: string): string[] {
  if (!platform.fs.exists(directory)) return [];
  return platform.fs.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    return isDirectory(platform, path) ? filesBelow(platform, path) : [path];
  });
}

export async function readFile(platform: Platform, path: string): Promise<Buffer> {
  const file = platform.fs.open(path, 'read');
  try {
    const bytes = Buffer.alloc(file.sizeBytes());
    file.readSync(bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

export async function writeInto(platform: Platform, path: string, bytes: Uint8Array, at: number): Promise<void> {
  const file = platform.fs.open(path, 'read-write');
  try {
    file.writeSync([bytes], at);
    await file.sync('all');
  } finally {
    await file.close();
  }
}

export async function createFile(platform: Platform, path: string, bytes: Uint8Array = Buffer.alloc(0)): Promise<void> {
  const file = platform.fs.open(path, 'create');
  try {
    if (bytes.length > 0) file.writeSync([bytes], 0);
    await file.sync('all');
  } finally {
    await file.close();
  }
  await platform.fs.syncDirectory(dirname(path));
}

export async function truncateFile(platform: Platform, path: string, bytes: number): Promise<void> {
  const file = platform.fs.open(path, 'read-write');
  try {
    await file.truncate(bytes);
    await file.sync('all');
  } finally {
    await file.close();
  }
}

export async function flipBit(platform: Platform, path: string, at: number, bit = 0): Promise<void> {
  const bytes = await readFile(platform, path);
  await writeInto(platform, path, Buffer.of((bytes[at] ?? 0) ^ (1 << bit)), at);
}

export async function removeTree(platform: Platform, path: string): Promise<void> {
  if (isDirectory(platform, path)) {
    for (const name of platform.fs.list(path)) await removeTree(platform, `${path}/${name}`);
  }
  await platform.fs.remove(path);
  await platform.fs.syncDirectory(dirname(path));
}

/** Every file with all of its bytes: equal means that nothing was changed. */
export async function contents(platform: Platform, directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of filesBelow(platform, directory)) found.set(path, (await readFile(platform, path)).toString('base64'));
  return found;
}

/** The segment that holds the byte `offset` of the log, and where in it. */
export function segmentOf(root: string, segmentBytes: number, offset: number): { readonly path: string; readonly at: number } {
  const base = offset - (offset % segmentBytes);
  return { path: `${root}/commitlog/${String(base).padStart(20, '0')}`, at: offset - base };
}
