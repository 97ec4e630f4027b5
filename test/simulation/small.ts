import type { FileSystem } from '../../src/index.js';
import type { SeededRandom } from '../../src/testing/seeded-random.js';

/** Where the store lies on the simulated disk. */
export const root = '/store';

export function pick<const T>(random: SeededRandom, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

export async function removeTree(fs: FileSystem, path: string): Promise<void> {
  let names: readonly string[] = [];
  try {
    names = fs.list(path);
  } catch {
    // A file.
  }
  for (const name of names) await removeTree(fs, `${path}/${name}`);
  await fs.remove(path);
}
