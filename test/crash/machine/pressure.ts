import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mounted, writeBallast } from './mounted.js';

const mib = 1024 * 1024;

/** A small file system and what fills it. */
export interface Pressure {
  readonly mounted: Mounted;
  /** Takes all that is left but about `left` bytes or files. */
  fill(left: number): void;
  free(): void;
  /** More than the store can have filled by itself. */
  freeAll(): void;
}

export type PressureKind = 'tmpfs' | 'ext4' | 'ext4 inodes';

export function makePressure(kind: PressureKind): Pressure {
  if (kind === 'tmpfs') return bytePressure(Mounted.memory(4 * mib + reserveBytes));
  if (kind === 'ext4') return bytePressure(Mounted.image('ext4', { bytes: 16 * mib + reserveBytes }));
  return inodePressure(Mounted.image('ext4', { bytes: 32 * mib, formatOptions: ['-N', String(512 + reserveFiles)] }));
}

const reserveBytes = 8 * mib;
const reserveFiles = 500;

function bytePressure(mounted: Mounted): Pressure {
  const ballast = join(mounted.path, 'ballast');
  const reserve = join(mounted.path, 'reserve');
  return {
    mounted,
    fill(left) {
      rmSync(ballast, { force: true });
      if (!existsSync(reserve)) writeBallast(reserve, reserveBytes);
      writeBallast(join(mounted.path, 'room'), left);
      writeBallast(ballast, Number.MAX_SAFE_INTEGER);
      rmSync(join(mounted.path, 'room'), { force: true });
    },
    free() {
      rmSync(ballast, { force: true });
    },
    freeAll() {
      rmSync(ballast, { force: true });
      rmSync(reserve, { force: true });
    },
  };
}

function inodePressure(mounted: Mounted): Pressure {
  const folder = join(mounted.path, 'ballast');
  const reserve = join(mounted.path, 'reserve');
  return {
    mounted,
    fill(left) {
      mkdirSync(folder, { recursive: true });
      mkdirSync(reserve, { recursive: true });
      const made: string[] = [];
      try {
        for (let number = readdirSync(reserve).length + readdirSync(folder).length; ; number += 1) {
          const path = join(number < reserveFiles ? reserve : folder, String(number));
          writeFileSync(path, '');
          made.push(path);
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
      for (const path of made.filter((each) => each.startsWith(folder)).slice(0, left)) rmSync(path);
    },
    free() {
      rmSync(folder, { recursive: true, force: true });
    },
    freeAll() {
      rmSync(folder, { recursive: true, force: true });
      rmSync(reserve, { recursive: true, force: true });
    },
  };
}
