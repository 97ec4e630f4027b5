import type { Section, Table } from '../page/figures.js';
import { appendReports, type AppendReport } from './append-reports.js';
import type { RunContext, SectionMaker } from './section-maker.js';

const mib = 1024 ** 2;
const bodyByteSteps = [16, 100, 1_024, 10_240, 102_400, mib] as const;

/** As many messages as fill about so many bytes, in whole batches. */
function fill(bytes: number, bodyBytes: number): { readonly batch: number; readonly count: number } {
  const batch = Math.max(1, Math.min(100, Math.floor((4 * mib) / bodyBytes)));
  return { batch, count: Math.max(batch, Math.floor(Math.min(500_000, bytes / (bodyBytes + 130)) / batch) * batch) };
}

async function bodySizes(context: RunContext): Promise<Section> {
  const bytes = (context.quick ? 32 : 256) * mib;
  const variants = bodyByteSteps.map((bodyBytes) => {
    const { batch, count } = fill(bytes, bodyBytes);
    const words = ['--body-bytes', bodyBytes, '--batch', batch, '--count', count, '--rounds', context.quick ? 1 : 3];
    return [bodyBytes, words] as const;
  });
  const { reports, commands } = await appendReports(context, variants);
  const line = (
    name: string,
    value: (report: AppendReport) => number,
  ): { name: string; points: readonly (readonly [number, number])[] } => ({
    name,
    points: reports.map(([bodyBytes, report]) => [bodyBytes, value(report)]),
  });
  const x = { label: 'bytes of a body', unit: 'bytes', scale: 'log' } as const;
  return {
    name: 'body-size',
    title: 'Throughput against the size of a message',
    about: [
      'How fast messages are stored when the operating system takes them (async), in batches of up to 100, with one key each and full checksums.',
      'Bare loops beside it write as many bytes into fresh files with nothing else done to them: one write for each message, and one for each MiB, which is about what the machine can do at all.',
    ],
    commands,
    charts: [
      {
        title: 'Messages stored in a second',
        better: 'more',
        x,
        y: { label: 'messages a second', unit: 'messages/s', scale: 'log' },
        lines: [
          line('stratalog', (report) => report.medians.messagesPerSecond),
          line('bare write for each message', (report) => report.medians.rawWritesPerSecond),
        ],
      },
      {
        title: 'Bytes stored in a second',
        better: 'more',
        x,
        y: { label: 'bytes a second', unit: 'bytes/s', scale: 'linear' },
        lines: [
          line('stratalog', (report) => report.medians.recordBytesPerSecond),
          line('bare write for each message', (report) => report.medians.rawBytesPerSecond),
          line('bare writes of 1 MiB', (report) => report.medians.rawPerMiBBytesPerSecond),
        ],
      },
    ],
    bars: [],
    tables: [bodySizeTable(reports)],
  };
}

function bodySizeTable(reports: readonly (readonly [number, AppendReport])[]): Table {
  return {
    title: 'By size of a body',
    columns: [
      { title: 'body', unit: 'bytes' },
      { title: 'stored', unit: 'messages/s', better: 'more' },
      { title: 'records', unit: 'bytes/s', better: 'more' },
      { title: 'bare write each', unit: 'messages/s' },
      { title: 'bare writes of 1 MiB', unit: 'bytes/s' },
      { title: 'processor a message', unit: 'us', better: 'less' },
      { title: 'to the device for a stored byte', unit: 'ratio', better: 'less' },
      { title: 'event loop late, at most', unit: 'ms', better: 'less' },
    ],
    rows: reports.map(([bodyBytes, { medians }]) => [
      bodyBytes,
      medians.messagesPerSecond,
      medians.recordBytesPerSecond,
      medians.rawWritesPerSecond,
      medians.rawPerMiBBytesPerSecond,
      medians.cpuUsPerMessage,
      medians.blockBytesPerRecordByte === 0 ? null : medians.blockBytesPerRecordByte,
      medians.eventLoopMaxMs,
    ]),
  };
}

