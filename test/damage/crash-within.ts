import { type Platform, StoreError } from '../../src/index.js';
import { type MemoryPlatform, withFaults } from '../../src/testing/index.js';
import { systemError } from '../contract/harness.js';

/** What is left of the disk when the machine goes down at the `calls`th call of `work`; undefined: it came to its end before. */
export async function crashWithin(
  disk: MemoryPlatform,
  calls: number,
  keep: 'all' | 'synced' | 'random',
  work: (platform: Platform) => Promise<void>,
): Promise<MemoryPlatform | undefined> {
  let left = calls;
  let successor: MemoryPlatform | undefined;
  const failing = withFaults(disk, () => {
    left -= 1;
    if (left > 0) return undefined;
    successor ??= disk.crash(keep);
    return systemError('EIO');
  });
  await work(failing).catch((error: unknown) => {
    if (!StoreError.is(error)) throw error;
  });
  return successor;
}
