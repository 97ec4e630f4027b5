import { Command } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { formatBytes, formatCount, formatMs } from '../common/numbers.js';
import { wholeNumber } from '../common/option-values.js';
import { type RetentionOptions, type RetentionRound, runRetention } from './retention-round.js';

/** Load program: appending while old segments are deleted. */
const options = new Command('retention')
  .description('Appends many times what may be kept, so that segments are deleted all the while.')
  .option('--callers <n>', 'that append, each awaiting its message', wholeNumber(1), 64)
  .option('--segment-bytes <n>', 'length of a segment of the log', wholeNumber(65_536), 32 * 1024 ** 2)
  .option('--max-bytes <n>', 'of log that is kept', wholeNumber(1), 128 * 1024 ** 2)
  .option('--total-bytes <n>', 'appended in all', wholeNumber(1), 512 * 1024 ** 2)
  .option('--body-bytes <n>', 'of each message', wholeNumber(0), 1_024)
  .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
  .option('--keys <n>', 'of each message, none twice', wholeNumber(1), 1)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<RetentionOptions & { readonly directory?: string }>();

function describe({ round }: { readonly round: RetentionRound }): readonly string[] {
  const latency = [round.latencyUs.p50, round.latencyUs.p99, round.latencyUs.p9999, round.latencyUs.max];
  return [
    `${formatCount(round.messageCount)} messages at ${formatCount(round.messagesPerSecond)}/s while ${round.deletedSegmentCount} segments were deleted`,
    `  the log held ${formatBytes(round.logBytesMax)} at most, ${formatBytes(round.logBytesAtEnd)} at the end, ${formatBytes(options.maxBytes)} asked for`,
    `  latency ${latency.map((us) => formatMs(us / 1e3)).join('  ')}  (p50, p99, p99.99, max); event loop late by ${formatMs(round.use.eventLoopDelayMs.max)} at most`,
  ];
}

await runLoadProgram({
  name: 'retention',
  options,
  work: async (directory, asked: RetentionOptions) => ({ round: await runRetention(directory, asked) }),
  describe,
});
