import {
  closeSync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { run } from './commands.js';
import { type ImageKind, Mounted, whyNoImage, whyNoMemory } from './mounted.js';

const mib = 1024 * 1024;
const imageBytes: Readonly<Record<ImageKind, number>> = { ext4: 96 * mib, xfs: 310 * mib };
const healthyBytes = 2048 * mib;
const boundTryCountMax = 100;

/**
 * A disk that fails to write and gets well again, as a real one does: a sync fails once, then "succeeds" although the data is lost.
 *
 * The image lies in memory of bounded size. Blocks in use are there, free ones are holes; when the bound is drawn down to what is in
 * use, every write to a new block fails, while the journal and what was written before go on working.
 */
export class FailingDisk {
  readonly mounted: Mounted;
  readonly #memory: Mounted;

  constructor(kind: ImageKind) {
    this.#memory = Mounted.memory(healthyBytes);
    try {
      this.mounted = Mounted.image(kind, { bytes: imageBytes[kind], folder: this.#memory.path, beforeMount: allocate });
    } catch (error) {
      this.#memory.remove();
      throw error;
    }
    run('fstrim', this.mounted.path);
  }

  fail(): void {
    for (let tries = 1; ; tries += 1) {
      const { blocks, bfree, bsize } = statfsSync(this.#memory.path);
      try {
        return this.#memory.remount(`size=${(blocks - bfree) * bsize}`);
      } catch (error) {
        // More has come into use since it was asked for.
        if (tries === boundTryCountMax) throw error;
      }
    }
  }

  heal(): void {
    this.#memory.remount(`size=${healthyBytes}`);
  }

  remove(): void {
    this.heal();
    this.mounted.remove();
    this.#memory.remove();
  }
}

/** mkfs leaves holes for what is zero, the journal above all; only free blocks may be holes. */
function allocate(image: string): void {
  run('cp', '--sparse=never', image, `${image}.whole`);
  run('mv', `${image}.whole`, image);
}

/**
 * What a program meets that syncs again after a failed sync: the sync fails, the data reads back, the second sync succeeds, and after
 * a power cut the data is gone. Undefined: that is what happened; otherwise what was different.
 */
export function whyNotLying(disk: FailingDisk): string | undefined {
  const path = join(disk.mounted.path, 'naive');
  const data = Buffer.alloc(64 * 1024, 'n');
  const fd = openSync(path, 'w+');
  try {
    ftruncateSync(fd, mib);
    fdatasyncSync(fd);
    disk.fail();
    writeSync(fd, data, 0, data.length, 0);
    if (!syncFails(fd)) return 'the sync did not fail';
    const back = Buffer.alloc(data.length);
    readSync(fd, back, 0, back.length, 0);
    if (!back.equals(data)) return 'the data did not read back after the failed sync';
    disk.heal();
    if (syncFails(fd)) return 'the second sync failed too';
  } finally {
    disk.heal();
    closeSync(fd);
  }
  disk.mounted.cut();
  disk.mounted.unmount();
  disk.mounted.mount();
  const isKept = statSync(path).size >= data.length && readFileSync(path).subarray(0, data.length).equals(data);
  rmSync(path);
  return isKept ? 'the data survived the cut' : undefined;
}

function syncFails(fd: number): boolean {
  try {
    fdatasyncSync(fd);
    return false;
  } catch {
    return true;
  }
}

const known = new Map<ImageKind, string | undefined>();

/** Why there is no such disk here; tried once, for real. */
export function whyNoFailingDisk(kind: ImageKind): string | undefined {
  const why = whyNoImage(kind) ?? whyNoMemory();
  if (why !== undefined) return why;
  if (!known.has(kind)) {
    try {
      const disk = new FailingDisk(kind);
      try {
        known.set(kind, whyNotLying(disk));
      } finally {
        disk.remove();
      }
    } catch (error) {
      known.set(kind, error instanceof Error ? error.message : String(error));
    }
  }
  return known.get(kind);
}
