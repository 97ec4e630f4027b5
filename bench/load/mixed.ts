import { Command } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { formatCount, formatMs } from '../common/numbers.js';
import { oneOf, wholeNumber } from '../common/option-values.js';
import { type MixedOptions, type MixedRound, runMixed } from './mixed-round.js';

/** Load program: writers, readers by offset and by key, and tails at once. */
const options = new Command('mixed')
  .description('Writes, reads by offset, finds by key and tails at the same time; prints the rate and the latency of each.')
  .option('--mode <mode>', 'async or sync', oneOf(['async', 'sync']), 'async')
  .option('--writers <n>', 'callers that append, each awaiting its message', wholeNumber(1), 16)
  .option('--readers <n>', 'callers that read by offset, and as many that find by key', wholeNumber(0), 4)
  .option('--tails <n>', 'tails over the whole log', wholeNumber(0), 1)
  .option('--seconds <n>', 'for how long', wholeNumber(1), 5)
  .option('--body-bytes <n>', 'of each message', wholeNumber(0), 100)
  .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
  .option('--keys <n>', 'of each message, none twice', wholeNumber(1), 1)
  .option('--seed <n>', 'chooses what is read', wholeNumber(0), 1)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<MixedOptions & { readonly directory?: string }>();

function describe({ round }: { readonly round: MixedRound }): readonly string[] {
  const lines = (['writes', 'reads', 'finds'] as const).map((name) => {
    const { perSecond, latencyUs } = round[name];
    const latency = [latencyUs.p50, latencyUs.p99, latencyUs.max].map((us) => formatMs(us / 1e3)).join('  ');
    return `  ${name.padEnd(8)}${formatCount(perSecond).padStart(10)}/s  ${latency}  (p50, p99, max)`;
  });
  return [
    `${options.mode}, ${options.writers} writers, ${options.readers} readers of each kind, ${options.tails} tails`,
    ...lines,
    `  tails   ${formatCount(round.tailedPerSecond).padStart(10)}/s; event loop late by ${formatMs(round.use.eventLoopDelayMs.p99)} (p99), ${formatMs(round.use.eventLoopDelayMs.max)} (max)`,
  ];
}

await runLoadProgram({
  name: 'mixed',
  options,
  work: async (directory, asked: MixedOptions) => ({ round: await runMixed(directory, asked) }),
  describe,
});
