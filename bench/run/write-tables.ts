import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { repositoryRoot } from '../common/repository.js';
import { renderBenchmarks } from '../page/benchmarks-page.js';
import type { BenchRun } from '../page/figures.js';

/** Writes BENCHMARKS.md from the run that is kept beside the benches; with `--from`, that run is first made the one that is kept. */
const keptPath = join(repositoryRoot, 'bench', 'last-run.json');
const { from, out } = new Command('tables')
  .description('Writes BENCHMARKS.md from bench/last-run.json.')
  .option('--from <path>', 'a run to keep in its place, e.g. data/run-bench/latest.json')
  .option('--out <path>', 'where the tables go', join(repositoryRoot, 'BENCHMARKS.md'))
  .allowExcessArguments(false)
  .parse()
  .opts<{ readonly from?: string; readonly out: string }>();

const text = readFileSync(from ?? keptPath, 'utf8');
const run = JSON.parse(text) as BenchRun;
if (!Array.isArray(run.sections)) throw new Error(`${from ?? keptPath} is not the result of npm run bench`);
if (from !== undefined) writeFileSync(keptPath, `${JSON.stringify(run, null, 1)}\n`);
writeFileSync(out, renderBenchmarks(run));
