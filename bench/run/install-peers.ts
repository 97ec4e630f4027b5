import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../common/repository.js';

/** Installs the packages of `bench/compare` once; gives back why that failed. What then does not load is left out by name. */
export function installPeers(note: (line: string) => void): string | undefined {
  const folder = join(repositoryRoot, 'bench', 'compare');
  if (existsSync(join(folder, 'node_modules', 'uplot'))) return undefined;
  note('installing what is compared with (once; some of it may be compiled, which takes minutes)');
  const { status, stderr, error } = spawnSync('npm', ['ci'], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (status === 0) return undefined;
  return `npm ci in bench/compare has failed: ${(error?.message ?? stderr).trim().split('\n').slice(0, 2).join(' ')}`;
}
