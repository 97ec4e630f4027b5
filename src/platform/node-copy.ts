import * as fs from 'node:fs';
import type { FileSystem, StoreFile } from './platform.js';

/** Read in one call; the event loop is free between two. */
const sliceBytes = 1024 * 1024;
/** A run of zeros of this length, in step with the file, is left out of the target. */
const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);

/**
 * Makes `to`, which must not be there, of the first `bytes` of `from`, zeros where `from` is shorter. Blocks are shared with
 * `from` where the file system can and the whole file is wanted; otherwise blocks of zeros are left as holes, so that a sparse
 * file stays sparse. Nothing is synced. After a failure `to` is not there.
 */
export async function copyFileHead(fileSystem: FileSystem, from: string, to: string, bytes: number): Promise<void> {
  const source = fileSystem.open(from, 'read');
  try {
    if (bytes === source.sizeBytes() && (await shareBlocks(from, to))) return;
    const target = fileSystem.open(to, 'create');
    try {
      await copyBlocks(source, target, bytes);
      await target.truncate(bytes);
    } catch (error) {
      await fileSystem.remove(to).catch(() => undefined);
      throw error;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Whether `to` now shares all blocks of `from`. */
async function shareBlocks(from: string, to: string): Promise<boolean> {
  const mode = fs.constants.COPYFILE_FICLONE_FORCE | fs.constants.COPYFILE_EXCL;
  const failure = await new Promise<NodeJS.ErrnoException | null>((resolve) => fs.copyFile(from, to, mode, resolve));
  if (failure?.code === 'EEXIST') throw failure;
  // Whatever else it says, the way by reading and writing finds the same reason or succeeds.
  if (failure !== null) return false;
  // The permissions came along with the blocks; ours are narrower.
  await new Promise<void>((resolve, reject) => fs.chmod(to, 0o600, (error) => (error === null ? resolve() : reject(error))));
  return true;
}

async function copyBlocks(source: StoreFile, target: StoreFile, bytes: number): Promise<void> {
  const slice = Buffer.allocUnsafe(Math.min(sliceBytes, bytes));
  for (let at = 0; at < bytes; at += sliceBytes) {
    const filled = await source.read(slice.subarray(0, Math.min(sliceBytes, bytes - at)), at);
    if (filled === 0) return;
    for (let from = nextData(slice, 0, filled); from < filled; ) {
      const end = dataEnd(slice, from, filled);
      await target.write([slice.subarray(from, end)], at + from);
      from = nextData(slice, end, filled);
    }
  }
}

function isZeroBlock(slice: Buffer, at: number, filled: number): boolean {
  const block = slice.subarray(at, Math.min(at + blockBytes, filled));
  return block.equals(block.byteLength === blockBytes ? zeros : zeros.subarray(0, block.byteLength));
}

function nextData(slice: Buffer, from: number, filled: number): number {
  let at = from;
  while (at < filled && isZeroBlock(slice, at, filled)) at += blockBytes;
  return Math.min(at, filled);
}

function dataEnd(slice: Buffer, from: number, filled: number): number {
  let at = from + blockBytes;
  while (at < filled && !isZeroBlock(slice, at, filled)) at += blockBytes;
  return Math.min(at, filled);
}
