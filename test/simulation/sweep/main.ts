/**
 * `npm run sweep`: one scenario in which every part of a store is used, run again and again with something going wrong at one call of the
 * file system: at each call in turn each errno, once and for good, and a power cut with each choice of what survives.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { oneNumber } from '../option-values.js';
import { runParts } from '../workers.js';
import { nameOf, type Point, pointsOf } from './points.js';
import { countCalls, runPoint } from './run-point.js';

interface Options {
  readonly stride: number;
  readonly offset: number;
  readonly seed: number;
  readonly workers: number;
  readonly part: number;
  readonly parts: number;
  readonly failuresMax: number;
  readonly only: string | undefined;
  readonly trace: boolean;
  readonly json: string | undefined;
}

interface Failure {
  readonly seed: number;
  readonly what: string;
  readonly replay: string;
}

interface Summary {
  readonly bench: 'sweep';
  readonly seedFrom: number;
  readonly count: number;
  readonly stride: number;
  readonly offset: number;
  /** Of the scenario, both flush modes together. */
  readonly calls: number;
  readonly points: number;
  readonly operations: number;
  readonly crashes: number;
  readonly faults: number;
  readonly acknowledgements: number;
  readonly failures: readonly Failure[];
  readonly durationS: number;
}

function readOptions(): Options {
  return new Command('sweep')
    .description('Lets every Nth call of a scenario fail in every way, and the power fail there. Ends with 1 if a promise was broken.')
    .option('--stride <n>', 'every Nth call', oneNumber(1), 1)
    .option('--offset <n>', 'which of them: 0 to stride - 1; larger ones wrap round', oneNumber(0), 0)
    .option('--seed <n>', 'of the scenario', oneNumber(0), 1)
    .option('--workers <n>', 'processes that share the points', oneNumber(1), 1)
    .option('--part <n>', 'run one part only, from 0', oneNumber(0), 0)
    .option('--parts <n>', 'of so many', oneNumber(1), 1)
    .option('--failures-max <n>', 'stop after so many', oneNumber(1), 10)
    .option('--only <name>', 'the one point of that name, e.g. "sync 17 error EIO once"')
    .option('--trace', 'print what is done, and every call of the file system with a hash of its bytes', false)
    .option('--json <file>', 'write the result there')
    .allowExcessArguments(false)
    .parse()
    .opts<Options>();
}

async function runHere({ stride, offset, seed, part, parts, failuresMax, only, trace }: Options): Promise<Summary> {
  // It stands in a file of the store, and would differ from run to run.
  Object.defineProperty(process, 'pid', { value: 4711 });
  const startMs = performance.now();
  const all: Point[] = [];
  let calls = 0;
  for (const flush of ['sync', 'async'] as const) {
    const callCount = await countCalls(seed, flush);
    calls += callCount;
    all.push(...pointsOf(flush, callCount, only === undefined ? stride : 1, only === undefined ? offset : 0));
  }
  const wanted = only === undefined ? all.filter((_, index) => index % parts === part) : all.filter((point) => nameOf(point) === only);
  if (wanted.length === 0) throw new Error(`there is no point ${only ?? ''}`);
  const total = { points: 0, operations: 0, crashes: 0, faults: 0, acknowledgements: 0 };
  const failures: Failure[] = [];
  for (const point of wanted) {
    const result = await runPoint(seed, point, trace ? (line) => console.log(line) : undefined);
    total.points += 1;
    total.operations += result.operations;
    total.crashes += result.crashes;
    total.faults += result.faults;
    total.acknowledgements += result.acknowledgements;
    if (result.failure === undefined) continue;
    const replay = `npx tsx test/simulation/sweep/main.ts --seed ${seed} --only "${nameOf(point)}"`;
    failures.push({ seed, what: `${nameOf(point)}: ${result.failure}`, replay });
    console.error(`${nameOf(point)}: ${result.failure}\n  again: ${replay}`);
    if (failures.length >= failuresMax) break;
  }
  const durationS = (performance.now() - startMs) / 1000;
  return { bench: 'sweep', seedFrom: seed, count: wanted.length, stride, offset, calls, ...total, failures, durationS };
}

async function runInParts({ stride, offset, seed, workers, failuresMax }: Options): Promise<Summary> {
  const startMs = performance.now();
  const shared = ['--stride', stride, '--offset', offset, '--seed', seed, '--failures-max', failuresMax, '--parts', workers].map(String);
  const args = Array.from({ length: workers }, (_, part) => [...shared, '--part', String(part)]);
  const parts = await runParts<Summary>(fileURLToPath(import.meta.url), args);
  const sum = (of: (part: Summary) => number): number => parts.reduce((total, part) => total + of(part), 0);
  return {
    bench: 'sweep',
    seedFrom: seed,
    count: sum(({ count }) => count),
    stride,
    offset,
    calls: parts[0]?.calls ?? 0,
    points: sum(({ points }) => points),
    operations: sum(({ operations }) => operations),
    crashes: sum(({ crashes }) => crashes),
    faults: sum(({ faults }) => faults),
    acknowledgements: sum(({ acknowledgements }) => acknowledgements),
    failures: parts.flatMap(({ failures }) => failures),
    durationS: (performance.now() - startMs) / 1000,
  };
}

const options = readOptions();
const summary = await (options.workers > 1 ? runInParts(options) : runHere(options));
const { points, calls, crashes, faults, failures, durationS } = summary;
console.error(
  `${points} points over ${calls} calls in ${durationS.toFixed(1)} s, ${(points / durationS).toFixed(1)}/s; ` +
    `${faults} faults, ${crashes} crashes; ${failures.length} failures`,
);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(summary, null, 2)}\n`);
process.exitCode = failures.length > 0 ? 1 : 0;
