import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type NamedTest, type OriginalBug, readBugs, repositoryRoot } from './bug-list.js';
import { renderPage } from './render-page.js';

const folder = 'test/original-bugs';
const bugs = readBugs();
const named = bugs.flatMap(({ tests = [] }) => tests);

/** Of a file in which every test stands by itself, with its name on the line where it begins; any other is an error. */
function testsIn(file: string, source: string): readonly NamedTest[] {
  const names = [...source.matchAll(/^it\('([^'\n]+)', /gm)].map(([, name = '']) => name);
  const calls = source.match(/\b(?:it|test|describe)(?:\.\w+)*\s*\(/g) ?? [];
  if (calls.length !== names.length) throw new Error(`${file}: ${calls.length} calls that begin a test, ${names.length} names`);
  return names.map((name) => ({ file, name }));
}

function testsOfFolder(): readonly NamedTest[] {
  const files = readdirSync(join(repositoryRoot, folder)).filter((name) => name.endsWith('.test.ts') && name !== 'page.test.ts');
  return files.flatMap((name) => testsIn(`${folder}/${name}`, readFileSync(join(repositoryRoot, folder, name), 'utf8')));
}

/** What makes a list useless: a row without test or reason, a test that is not there, or one that is there and not listed. */
function faultsOf(list: readonly OriginalBug[], there: readonly NamedTest[]): readonly string[] {
  const key = ({ file, name }: NamedTest): string => `${file}: ${name}`;
  const found = new Set(there.map(key));
  const listed = list.flatMap(({ tests = [] }) => tests.map(key));
  return [
    ...list
      .filter(({ tests = [], absent }) => tests.length > 0 === (absent !== undefined))
      .map(({ symptom }) => `test or reason: ${symptom}`),
    ...list
      .filter(({ threads, symptom, cause }) => threads.length === 0 || symptom === '' || cause === '')
      .map(({ threads }) => `no text: ${threads.join()}`),
    ...list.flatMap(({ threads, tests = [] }) => tests.filter(({ name }) => !threads.some((thread) => name.startsWith(thread))).map(key)),
    ...listed.filter((each) => !found.has(each)).map((each) => `not there: ${each}`),
    ...[...found].filter((each) => listed.filter((other) => other === each).length !== 1).map((each) => `not listed once: ${each}`),
  ];
}

describe('the list of the bugs of the original', () => {
  it('ORIGINAL-BUGS.md is what the list gives (npm run original-bugs)', () => {
    expect(readFileSync(join(repositoryRoot, 'ORIGINAL-BUGS.md'), 'utf8')).toBe(renderPage(bugs));
  });

  it('has a test that is there, or a reason, for each of them, and every test of the folder once', () => {
    expect(bugs.length).toBeGreaterThan(60);
    expect(faultsOf(bugs, testsOfFolder())).toEqual([]);
  });

  it('names every thread in a form that leads to it', () => {
    const forms = /^(?:[\w-]+\/[\w-]+(?:#\d+|@[0-9a-f]{7})|ROCKETMQ-\d+)$/;
    expect(bugs.flatMap(({ threads }) => threads).filter((thread) => !forms.test(thread))).toEqual([]);
  });

  it('control: a test that is renamed, one that is not listed, and a row without either are found', () => {
    const there = testsOfFolder();
    const [first] = named;
    const renamed = there.map((each) => (each.name === first?.name ? { ...each, name: `${each.name} and more` } : each));
    expect(faultsOf(bugs, renamed)).toHaveLength(2);
    expect(faultsOf(bugs.slice(1), there)).toHaveLength(bugs[0]?.tests?.length ?? 0);
    const { tests: _, ...bare } = bugs[0]!;
    expect(faultsOf([bare], [])).toHaveLength(1);
    expect(() => testsIn('made-up', "it.each([1])('a', () => {});\n")).toThrow('1 calls');
    expect(renderPage(bugs.slice(1))).not.toBe(renderPage(bugs));
  });
});
