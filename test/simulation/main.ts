/**
 * `npm run simulate`: seeded histories of a store on a machine that loses power and fails calls, compared with a model kept outside.
 * One number replays a history byte for byte.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { oneNumber } from './option-values.js';
import { type HistoryResult, runHistory } from './run-history.js';
import { describe, join, replayOf, type Summary, summarize } from './summary.js';
import { runParts } from './workers.js';

interface Options {
  readonly seed: number;
  readonly count: number;
  readonly workers: number;
  readonly failuresMax: number;
  readonly trace: boolean;
  readonly hashes: boolean;
  readonly json: string | undefined;
}

function readOptions(): Options {
  return new Command('simulate')
    .description(
      'Runs seeded histories of a store on a simulated machine and compares them with a model. Ends with 1 if a promise was broken.',
    )
    .option('--seed <n>', 'of the first history; the others follow', oneNumber(0), 1)
    .option('--count <n>', 'histories', oneNumber(1), 100)
    .option('--workers <n>', 'processes that share them', oneNumber(1), 1)
    .option('--failures-max <n>', 'stop after so many', oneNumber(1), 10)
    .option('--trace', 'print what is done, and every call of the file system with a hash of its bytes', false)
    .option('--hashes', 'print a hash of the trace of each history', false)
    .option('--json <file>', 'write the result there')
    .allowExcessArguments(false)
    .parse()
    .opts<Options>();
}

async function runHere({ seed: first, count, failuresMax, trace, hashes }: Options): Promise<Summary> {
  // It stands in a file of the store, and would differ from run to run.
  Object.defineProperty(process, 'pid', { value: 4711 });
  const startMs = performance.now();
  const results: HistoryResult[] = [];
  let failureCount = 0;
  for (let seed = first; seed < first + count && failureCount < failuresMax; seed += 1) {
    const hash = createHash('sha256');
    const onLine = (line: string): void => {
      if (trace) console.log(line);
      hash.update(line).update('\n');
    };
    const result = await runHistory(seed, trace || hashes ? onLine : undefined);
    results.push(result);
    if (hashes) console.log(`${seed} ${hash.digest('hex')}`);
    if (result.failure === undefined) continue;
    failureCount += 1;
    console.error(`seed ${seed}: ${result.failure}\n  again: ${replayOf(seed)}`);
  }
  return summarize(first, count, results, (performance.now() - startMs) / 1000);
}

async function runInParts({ seed, count, workers, failuresMax }: Options): Promise<Summary> {
  const startMs = performance.now();
  const each = Math.ceil(count / workers);
  const parts: string[][] = [];
  for (let from = seed; from < seed + count; from += each) {
    const size = Math.min(each, seed + count - from);
    parts.push(['--seed', String(from), '--count', String(size), '--failures-max', String(failuresMax)]);
  }
  const summaries = await runParts<Summary>(fileURLToPath(import.meta.url), parts);
  return join(seed, count, summaries, (performance.now() - startMs) / 1000);
}

const options = readOptions();
const summary = await (options.workers > 1 ? runInParts(options) : runHere(options));
console.error(describe(summary));
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(summary, null, 2)}\n`);
process.exitCode = summary.failures.length > 0 ? 1 : 0;
