import { performance } from 'node:perf_hooks';
import { SingleBar } from 'cli-progress';
import { formatCount } from '../common/numbers.js';

/** What a person sees: short headings, a line of explanation, aligned rows, and a bar where it takes long. */
const labelWidth = 34;
const valueWidth = 22;
const lineEveryMs = 2_000;

export function printHeading(title: string, explanation: string): void {
  console.log(`\n${title}\n  ${explanation}`);
}

export function printLine(text: string): void {
  console.log(`  ${text}`);
}

/** Label, one figure aligned to the right, and what it says. */
export function printRow(label: string, value: string, note: string = ''): void {
  console.log(`    ${label.padEnd(labelWidth)}${value.padStart(valueWidth)}${note === '' ? '' : `   ${note}`}`);
}

/** Goes to the error output too, so that nobody who keeps only one of the two misses it. */
export function printLoud(text: string): void {
  const line = '!'.repeat(Math.min(100, text.length + 8));
  console.error(`\n${line}\n!!! ${text}\n${line}\n`);
}

export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** A bar on a terminal; otherwise a line for every tenth. */
export function startProgress(total: number, unit: string): Progress {
  return process.stdout.isTTY ? startBar(total, unit) : startLines(total, unit);
}

function startBar(total: number, unit: string): Progress {
  const bar = new SingleBar({
    format: `    {bar} {percentage} %  {value} of {total} ${unit}  {duration_formatted}`,
    formatValue: (value, _options, type) => (type === 'value' || type === 'total' ? formatCount(value) : String(value)),
    barCompleteChar: '█',
    barIncompleteChar: '░',
    stream: process.stdout,
    hideCursor: true,
    clearOnComplete: true,
    fps: 5,
  });
  bar.start(total, 0);
  return {
    update: (done) => bar.update(Math.min(done, total)),
    stop: () => bar.stop(),
  };
}

/** A line every few seconds, so that what is quick leaves none. */
function startLines(total: number, unit: string): Progress {
  let lastLineAt = performance.now();
  return {
    update(done) {
      if (performance.now() - lastLineAt < lineEveryMs) return;
      lastLineAt = performance.now();
      console.log(`    ${String(Math.floor((done * 100) / total)).padStart(3)} %  ${formatCount(done)} ${unit}`);
    },
    stop: () => undefined,
  };
}
