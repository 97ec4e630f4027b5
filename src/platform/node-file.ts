import * as fs from 'node:fs';
import { type Done, readFully, readFullySync, writeAll, writeAllSync } from './full-transfer.js';
import type { StoreFile } from './platform.js';
import { systemError } from './system-error.js';

/**
 * One descriptor.
 *
 * Invariants: the descriptor is closed only when no call on it is in flight, since the number would be given to another file
 * under the running call; once `close` was called nothing is issued any more.
 */
export class NodeFile implements StoreFile {
  readonly path: string;
  readonly #fd: number;
  #callsInFlight = 0;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  readSync(into: Uint8Array, at: number): number {
    return this.#callSync('read', (fd) => readFullySync(fd, into, at));
  }

  read(into: Uint8Array, at: number): Promise<number> {
    return this.#call('read', (fd, done: Done<number>) => readFully(fd, into, 0, at, done));
  }

  writeSync(parts: readonly Uint8Array[], at: number): void {
    this.#callSync('write', (fd) => writeAllSync(fd, parts, at));
  }

  write(parts: readonly Uint8Array[], at: number): Promise<void> {
    return this.#call('write', (fd, done: Done<void>) => writeAll(fd, parts, at, done));
  }

  sync(kind: 'data' | 'all'): Promise<void> {
    return kind === 'data'
      ? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))
      : this.#call('fsync', (fd, done: Done<void>) => fs.fsync(fd, done as fs.NoParamCallback));
  }

  truncate(bytes: number): Promise<void> {
    return this.#call('ftruncate', (fd, done: Done<void>) => fs.ftruncate(fd, bytes, done as fs.NoParamCallback));
  }

  sizeBytes(): number {
    return this.#callSync('fstat', (fd) => fs.fstatSync(fd).size);
  }

  linkCount(): number {
    return this.#callSync('fstat', (fd) => fs.fstatSync(fd).nlink);
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeWhenIdle();
    return this.#closing;
  }

  async #closeWhenIdle(): Promise<void> {
    if (this.#callsInFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await new Promise<void>((resolve, reject) => {
      fs.close(this.#fd, (error) => (error === null || error === undefined ? resolve() : reject(named(error, this.path))));
    });
  }

  #callSync<T>(syscall: string, run: (fd: number) => T): T {
    if (this.#closing !== undefined) throw systemError('EBADF', syscall, this.path);
    try {
      return run(this.#fd);
    } catch (error) {
      throw named(error, this.path);
    }
  }

  #call<T>(syscall: string, start: (fd: number, done: Done<T>) => void): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(systemError('EBADF', syscall, this.path));
    return new Promise<T>((resolve, reject) => {
      this.#callsInFlight += 1;
      const done: Done<T> = (error, value) => {
        this.#callsInFlight -= 1;
        if (this.#callsInFlight === 0) this.#idle?.();
        if (error === null || error === undefined) resolve(value);
        else reject(named(error, this.path));
      };
      try {
        start(this.#fd, done);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)), undefined as T);
      }
    });
  }
}

/** Node leaves the path out where it was given a descriptor; whoever reads the message wants to know which file it was. */
function named(error: unknown, path: string): unknown {
  if (error instanceof Error && !('path' in error)) {
    Object.assign(error, { path });
    error.message += ` '${path}'`;
  }
  return error;
}
