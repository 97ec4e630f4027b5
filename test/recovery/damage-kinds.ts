import type { MemoryPlatform } from '../../src/testing/index.js';
import { flipBit, readFile, removeTree, truncateFile, writeInto } from '../contract/disk-surgery.js';

/** Something that happens to a file between two openings; `at` is where in it, for those that happen to a part. */
export type Damage = (disk: MemoryPlatform, path: string, at: number) => Promise<void>;

const sectorBytes = 512;

function sectorOf(at: number): number {
  return at - (at % sectorBytes);
}

/** Of a part of a file; its length stays. */
export const damagesOfPart: Readonly<Record<string, Damage>> = {
  'a flipped bit': async (disk, path, at) => await flipBit(disk, path, at, 2),
  'a zeroed sector': async (disk, path, at) => await writeInto(disk, path, Buffer.alloc(await sectorLength(disk, path, at)), sectorOf(at)),
  'a sector of something else': async (disk, path, at) => {
    await writeInto(disk, path, Buffer.alloc(await sectorLength(disk, path, at), 0xda), sectorOf(at));
  },
  'a sector from elsewhere in the file': async (disk, path, at) => {
    const bytes = await readFile(disk, path);
    const from = sectorOf(at) === 0 ? sectorBytes : 0;
    const length = Math.min(await sectorLength(disk, path, at), Math.max(0, bytes.length - from));
    if (length > 0) await writeInto(disk, path, Buffer.from(bytes.subarray(from, from + length)), sectorOf(at));
  },
};

/** Of a file as a whole. */
export const damagesOfWhole: Readonly<Record<string, Damage>> = {
  'no bytes': async (disk, path) => await truncateFile(disk, path, 0),
  'half of its bytes': async (disk, path) => await truncateFile(disk, path, Math.floor((await readFile(disk, path)).length / 2)),
  'nothing but zeros': async (disk, path) => await writeInto(disk, path, Buffer.alloc((await readFile(disk, path)).length), 0),
  'no file': async (disk, path) => await removeTree(disk, path),
};

async function sectorLength(disk: MemoryPlatform, path: string, at: number): Promise<number> {
  return Math.min(sectorBytes, (await readFile(disk, path)).length - sectorOf(at));
}