async function producers(context: RunContext): Promise<Section> {
  const steps = context.quick ? [1, 64, 512] : [1, 8, 64, 512, 4_096];
  const words = (mode: string, callers: number): readonly (string | number)[] => [
    ...['--mode', mode, '--how', 'append', '--callers', callers, '--seconds', 1],
    ...['--rounds', context.quick ? 1 : 2, '--raw-seconds', 1],
  ];
  const variants = ['async', 'sync'].flatMap((mode) => steps.map((callers) => [{ mode, callers }, words(mode, callers)] as const));
  const { reports, commands } = await appendReports(context, variants);
  const of = (mode: string) => reports.filter(([key]) => key.mode === mode);
  const lines = (value: (report: AppendReport) => number) =>
    ['async', 'sync'].map((mode) => ({ name: mode, points: of(mode).map(([key, report]) => [key.callers, value(report)] as const) }));
  const syncLoop = of('sync').map(([key, report]) => [key.callers, report.medians.rawWritesPerSecond] as const);
  const x = { label: 'callers that each await their message', unit: 'count', scale: 'log' } as const;
  return {
    name: 'producers',
    title: 'Scaling over producers',
    about: [
      'Callers append one message each and await it before they send the next. In sync mode a message is on the disk when the call returns; one sync of the disk serves all who wait (group commit), so that more callers get more from the same disk.',
      'The bare loop writes one message and syncs it, again and again: what a disk gives without group commit.',
    ],
    commands,
    charts: [
      {
        title: 'Messages stored in a second, 100 B',
        better: 'more',
        x,
        y: { label: 'messages a second', unit: 'messages/s', scale: 'log' },
        lines: [
          ...lines((report) => report.medians.messagesPerSecond),
          { name: 'bare write + fdatasync, one at a time', points: syncLoop },
        ],
      },
      {
        title: 'How long an append takes: 99 of 100 are quicker',
        better: 'less',
        x,
        y: { label: 'time of a call', unit: 'us', scale: 'log' },
        lines: lines((report) => report.medians.p99Us),
      },
    ],
    bars: [],
    tables: [producersTable(reports)],
  };
}

function producersTable(reports: readonly (readonly [{ readonly mode: string; readonly callers: number }, AppendReport])[]): Table {
  return {
    title: 'By number of callers',
    columns: [
      { title: 'mode', unit: 'text' },
      { title: 'callers', unit: 'count' },
      { title: 'stored', unit: 'messages/s', better: 'more' },
      { title: 'bare loop', unit: 'messages/s' },
      { title: 'p50', unit: 'us', better: 'less' },
      { title: 'p99', unit: 'us', better: 'less' },
      { title: 'p99.99', unit: 'us', better: 'less' },
      { title: 'event loop late, p99', unit: 'ms', better: 'less' },
      { title: 'event loop late, at most', unit: 'ms', better: 'less' },
      { title: 'resident', unit: 'bytes', better: 'less' },
    ],
    rows: reports.map(([{ mode, callers }, { medians }]) => [
      mode,
      callers,
      medians.messagesPerSecond,
      medians.rawWritesPerSecond,
      medians.p50Us,
      medians.p99Us,
      medians.p9999Us,
      medians.eventLoopP99Ms,
      medians.eventLoopMaxMs,
      medians.rssBytesMax,
    ]),
  };
}

