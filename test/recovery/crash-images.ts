import type { MemoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';

const changing: ReadonlySet<string> = new Set(['write', 'writeSync', 'truncate', 'sync', 'rename', 'remove', 'copy', 'syncDirectory']);

/**
 * What a kill and a power cut leave of the disk in front of each call that changes the log or a side file, while that goes on which
 * `prepare` returns.
 */
export async function* crashImages(
  make: () => MemoryPlatform | Promise<MemoryPlatform>,
  prepare: (platform: MemoryPlatform) => Promise<() => Promise<unknown>>,
): AsyncGenerator<MemoryPlatform> {
  for (let number = 0; ; number += 1) {
    for (const kept of ['all', 'synced'] as const) {
      const disk = await make();
      let image: MemoryPlatform | undefined;
      let count = Number.NEGATIVE_INFINITY;
      const dying = aroundCalls(disk, (op, path, call) => {
        if (changing.has(op) && /\/(?:commitlog|stratalog)\b/.test(path)) {
          if (count === number) image ??= disk.crash(kept);
          count += 1;
        }
        return call();
      });
      const work = await prepare(dying);
      count = 0;
      try {
        await work();
      } catch (error) {
        if (image === undefined) throw error;
      }
      if (image === undefined) return;
      yield image;
    }
  }
}
