import { columns, type Column } from '../compare/columns.js';
import { type ComparedColumn, type CompareResult, medianRate, runCompare } from '../compare/compare-rounds.js';
import type { CompareRound, FindRates } from '../compare/compare-round.js';
import { median } from '../common/numbers.js';
import type { Bars, Section, Table } from '../page/figures.js';
import { peerWins, type Contest } from './peer-wins.js';
import type { RunContext, SectionMaker } from './section-maker.js';

/** Names of the ways to find, as readers know them. */
const findWays = [
  ['readPerSecond', 'everything read in order', 'messages/s'],
  ['byOffsetPerSecond', 'found by queue and offset', 'calls/s'],
  ['byKeyPerSecond', 'found by key', 'calls/s'],
  ['byTimePerSecond', 'place found by time', 'calls/s'],
] as const;

async function compare(context: RunContext): Promise<Section> {
  const result = await runCompare(context.directory, {
    columns: context.quick ? columns.filter(({ name }) => ['batch-100B', 'callers-64', 'sync-64'].includes(name)) : columns,
    rounds: context.quick ? 1 : 5,
    secondsMax: 0.5,
    countMax: context.quick ? 50_000 : Number.MAX_SAFE_INTEGER,
    jvmWarmUpSeconds: context.quick ? 1 : 2,
    note: context.note,
  });
  for (const { name, column, why } of result.failures) context.failed(`compare: ${name} in ${column}: ${why.split('\n')[0]}`);
  const contests = [...result.columns.map(appendContest), ...findContests(result)];
  return {
    name: 'compare',
    title: 'Side by side with what one would have picked instead',
    about: [
      'Everybody does the same work, in turns, each in a process of its own and a fresh directory: store messages so that each can be found by its queue and number there, by its key and by time. Figures are medians of the rounds.',
      'Async: with the operating system when the call is done; the death of the process loses nothing. Sync: on the disk when the call is done; a power cut loses nothing.',
      'What was stored is read back after every round; who does not find it again has no figure. Nobody keeps an index by time: it is a search by halving over the stored times. The bare file is the floor, not a store: it can find nothing again.',
      'A dash under “event loop late” for a store of Node.js: its calls return at once, so that the program has no turn at all for anything else until the load is over. Java peers have no event loop.',
    ],
    commands: ['npm run bench:compare', 'npm run bench:compare -- --columns sync-64 --rounds 5'],
    charts: [],
    bars: contests.map(bars),
    tables: [peerWins(contests), ratesTable(result), findTable(result), latencyTable(result), whoTable(result)],
  };
}

function appendContest({ column, results }: ComparedColumn): Contest {
  const rates = Object.entries(results).map(([name, rounds]) => ({ name, rate: medianRate(rounds) }));
  return { title: `Stored: ${column.title}${column.keyed ? ', one key each' : ''}`, unit: 'messages/s', rates };
}

function findContests(result: CompareResult): readonly Contest[] {
  const compared = result.columns.find(({ column }) => column.finds);
  if (compared === undefined) return [];
  return findWays.map(([way, title, unit]) => ({
    title: `Of ${compared.column.title}: ${title}`,
    unit,
    rates: Object.entries(compared.results).flatMap(([name, rounds]) => {
      const rate = findRate(rounds, way);
      return rate === null ? [] : [{ name, rate }];
    }),
  }));
}

function findRate(rounds: readonly CompareRound[], way: keyof FindRates): number | null {
  const rates = rounds.flatMap((round) => round.finds?.[way] ?? []);
  return rates.length === 0 ? null : median(rates);
}

function bars({ title, unit, rates }: Contest): Bars {
  const sorted = [...rates].sort((left, right) => right.rate - left.rate);
  return { title, unit, better: 'more', bars: sorted.map(({ name, rate }) => ({ name, value: rate })) };
}

function ratesTable(result: CompareResult): Table {
  const names = result.contestants.map(({ name }) => name);
  return {
    title: 'Messages stored in a second, median of the rounds',
    columns: [{ title: 'work', unit: 'text' }, ...names.map((title) => ({ title, unit: 'messages/s', better: 'more' }) as const)],
    rows: result.columns.map(({ column, results }) => [column.title, ...names.map((name) => rateOf(results[name]))]),
  };
}

function rateOf(rounds: readonly CompareRound[] | undefined): number | null {
  return rounds === undefined || rounds.length === 0 ? null : medianRate(rounds);
}

function latencyTable(result: CompareResult): Table {
  const of = (rounds: readonly CompareRound[], value: (round: CompareRound) => number | undefined): number | null => {
    const values = rounds.flatMap((round) => value(round) ?? []);
    return values.length === 0 ? null : median(values);
  };
  const describe = (column: Column, name: string, rounds: readonly CompareRound[]): Table['rows'][number] => [
    column.title,
    name,
    of(rounds, (round) => round.latencyUs.p50),
    of(rounds, (round) => round.latencyUs.p99),
    of(rounds, (round) => round.latencyUs.max),
    of(rounds, (round) => round.cpuUsPerMessage),
    of(rounds, (round) => round.eventLoopDelayMsMax),
    of(rounds, (round) => round.rssBytesMax),
    of(rounds, (round) => round.findablePerSecond),
  ];
  return {
    title: 'What a call takes, and what it costs',
    columns: [
      { title: 'work', unit: 'text' },
      { title: 'who', unit: 'text' },
      { title: 'p50 of a call', unit: 'us', better: 'less' },
      { title: 'p99', unit: 'us', better: 'less' },
      { title: 'longest', unit: 'us', better: 'less' },
      { title: 'processor a message', unit: 'us', better: 'less' },
      { title: 'event loop late, at most', unit: 'ms', better: 'less' },
      { title: 'resident, at most', unit: 'bytes', better: 'less' },
      { title: 'rate until all can be found', unit: 'messages/s', better: 'more' },
    ],
    rows: result.columns.flatMap(({ column, results }) => Object.entries(results).map(([name, rounds]) => describe(column, name, rounds))),
  };
}

function findTable(result: CompareResult): Table {
  const compared = result.columns.find(({ column }) => column.finds);
  return {
    title: 'Finding what was stored (one caller, from the page cache)',
    columns: [{ title: 'who', unit: 'text' }, ...findWays.map(([, title, unit]) => ({ title, unit, better: 'more' }) as const)],
    rows: Object.entries(compared?.results ?? {})
      .map(([name, rounds]) => [name, ...findWays.map(([way]) => findRate(rounds, way))])
      .filter((row) => row.some((cell) => typeof cell === 'number')),
  };
}

function whoTable({ contestants, leftOut, failures }: CompareResult): Table {
  return {
    title: 'Who took part, and how',
    columns: [
      { title: 'who', unit: 'text' },
      { title: 'version', unit: 'text' },
      { title: 'how', unit: 'text' },
    ],
    rows: [
      ...contestants.map(({ name, version, how }) => [name, version, how]),
      ...leftOut.map(({ name, why }) => [name, 'left out', why]),
      ...failures.map(({ name, column, why }) => [name, 'failed', `${column}: ${why.split('\n')[0]}`]),
    ],
  };
}

export const compareSection: SectionMaker = {
  name: 'compare',
  title: 'Side by side with what one would have picked instead',
  make: compare,
};
