import type { StoreFile } from '../platform/platform.js';
import { systemError } from '../platform/system-error.js';
import type { MemoryFileNode } from './memory-names.js';

/** What an open file needs of the process that opened it. */
export interface FileOwner {
  /** Throws EIO once the power has failed. */
  checkAlive(syscall: string, path: string): void;
  /** Runs `act` in a later turn, as the process sees its completion. */
  later<T>(syscall: string, path: string, act: () => T): Promise<T>;
  forget(file: MemoryFile): void;
}

/** An open file of a disk in memory. It stays readable and writable when its name is gone. */
export class MemoryFile implements StoreFile {
  readonly path: string;
  readonly node: MemoryFileNode;
  readonly #writable: boolean;
  readonly #owner: FileOwner;
  #open = true;

  constructor(path: string, node: MemoryFileNode, writable: boolean, owner: FileOwner) {
    this.path = path;
    this.node = node;
    this.#writable = writable;
    this.#owner = owner;
    node.openCount += 1;
  }

  readSync(into: Uint8Array, at: number): number {
    this.#check('read');
    return this.node.content.read(into, at);
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    this.#check('read');
    return this.#owner.later('read', this.path, () => this.node.content.read(into, at));
  }

  writeSync(parts: readonly Uint8Array[], at: number): void {
    this.#check('write', 'EBADF');
    this.#write(parts, at);
  }

  /** The bytes are taken when the call completes, as a kernel may: who changes them before that has written something else. */
  async write(parts: readonly Uint8Array[], at: number): Promise<void> {
    this.#check('write', 'EBADF');
    const taken = parts.slice();
    return this.#owner.later('write', this.path, () => this.#write(taken, at));
  }

  async sync(kind: 'data' | 'all'): Promise<void> {
    const syscall = kind === 'data' ? 'fdatasync' : 'fsync';
    this.#check(syscall);
    return this.#owner.later(syscall, this.path, this.node.content.beginSync());
  }

  /** What a kernel may do when a sync fails, see `MemoryContent`. */
  loseUnsynced(): void {
    this.node.content.loseUnsynced();
  }

  async truncate(bytes: number): Promise<void> {
    this.#check('ftruncate', 'EINVAL');
    return this.#owner.later('ftruncate', this.path, () => this.node.content.truncate(bytes));
  }

  sizeBytes(): number {
    this.#check('fstat');
    return this.node.content.sizeBytes;
  }

  linkCount(): number {
    this.#check('fstat');
    return this.node.linkCount;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#owner.checkAlive('close', this.path);
    this.#open = false;
    this.#owner.forget(this);
    await this.#owner.later('close', this.path, () => {
      this.node.openCount -= 1;
      this.node.freeIfUnused();
    });
  }

  /** `readOnlyCode`: how the call fails if the file was opened for reading. */
  #check(syscall: string, readOnlyCode?: string): void {
    this.#owner.checkAlive(syscall, this.path);
    if (!this.#open) throw systemError('EBADF', syscall, this.path);
    if (readOnlyCode !== undefined && !this.#writable) throw systemError(readOnlyCode, syscall, this.path);
  }

  #write(parts: readonly Uint8Array[], at: number): void {
    let to = at;
    for (const part of parts) {
      this.node.content.write(part, to);
      to += part.byteLength;
    }
  }
}
