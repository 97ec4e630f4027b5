import type { HistoryResult } from './run-history.js';

export interface Failure {
  readonly seed: number;
  readonly what: string;
  /** The command that does exactly the same again. */
  readonly replay: string;
}

/** What a run found, as it is written to a file. */
export interface Summary {
  readonly bench: 'simulation';
  readonly seedFrom: number;
  readonly count: number;
  readonly histories: number;
  readonly operations: number;
  readonly crashes: number;
  readonly faults: number;
  readonly acknowledgements: number;
  readonly calls: number;
  readonly failures: readonly Failure[];
  readonly durationS: number;
}

export function replayOf(seed: number): string {
  return `npx tsx test/simulation/main.ts --seed ${seed} --count 1`;
}

export function summarize(seedFrom: number, count: number, results: readonly HistoryResult[], durationS: number): Summary {
  const sum = (of: (result: HistoryResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  return {
    bench: 'simulation',
    seedFrom,
    count,
    histories: results.length,
    operations: sum(({ operations }) => operations),
    crashes: sum(({ crashes }) => crashes),
    faults: sum(({ faults }) => faults),
    acknowledgements: sum(({ acknowledgements }) => acknowledgements),
    calls: sum(({ calls }) => calls),
    failures: results.flatMap(({ seed, failure }) => (failure === undefined ? [] : [{ seed, what: failure, replay: replayOf(seed) }])),
    durationS,
  };
}

/** Of parts that ran beside each other. */
export function join(seedFrom: number, count: number, parts: readonly Summary[], durationS: number): Summary {
  const sum = (of: (part: Summary) => number): number => parts.reduce((total, part) => total + of(part), 0);
  return {
    bench: 'simulation',
    seedFrom,
    count,
    histories: sum(({ histories }) => histories),
    operations: sum(({ operations }) => operations),
    crashes: sum(({ crashes }) => crashes),
    faults: sum(({ faults }) => faults),
    acknowledgements: sum(({ acknowledgements }) => acknowledgements),
    calls: sum(({ calls }) => calls),
    failures: parts.flatMap(({ failures }) => failures).sort((a, b) => a.seed - b.seed),
    durationS,
  };
}

/** The means, so that a million empty histories do not pass for anything. */
export function describe(summary: Summary): string {
  const { histories, durationS, failures } = summary;
  const mean = (total: number): string => (total / Math.max(1, histories)).toFixed(1);
  return [
    `${histories} histories in ${durationS.toFixed(1)} s, ${(histories / Math.max(durationS, 1e-9)).toFixed(1)}/s; of each`,
    `${mean(summary.operations)} operations, ${mean(summary.crashes)} crashes, ${mean(summary.faults)} faults,`,
    `${mean(summary.acknowledgements)} acknowledgements, ${mean(summary.calls)} calls of the file system; ${failures.length} failures`,
  ].join(' ');
}
