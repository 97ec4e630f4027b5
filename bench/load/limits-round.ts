import { closeSync, fdatasyncSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { perSecond } from '../common/numbers.js';

export interface LimitOptions {
  readonly totalBytes: number;
  readonly syncedPieceBytes: number;
  readonly syncSeconds: number;
}

/** What the machine gives to a program that does nothing else, in this directory. Rates of bytes and of calls. */
export interface Limits {
  /** As `dd` does it: pieces of 1 MiB into a fresh file, the disk not waited for. */
  readonly writeBytesPerSecond: number;
  /** The same with one fdatasync at the end, which is waited for. */
  readonly writeAndSyncBytesPerSecond: number;
  /** Write a small piece, fdatasync, and so on, in a file that is all holes. */
  readonly syncsPerSecondSparse: number;
  /** The same in a file whose blocks were written before. */
  readonly syncsPerSecondPreallocated: number;
  /** Over pages that the page cache holds already. */
  readonly overwriteBytesPerSecond: number;
  readonly cachedReadBytesPerSecond: number;
  /** From memory to memory, no system call. */
  readonly copyBytesPerSecond: number;
}

const pieceBytes = 1024 ** 2;
const cachedBytes = 128 * 1024 ** 2;

export function measureLimits(directory: string, options: LimitOptions): Limits {
  const path = join(directory, 'limit.tmp');
  const inFile = <Result>(work: (fd: number) => Result): Result => {
    const fd = openSync(path, 'wx+');
    try {
      return work(fd);
    } finally {
      closeSync(fd);
      rmSync(path);
    }
  };
  const sequential = inFile((fd) => writeAndSync(fd, options.totalBytes));
  return {
    ...sequential,
    syncsPerSecondSparse: inFile((fd) => syncLoop(fd, options, false)),
    syncsPerSecondPreallocated: inFile((fd) => syncLoop(fd, options, true)),
    ...inFile(cached),
    copyBytesPerSecond: copyRate(),
  };
}

function writeAndSync(fd: number, totalBytes: number): Pick<Limits, 'writeBytesPerSecond' | 'writeAndSyncBytesPerSecond'> {
  const piece = Buffer.alloc(pieceBytes, 0x5a);
  const started = performance.now();
  for (let at = 0; at < totalBytes; at += pieceBytes) writeSync(fd, piece, 0, pieceBytes, at);
  const writtenMs = performance.now() - started;
  fdatasyncSync(fd);
  const syncedMs = performance.now() - started;
  return { writeBytesPerSecond: perSecond(totalBytes, writtenMs), writeAndSyncBytesPerSecond: perSecond(totalBytes, syncedMs) };
}

function syncLoop(fd: number, options: LimitOptions, preallocated: boolean): number {
  const piece = Buffer.alloc(options.syncedPieceBytes, 0x5a);
  const fileBytes = 64 * pieceBytes;
  ftruncateSync(fd, fileBytes);
  if (preallocated) {
    const zeros = Buffer.alloc(pieceBytes);
    for (let at = 0; at < fileBytes; at += pieceBytes) writeSync(fd, zeros, 0, pieceBytes, at);
    fdatasyncSync(fd);
  }
  const started = performance.now();
  const until = started + options.syncSeconds * 1_000;
  let count = 0;
  for (let at = 0; at + piece.length <= fileBytes && performance.now() < until; at += piece.length) {
    writeSync(fd, piece, 0, piece.length, at);
    fdatasyncSync(fd);
    count += 1;
  }
  return perSecond(count, performance.now() - started);
}

function cached(fd: number): Pick<Limits, 'overwriteBytesPerSecond' | 'cachedReadBytesPerSecond'> {
  const piece = Buffer.alloc(pieceBytes, 0x5a);
  const pass = (call: (at: number) => unknown): number => {
    const started = performance.now();
    for (let at = 0; at < cachedBytes; at += pieceBytes) call(at);
    return perSecond(cachedBytes, performance.now() - started);
  };
  pass((at) => writeSync(fd, piece, 0, pieceBytes, at));
  return {
    overwriteBytesPerSecond: pass((at) => writeSync(fd, piece, 0, pieceBytes, at)),
    cachedReadBytesPerSecond: pass((at) => readSync(fd, piece, 0, pieceBytes, at)),
  };
}

function copyRate(): number {
  const from = Buffer.alloc(cachedBytes, 0x5a);
  const into = Buffer.alloc(cachedBytes, 1);
  const started = performance.now();
  from.copy(into);
  return perSecond(cachedBytes, performance.now() - started);
}
