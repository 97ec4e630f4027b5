import { Command } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { formatBytes, formatCount, formatMs, median } from '../common/numbers.js';
import { oneOf, wholeNumber } from '../common/option-values.js';
import { runTailRound, type TailOptions, type TailRound } from './tail-round.js';

/** Load program: does reading behind a live writer keep up, and does it slow the writer down? */
interface TailResult {
  readonly medians: { readonly alonePerSecond: number; readonly withTailPerSecond: number; readonly readPerSecond: number };
  readonly alone: readonly TailRound[];
  readonly withTail: readonly TailRound[];
}

const options = new Command('tail')
  .description('Writes as fast as the store takes it, alone and with a tail over the whole log, in turns.')
  .option('--mode <mode>', 'async or sync', oneOf(['async', 'sync']), 'async')
  .option('--count <n>', 'messages of a round', wholeNumber(1), 500_000)
  .option('--batch <n>', 'messages in one append and at most in one batch of the tail', wholeNumber(1), 100)
  .option('--batches-in-flight <n>', 'appends on their way at a time', wholeNumber(1), 4)
  .option('--body-bytes <n>', 'of each message', wholeNumber(0), 100)
  .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
  .option('--keys <n>', 'of each message; the first tells the tail which one it is', wholeNumber(1), 1)
  .option('--rounds <n>', 'of each', wholeNumber(1), 3)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<TailOptions & { readonly directory?: string }>();

async function work(directory: string, asked: TailOptions): Promise<TailResult> {
  await runTailRound(directory, { ...asked, count: Math.min(asked.count, 20_000) }, true);
  const alone: TailRound[] = [];
  const withTail: TailRound[] = [];
  for (let round = 0; round < asked.rounds; round += 1) {
    alone.push(await runTailRound(directory, asked, false));
    withTail.push(await runTailRound(directory, asked, true));
  }
  const medians = {
    alonePerSecond: median(alone.map((round) => round.writtenPerSecond)),
    withTailPerSecond: median(withTail.map((round) => round.writtenPerSecond)),
    readPerSecond: median(withTail.map((round) => round.readPerSecond)),
  };
  return { medians, alone, withTail };
}

function describe({ medians, withTail }: TailResult): readonly string[] {
  const of = (value: (round: TailRound) => number): number => median(withTail.map(value));
  return [
    `${options.mode}, ${options.bodyBytes} B bodies: median of ${options.rounds}`,
    `  writer alone ${formatCount(medians.alonePerSecond)} messages/s; with a tail ${formatCount(medians.withTailPerSecond)}/s; the tail had them all at ${formatCount(medians.readPerSecond)}/s`,
    `  behind by ${formatBytes(of((round) => round.behindBytesMax))} at most; from append to tail ${formatMs(of((round) => round.endToEndUs.p50) / 1e3)} (p50), ${formatMs(of((round) => round.endToEndUs.p99) / 1e3)} (p99)`,
  ];
}

await runLoadProgram({ name: 'tail', options, work, describe });
