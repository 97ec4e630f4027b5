import { fileURLToPath } from 'node:url';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { FlushMode } from '../../src/index.js';
import { oneOf, wholeNumber } from '../common/option-values.js';

export interface MainJobOptions {
  readonly directory: string;
  /** Messages to replay, at least; `undefined`: a million, and past the end of the first segment. */
  readonly count: number | undefined;
  readonly bodyBytes: number;
  readonly flush: FlushMode;
  readonly seed: number;
  readonly keep: boolean;
}

const defaultDirectory = fileURLToPath(new URL('../../data/run', import.meta.url));

/** Ends the process, as commander does, after `--help` and for options that are none. */
export function readOptions(argv: readonly string[]): MainJobOptions {
  const program = new Command('npm start --')
    .description(
      'Stores a week of real earthquakes, replays them until the log is past a gigabyte, asks the store questions,\n' +
        'kills a process that is storing more, and proves that nothing it acknowledged was lost.',
    )
    .option('--directory <path>', 'the store; an earlier run there is replaced', defaultDirectory)
    .option('--count <n>', 'messages to store (default: 1,000,000, and on to the second segment)', wholeNumber(1))
    .option('--body-bytes <n>', 'makes smaller bodies longer, with a filler field (default: the events as they are)', wholeNumber(0), 0)
    .option('--flush <mode>', 'of the bulk: async or sync; the process that is killed always uses sync', oneOf(['async', 'sync']), 'async')
    .option('--seed <n>', 'chooses what is asked for and when the process is killed', wholeNumber(0), 1)
    .option('--keep', 'leave the store there at the end', true)
    .option('--no-keep', 'delete it at the end')
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const values = program.opts<MainJobOptions & { readonly count?: number }>();
  return {
    directory: resolve(values.directory),
    count: values.count,
    bodyBytes: values.bodyBytes,
    flush: values.flush,
    seed: values.seed,
    keep: values.keep,
  };
}
