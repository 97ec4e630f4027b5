import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What an engine is known by: a hash over the names and bytes of the sources that a bench covers. Counts of another engine do not count. */
export function engineHash(root: string, covers: readonly string[]): string {
  const hash = createHash('sha256');
  for (const folder of covers) {
    for (const path of filesUnder(root, folder)) {
      hash.update(`${path}\0`);
      hash.update(readFileSync(join(root, path)));
      hash.update('\0');
    }
  }
  return hash.digest('hex').slice(0, 12);
}

/** Paths from `root`, in the same order everywhere. */
function filesUnder(root: string, path: string): readonly string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path))
    .sort()
    .flatMap((name) => filesUnder(root, `${path}/${name}`));
}
