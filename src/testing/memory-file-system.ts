import type { Clock, FileSystem, StoreFile } from '../platform/platform.js';
import { systemError } from '../platform/system-error.js';
import type { MemoryDisk, Place } from './memory-disk.js';
import { type FileOwner, MemoryFile } from './memory-file.js';
import type { MemoryDirectory, MemoryNode } from './memory-names.js';
import { PendingCalls } from './pending-calls.js';

/** What `lock` holds, as RocketMQ leaves it. */
const lockText: Uint8Array = Buffer.from('lock', 'latin1');

/**
 * One process's view of a disk in memory: its open files, its locks, its calls under way.
 *
 * Invariant: once stopped it changes nothing on the disk, which may belong to a successor by then.
 */
export class MemoryFileSystem implements FileSystem {
  readonly #disk: MemoryDisk;
  readonly #calls: PendingCalls;
  readonly #openFiles = new Set<MemoryFile>();
  readonly #locked = new Set<MemoryDirectory>();
  #alive = true;

  readonly #owner: FileOwner = {
    checkAlive: (syscall, path) => this.#checkAlive(syscall, path),
    later: (syscall, path, act) => this.#later(syscall, path, act),
    forget: (file) => this.#openFiles.delete(file),
  };

  constructor(disk: MemoryDisk, clock: Clock) {
    this.#disk = disk;
    this.#calls = new PendingCalls(disk.random, clock);
  }

  get openPaths(): readonly string[] {
    return [...this.#openFiles].map((file) => file.path);
  }

  open(path: string, mode: 'read' | 'read-write' | 'create'): StoreFile {
    this.#checkAlive('open', path);
    if (mode === 'create') this.#create(this.#disk.place(path, 'open'), path);
    const file = new MemoryFile(path, this.#disk.file(path, 'open'), mode !== 'read', this.#owner);
    this.#openFiles.add(file);
    return file;
  }

  exists(path: string): boolean {
    this.#checkAlive('lstat', path);
    try {
      return this.#disk.place(path, 'lstat').node !== undefined;
    } catch (error) {
      if (error instanceof TypeError) throw error;
      return false;
    }
  }

  list(directory: string): readonly string[] {
    this.#checkAlive('scandir', directory);
    return [...this.#disk.directory(directory, 'scandir').current.keys()].sort();
  }

  makeDirectory(path: string): Promise<void> {
    return this.#later('mkdir', path, () => this.#disk.makeDirectories(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#later('rename', from, () => this.#rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#later('unlink', path, () => {
      const place = this.#disk.place(path, 'unlink');
      const node = this.#disk.node(path, 'unlink');
      if (node.kind === 'directory' && node.current.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path);
      this.#disk.names.change([{ directory: place.directory, name: place.name, node: undefined }]);
      this.#lostName(node);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#later('link', to, () => {
      const source = this.#disk.node(from, 'link');
      if (source.kind === 'directory') throw systemError('EPERM', 'link', from);
      const { directory, name, node } = this.#disk.place(to, 'link');
      if (node !== undefined) throw systemError('EEXIST', 'link', to);
      this.#disk.names.change([{ directory, name, node: source }]);
      source.linkCount += 1;
    });
  }

  copy(from: string, to: string, bytes: number): Promise<void> {
    return this.#later('copyfile', from, () => {
      const source = this.#disk.file(from, 'copyfile');
      const place = this.#disk.place(to, 'copyfile');
      const target = this.#create(place, to);
      try {
        target.content.copyFrom(source.content, bytes);
      } catch (error) {
        this.#disk.names.change([{ directory: place.directory, name: place.name, node: undefined }]);
        this.#lostName(target);
        throw error;
      }
    });
  }

  async syncDirectory(directory: string): Promise<void> {
    this.#checkAlive('fsync', directory);
    return this.#later('fsync', directory, this.#disk.names.beginSync(this.#disk.directory(directory, 'fsync')));
  }

  lockDirectory(directory: string): { release(): void } | undefined {
    this.#checkAlive('open', directory);
    const locked = this.#disk.directory(directory, 'open');
    if (this.#locked.has(locked)) return undefined;
    this.#locked.add(locked);
    if (!locked.current.has('lock'))
      this.#create({ directory: locked, name: 'lock', node: undefined }, directory).content.write(lockText, 0);
    let held = true;
    return {
      release: () => {
        if (held) this.#locked.delete(locked);
        held = false;
      },
    };
  }

  diskUsage(path: string): Promise<{ readonly usedBytes: number; readonly availableBytes: number }> {
    return this.#later('statfs', path, () => {
      this.#disk.node(path, 'statfs');
      const { usedBytes, capacityBytes } = this.#disk.space;
      return { usedBytes, availableBytes: Math.max(0, capacityBytes - usedBytes) };
    });
  }

  /** The process is gone: calls under way fail, `takesEffect` decides of each whether the disk got it, and so does every later call. */
  stop(takesEffect: () => boolean): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#calls.abort(systemError('EIO', 'power'), takesEffect);
    for (const { node } of this.#openFiles) {
      node.openCount -= 1;
      node.freeIfUnused();
    }
    this.#openFiles.clear();
  }

  #checkAlive(syscall: string, path: string): void {
    if (!this.#alive) throw systemError('EIO', syscall, path);
  }

  async #later<T>(syscall: string, path: string, act: () => T): Promise<T> {
    this.#checkAlive(syscall, path);
    return this.#calls.add(act);
  }

  #create(place: Place, path: string): ReturnType<MemoryDisk['newFile']> {
    if (place.node !== undefined) throw systemError('EEXIST', 'open', path);
    const file = this.#disk.newFile();
    this.#disk.names.change([{ directory: place.directory, name: place.name, node: file }]);
    file.linkCount = 1;
    return file;
  }

  #rename(from: string, to: string): void {
    const source = this.#disk.place(from, 'rename');
    const target = this.#disk.place(to, 'rename');
    const moved = this.#disk.node(from, 'rename');
    if (moved === target.node) return;
    if (moved.kind === 'directory' && holds(moved, target.directory)) throw systemError('EINVAL', 'rename', from);
    if (target.node !== undefined) checkReplaceable(moved, target.node, to);
    this.#disk.names.change([
      { directory: source.directory, name: source.name, node: undefined },
      { directory: target.directory, name: target.name, node: moved },
    ]);
    if (target.node !== undefined) this.#lostName(target.node);
  }

  #lostName(node: MemoryNode): void {
    if (node.kind !== 'file') return;
    node.linkCount -= 1;
    node.freeIfUnused();
  }
}

function checkReplaceable(moved: MemoryNode, replaced: MemoryNode, to: string): void {
  if (moved.kind === 'file' && replaced.kind === 'directory') throw systemError('EISDIR', 'rename', to);
  if (moved.kind === 'directory' && replaced.kind === 'file') throw systemError('ENOTDIR', 'rename', to);
  if (replaced.kind === 'directory' && replaced.current.size > 0) throw systemError('ENOTEMPTY', 'rename', to);
}

function holds(outer: MemoryDirectory, inner: MemoryDirectory): boolean {
  if (outer === inner) return true;
  for (const node of outer.current.values()) {
    if (node.kind === 'directory' && holds(node, inner)) return true;
  }
  return false;
}
