import { median } from '../common/numbers.js';
import type { OpeningLife } from '../load/opening-child.js';
import type { OpeningResult } from '../load/opening-rounds.js';
import type { Section } from '../page/figures.js';
import { command, type RunContext, type SectionMaker } from './section-maker.js';

interface ReadReport {
  readonly rounds: Readonly<
    Record<string, readonly { readonly messagesPerSecond: number; readonly latencyUs: { readonly p50: number; readonly p99: number } }[]>
  >;
  readonly raw: readonly Readonly<Record<string, number>>[];
}

const randomWays = ['get by offset', 'findByKey', 'offsetAt'] as const;
const allWays = ['tailAll', 'read, every queue', ...randomWays] as const;

async function storeSize(context: RunContext): Promise<Section> {
  const counts = context.quick ? [20_000, 100_000] : [100_000, 500_000, 2_000_000];
  const wordsOf = (count: number) => ['--count', count, '--calls', context.quick ? 2_000 : 10_000, '--rounds', context.quick ? 1 : 2];
  const reports: (readonly [number, ReadReport])[] = [];
  for (const count of counts) reports.push([count, (await context.program('load/read', wordsOf(count))) as ReadReport]);
  const rate = (report: ReadReport, way: string): number => median((report.rounds[way] ?? []).map((round) => round.messagesPerSecond));
  const p99 = (report: ReadReport, way: string): number => median((report.rounds[way] ?? []).map((round) => round.latencyUs.p99));
  const x = { label: 'messages in the store', unit: 'count', scale: 'log' } as const;
  return {
    name: 'store-size',
    title: 'Reading, as the store grows',
    about: [
      'A store is filled, closed and opened; then its messages are read in order, and single ones are found by offset, by key and by time. All of it comes from the page cache. Finding should not become slower because there is more to find it in.',
    ],
    commands: counts.map((count) => command('read', wordsOf(count))),
    charts: [
      {
        title: 'Read in order, messages a second',
        better: 'more',
        x,
        y: { label: 'messages a second', unit: 'messages/s', scale: 'linear' },
        lines: ['tailAll', 'read, every queue'].map((way) => ({
          name: way,
          points: reports.map(([count, report]) => [count, rate(report, way)] as const),
        })),
      },
      {
        title: 'Found one at a time, calls a second',
        better: 'more',
        x,
        y: { label: 'calls a second', unit: 'calls/s', scale: 'linear' },
        lines: randomWays.map((way) => ({ name: way, points: reports.map(([count, report]) => [count, rate(report, way)] as const) })),
      },
    ],
    bars: [],
    tables: [
      {
        title: 'By number of messages in the store',
        columns: [
          { title: 'messages', unit: 'count' },
          ...allWays.map((way) => ({ title: way, unit: 'calls/s', better: 'more' }) as const),
          ...randomWays.map((way) => ({ title: `${way}, p99`, unit: 'us', better: 'less' }) as const),
          { title: 'bare reads of one record', unit: 'calls/s' },
        ],
        rows: reports.map(([count, report]) => [
          count,
          ...allWays.map((way) => rate(report, way)),
          ...randomWays.map((way) => p99(report, way)),
          median(report.raw.map((round) => round['randomReadsPerSecond'] ?? 0)),
        ]),
      },
    ],
  };
}

async function opening(context: RunContext): Promise<Section> {
  const sizes = context.quick ? [16] : [64, 256, 1_024];
  const wordsOf = (mebibytes: number) => [
    ...['--log-bytes', `${mebibytes}mi`, '--tail-bytes', context.quick ? '8mi' : '64mi', '--rounds', context.quick ? 1 : 2],
  ];
  const results: (readonly [number, OpeningResult])[] = [];
  for (const size of sizes) results.push([size, (await context.program('load/opening', wordsOf(size))) as OpeningResult]);
  const of = (lives: readonly OpeningLife[], value: (life: OpeningLife) => number): number => median(lives.map(value));
  return {
    name: 'opening',
    title: 'Opening, after a clean end and after a kill',
    about: [
      'One process appends (1 KiB bodies) and kills itself with SIGKILL; the next opens what it left and must find every message; a third opens what the second closed. Opening after a kill reads what was written since the last safe point, so it should not depend on how large the store is.',
    ],
    commands: sizes.map((size) => command('opening', wordsOf(size))),
    charts: [
      {
        title: 'Time until the store is open',
        better: 'less',
        x: { label: 'size of the log', unit: 'bytes', scale: 'log' },
        y: { label: 'time', unit: 'ms', scale: 'linear' },
        lines: [
          {
            name: 'after SIGKILL',
            points: results.map(([, result]) => [result.logBytes, of(result.killed, (life) => life.openMs)] as const),
          },
          {
            name: 'after a close',
            points: results.map(([, result]) => [result.logBytes, of(result.clean, (life) => life.openMs)] as const),
          },
        ],
      },
    ],
    bars: [],
    tables: [
      {
        title: 'By size of the log',
        columns: [
          { title: 'log', unit: 'bytes' },
          { title: 'end before', unit: 'text' },
          { title: 'open after', unit: 'ms', better: 'less' },
          { title: 'first message read after', unit: 'ms', better: 'less' },
          { title: 'log looked at', unit: 'bytes', better: 'less' },
          { title: 'messages fed to queues and index again', unit: 'count' },
          { title: 'resident', unit: 'bytes', better: 'less' },
        ],
        rows: results.flatMap(([, result]) =>
          (
            [
              ['close', result.clean],
              ['SIGKILL', result.killed],
            ] as const
          ).map(([end, lives]) => [
            result.logBytes,
            end,
            of(lives, (life) => life.openMs),
            of(lives, (life) => life.firstReadMs),
            of(lives, (life) => life.recovery.scannedBytes),
            of(lives, (life) => life.recovery.redispatchedCount),
            of(lives, (life) => life.rssBytes),
          ]),
        ),
      },
    ],
  };
}

export const readSections: readonly SectionMaker[] = [
  { name: 'store-size', title: 'Reading, as the store grows', make: storeSize },
  { name: 'opening', title: 'Opening, after a clean end and after a kill', make: opening },
];
