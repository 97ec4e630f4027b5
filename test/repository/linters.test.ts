import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readJson, repositoryRoot } from './repository-files.js';

/**
 * The linters are run with the configuration of the repository over a tree that breaks the rules on purpose: a linter that has
 * stopped seeing the files, or lost a rule, is otherwise as quiet as one that has nothing to say.
 */
let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'stratalog-lint-'));
  for (const name of ['.oxlintrc.json', 'biome.json', 'tsconfig.json', 'package.json'])
    copyFileSync(join(repositoryRoot, name), join(tree, name));
  symlinkSync(join(repositoryRoot, 'node_modules'), join(tree, 'node_modules'), 'junction');
});
afterEach(() => {
  rmSync(tree, { recursive: true, force: true });
});

function put(path: string, source: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), source);
}

function run(packageName: string, ...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { bin } = readJson(`node_modules/${packageName}/package.json`);
  const script = typeof bin === 'string' ? bin : Object.values(bin as Record<string, string>)[0];
  const program = join(repositoryRoot, 'node_modules', packageName, String(script));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: tree, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

function lint(): ReturnType<typeof run> {
  return run('oxlint', '--type-aware', '--deny-warnings', '--format', 'unix', 'src', 'test');
}

describe('oxlint', () => {
  it('fails when it finds no file', () => {
    put('elsewhere/fine.ts', 'export const one = 1;\n');
    expect(lint().status).not.toBe(0);
  });

  it('passes over a tree that keeps the rules', () => {
    put('src/base/fine.ts', 'export const one = 1;\n');
    expect(lint()).toMatchObject({ status: 0 });
  });

  it.each([
    ['a forgotten await', 'src/store/a.ts', 'export function f(g: () => Promise<void>): void {\n  g();\n}\n', 'no-floating-promises'],
    ['an await of what is no promise', 'src/store/a.ts', 'export async function f(): Promise<void> {\n  await 1;\n}\n', 'await-thenable'],
    [
      'a promise where none is waited for',
      'src/store/a.ts',
      'export const f = (g: () => Promise<void>): void => [1].forEach(async () => g());\n',
      'no-misused-promises',
    ],
    [
      'a forgotten await in a test',
      'test/base/a.ts',
      'export function f(g: () => Promise<void>): void {\n  g();\n}\n',
      'no-floating-promises',
    ],
    [
      'node:fs outside the platform',
      'src/store/a.ts',
      "import { openSync } from 'node:fs';\nexport const f = openSync;\n",
      'no-restricted-imports',
    ],
    [
      'an import that goes up',
      'src/segment/a.ts',
      "import { f } from '../commit-log/b.js';\nexport const g = f;\n",
      'no-restricted-imports',
    ],
    [
      'an import of a record by a segment',
      'src/segment/a.ts',
      "import { f } from '../format/b.js';\nexport const g = f;\n",
      'no-restricted-imports',
    ],
    ['the wall clock', 'src/store/a.ts', 'export const f = (): number => Date.now();\n', 'no-restricted-properties'],
    ['dice', 'src/store/a.ts', 'export const f = (): number => Math.random();\n', 'no-restricted-properties'],
    ['a timer', 'src/store/a.ts', 'export const f = (g: () => void): unknown => setTimeout(g, 1);\n', 'no-restricted-globals'],
    ['a default export', 'src/store/a.ts', 'export default 1;\n', 'no-default-export'],
    ['a long file', 'src/store/a.ts', 'export {};\n'.repeat(421), 'max-lines'],
    [
      'a long function',
      'src/store/a.ts',
      `export function f(g: () => void): void {\n${'  g();\n'.repeat(70)}}\n`,
      'max-lines-per-function',
    ],
    [
      'a test that runs alone',
      'test/base/a.test.ts',
      "import { expect, it } from 'vitest';\nit.only('x', () => expect(1).toBe(1));\n",
      'no-focused-tests',
    ],
  ])('control: %s is found', (_, path, source, rule) => {
    put(path, source);
    const { status, output } = lint();
    expect(output).toContain(rule);
    expect(status).not.toBe(0);
  });
});

describe('biome', () => {
  const format = (): ReturnType<typeof run> => run('@biomejs/biome', 'format', 'src', 'test');

  it('fails when it finds no file', () => {
    mkdirSync(join(tree, 'src'));
    mkdirSync(join(tree, 'test'));
    expect(format().status).not.toBe(0);
  });

  it('control: a file that is not formatted is found, and a formatted one is not', () => {
    put('src/base/a.ts', 'export const one = 1;\n');
    mkdirSync(join(tree, 'test'));
    expect(format()).toMatchObject({ status: 0 });
    put('src/base/b.ts', 'export const two = "2"\n');
    expect(format().status).not.toBe(0);
  });
});
