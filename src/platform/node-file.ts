import * as fs from 'node:fs';
import type { StoreFile } from './platform.js';
import { systemError } from './system-error.js';

type Done<T> = (error: Error | null, value: T) => void;

/** The most buffers that one gathering call takes (IOV_MAX on Linux and macOS). */
const gatherCountMax = 1024;

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

function readFullySync(fd: number, into: Uint8Array, at: number): number {
  let filled = 0;
  while (filled < into.byteLength) {
    const count = fs.readSync(fd, into, filled, into.byteLength - filled, at + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function readFully(fd: number, into: Uint8Array, filled: number, at: number, done: Done<number>): void {
  if (filled === into.byteLength) {
    done(null, filled);
    return;
  }
  fs.read(fd, into, filled, into.byteLength - filled, at + filled, (error, count) => {
    if (error !== null) done(error, 0);
    else if (count === 0) done(null, filled);
    else readFully(fd, into, filled + count, at, done);
  });
}

/** What is left to write: the parts of one call, and where they go. */
interface Rest {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly at: number;
}

function wholeOf(parts: readonly Uint8Array[], at: number): Rest {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return { parts, bytes, at };
}

/** After a write of `count` bytes, which may end inside a part. */
function restAfter(rest: Rest, count: number): Rest {
  // A kernel that takes nothing and names no reason would keep us here for ever.
  if (count === 0) throw systemError('EIO', 'write');
  if (count === rest.bytes) return { parts: [], bytes: 0, at: rest.at + count };
  let skipped = 0;
  let index = 0;
  for (const part of rest.parts) {
    if (skipped + part.byteLength > count) break;
    skipped += part.byteLength;
    index += 1;
  }
  const parts = rest.parts.slice(index);
  const first = parts[0];
  if (first !== undefined) parts[0] = first.subarray(count - skipped);
  return { parts, bytes: rest.bytes - count, at: rest.at + count };
}

function writeAllSync(fd: number, parts: readonly Uint8Array[], at: number): void {
  let rest = wholeOf(parts, at);
  while (rest.bytes > 0) {
    const only = rest.parts.length === 1 ? rest.parts[0] : undefined;
    const count =
      only === undefined
        ? fs.writevSync(fd, rest.parts.slice(0, gatherCountMax), rest.at)
        : fs.writeSync(fd, only, 0, only.byteLength, rest.at);
    rest = count === 0 && rest.bytes > 0 ? withoutEmptyHead(rest) : restAfter(rest, count);
  }
}

function writeAll(fd: number, parts: readonly Uint8Array[], at: number, done: Done<void>): void {
  writeRest(fd, wholeOf(parts, at), done);
}

function writeRest(fd: number, rest: Rest, done: Done<void>): void {
  if (rest.bytes === 0) {
    done(null, undefined);
    return;
  }
  const wrote = (error: Error | null, count: number): void => {
    if (error !== null) {
      done(error, undefined);
      return;
    }
    let next: Rest;
    try {
      next = count === 0 ? withoutEmptyHead(rest) : restAfter(rest, count);
    } catch (failure) {
      done(failure as Error, undefined);
      return;
    }
    writeRest(fd, next, done);
  };
  const only = rest.parts.length === 1 ? rest.parts[0] : undefined;
  if (only === undefined) fs.writev(fd, rest.parts.slice(0, gatherCountMax), rest.at, wrote);
  else fs.write(fd, only, 0, only.byteLength, rest.at, wrote);
}

/** A group of empty parts only writes nothing, rightly; a group with bytes in it that writes nothing is a failure. */
function withoutEmptyHead(rest: Rest): Rest {
  const head = rest.parts.slice(0, gatherCountMax);
  if (head.some((part) => part.byteLength > 0)) throw systemError('EIO', 'write');
  return { parts: rest.parts.slice(gatherCountMax), bytes: rest.bytes, at: rest.at };
}
