import { dirname } from 'node:path';
import { systemErrorCode } from '../base/errors.js';
import type { FileSystem } from '../platform/platform.js';
import { sizeOf } from '../recovery/examine.js';

/**
 * Makes the files of a copy, each durable before the next: directories are remembered, and made durable at the end.
 *
 * Invariant: a file of the copy has exactly the bytes that were asked for, and zeros up to its length.
 */
export class SnapshotFiles {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #directories = new Set<string>();

  constructor(fs: FileSystem, root: string) {
    this.#fs = fs;
    this.#root = root;
    this.#directories.add(root);
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.#fs.makeDirectory(path);
    for (let each = path; each.length > this.#root.length; each = dirname(each)) this.#directories.add(each);
  }

  /** The first `bytes` of `from`, at a length of `fullBytes`, the rest a hole. False: there is no `from` (any more). */
  async copy(from: string, to: string, bytes: number, fullBytes: number): Promise<boolean> {
    await this.makeDirectory(dirname(to));
    try {
      await this.#fs.copy(from, to, bytes);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT' && !this.#fs.exists(from)) return false;
      throw error;
    }
    await this.#finish(to, fullBytes);
    return true;
  }

  /** A second name for the same file. False: the file system has no such thing here. */
  async link(from: string, to: string): Promise<boolean> {
    await this.makeDirectory(dirname(to));
    try {
      await this.#fs.link(from, to);
      return true;
    } catch {
      // Another file system, too many names, not permitted: whatever it is, copying works or tells.
      return false;
    }
  }

  async write(path: string, bytes: Buffer): Promise<void> {
    await this.makeDirectory(dirname(path));
    const file = this.#fs.open(path, 'create');
    try {
      await file.write([bytes], 0);
      await file.sync('all');
    } finally {
      await file.close();
    }
  }

  /** Everything in a directory, whole; what is no file and no directory is left out. */
  async copyTree(from: string, to: string, goOn: () => void): Promise<void> {
    for (const name of listOf(this.#fs, from) ?? []) {
      goOn();
      const source = `${from}/${name}`;
      const target = `${to}/${name}`;
      if (listOf(this.#fs, source) !== undefined) {
        await this.makeDirectory(target);
        await this.copyTree(source, target, goOn);
        continue;
      }
      const bytes = await sizeOf(this.#fs, source);
      if (bytes !== undefined) await this.copy(source, target, bytes, bytes);
    }
  }

  /** From the leaves to the root: what is in a directory is durable before its own name is. */
  async syncDirectories(): Promise<void> {
    const deepestFirst = [...this.#directories].sort((a, b) => b.length - a.length);
    for (const path of deepestFirst) await this.#fs.syncDirectory(path);
  }

  async #finish(path: string, fullBytes: number): Promise<void> {
    const file = this.#fs.open(path, 'read-write');
    try {
      if (file.sizeBytes() < fullBytes) await file.write([Buffer.alloc(1)], fullBytes - 1);
      await file.sync('all');
    } finally {
      await file.close();
    }
  }
}

/** Names in a directory; undefined: it is none, or is not there. */
function listOf(fs: FileSystem, path: string): readonly string[] | undefined {
  try {
    return fs.list(path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOTDIR' || code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes everything in a directory but `spared`, and the directory itself unless something was spared. */
export async function removeTree(fs: FileSystem, path: string, spared: readonly string[] = []): Promise<void> {
  for (const name of listOf(fs, path) ?? []) {
    if (!spared.includes(name)) await removeTree(fs, `${path}/${name}`);
  }
  if (spared.length === 0 && fs.exists(path)) await fs.remove(path);
}
