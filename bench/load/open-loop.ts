import { Command } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { formatCount, formatMs } from '../common/numbers.js';
import { oneOf, wholeNumber } from '../common/option-values.js';
import { type OpenLoopOptions, type OpenLoopRound, runOpenLoop } from './open-loop-round.js';

/** Load program: messages come at a fixed rate; how late is each stored, counted from when it was due? */
const options = new Command('open-loop')
  .description('Appends at a fixed rate, whether or not the store keeps up; prints how long messages took from the moment they were due.')
  .option('--mode <mode>', 'async or sync', oneOf(['async', 'sync']), 'async')
  .option('--messages-per-second <n>', 'the rate', wholeNumber(1), 50_000)
  .option('--seconds <n>', 'for how long', wholeNumber(1), 5)
  .option('--body-bytes <n>', 'of each message', wholeNumber(0), 100)
  .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
  .option('--keys <n>', 'of each message, none twice', wholeNumber(0), 1)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<OpenLoopOptions & { readonly directory?: string }>();

function describe({ round }: { readonly round: OpenLoopRound }): readonly string[] {
  const { p50, p99, p999, p9999, max } = round.latencyUs;
  return [
    `${options.mode}, ${formatCount(options.messagesPerSecond)} messages/s asked for, ${formatCount(round.achievedPerSecond)}/s stored`,
    `  latency from when it was due: ${[p50, p99, p999, p9999, max].map((us) => formatMs(us / 1e3)).join('  ')}  (p50, p99, p99.9, p99.99, max)`,
    `  ${formatCount(round.waitingMax)} on their way at most; event loop late by ${formatMs(round.use.eventLoopDelayMs.p99)} (p99), ${formatMs(round.use.eventLoopDelayMs.max)} (max)`,
  ];
}

await runLoadProgram({
  name: 'open-loop',
  options,
  work: async (directory, asked: OpenLoopOptions) => ({ round: await runOpenLoop(directory, asked) }),
  describe,
});
