import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { floors } from './floors.js';
import { keptFiles, readJson, readKept, repositoryRoot } from './repository-files.js';

const pages = keptFiles().filter((path) => path.endsWith('.md'));

function isThere(path: string): boolean {
  return existsSync(join(repositoryRoot, path));
}

/** What a page points at and is not there: links to files, paths in backticks, `npm run` scripts. */
function deadReferences(page: string, text: string): readonly string[] {
  const scripts = readJson('package.json')['scripts'] as Readonly<Record<string, string>>;
  const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => posix.join(posix.dirname(page), target));
  const paths = [...text.matchAll(/`((?:src|test|bench|data|\.ci)\/[\w./-]*\w)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => path !== 'data/run');
  const commands = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name);
  return [
    ...[...links, ...paths].filter((path) => !isThere(path)).map((path) => `${page}: ${path} is not there`),
    ...commands.filter((name) => !(name in scripts)).map((name) => `${page}: there is no script ${name}`),
  ];
}

describe('pages', () => {
  it('everything that a page points at is there', () => {
    expect(pages).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'data/README.md']));
    expect(pages.flatMap((page) => deadReferences(page, readKept(page)))).toEqual([]);
  });

  it('control: a dead link, a dead path and a script that is not there are found', () => {
    const text =
      'See [that](GONE.md) and [this](README.md#part), `src/gone/gone.ts`, `npm run gone`, `npm run build`, https://example.org/a.md';
    expect(deadReferences('README.md', text)).toHaveLength(3);
  });

  it('the floors of ARCHITECTURE.md are those that the test of the floors enforces', () => {
    const architecture = readKept('ARCHITECTURE.md');
    const table = architecture.slice(architecture.indexOf('## Floors'), architecture.indexOf('## How an append travels'));
    const named = [...table.matchAll(/`([a-z-]+(?:\/|\.ts))`/g)].map(([, name = '']) => name.replace(/\/$/, ''));
    expect([...new Set(named)].sort()).toEqual(Object.keys(floors).sort());
  });

  it('the files of the reading order are there', () => {
    const architecture = readKept('ARCHITECTURE.md');
    const order = architecture.slice(architecture.indexOf('## Reading order'));
    const files = [...order.matchAll(/`((?:[a-z-]+\/)*[a-z-]+(?:\.ts|\/))`/g)].map(([, path = '']) => `src/${path}`);
    expect(files.length).toBeGreaterThan(8);
    expect(files.filter((path) => !isThere(path))).toEqual([]);
  });
});
