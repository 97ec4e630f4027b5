import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { wholeNumber } from '../../bench/common/option-values.js';
import { type Mode, modes } from './check-store.js';
import { type Finding } from './damaged-store.js';
import { addTally, noTally, type Tally } from './tally.js';

/**
 * Damages small stores at random and asks each everything. Exits with 1 if a store returned wrong bytes, lost something without a word,
 * lost more than was touched, threw anything but its own errors, or did not answer at all.
 */
interface Options {
  readonly seed: number;
  readonly count: number;
  readonly workers: number;
  readonly modes: string;
  readonly json: string | undefined;
}

export interface WorkOrder {
  readonly from: number;
  readonly count: number;
  readonly allModes: readonly Mode[] | undefined;
}
export type WorkReport =
  | { readonly kind: 'began'; readonly seed: number }
  | { readonly kind: 'done'; readonly tally: Tally; readonly findings: readonly Finding[] };

/** A store that has not answered by then hangs. */
const HANG_MS = 600_000;
const ORDER_COUNT = 64;

const program = new Command('damage')
  .option('--seed <number>', 'the first store', wholeNumber(0), 1)
  .option('--count <number>', 'how many', wholeNumber(1), 1000)
  .option('--workers <number>', 'processes', wholeNumber(1), 1)
  .option('--modes <which>', "recovery modes: 'seed' (one for each store, as its seed says), 'all', or their names with commas", 'seed')
  .option('--json <file>', 'write the result there')
  .parse();
const options = program.opts<Options>();
const allModes =
  options.modes === 'seed' ? undefined : modes.filter((mode) => options.modes === 'all' || options.modes.split(',').includes(mode));

const tally = noTally();
const findings: Finding[] = [];
const startMs = performance.now();
let next = options.seed;
let seenMs = startMs;

function replayOf(seed: number, mode: Mode | undefined): string {
  return `npm run damage -- --seed ${seed} --count 1${mode === undefined ? '' : ` --modes ${mode}`}`;
}

function found(finding: Finding): void {
  findings.push(finding);
  const lines = [...finding.pieces.map((piece) => `  damage: ${piece}`), ...finding.failures.map((failure) => `  ${failure}`)];
  console.log(
    `seed ${finding.seed}, ${finding.mode}, ${finding.ending}:\n${lines.join('\n')}\n  again: ${replayOf(finding.seed, finding.mode)}`,
  );
}

function progress(): void {
  const nowMs = performance.now();
  if (nowMs - seenMs < 30_000) return;
  seenMs = nowMs;
  const perSecond = (tally.count / (nowMs - startMs)) * 1000;
  console.log(`${tally.count} stores, ${perSecond.toFixed(1)} a second, ${findings.length} findings`);
}

/** One process at work until there is nothing left; a process that hangs or dies is a finding, and another goes on behind its seed. */
async function work(): Promise<void> {
  while (next < options.seed + options.count) {
    const from = next;
    const count = Math.min(ORDER_COUNT * 16, options.seed + options.count - from);
    next += count;
    for (let at = from; at < from + count; ) at = await order(at, from + count - at);
  }
}

function order(from: number, count: number): Promise<number> {
  return new Promise((resolve) => {
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)));
    let current = from;
    let isDone = false;
    const lost = (what: string): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      child.kill('SIGKILL');
      found({ seed: current, mode: 'strict', ending: '', pieces: [], failures: [what] });
      resolve(current + 1);
    };
    const hang = (): void => lost(`no answer within ${HANG_MS / 1000} s`);
    let timer = setTimeout(hang, HANG_MS);
    child.on('message', (message: WorkReport) => {
      clearTimeout(timer);
      timer = setTimeout(hang, HANG_MS);
      if (message.kind === 'began') {
        current = message.seed;
        return;
      }
      addTally(tally, message.tally);
      for (const finding of message.findings) found(finding);
      progress();
      current += 1;
      if (current < from + count) return;
      isDone = true;
      clearTimeout(timer);
      child.disconnect();
      resolve(from + count);
    });
    child.on('exit', (code, signal) => lost(`the process died with ${String(code ?? signal)}`));
    const toDo: WorkOrder = { from, count, allModes };
    child.send(toDo);
  });
}

await Promise.all(Array.from({ length: options.workers }, work));
const durationS = (performance.now() - startMs) / 1000;
const result = {
  bench: 'damage',
  seedFrom: options.seed,
  count: tally.count,
  opened: tally.opened,
  refused: tally.refused,
  recordsTouched: tally.recordsTouched,
  recordsLost: tally.recordsLost,
  recordsCutWithTail: tally.recordsCutWithTail,
  recordsBetweenDamage: tally.recordsBetweenDamage,
  failures: findings,
  durationS,
};
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
console.log(`${(tally.count / durationS).toFixed(1)} stores a second; ${JSON.stringify({ ...result, failures: findings.length })}`);
process.exitCode = findings.length === 0 ? 0 : 1;
