import { join } from 'node:path';
import type { FileSystem } from './platform.js';

/** A process id and a line feed fit; anything longer is not one. */
const pidBytesMax = 16;

/**
 * The process that says it has the directory, for the text of an error: read from `abort`, where RocketMQ and we leave it while a
 * store is open, or from `stratalog/pid`. Never proof of anything: only the lock is.
 */
export function readLockHolder(fs: FileSystem, directory: string): number | undefined {
  return readPid(fs, join(directory, 'abort')) ?? readPid(fs, join(directory, 'stratalog', 'pid'));
}

function readPid(fs: FileSystem, path: string): number | undefined {
  try {
    const file = fs.open(path, 'read');
    try {
      const bytes = Buffer.alloc(pidBytesMax);
      const text = bytes.toString('latin1', 0, file.readSync(bytes, 0));
      const digits = /^([1-9][0-9]{0,9})\s*$/.exec(text)?.[1];
      return digits === undefined ? undefined : Number(digits);
    } finally {
      file.close().catch(() => undefined);
    }
  } catch {
    return undefined;
  }
}
