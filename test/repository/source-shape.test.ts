import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { moduleFacts } from './module-facts.js';
import { keptFiles, readKept, repositoryRoot, sourceFiles } from './repository-files.js';

const fileLinesMax = 420;
const functionLinesMax = 70;

function tooLong(path: string, source: string): readonly string[] {
  const lineCount = source.split('\n').length - 1;
  return [
    ...(lineCount > fileLinesMax ? [`${path}: ${lineCount} lines`] : []),
    ...moduleFacts(path, source)
      .functions.filter((found) => found.lineCount > functionLinesMax)
      .map((found) => `${path}:${found.line}: a function of ${found.lineCount} lines`),
  ];
}

describe('shape of the sources', () => {
  it(`no file has more than ${fileLinesMax} lines and no function more than ${functionLinesMax}`, () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap((path) => tooLong(path, readKept(path)))).toEqual([]);
  });

  it('control: a long file, a long function and a long method are found', () => {
    const lines = (count: number): string => 'x();\n'.repeat(count);
    expect(tooLong('src/base/made-up.ts', lines(fileLinesMax + 1))).toHaveLength(1);
    expect(tooLong('src/base/made-up.ts', `function f() {\n${lines(functionLinesMax - 1)}}\n`)).toHaveLength(1);
    expect(tooLong('src/base/made-up.ts', `class C {\n  m() {\n${lines(functionLinesMax - 1)}}\n}\n`)).toHaveLength(1);
    expect(tooLong('src/base/made-up.ts', `const f = () => {\n${lines(functionLinesMax - 2)}};\n`)).toEqual([]);
  });

  it('the top level has src, bench, test and data, and no other folder', () => {
    const allowed = new Set(['src', 'bench', 'test', 'data', 'node_modules', 'dist', 'coverage']);
    const folders = readdirSync(repositoryRoot, { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() && !entry.name.startsWith('.'),
    );
    expect(folders.map((entry) => entry.name).filter((name) => !allowed.has(name))).toEqual([]);
    expect(folders.map((entry) => entry.name)).toEqual(expect.arrayContaining(['src', 'test', 'data']));
  });

  it('every folder of src that has code has its mirror in test', () => {
    const folders = [
      ...new Set(
        sourceFiles()
          .filter((path) => path.split('/').length > 2)
          .map((path) => path.split('/')[1] ?? ''),
      ),
    ];
    expect(folders.length).toBeGreaterThan(0);
    const untested = folders.filter((folder) => {
      if (!existsSync(join(repositoryRoot, 'test', folder))) return true;
      return !keptFiles(`test/${folder}`).some((path) => path.endsWith('.test.ts'));
    });
    expect(untested).toEqual([]);
  });

  it('every file of src has a name in kebab case and is a module of TypeScript', () => {
    expect(keptFiles('src').filter((path) => !/^src(?:\/[a-z0-9-]+)+\.ts$/.test(path) && !path.endsWith('/README.md'))).toEqual([]);
  });
});
