import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { wholeNumber } from '../common/option-values.js';

/**
 * The functions of a `.cpuprofile` in which most time was spent, without what they call. To make one:
 *
 *   node --import tsx --cpu-prof --cpu-prof-dir=data/run-bench bench/load/append.ts --rounds 1
 */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

function selfMs(profile: Profile): ReadonlyMap<string, number> {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const totals = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? 'unknown';
    totals.set(name, (totals.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0) / 1e3);
  }
  return totals;
}

/** Lines are those of the compiled file where the loader keeps no map of them. */
function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const place = url.startsWith('file:') ? relative(process.cwd(), fileURLToPath(url)) : url;
  return `${name}  ${place}:${lineNumber + 1}`;
}

const program = new Command('top-functions')
  .argument('<profiles...>', '.cpuprofile files')
  .option('--count <n>', 'functions to show', wholeNumber(1), 15)
  .parse();
for (const path of program.args) {
  const totals = selfMs(JSON.parse(readFileSync(path, 'utf8')) as Profile);
  const allMs = [...totals.values()].reduce((left, right) => left + right, 0);
  console.log(`${path}: ${allMs.toFixed(0)} ms`);
  const top = [...totals].sort(([, left], [, right]) => right - left).slice(0, program.opts<{ count: number }>().count);
  for (const [name, ms] of top) console.log(`  ${((100 * ms) / allMs).toFixed(1).padStart(5)} %  ${ms.toFixed(0).padStart(7)} ms  ${name}`);
}
