import { Command } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { formatBytes, formatCount, formatMs, median } from '../common/numbers.js';
import { wholeNumber } from '../common/option-values.js';
import type { OpeningLife } from './opening-child.js';
import { type OpeningOptions, type OpeningResult, runOpeningRounds } from './opening-rounds.js';

/** Load program: how long opening takes, after a clean end and after SIGKILL. */
const options = new Command('opening')
  .description('Opens a store of a given size again and again, after a clean close and after its process was killed.')
  .option('--log-bytes <n>', 'size of the commit log', wholeNumber(1), 256 * 1024 ** 2)
  .option('--tail-bytes <n>', 'appended before each kill', wholeNumber(1), 64 * 1024 ** 2)
  .option('--body-bytes <n>', 'of each message', wholeNumber(0), 1_024)
  .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
  .option('--keys <n>', 'of each message, none twice', wholeNumber(0), 1)
  .option('--rounds <n>', 'of each way to end', wholeNumber(1), 3)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<OpeningOptions & { readonly directory?: string }>();

function describe(result: OpeningResult): readonly string[] {
  const line = (name: string, lives: readonly OpeningLife[]): string => {
    const of = (value: (life: OpeningLife) => number): number => median(lives.map(value));
    const scanned = of((life) => life.recovery.scannedBytes);
    return `  ${name.padEnd(14)}${formatMs(of((life) => life.openMs))}, first message read after ${formatMs(of((life) => life.firstReadMs))}; ${formatBytes(scanned)} of log looked at; ${formatBytes(of((life) => life.rssBytes))} resident`;
  };
  return [
    `${formatCount(result.messageCount)} messages, ${formatBytes(result.logBytes)} of log, ${options.queues} queues: medians of ${options.rounds}`,
    line('after a close', result.clean),
    line('after SIGKILL', result.killed),
  ];
}

await runLoadProgram({
  name: 'opening',
  options,
  work: (directory, asked: OpeningOptions) => runOpeningRounds(directory, asked),
  describe,
});
