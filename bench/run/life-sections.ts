import type { MixedRound } from '../load/mixed-round.js';
import type { OpenLoopRound } from '../load/open-loop-round.js';
import type { RetentionRound } from '../load/retention-round.js';
import type { SoakRound } from '../load/soak-round.js';
import type { TailRound } from '../load/tail-round.js';
import { median } from '../common/numbers.js';
import type { Section } from '../page/figures.js';
import { command, type RunContext, type SectionMaker } from './section-maker.js';

async function latency(context: RunContext): Promise<Section> {
  const seconds = context.quick ? 1 : 5;
  const variants = [
    ['async, 10,000 a second', ['--mode', 'async', '--messages-per-second', 10_000, '--seconds', seconds]],
    ['async, 100,000 a second', ['--mode', 'async', '--messages-per-second', 100_000, '--seconds', seconds]],
    ['sync, 1,000 a second', ['--mode', 'sync', '--messages-per-second', 1_000, '--seconds', seconds]],
    ['sync, 20,000 a second', ['--mode', 'sync', '--messages-per-second', 20_000, '--seconds', seconds]],
  ] as const;
  const rounds: (readonly [string, OpenLoopRound])[] = [];
  for (const [name, words] of variants) {
    const { round } = (await context.program('load/open-loop', words)) as { readonly round: OpenLoopRound };
    rounds.push([name, round]);
  }
  return {
    name: 'latency',
    title: 'How long a message takes, at a rate that does not wait',
    about: [
      'Messages come at a fixed rate, as they do from people and devices. Time is counted from the moment a message was due, so that a store that stands still makes all messages late that come meanwhile.',
      'Read the chart from left to right: half of the messages are quicker than the time at 50 %, all but one of a hundred quicker than at 99 %. The scale is drawn out towards 100 %, because that is where stores differ.',
    ],
    commands: variants.map(([, words]) => command('open-loop', words)),
    charts: [
      {
        title: 'Time from due to stored',
        better: 'less',
        x: { label: 'share of the messages that were quicker', unit: 'percent', scale: 'linear' },
        y: { label: 'time', unit: 'us', scale: 'log' },
        lines: rounds.map(([name, round]) => ({ name, points: round.latencyCurve })),
      },
    ],
    bars: [],
    tables: [
      {
        title: 'By mode and rate',
        columns: [
          { title: 'load', unit: 'text' },
          { title: 'stored', unit: 'messages/s', better: 'more' },
          { title: 'p50', unit: 'us', better: 'less' },
          { title: 'p99', unit: 'us', better: 'less' },
          { title: 'p99.9', unit: 'us', better: 'less' },
          { title: 'p99.99', unit: 'us', better: 'less' },
          { title: 'longest', unit: 'us', better: 'less' },
          { title: 'on their way, at most', unit: 'count', better: 'less' },
        ],
        rows: rounds.map(([name, { achievedPerSecond, latencyUs: us, waitingMax }]) => [
          ...[name, achievedPerSecond, us.p50, us.p99, us.p999, us.p9999, us.max, waitingMax],
        ]),
      },
    ],
  };
}

async function following(context: RunContext): Promise<Section> {
  const tailWords = ['--count', context.quick ? 50_000 : 500_000, '--rounds', context.quick ? 1 : 3];
  const mixedWords = ['--seconds', context.quick ? 1 : 5];
  const tail = (await context.program('load/tail', tailWords)) as {
    readonly alone: readonly TailRound[];
    readonly withTail: readonly TailRound[];
  };
  const { round: mixed } = (await context.program('load/mixed', mixedWords)) as { readonly round: MixedRound };
  const of = (rounds: readonly TailRound[], value: (round: TailRound) => number): number => median(rounds.map(value));
  const shares = [
    ['appends, 16 callers', mixed.writes],
    ['reads by offset, 4 callers', mixed.reads],
    ['finds by key, 4 callers', mixed.finds],
  ] as const;
  return {
    name: 'following',
    title: 'Reading while somebody writes',
    about: [
      'First a writer at full speed, alone and with a reader in the same process that follows the whole log. Then appends, reads by offset, finds by key and one such reader, all at once.',
    ],
    commands: [command('tail', tailWords), command('mixed', mixedWords)],
    charts: [],
    bars: [
      {
        title: 'Messages written in a second',
        unit: 'messages/s',
        better: 'more',
        bars: [
          { name: 'alone', value: of(tail.alone, (round) => round.writtenPerSecond) },
          { name: 'with a reader behind', value: of(tail.withTail, (round) => round.writtenPerSecond) },
        ],
      },
    ],
    tables: [
      {
        title: 'A reader behind a writer',
        columns: [
          { title: 'written alone', unit: 'messages/s', better: 'more' },
          { title: 'written with a reader', unit: 'messages/s', better: 'more' },
          { title: 'all read at', unit: 'messages/s', better: 'more' },
          { title: 'behind, at most', unit: 'bytes', better: 'less' },
          { title: 'from append to reader, p50', unit: 'us', better: 'less' },
          { title: 'p99', unit: 'us', better: 'less' },
        ],
        rows: [
          [
            of(tail.alone, (round) => round.writtenPerSecond),
            of(tail.withTail, (round) => round.writtenPerSecond),
            of(tail.withTail, (round) => round.readPerSecond),
            of(tail.withTail, (round) => round.behindBytesMax),
            of(tail.withTail, (round) => round.endToEndUs.p50),
            of(tail.withTail, (round) => round.endToEndUs.p99),
          ],
        ],
      },
      {
        title: 'Everything at once',
        columns: [
          { title: 'what', unit: 'text' },
          { title: 'rate', unit: 'calls/s', better: 'more' },
          { title: 'p50', unit: 'us', better: 'less' },
          { title: 'p99', unit: 'us', better: 'less' },
          { title: 'longest', unit: 'us', better: 'less' },
        ],
        rows: [
          ...shares.map(([name, { perSecond, latencyUs }]) => [name, perSecond, latencyUs.p50, latencyUs.p99, latencyUs.max]),
          ['messages to the reader behind', mixed.tailedPerSecond, null, null, null],
        ],
      },
    ],
  };
}

