import { release } from 'node:os';
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { wholeNumber } from '../../bench/common/option-values.js';
import { benches, benchOf, type BenchSpec, wholeEngine } from '../campaign/benches.js';
import { engineHash } from '../campaign/engine-hash.js';
import { commitName, TreeCopy, type TreeSource } from '../campaign/tree-copy.js';
import { allControls } from './all-controls.js';
import type { Control } from './control.js';
import type { ControlOutcome, GreenRun } from './control-outcome.js';
import { type ControlsRun, recordControls } from './controls-record.js';
import { runControl, runUnbroken } from './run-control.js';

interface CommandLine {
  readonly only?: readonly string[];
  readonly bench?: readonly string[];
  readonly seed: number;
  readonly countMax?: number;
  readonly countInVain?: number;
  readonly allBenches: boolean;
  readonly committed: boolean;
  readonly json?: string;
  readonly record: boolean;
}

interface Job {
  readonly control: Control;
  readonly spec: BenchSpec;
  readonly countMax: number;
  readonly seedFrom: number;
}

const given: CommandLine = new Command('npm run controls --')
  .description('Breaks the engine on purpose, in a copy of this tree, and fails if a bench that has to notice does not.')
  .option('--only <names...>', 'these controls alone')
  .option('--bench <names...>', 'under these benches alone')
  .option('--seed <n>', 'the first seed', wholeNumber(0), 1)
  .option('--count-max <n>', 'no more histories, cycles or stores than this for each control', wholeNumber(1))
  .option('--count-in-vain <n>', 'so many where the bench need not notice', wholeNumber(1))
  .option('--all-benches', 'under the benches too that need not notice, to see who else does', false)
  .option('--committed', 'over the last commit, not over the files as they are', false)
  .option('--json <file>', 'writes the results there')
  .option('--record', 'keeps the results for RELIABILITY.md', false)
  .parse()
  .opts();

function chosenControls(): readonly Control[] {
  const names = new Set(given.only ?? allControls.map((control) => control.name));
  const unknown = [...names].filter((name) => !allControls.some((control) => control.name === name));
  if (unknown.length > 0) throw new Error(`there is no control ${unknown.join(', ')}`);
  return allControls.filter((control) => names.has(control.name));
}

/** In the order of the benches, since each of them ends with a run of the engine as it is. */
function jobs(): readonly Job[] {
  const chosen = (given.bench ?? benches.map((spec) => spec.name)).map(benchOf);
  return chosen.flatMap((spec) =>
    chosenControls().flatMap((control) => {
      const expected = control.caughtBy[spec.name];
      if (expected === undefined && !given.allBenches) return [];
      const countMax = Math.min(expected ?? given.countInVain ?? spec.countInVain, given.countMax ?? Number.POSITIVE_INFINITY);
      return [{ control, spec, countMax, seedFrom: control.seedFrom?.[spec.name] ?? given.seed }];
    }),
  );
}

function tellOutcome(outcome: ControlOutcome, unit: string): void {
  const { control, bench, result, count, durationS, by, expected } = outcome;
  const said = result === 'caught' ? `caught within ${count} ${unit}, ${durationS} s` : `${result} in ${count} ${unit}, ${durationS} s`;
  const mark = expected && (result === 'not caught' || result === 'died') ? 'MISSED ' : '';
  console.log(`${mark}${bench}: ${control}: ${said}${by === '' ? '' : `: ${by}`}`);
}

/** The engine as it is over all seeds that were tried on broken ones. */
async function unbrokenRuns(
  spec: BenchSpec,
  root: string,
  tried: readonly Job[],
  outcomes: readonly ControlOutcome[],
): Promise<readonly GreenRun[]> {
  const counts = new Map<number, number>();
  for (const { bench, seedFrom, count } of outcomes)
    if (bench === spec.name && count > 0) counts.set(seedFrom, Math.max(count, counts.get(seedFrom) ?? 0));
  const controls = spec.name === 'tests' ? tried.map(({ control }) => control) : [];
  const runs: GreenRun[] = [];
  for (const [seedFrom, count] of counts) runs.push(await runUnbroken(spec, root, seedFrom, count, controls));
  return runs;
}

async function main(): Promise<number> {
  const source: TreeSource = given.committed ? 'commit' : 'files';
  const commit = commitName(source) ?? 'no commit';
  const outcomes: ControlOutcome[] = [];
  const green: GreenRun[] = [];
  const tree = new TreeCopy(source);
  const engine = engineHash(tree.path, wholeEngine);
  const runOf = (tried: readonly ControlOutcome[], unbroken: readonly GreenRun[]): ControlsRun => {
    const made = new Set(unbroken.map(({ bench }) => bench));
    return {
      commit,
      engine,
      node: process.version,
      kernel: release(),
      at: new Date().toISOString(),
      outcomes: tried.filter(({ bench }) => made.has(bench)),
      green: unbroken,
    };
  };
  process.once('exit', () => tree.remove());
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  const all = jobs();
  for (const spec of benches) {
    const own = all.filter((job) => job.spec === spec);
    if (own.length === 0) continue;
    // A bench that finds fault with the engine as it is would find it with every broken one.
    const start = spec.name === 'tests' ? undefined : await runUnbroken(spec, tree.path, given.seed, 1, []);
    if (start?.isGreen === false) {
      console.log(`${spec.name}: NOT GREEN on the engine as it is: ${start.by}`);
      green.push(start);
      continue;
    }
    for (const job of own) {
      const outcome = await runControl({ ...job, root: tree.path });
      outcomes.push(outcome);
      tellOutcome(outcome, spec.unit);
    }
    for (const unbroken of await unbrokenRuns(spec, tree.path, own, outcomes)) {
      green.push(unbroken);
      const { seedFrom, count, isGreen, by } = unbroken;
      console.log(
        `${spec.name}: the engine as it is, ${count} ${spec.unit} from ${seedFrom} on: ${isGreen ? 'green' : `NOT GREEN: ${by}`}`,
      );
    }
    // Bench by bench, so that a run that is ended early has not been for nothing.
    if (given.record) recordControls(runOf([...outcomes], [...green]));
  }
  if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(runOf(outcomes, green), null, 2)}\n`);
  const missed = outcomes.filter(({ expected, result }) => expected && (result === 'not caught' || result === 'died'));
  const notGreen = green.filter(({ isGreen }) => !isGreen);
  const skipped = outcomes.filter(({ result }) => result === 'skipped');
  const caught = new Set(outcomes.filter(({ result }) => result === 'caught').map(({ control }) => control));
  console.log(`${caught.size} controls caught; ${missed.length} missed, ${skipped.length} skipped, ${notGreen.length} benches not green`);
  return missed.length === 0 && notGreen.length === 0 && caught.size > 0 ? 0 : 1;
}

process.exitCode = await main();
