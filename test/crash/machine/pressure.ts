import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mounted, writeBallast } from './mounted.js';

const mib = 1024 * 1024;

/** A small file system and what fills it. */
export interface Pressure {
  readonly mounted: Mounted;
  /** Takes all that is left but about `left` bytes or files. */
  fill(left: number): void;
  free(): void;
  /** Whether there is any, with nothing but the store on it: a store can fill a small disk by itself. */
  hasRoom(): boolean;
}

export type PressureKind = 'tmpfs' | 'ext4' | 'ext4 inodes';

export function makePressure(kind: PressureKind): Pressure {
  if (kind === 'tmpfs') return bytePressure(Mounted.memory(4 * mib));
  if (kind === 'ext4') return bytePressure(Mounted.image('ext4', { bytes: 16 * mib }));
  return inodePressure(Mounted.image('ext4', { bytes: 32 * mib, formatOptions: ['-N', '512'] }));
}

const roomBytes = 512 * 1024;
const roomFiles = 60;

function hasRoom({ path }: Mounted): boolean {
  const { bavail, bsize, ffree } = statfsSync(path);
  return bavail * bsize >= roomBytes && ffree >= roomFiles;
}

function bytePressure(mounted: Mounted): Pressure {
  const ballast = join(mounted.path, 'ballast');
  return {
    mounted,
    fill(left) {
      rmSync(ballast, { force: true });
      if (left > 0) writeFileSync(join(mounted.path, 'room'), Buffer.alloc(left));
      writeBallast(ballast, Number.MAX_SAFE_INTEGER);
      rmSync(join(mounted.path, 'room'), { force: true });
    },
    free() {
      rmSync(ballast, { force: true });
    },
    hasRoom: () => hasRoom(mounted),
  };
}

function inodePressure(mounted: Mounted): Pressure {
  const folder = join(mounted.path, 'ballast');
  return {
    mounted,
    fill(left) {
      mkdirSync(folder, { recursive: true });
      const made: string[] = [];
      try {
        for (let number = readdirSync(folder).length; ; number += 1) {
          const path = join(folder, String(number));
          writeFileSync(path, '');
          made.push(path);
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
      for (const path of made.slice(0, left)) rmSync(path);
    },
    free() {
      rmSync(folder, { recursive: true, force: true });
    },
    hasRoom: () => hasRoom(mounted),
  };
}
