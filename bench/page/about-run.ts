import { formatBytes } from '../common/numbers.js';
import type { BenchRun } from './figures.js';

/** Sentences and rows about a run as a whole, the same on the page and in the tables. */
const quietLoadMax = 0.5;

export function runSentence(run: BenchRun): string {
  const minutes = (run.durationMs / 60_000).toFixed(1);
  const selection = run.selection === 'quick' ? 'the quick selection, whose figures are rough' : 'the usual selection';
  return `Measured on ${run.startedAt.slice(0, 10)} in ${minutes} minutes: ${selection}. Node.js ${run.environment.node}, ${run.environment.coreCount} processor cores.`;
}

export function loadSentence({ loadAverage, environment }: BenchRun): string {
  const before = loadAverage.before.toFixed(1);
  const perCore = loadAverage.before / Math.max(1, environment.coreCount);
  const quiet =
    perCore <= quietLoadMax
      ? 'so it had the machine almost to itself'
      : 'so it had to share the machine, and the figures are lower than they could be';
  return `When it began, ${before} processes wanted to run on ${environment.coreCount} cores (average of the minute before), ${quiet}; at its end, itself included, ${loadAverage.after.toFixed(1)}.`;
}

export function failureLines(run: BenchRun): readonly string[] {
  return run.failures;
}

export function environmentRows(run: BenchRun): readonly (readonly string[])[] {
  const { environment: found } = run;
  return [
    ['processor', `${found.cpuModel}, ${found.coreCount} cores`],
    ['memory', formatBytes(found.memoryBytes)],
    ['file system', (found.fileSystem ?? 'not known').replace(/ at \S+ /, ' ')],
    ['system', `${found.platform}, kernel ${found.kernel}`],
    ['Node.js', `${found.node}, V8 ${found.v8}`],
    ['commit', found.commit ?? 'not known'],
    ['begun', run.startedAt],
    ['load average before and after', `${run.loadAverage.before.toFixed(2)}, ${run.loadAverage.after.toFixed(2)}`],
  ];
}
