import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top of the repository, also for a program that was compiled into `data/run-bench/`. */
export const repositoryRoot: string = findRoot();

/** Everything that benches leave behind is below it; nothing of it is kept. */
export const benchData: string = join(repositoryRoot, 'data', 'run-bench');

function findRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const description = join(folder, 'package.json');
    if (existsSync(description) && (JSON.parse(readFileSync(description, 'utf8')) as { readonly name?: string }).name === 'stratalog')
      return folder;
    if (folder === dirname(folder)) throw new Error('the package.json of stratalog is in no folder above this program');
  }
}
