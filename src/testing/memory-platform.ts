import { nodeClock } from '../platform/node-clock.js';
import type { Clock, Platform } from '../platform/platform.js';
import { MemoryDisk } from './memory-disk.js';
import { MemoryFileSystem } from './memory-file-system.js';
import type { BlockBytes } from './memory-space.js';
import { SeededRandom } from './seeded-random.js';

const defaultSeed = 1;
const defaultCapacityBytes = 2 ** 40;

export interface MemoryPlatform extends Platform {
  /**
   * The power fails: every later call on this platform fails with EIO; the returned one holds what a disk may hold then.
   *
   * - `synced`: only what was synced.
   * - `random` (default): of the rest a seeded choice, torn at `blockBytes`; names that no directory sync covers, too. Called again on the same platform, another choice.
   * - `all`: as after a kill of the process. What was not synced is there and still not synced: the returned platform is the same
   *   disk, so this one can be crashed no more.
   */
  crash(keep?: 'synced' | 'random' | 'all'): MemoryPlatform;
  /** Of every file that is open at the moment, once for each time that it is: empty when everything was closed. */
  readonly openPaths: readonly string[];
}

/**
 * A disk in memory: sparse files, names and contents that outlive a power cut only if they were synced, calls that complete in
 * a later turn and not always in order. Same seed, same history, same crash.
 *
 * @param options.seed 1 by default; any number.
 * @param options.clock The real one by default; `manualClock` makes a history repeatable in time too.
 * @param options.capacityBytes Above it writes fail with ENOSPC; counted in pages of 4 KiB that were written. Default 1 TiB.
 * @param options.blockBytes What the disk writes as a whole or not at all: 512 (default) or 4096.
 */
export function memoryPlatform(
  options: {
    readonly seed?: number | undefined;
    readonly clock?: Clock | undefined;
    readonly capacityBytes?: number | undefined;
    readonly blockBytes?: BlockBytes | undefined;
  } = {},
): MemoryPlatform {
  const random = new SeededRandom(options.seed ?? defaultSeed);
  const disk = new MemoryDisk(options.capacityBytes ?? defaultCapacityBytes, options.blockBytes ?? 512, random);
  return platformOver(disk, options.clock ?? nodeClock);
}

function platformOver(disk: MemoryDisk, clock: Clock): MemoryPlatform {
  const fs = new MemoryFileSystem(disk, clock);
  // Of its own, so that asking for a random id does not change which sectors a crash keeps.
  const identifiers = new SeededRandom(disk.random.uint32());
  let handedOver = false;
  return {
    fs,
    clock,
    get openPaths() {
      return fs.openPaths;
    },
    randomBytes: (count) => identifiers.bytes(count),
    crash(keep = 'random') {
      if (handedOver) throw new Error("after crash('all') the disk belongs to the platform that it returned");
      // What was under way may have reached the disk, or not.
      fs.stop(() => keep !== 'synced' && disk.random.chance(0.5));
      handedOver = keep === 'all';
      return platformOver(keep === 'all' ? disk : disk.afterPowerCut(keep), clock);
    },
  };
}