async function lasting(context: RunContext): Promise<Section> {
  const retentionWords = context.quick
    ? ['--segment-bytes', '4mi', '--max-bytes', '8mi', '--total-bytes', '48mi']
    : ['--segment-bytes', '32mi', '--max-bytes', '128mi', '--total-bytes', '512mi'];
  const soakWords = context.quick
    ? ['--seconds', 3, '--sample-ms', 100]
    : ['--seconds', 20, '--sample-ms', 500, '--segment-bytes', '64mi', '--max-bytes', '512mi'];
  const { round: retention } = (await context.program('load/retention', retentionWords)) as { readonly round: RetentionRound };
  const { round: soak } = (await context.program('load/soak', soakWords)) as { readonly round: SoakRound };
  const line = (name: string, value: (sample: SoakRound['samples'][number]) => number) => ({
    name,
    points: soak.samples.map((sample) => [sample.atMs, value(sample)] as const),
  });
  const x = { label: 'time since the start', unit: 'ms', scale: 'linear' } as const;
  return {
    name: 'lasting',
    title: 'Over time: deleting old messages, and memory',
    about: [
      'Messages of 1 KiB are appended by 64 callers while the oldest are deleted and some are read back. Memory should level off. For half an hour of it: `npm run bench:soak`.',
    ],
    commands: [command('retention', retentionWords), command('soak', soakWords)],
    charts: [
      {
        title: 'Memory over time',
        better: 'less',
        x,
        y: { label: 'memory', unit: 'bytes', scale: 'linear' },
        lines: [
          line('resident', (sample) => sample.rssBytes),
          line('heap', (sample) => sample.heapUsedBytes),
          line('buffers outside the heap', (sample) => sample.externalBytes),
        ],
      },
      {
        title: 'Messages stored in a second, over time',
        better: 'more',
        x,
        y: { label: 'messages a second', unit: 'messages/s', scale: 'linear' },
        lines: [line('stratalog', (sample) => sample.messagesPerSecond)],
      },
    ],
    bars: [],
    tables: [
      {
        title: 'While segments are deleted, and over the whole time',
        columns: [
          { title: 'load', unit: 'text' },
          { title: 'messages', unit: 'count' },
          { title: 'p50', unit: 'us', better: 'less' },
          { title: 'p99.99', unit: 'us', better: 'less' },
          { title: 'longest', unit: 'us', better: 'less' },
          { title: 'event loop late, at most', unit: 'ms', better: 'less' },
          { title: 'resident, at most', unit: 'bytes', better: 'less' },
          { title: 'segments deleted', unit: 'count' },
          { title: 'garbage collection, longest', unit: 'ms', better: 'less' },
        ],
        rows: (
          [
            ['deleting', retention, retention.deletedSegmentCount],
            ['a long time', soak, null],
          ] as const
        ).map(([name, round, deleted]) => [
          ...[name, round.messageCount, round.latencyUs.p50, round.latencyUs.p9999, round.latencyUs.max, round.use.eventLoopDelayMs.max],
          ...[round.use.rssBytesMax, deleted, round.use.garbageCollection.maxMs],
        ]),
      },
    ],
  };
}

export const lifeSections: readonly SectionMaker[] = [
  { name: 'latency', title: 'How long a message takes, at a rate that does not wait', make: latency },
  { name: 'following', title: 'Reading while somebody writes', make: following },
  { name: 'lasting', title: 'Over time: deleting old messages, and memory', make: lasting },
];
