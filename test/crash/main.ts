import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { wholeNumber } from '../../bench/common/option-values.js';
import { fullBench } from './benches/full.js';
import { ioErrorsBench } from './benches/io-errors.js';
import { killBench } from './benches/kill.js';
import { limitsBench } from './benches/limits.js';
import { powerBench } from './benches/power.js';
import { racesBench } from './benches/races.js';
import type { Bench, BenchOptions, ControlResult } from './common/bench.js';
import { cleanNow } from './common/cleanups.js';
import { printResult, Tally } from './common/result.js';

/** `npm run crash -- <bench>`: the real machine, made to fail. */
const benches: readonly Bench[] = [killBench, powerBench, fullBench, ioErrorsBench, racesBench, limitsBench];

interface CommandLine {
  readonly cycles?: number;
  readonly seed: number;
  readonly json?: string;
  readonly keep: string;
  readonly control: boolean;
  readonly verbose: boolean;
}

function readCommandLine(argv: readonly string[]): { readonly bench: Bench; readonly given: CommandLine } {
  const about = benches.map((bench) => `  ${bench.name.padEnd(10)} ${bench.about} (${bench.cyclesByDefault} cycles by default)`).join('\n');
  const program = new Command('npm run crash --')
    .description(`Tries to lose data on a real machine, and fails if it does.\n\nBenches:\n${about}`)
    .argument('<bench>', benches.map((bench) => bench.name).join(', '))
    .option('--cycles <n>', 'how often', wholeNumber(1))
    .option('--seed <n>', 'what is chosen at random', wholeNumber(0), Math.floor(Date.now() / 1000) * 1000)
    .option('--json <file>', 'writes the result there')
    .option('--keep <folder>', 'stores with a finding are copied there', join(tmpdir(), 'stratalog-findings'))
    .option('--control', 'runs what is broken on purpose; fails if the bench does not notice', false)
    .option('--verbose', 'one line for each cycle', false)
    .parse([...argv], { from: 'user' });
  const name = program.args[0];
  const bench = benches.find((each) => each.name === name);
  if (bench === undefined) return program.error(`no bench ${String(name)}; there are ${benches.map((each) => each.name).join(', ')}`);
  return { bench, given: program.opts<CommandLine>() };
}

async function runControls(bench: Bench, options: BenchOptions, summary: Tally): Promise<readonly ControlResult[]> {
  const results: ControlResult[] = [];
  const report = console.error;
  for (const control of bench.controls) {
    const tally = new Tally(bench.name, options.seed);
    // Findings are what is wanted here.
    console.error = (): void => undefined;
    try {
      await control.run({ ...options, cycles: Math.min(options.cycles ?? control.cyclesMax, control.cyclesMax) }, tally);
    } finally {
      console.error = report;
    }
    summary.cycles += tally.cycles;
    summary.acknowledgements += tally.acknowledgements;
    for (const fileSystem of tally.fileSystems) summary.fileSystems.add(fileSystem);
    const { skipped } = tally.result();
    for (const { what, why, cycles } of skipped) summary.skip(what, why, cycles);
    if (tally.cycles === 0 && skipped.length > 0) continue;
    const by = tally.failures[0]?.what.slice(0, 200) ?? '';
    results.push({ name: control.name, caught: tally.failures.length > 0, cycles: tally.cycles, by });
  }
  return results;
}

async function main(): Promise<number> {
  const { bench, given } = readCommandLine(process.argv.slice(2));
  const keepFolder = resolve(given.keep);
  mkdirSync(keepFolder, { recursive: true });
  const options: BenchOptions = { cycles: given.cycles, seed: given.seed, keepFolder, verbose: given.verbose };
  console.log(`${bench.name}: seed ${given.seed}`);
  const tally = new Tally(bench.name, given.seed);
  if (given.control) {
    const controls = await runControls(bench, options, tally);
    printResult(tally.result(controls), given.json);
    return controls.every((control) => control.caught) ? 0 : 1;
  }
  try {
    await bench.run(options, tally);
  } catch (error) {
    const what = `the bench itself broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    tally.fail({ what, replay: `npm run crash -- ${bench.name} --seed ${given.seed} --cycles ${tally.cycles + 1}` });
  }
  printResult(tally.result(), given.json);
  return tally.failures.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  cleanNow();
}
