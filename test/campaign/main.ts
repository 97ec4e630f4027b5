import { release } from 'node:os';
import { Command } from 'commander';
import { wholeNumber } from '../../bench/common/option-values.js';
import { benches, benchOf, type BenchSpec } from './benches.js';
import { chooseNext, type NextRun } from './choose.js';
import { engineHash } from './engine-hash.js';
import { appendToLedger, freshSeed, readLedger } from './ledger.js';
import { runBench } from './run-bench.js';
import { commitName, TreeCopy } from './tree-copy.js';

interface CommandLine {
  readonly hours?: number;
  readonly only?: readonly string[];
  readonly count?: number;
  readonly runSeconds: number;
}

const given: CommandLine = new Command('npm run campaign --')
  .description(
    'Goes on with whatever bench is furthest from its goal, over the last commit, with seeds that were never used. Each run is added to\n' +
      'data/reliability/ledger.jsonl. Ends when the time is up, when all goals are reached, or with the first finding.',
  )
  .option('--hours <n>', 'for so long', (text) => {
    const hours = Number(text);
    if (!(hours > 0)) throw new Error('hours must be a number above 0');
    return hours;
  })
  .option('--only <benches...>', 'these benches alone')
  .option('--count <n>', 'one run of this count for each bench, whatever the goals say', wholeNumber(1))
  .option('--run-seconds <n>', 'how long one run takes, about', wholeNumber(1), 120)
  .parse()
  .opts();

/** One run in a copy of the committed tree; whether the campaign can go on with this bench. */
async function run({ spec, seedFrom, count }: NextRun, tree: TreeCopy, commit: string): Promise<'done' | 'finding' | 'impossible'> {
  console.log(`${spec.name}: ${count} ${spec.unit} from seed ${seedFrom}`);
  const result = await runBench({ spec, root: tree.path, seedFrom, count, limitS: Math.max(600, 10 * given.runSeconds) });
  for (const what of result.skipped) console.log(`  skipped: ${what}`);
  if (result.count === 0 && result.failures.length === 0) return 'impossible';
  appendToLedger({
    bench: spec.name,
    commit,
    engine: engineHash(tree.path, spec.covers),
    seedFrom,
    seedEnd: seedFrom + spec.seedsOf(count),
    count: result.count,
    acknowledgements: result.acknowledgements,
    failures: result.failures.length,
    skipped: result.skipped,
    durationS: result.durationS,
    kernel: release(),
    fileSystem: result.fileSystem ?? 'memory',
    node: process.version,
    at: new Date().toISOString(),
  });
  console.log(`  ${result.count} ${spec.unit} in ${result.durationS} s, ${result.failures.length} findings`);
  for (const { what, seed, replay } of result.failures) {
    const args = seed === undefined ? spec.args(seedFrom, count) : spec.args(seed, 1);
    const again = `npx tsx ${spec.program} ${args.join(' ')}`;
    console.log(`  FINDING: ${what}\n  again with: ${replay ?? again} (commit ${commit})`);
  }
  return result.failures.length > 0 ? 'finding' : 'done';
}

async function main(): Promise<number> {
  if (given.hours === undefined && given.count === undefined) throw new Error('say for how long: --hours H, or how much: --count N');
  const endMs = given.hours === undefined ? Number.POSITIVE_INFINITY : performance.now() + given.hours * 3_600_000;
  const commit = commitName('commit');
  if (commit === undefined) throw new Error('a campaign needs a commit to speak of, and there is no git here');
  const tree = new TreeCopy('commit');
  process.once('exit', () => tree.remove());
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  let specs: readonly BenchSpec[] = (given.only ?? benches.map((spec) => spec.name)).map(benchOf);
  const engineOf = (spec: BenchSpec): string => engineHash(tree.path, spec.covers);
  if (given.count !== undefined) {
    for (const spec of specs) {
      const next = { spec, seedFrom: freshSeed(readLedger(), spec.name), count: Math.min(given.count, spec.countMax ?? given.count) };
      if ((await run(next, tree, commit)) === 'finding') return 1;
    }
    return 0;
  }
  while (performance.now() < endMs) {
    const runS = Math.min(given.runSeconds, Math.max(1, (endMs - performance.now()) / 1000));
    const next = chooseNext({ specs, entries: readLedger(), engineOf, runS });
    if (next === undefined) break;
    const end = await run(next, tree, commit);
    if (end === 'finding') return 1;
    // What this machine cannot run is not tried again.
    if (end === 'impossible') specs = specs.filter((spec) => spec !== next.spec);
  }
  return 0;
}

process.exitCode = await main();
console.log('npm run reliability: brings RELIABILITY.md up to the ledger');
