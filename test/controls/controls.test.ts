import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';
import { benches } from '../campaign/benches.js';
import { repositoryRoot } from '../campaign/tree-copy.js';
import { allControls } from './all-controls.js';
import { brokenSource } from './broken-tree.js';
import type { Control } from './control.js';

function sourceOf(control: Control): string {
  return readFileSync(join(repositoryRoot, control.file), 'utf8');
}

describe('controls', () => {
  it('there are at least twenty, each with a name of its own and a bench that has to notice it', () => {
    const names = allControls.map((control) => control.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(20);
    expect(names.filter((name) => !/^[a-z]+(?:-[a-z]+)*$/.test(name))).toEqual([]);
    expect(allControls.filter((control) => Object.keys(control.caughtBy).length === 0)).toEqual([]);
    const known = new Set<string>(benches.map((spec) => spec.name));
    expect(allControls.flatMap((control) => Object.keys(control.caughtBy)).filter((bench) => !known.has(bench))).toEqual([]);
  });

  it.each(allControls.map((control) => [control.name, control] as const))(
    '%s still fits the source, and what it makes is code',
    (_name, control) => {
      const source = sourceOf(control);
      const broken = brokenSource(control, source);
      expect(broken).not.toBe(source);
      expect(parseSync(control.file, broken).errors).toEqual([]);
    },
  );

  it('a control that does not fit its source any more is refused', () => {
    const [control] = allControls;
    if (control === undefined) throw new Error('no controls');
    const source = sourceOf(control);
    expect(() => brokenSource(control, source.replace(control.find, ''))).toThrow(/stands 0 times/);
    expect(() => brokenSource(control, `${source}\n${control.find}`)).toThrow(/stands 2 times/);
  });
});
