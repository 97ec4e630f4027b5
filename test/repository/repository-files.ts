import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const repositoryRoot: string = join(import.meta.dirname, '..', '..');

/** What is made here but never kept, by the lines of .gitignore: `*` is the only sign that they use, a `/` inside ties to the root. */
const notKept: readonly RegExp[] = readFileSync(join(repositoryRoot, '.gitignore'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const name = line.replace(/^\/|\/$/g, '');
    const pattern = name.replaceAll('.', '\\.').replaceAll('*', '[^/]*');
    return new RegExp(`${name.includes('/') || line.startsWith('/') ? '^' : '(?:^|/)'}${pattern}$`);
  });

/** Paths from the root with `/`, sorted, of all files that are kept. Asks no git: the tests run from an unpacked archive too. */
export function keptFiles(under = ''): readonly string[] {
  const found: string[] = [];
  const visit = (directory: string): void => {
    for (const entry of readdirSync(join(repositoryRoot, directory), { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (path === '.git' || notKept.some((pattern) => pattern.test(path))) continue;
      if (entry.isDirectory()) visit(path);
      else found.push(path);
    }
  };
  visit(under);
  return found.sort();
}

export function sourceFiles(): readonly string[] {
  return keptFiles('src').filter((path) => path.endsWith('.ts'));
}

export function readKept(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

export function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readKept(path)) as Record<string, unknown>;
}
