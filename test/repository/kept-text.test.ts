import { describe, expect, it } from 'vitest';
import { keptFiles, readKept } from './repository-files.js';

/** A file that installs from a host of its own, or names a place on somebody's machine, works on one machine only. */
const barred: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a registry host', /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\.[a-z]+|\bnpm\.pkg\.github\.[a-z]+/i],
  ['a home folder', /(?<![\w.~-])\/(?:home|Users)\/[A-Za-z][\w.-]*/],
  ['a folder of one machine', /(?<![\w.:~-])(?<!\.\.)\/(?:work|root)\//],
  ['a home folder of Windows', /\b[A-Z]:\\+Users\\/],
];

function findings(path: string, text: string): readonly string[] {
  return barred.flatMap(([what, pattern]) => {
    const match = pattern.exec(text);
    if (match === null) return [];
    return [`${path}:${text.slice(0, match.index).split('\n').length}: ${what}: ${match[0]}`];
  });
}

describe('text that is kept', () => {
  it('no file names a registry host or a place on one machine', () => {
    const files = keptFiles();
    expect(files.length).toBeGreaterThan(10);
    expect(files.flatMap((path) => findings(path, readKept(path)))).toEqual([]);
  });

  it.each([
    ['https://registry', '.npmjs.org/fs-extra/-/fs-extra.tgz'],
    ['cd /ho', 'me/anna/stratalog'],
    ['/Use', 'rs/anna/stratalog'],
    ['cat /wo', 'rk/notes.md'],
    ["'/ro", "ot/store'"],
    ['C:\\Use', 'rs\\anna'],
  ])('control: %s%s is found', (start, rest) => {
    expect(findings('made-up.md', `first line\n${start}${rest}\n`)).toHaveLength(1);
  });

  it.each(['see src/work/file.ts', 'https://example.org/work/', '../root/file', 'a home folder: ~/store'])(
    'control: %s is left alone',
    (text) => {
      expect(findings('made-up.md', text)).toEqual([]);
    },
  );
});
