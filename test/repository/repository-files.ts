import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const repositoryRoot: string = join(import.meta.dirname, '..', '..');

/** What is made here but never kept: the same names as in .gitignore. */
const notKept: ReadonlySet<string> = new Set(['.git', 'node_modules', 'dist', 'coverage', 'data/run']);

/** Paths from the root with `/`, sorted, of all files that are kept. Asks no git: the tests run from an unpacked archive too. */
export function keptFiles(under = ''): readonly string[] {
  const found: string[] = [];
  const visit = (directory: string): void => {
    for (const entry of readdirSync(join(repositoryRoot, directory), { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (notKept.has(path) || entry.name === 'node_modules') continue;
      if (entry.isDirectory()) visit(path);
      else if (!/\.(?:log|tsbuildinfo|tgz)$/.test(entry.name)) found.push(path);
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
