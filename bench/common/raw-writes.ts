import { closeSync, fdatasyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

/**
 * The measure for every rate of the store: the same bytes written by a bare loop of positional writes, with no format, no index, no
 * checksum and no receipt, into fresh sparse files of a segment's length on the same file system. No store in Node.js that
 * gives each message to the operating system can be quicker than this loop with pieces of one message.
 */
export interface RawWrites {
  /** Where a folder for the files is made; it is deleted at the end. */
  readonly directory: string;
  readonly totalBytes: number;
  /** Bytes of one write. */
  readonly pieceBytes: number;
  readonly fileBytes: number;
  /** `each`: fdatasync after every write; `none`: one at the end, measured apart. */
  readonly sync: 'each' | 'none';
  /** Stops early; what was written until then counts. */
  readonly durationMaxMs?: number | undefined;
}

export interface RawResult {
  readonly pieceCount: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Of the one sync at the end; 0 with `each`. */
  readonly finalSyncMs: number;
}

export async function runRawWrites(options: RawWrites): Promise<RawResult> {
  const folder = join(options.directory, 'raw-loop.tmp');
  mkdirSync(folder, { recursive: true });
  try {
    return writeAll(folder, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function writeAll(folder: string, options: RawWrites): RawResult {
  const piece = Buffer.alloc(options.pieceBytes, 0x5a);
  const descriptors: number[] = [];
  const started = performance.now();
  const deadline = started + (options.durationMaxMs ?? Number.POSITIVE_INFINITY);
  let bytes = 0;
  let pieceCount = 0;
  let at = options.fileBytes;
  let fd = -1;
  try {
    while (bytes < options.totalBytes) {
      if (at + piece.length > options.fileBytes) {
        fd = makeFile(join(folder, String(descriptors.length)), options.fileBytes);
        descriptors.push(fd);
        at = 0;
      }
      writeSync(fd, piece, 0, piece.length, at);
      if (options.sync === 'each') fdatasyncSync(fd);
      at += piece.length;
      bytes += piece.length;
      pieceCount += 1;
      if ((pieceCount & 63) === 0 && performance.now() > deadline) break;
    }
    const written = performance.now();
    if (options.sync === 'none') for (const each of descriptors) fdatasyncSync(each);
    return { pieceCount, bytes, durationMs: written - started, finalSyncMs: options.sync === 'none' ? performance.now() - written : 0 };
  } finally {
    for (const each of descriptors) closeSync(each);
  }
}

/** Full length and all holes, as a segment of the log is made. */
function makeFile(path: string, bytes: number): number {
  const fd = openSync(path, 'wx+');
  ftruncateSync(fd, bytes);
  return fd;
}
