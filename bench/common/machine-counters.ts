import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel counts for this process. Linux only: elsewhere the functions return `undefined`, and reports leave the figure out. */

/** Bytes that this process has caused to be sent to block devices: counted by whole pages, when a clean page is made dirty. */
export function blockBytesWritten(): number | undefined {
  return countedBy(/^write_bytes: (\d+)$/m);
}

export function openFileCount(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}

function countedBy(line: RegExp): number | undefined {
  try {
    const match = line.exec(readFileSync('/proc/self/io', 'utf8'));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}
