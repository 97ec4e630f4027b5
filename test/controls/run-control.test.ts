import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BenchSpec, benchOf } from '../campaign/benches.js';
import { repositoryRoot } from '../campaign/tree-copy.js';
import { allControls } from './all-controls.js';
import type { Control } from './control.js';
import { type ControlsRun, mergeOutcomes } from './controls-record.js';
import { runControl, runUnbroken } from './run-control.js';

/** A bench that finds something with seed 7 where the source says `broken`, and does not come to its end where it says `dead`. */
const program = `
import { readFileSync, writeFileSync } from 'node:fs';
const of = (name) => process.argv[process.argv.indexOf(name) + 1];
const [from, count] = [Number(of('--seed')), Number(of('--count'))];
const source = readFileSync('src/part.ts', 'utf8');
if (source.includes('dead')) process.exit(5);
const isFound = source.includes('broken') && from <= 7 && 7 < from + count;
const failures = isFound ? [{ what: 'lost', seed: 7, replay: '' }] : [];
writeFileSync(of('--json'), JSON.stringify({ bench: 'simulation', seedFrom: from, count, failures, skipped: [], durationS: 1 }));
process.exit(failures.length);
`;
const spec: BenchSpec = {
  ...benchOf('simulation'),
  program: 'bench.mjs',
  countFirst: 2,
  args: (seed, count) => ['--seed', `${seed}`, '--count', `${count}`],
};
const control: Control = {
  name: 'made-up',
  breaks: '',
  promise: '',
  file: 'src/part.ts',
  find: 'whole',
  replace: 'broken',
  caughtBy: { simulation: 20 },
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stratalog-control-'));
  mkdirSync(join(root, 'src'));
  symlinkSync(join(repositoryRoot, 'node_modules'), join(root, 'node_modules'));
  writeFileSync(join(root, 'src/part.ts'), 'export const part = "whole";\n');
  writeFileSync(join(root, 'bench.mjs'), program);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('running a control', () => {
  it('ends when the bench notices, says how many it took, and leaves the tree whole', async () => {
    const outcome = await runControl({ control, spec, root, seedFrom: 1, countMax: 20 });
    expect(outcome).toMatchObject({ control: 'made-up', result: 'caught', expected: true, count: 7, by: 'lost' });
    expect(readFileSync(join(root, 'src/part.ts'), 'utf8')).toContain('whole');
  });

  it('that nobody notices ends with its count', async () => {
    expect(await runControl({ control, spec, root, seedFrom: 1, countMax: 5 })).toMatchObject({ result: 'not caught', count: 5 });
  });

  it('under a bench that is run in slices has one after the other, and so has the engine as it is', async () => {
    const slices: BenchSpec = { ...spec, countFirst: 1, countMax: 1, args: (seed) => ['--seed', `${seed}`, '--count', '1'] };
    expect(await runControl({ control, spec: slices, root, seedFrom: 4, countMax: 20 })).toMatchObject({ result: 'caught', count: 4 });
    expect(await runUnbroken(slices, root, 4, 3, [])).toMatchObject({ isGreen: true, seedFrom: 4, count: 3 });
    writeFileSync(join(root, 'src/part.ts'), 'broken');
    expect(await runUnbroken(slices, root, 4, 3, [])).toMatchObject({ isGreen: true });
    expect(await runUnbroken(slices, root, 4, 4, [])).toMatchObject({ isGreen: false });
  });

  it('over which the bench does not run proves nothing', async () => {
    const dead = { ...control, replace: 'dead' };
    expect(await runControl({ control: dead, spec, root, seedFrom: 1, countMax: 20 })).toMatchObject({ result: 'died' });
  });

  it('the engine as it is must be green over the same seeds', async () => {
    expect(await runUnbroken(spec, root, 1, 20, [])).toMatchObject({ isGreen: true, count: 20 });
    writeFileSync(join(root, 'src/part.ts'), 'broken');
    expect(await runUnbroken(spec, root, 1, 20, [])).toMatchObject({ isGreen: false, by: 'lost' });
  });
});

describe('outcomes that are kept', () => {
  const name = allControls[0]?.name ?? '';
  const outcome = { control: name, bench: 'kill', expected: true, result: 'caught', seedFrom: 1, count: 7, durationS: 1, by: '' } as const;
  const green = { bench: 'kill', seedFrom: 1, count: 9, isGreen: true, durationS: 1, fileSystem: undefined, by: '' } as const;
  const run: ControlsRun = { commit: 'a', engine: 'e', node: '', kernel: '', at: '1', outcomes: [outcome], green: [green] };

  it('are the newest of a control and bench, with the count over which the engine as it is was green', () => {
    const kept = mergeOutcomes([], run);
    expect(kept).toMatchObject([{ control: name, count: 7, greenCount: 9 }]);
    const later = mergeOutcomes(kept, { ...run, outcomes: [{ ...outcome, count: 8 }], green: [{ ...green, isGreen: false }] });
    expect(later).toMatchObject([{ count: 8, greenCount: undefined }]);
  });

  it('count only where the engine as it is was green from the same seed on', () => {
    const elsewhere = mergeOutcomes([], { ...run, green: [{ ...green, seedFrom: 2 }] });
    expect(elsewhere).toMatchObject([{ count: 7 }]);
    expect(elsewhere[0]?.greenCount).toBeUndefined();
  });

  it('go with the control', () => {
    expect(mergeOutcomes([], { ...run, outcomes: [{ ...outcome, control: 'gone' }] })).toEqual([]);
  });
});
