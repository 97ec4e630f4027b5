import type { BenchSpec } from '../campaign/benches.js';
import { runBench } from '../campaign/run-bench.js';
import { breakTree } from './broken-tree.js';
import type { Control } from './control.js';
import type { ControlOutcome, GreenRun } from './control-outcome.js';

const textMax = 220;

export interface ControlTask {
  readonly control: Control;
  readonly spec: BenchSpec;
  readonly root: string;
  readonly seedFrom: number;
  readonly countMax: number;
}

/** Runs a bench over the broken engine, in growing steps, until it notices or has had its count. The tree is whole again afterwards. */
export async function runControl(task: ControlTask): Promise<ControlOutcome> {
  const { control, spec, root, seedFrom, countMax } = task;
  const mend = breakTree(control, root);
  const same = { control: control.name, bench: spec.name, expected: control.caughtBy[spec.name] !== undefined, seedFrom };
  const stepMax = spec.countMax ?? Number.POSITIVE_INFINITY;
  let count = 0;
  let durationS = 0;
  try {
    for (let step = Math.min(spec.countFirst, countMax); count < countMax; step = Math.min(step * 3, stepMax, countMax - count)) {
      const from = seedFrom + spec.seedsOf(count);
      const result = await runBench({
        spec,
        root,
        seedFrom: from,
        count: step,
        moreArgs: spec.name === 'tests' ? testArgs([control]) : [],
      });
      durationS = Math.round((durationS + result.durationS) * 10) / 10;
      const [first] = result.failures;
      // A bench that does not end by itself proves nothing on a slow machine: benches notice by themselves what hangs.
      if (result.end !== 'told') return { ...same, result: 'died', count, durationS, by: shortened(first?.what ?? '') };
      if (first !== undefined) {
        // Not of every bench the seed of a finding is one of those that were counted.
        const needed = first.seed === undefined || first.seed < from || first.seed >= from + step ? step : first.seed - from + 1;
        return { ...same, result: 'caught', count: count + needed, durationS, by: shortened(first.what) };
      }
      if (result.count === 0) return { ...same, result: 'skipped', count, durationS, by: shortened(result.skipped.join('; ')) };
      count += step;
    }
    return { ...same, result: 'not caught', count, durationS, by: '' };
  } finally {
    mend();
  }
}

/** The engine as it is, under the same bench and, of the named tests, those of the controls. */
export async function runUnbroken(
  spec: BenchSpec,
  root: string,
  seedFrom: number,
  count: number,
  controls: readonly Control[],
): Promise<GreenRun> {
  const by: string[] = [];
  let durationS = 0;
  let fileSystem: string | undefined;
  for (let done = 0; done < count; ) {
    const step = Math.min(spec.countMax ?? count, count - done);
    const from = seedFrom + spec.seedsOf(done);
    const result = await runBench({ spec, root, seedFrom: from, count: step, limitS: 3600, moreArgs: testArgs(controls) });
    by.push(...result.failures.map((failure) => shortened(failure.what)));
    durationS = Math.round((durationS + result.durationS) * 10) / 10;
    fileSystem = result.fileSystem;
    done += step;
  }
  return { bench: spec.name, seedFrom, count, isGreen: by.length === 0, durationS, fileSystem, by: by.join('; ') };
}

function testArgs(controls: readonly Control[]): readonly string[] {
  const files = [...new Set(controls.flatMap((control) => control.tests ?? []))];
  return files.length === 0 ? [] : ['--only', files.join(',')];
}

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= textMax ? line : `${line.slice(0, textMax)}…`;
}
