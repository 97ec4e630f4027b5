import { Command } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { formatBytes, formatCount, formatMs, median } from '../common/numbers.js';
import { oneOf, wholeNumber } from '../common/option-values.js';
import { runSoak, type SoakOptions, type SoakRound } from './soak-round.js';

/** Load program: a long time of appending, reading and deleting; what grows? */
const options = new Command('soak')
  .description('Appends, reads and deletes for a long time; fails if resident memory goes on growing.')
  .option('--mode <mode>', 'async or sync', oneOf(['async', 'sync']), 'async')
  .option('--callers <n>', 'that append, each awaiting its message', wholeNumber(1), 64)
  .option('--seconds <n>', 'for how long', wholeNumber(1), 1_800)
  .option('--sample-ms <n>', 'between two looks at memory, files and rate', wholeNumber(10), 1_000)
  .option('--segment-bytes <n>', 'length of a segment of the log', wholeNumber(65_536), 256 * 1024 ** 2)
  .option('--max-bytes <n>', 'of log that is kept', wholeNumber(1), 2 * 1024 ** 3)
  .option('--growth-bytes-max <n>', 'of resident memory, from the middle third of the time to the last', wholeNumber(0), 32 * 1024 ** 2)
  .option('--body-bytes <n>', 'of each message', wholeNumber(0), 1_024)
  .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
  .option('--keys <n>', 'of each message, none twice', wholeNumber(1), 1)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<SoakOptions & { readonly directory?: string }>();

function describe({ round }: { readonly round: SoakRound }): readonly string[] {
  const of = (value: (sample: SoakRound['samples'][number]) => number): number => median(round.samples.map(value));
  return [
    `${formatCount(round.messageCount)} messages in ${options.seconds} s, ${formatCount(of((sample) => sample.messagesPerSecond))}/s; ${formatCount(round.readCount)} read back`,
    `  ${formatBytes(of((sample) => sample.rssBytes))} resident (median), ${formatBytes(round.rssGrowthBytes)} more in the last third than in the middle one; ${round.use.openFilesMax ?? '?'} files open at most`,
    `  latency ${formatMs(round.latencyUs.p50 / 1e3)} (p50), ${formatMs(round.latencyUs.p9999 / 1e3)} (p99.99); event loop late by ${formatMs(round.use.eventLoopDelayMs.max)} at most; ${round.use.garbageCollection.count} collections took ${formatMs(round.use.garbageCollection.totalMs)}`,
  ];
}

await runLoadProgram({
  name: 'soak',
  options,
  work: async (directory, asked: SoakOptions) => ({ round: await runSoak(directory, asked) }),
  describe,
});