async function queues(context: RunContext): Promise<Section> {
  const steps = context.quick ? [1, 16, 1_000] : [1, 16, 1_000, 10_000];
  const variants = steps.map((count) => {
    const messages = context.quick ? 50_000 : 400_000;
    const rounds = context.quick || count > 1_000 ? 1 : 3;
    return [count, ['--queues', count, '--count', messages, '--rounds', rounds, '--raw-seconds', 1]] as const;
  });
  const { reports, commands } = await appendReports(context, variants);
  return {
    name: 'queues',
    title: 'Scaling over queues',
    about: [
      'The same messages over more and more queues of one topic, each queue with files of its own. Memory and open files should not follow the number of queues; closing writes every queue once, which takes too long for this page with more of them: `npm run bench:append -- --queues 100000` does it.',
    ],
    commands,
    charts: [
      {
        title: 'Messages stored in a second, 100 B',
        better: 'more',
        x: { label: 'queues', unit: 'count', scale: 'log' },
        y: { label: 'messages a second', unit: 'messages/s', scale: 'linear' },
        lines: [{ name: 'stratalog', points: reports.map(([count, report]) => [count, report.medians.messagesPerSecond]) }],
      },
    ],
    bars: [],
    tables: [
      {
        title: 'By number of queues',
        columns: [
          { title: 'queues', unit: 'count' },
          { title: 'stored', unit: 'messages/s', better: 'more' },
          { title: 'resident, at most', unit: 'bytes', better: 'less' },
          { title: 'open files, at most', unit: 'count', better: 'less' },
          { title: 'event loop late, at most', unit: 'ms', better: 'less' },
          { title: 'closing', unit: 'ms', better: 'less' },
        ],
        rows: reports.map(([count, { medians }]) => [
          count,
          medians.messagesPerSecond,
          medians.rssBytesMax,
          medians.openFilesMax === 0 ? null : medians.openFilesMax,
          medians.eventLoopMaxMs,
          medians.closeMs,
        ]),
      },
    ],
  };
}

async function eventLoop(context: RunContext): Promise<Section> {
  const seconds = context.quick ? 2 : 6;
  const shared = ['--seconds', seconds, '--rounds', 1, '--raw-seconds', 1];
  const variants = [
    ['async, batches of 100', shared],
    ['async, 64 callers', ['--how', 'append', '--callers', 64, ...shared]],
    ['sync, 64 callers', ['--mode', 'sync', '--how', 'append', '--callers', 64, ...shared]],
  ] as const;
  const { reports, commands } = await appendReports(context, variants);
  return {
    name: 'event-loop',
    title: 'Does the program still answer?',
    about: [
      'A program that stores at full speed should still serve everything else it does. This is how late a timer of 1 ms comes while messages are stored as fast as possible: the longest delay of each tenth of a second.',
    ],
    commands,
    charts: [
      {
        title: 'Delay of the event loop over time, at full load',
        better: 'less',
        x: { label: 'time since the start', unit: 'ms', scale: 'linear' },
        y: { label: 'longest delay', unit: 'ms', scale: 'linear' },
        lines: reports.map(([name, report]) => ({
          name,
          points: (report.store[0]?.use.eventLoopDelayOverTime ?? []).map(({ atMs, maxMs }) => [atMs, maxMs] as const),
        })),
      },
    ],
    bars: [],
    tables: [
      {
        title: 'Over the whole time',
        columns: [
          { title: 'load', unit: 'text' },
          { title: 'stored', unit: 'messages/s', better: 'more' },
          { title: 'late, p99', unit: 'ms', better: 'less' },
          { title: 'late, at most', unit: 'ms', better: 'less' },
          { title: 'garbage collection', unit: 'ms', better: 'less' },
          { title: 'resident, at most', unit: 'bytes', better: 'less' },
        ],
        rows: reports.map(([name, { medians }]) => [
          name,
          medians.messagesPerSecond,
          medians.eventLoopP99Ms,
          medians.eventLoopMaxMs,
          medians.collectionsTotalMs,
          medians.rssBytesMax,
        ]),
      },
    ],
  };
}

export const appendSections: readonly SectionMaker[] = [
  { name: 'body-size', title: 'Throughput against the size of a message', make: bodySizes },
  { name: 'producers', title: 'Scaling over producers', make: producers },
  { name: 'queues', title: 'Scaling over queues', make: queues },
  { name: 'event-loop', title: 'Does the program still answer?', make: eventLoop },
];
