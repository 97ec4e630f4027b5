import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Command, InvalidArgumentError } from 'commander';
import { readEnvironment } from '../common/environment.js';
import { makeLoadDirectory } from '../common/load-directory.js';
import { formatMs } from '../common/numbers.js';
import { benchData } from '../common/repository.js';
import { runForJson } from '../common/run-child.js';
import type { BenchRun, Section } from '../page/figures.js';
import { type ChartLibrary, chartLibrary, renderPage } from '../page/page.js';
import { appendSections } from './append-sections.js';
import { compareSection } from './compare-section.js';
import { installPeers } from './install-peers.js';
import { lifeSections } from './life-sections.js';
import { limitsSection } from './limits-section.js';
import { readSections } from './read-sections.js';
import type { RunContext, SectionMaker } from './section-maker.js';

/** `npm run bench`: the selection that makes the page and the tables. Lines on the error output tell how far it is. */
const sections: readonly SectionMaker[] = [compareSection, ...appendSections, ...lifeSections, ...readSections, limitsSection];

interface BenchOptions {
  readonly quick: boolean;
  readonly only: readonly string[] | undefined;
  readonly list: boolean;
  readonly install: boolean;
  readonly out: string;
  readonly directory: string | undefined;
}

function readOptions(): BenchOptions {
  const names = sections.map(({ name }) => name);
  const some = (text: string): readonly string[] => {
    const asked = text.split(',').map((name) => name.trim());
    const unknown = asked.find((name) => !names.includes(name));
    if (unknown !== undefined) throw new InvalidArgumentError(`There is no section ${unknown}: there are ${names.join(', ')}.`);
    return asked;
  };
  return new Command('bench')
    .description('Measures a selection in about ten minutes; leaves the figures as JSON and one page in data/run-bench.')
    .option('--quick', 'two minutes, rough figures', false)
    .option('--only <names>', `some of ${names.join(', ')}, with commas between`, some)
    .option('--list', 'names the sections and ends', false)
    .option('--no-install', 'does not install what is compared with')
    .option('--out <path>', 'folder for the results', benchData)
    .option('--directory <path>', 'for the stores; must be empty or not there (default: a fresh one in data/run-bench)')
    .allowExcessArguments(false)
    .parse()
    .opts();
}

async function measure(options: BenchOptions): Promise<BenchRun> {
  const failures: string[] = [];
  const note = (line: string): void => console.error(`  ${line}`);
  const notInstalled = options.install ? installPeers(note) : undefined;
  if (notInstalled !== undefined) failures.push(notInstalled);
  const { directory, remove } = makeLoadDirectory(options.directory);
  endCleanly(directory);
  const before = loadavg()[0] ?? 0;
  const environment = readEnvironment(directory);
  const startedAt = new Date().toISOString();
  const started = performance.now();
  const context: RunContext = {
    quick: options.quick,
    directory,
    note,
    program: (name, words) => runForJson(name, [...words.map(String), '--directory', join(directory, 'load')]),
    failed: (what) => failures.push(what),
  };
  const done: Section[] = [];
  const soFar = (): BenchRun => ({
    startedAt,
    durationMs: Math.round(performance.now() - started),
    selection: options.quick ? 'quick' : 'usual',
    environment,
    loadAverage: { before, after: loadavg()[0] ?? 0 },
    sections: done,
    failures,
  });
  try {
    for (const maker of sections.filter(({ name }) => options.only === undefined || options.only.includes(name))) {
      console.error(`${maker.name}: ${maker.title}`);
      const sectionStarted = performance.now();
      try {
        done.push(await maker.make(context));
      } catch (error) {
        failures.push(`${maker.name}: ${inOneLine(error)}`);
      }
      note(`took ${formatMs(performance.now() - sectionStarted)}`);
      writeJson(soFar(), options.out);
    }
    return soFar();
  } finally {
    await remove();
  }
}

/** Ended from outside, it leaves neither programs (they end with this one) nor gigabytes behind. */
function endCleanly(directory: string): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, { recursive: true, force: true });
      process.exit(1);
    });
  }
}

/** The line that tells; what a program printed besides names places of this machine. */
function inOneLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n');
  return lines.find((text) => /^\w*Error: /.test(text)) ?? lines[0] ?? '';
}

function nameOf(run: BenchRun): string {
  return `bench-${run.startedAt.slice(0, 19).replaceAll(':', '-')}`;
}

/** After every section, so that a run that is ended early leaves what it has. */
function writeJson(run: BenchRun, out: string): void {
  mkdirSync(out, { recursive: true });
  for (const each of [nameOf(run), 'latest']) writeFileSync(join(out, `${each}.json`), `${JSON.stringify(run, null, 1)}\n`);
}

function keep(run: BenchRun, out: string): void {
  writeJson(run, out);
  const name = nameOf(run);
  console.error(`figures: ${join(out, `${name}.json`)}`);
  const library = drawingLibrary();
  if (library === undefined) {
    console.error('no page: npm ci in bench/compare installs what draws its charts');
    return;
  }
  const page = renderPage(run, library);
  for (const each of [name, 'latest']) writeFileSync(join(out, `${each}.html`), page);
  console.error(`page:    ${join(out, `${name}.html`)}`);
}

function drawingLibrary(): ChartLibrary | undefined {
  try {
    return chartLibrary();
  } catch {
    return undefined;
  }
}

const options = readOptions();
if (options.list) {
  for (const { name, title } of sections) console.log(`${name.padEnd(12)}${title}`);
} else {
  const run = await measure(options);
  keep(run, options.out);
  for (const failure of run.failures) console.error(`FAILED: ${failure}`);
  process.exitCode = run.failures.length > 0 ? 1 : 0;
}
