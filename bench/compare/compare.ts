import { Command, InvalidArgumentError } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { wholeNumber } from '../common/option-values.js';
import { columns } from './columns.js';
import { type CompareResult, contestantNames, runCompare } from './compare-rounds.js';

/** The comparison alone. JSON on the standard output; `npm run bench` makes a page of it. */
interface CompareProgramOptions {
  readonly rounds: number;
  readonly secondsMax: number;
  readonly countMax: number;
  readonly jvmWarmUpSeconds: number;
  readonly columns: readonly string[] | undefined;
  readonly contestants: readonly string[] | undefined;
  readonly directory?: string;
}

function someOf(names: readonly string[]): (text: string) => readonly string[] {
  return (text) => {
    const asked = text.split(',').map((name) => name.trim());
    const unknown = asked.find((name) => !names.includes(name));
    if (unknown !== undefined) throw new InvalidArgumentError(`There is no ${unknown}: there are ${names.join(', ')}.`);
    return asked;
  };
}

const columnNames = columns.map((column) => column.name);
const options = new Command('compare')
  .description('The same work for stratalog and what one would have picked instead, in turns.')
  .option('--columns <names>', `some of ${columnNames.join(', ')}, with commas between`, someOf(columnNames))
  .option('--contestants <names>', `some of ${contestantNames().join(', ')}`, (text: string) =>
    text.split(/,(?! tuned)/).map((name) => name.trim()),
  )
  .option('--rounds <n>', 'of everybody', wholeNumber(1), 5)
  .option('--seconds-max <n>', 'of a round', wholeNumber(1), 2)
  .option('--count-max <n>', 'messages of a round, if fewer than the column has', wholeNumber(1_600), 1_000_000_000)
  .option('--jvm-warm-up-seconds <n>', 'before the first round of each kind of work, in Java', wholeNumber(0), 3)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<CompareProgramOptions>();

const unknownContestant = options.contestants?.find((name) => !contestantNames().includes(name));
if (unknownContestant !== undefined) {
  console.error(`error: nobody takes part under the name ${unknownContestant}: there are ${contestantNames().join(', ')}`);
  process.exit(1);
}

await runLoadProgram({
  name: 'compare',
  options,
  work: (directory, asked: CompareProgramOptions): Promise<CompareResult> =>
    runCompare(directory, {
      ...asked,
      columns: columns.filter((column) => asked.columns === undefined || asked.columns.includes(column.name)),
      note: (text) => console.error(text),
    }),
  describe: ({ failures }) => {
    if (failures.length > 0) process.exitCode = 1;
    return failures.map(({ name, column, why }) => `FAILED: ${name} in ${column}: ${why}`);
  },
});
process.exit();
