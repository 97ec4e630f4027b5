import type { LatencyCurve } from '../common/latencies.js';
import type { ProcessUse } from '../common/process-use.js';
import { command, type RunContext } from './section-maker.js';

/** What is used of the reports of `bench/load/append.ts`. */
export interface AppendReport {
  readonly medians: {
    readonly messagesPerSecond: number;
    readonly recordBytesPerSecond: number;
    readonly rawWritesPerSecond: number;
    readonly rawBytesPerSecond: number;
    readonly rawPerMiBBytesPerSecond: number;
    readonly p50Us: number;
    readonly p99Us: number;
    readonly p9999Us: number;
    readonly maxUs: number;
    readonly eventLoopP99Ms: number;
    readonly eventLoopMaxMs: number;
    readonly rssBytesMax: number;
    readonly openFilesMax: number;
    readonly collectionsTotalMs: number;
    readonly blockBytesPerRecordByte: number;
    readonly cpuUsPerMessage: number;
    readonly closeMs: number;
  };
  readonly store: readonly { readonly latencyCurve: LatencyCurve; readonly use: ProcessUse }[];
}

type Words = readonly (string | number)[];

/** Runs it for each variant in turn; also gives the commands that repeat each. */
export async function appendReports<Key>(
  context: RunContext,
  variants: readonly (readonly [key: Key, words: Words])[],
): Promise<{ readonly reports: readonly (readonly [key: Key, report: AppendReport])[]; readonly commands: readonly string[] }> {
  const reports: (readonly [Key, AppendReport])[] = [];
  for (const [key, words] of variants) reports.push([key, (await context.program('load/append', words)) as AppendReport]);
  return { reports, commands: variants.map(([, words]) => command('append', words)) };
}
