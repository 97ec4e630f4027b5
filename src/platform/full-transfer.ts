/**
 * Positional reads and writes that move everything or fail.
 *
 * The kernel may move less than it was asked to: at its limit for one call, on a disk that is nearly full, after a signal.
 * Each function goes on where the last call stopped; the next call then ends the file or names the reason.
 */
import * as fs from 'node:fs';
import { systemError } from './system-error.js';

export type Done<T> = (error: Error | null, value: T) => void;

/** The most buffers that one gathering call takes (IOV_MAX on Linux and macOS). */
const gatherCountMax = 1024;

/** Fewer bytes than `into` holds only at the end of the file. */
export function readFullySync(fd: number, into: Uint8Array, at: number): number {
  let filled = 0;
  while (filled < into.byteLength) {
    const count = fs.readSync(fd, into, filled, into.byteLength - filled, at + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

export function readFully(fd: number, into: Uint8Array, filled: number, at: number, done: Done<number>): void {
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
  let emptyCount = 0;
  for (const part of parts) {
    bytes += part.byteLength;
    if (part.byteLength === 0) emptyCount += 1;
  }
  // Without empty parts a call that writes nothing is always a failure, see `restAfter`.
  return { parts: emptyCount === 0 ? parts.slice() : parts.filter((part) => part.byteLength > 0), bytes, at };
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

export function writeAllSync(fd: number, parts: readonly Uint8Array[], at: number): void {
  let rest = wholeOf(parts, at);
  while (rest.bytes > 0) {
    const only = rest.parts.length === 1 ? rest.parts[0] : undefined;
    const count =
      only === undefined
        ? fs.writevSync(fd, rest.parts.slice(0, gatherCountMax), rest.at)
        : fs.writeSync(fd, only, 0, only.byteLength, rest.at);
    rest = restAfter(rest, count);
  }
}

export function writeAll(fd: number, parts: readonly Uint8Array[], at: number, done: Done<void>): void {
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
      next = restAfter(rest, count);
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
