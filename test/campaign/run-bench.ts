import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchResult, parseBenchResult } from './bench-result.js';
import type { BenchSpec } from './benches.js';

const keptTextBytes = 4000;
/** A bench that does not end is ended, and has found something: nothing that a store does may hang. */
const hangS = 1200;
const graceMs = 10_000;

export interface BenchTask {
  readonly spec: BenchSpec;
  /** The tree that it runs in. */
  readonly root: string;
  readonly seedFrom: number;
  readonly count: number;
  /** Longest time that it may take; by default a generous one. */
  readonly limitS?: number | undefined;
  readonly moreArgs?: readonly string[] | undefined;
}

/** Runs a bench in a process of its own. Whatever goes wrong with that process, without a result file, is a finding as well. */
export async function runBench(task: BenchTask): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'stratalog-result-'));
  const jsonPath = join(folder, 'result.json');
  const startMs = performance.now();
  try {
    const end = await runProcess(task, jsonPath);
    const durationS = Math.round((performance.now() - startMs) / 100) / 10;
    if (existsSync(jsonPath)) {
      const result = parseBenchResult(readFileSync(jsonPath, 'utf8'));
      if (end.code === 0 || result.failures.length > 0) return { ...result, durationS };
      return failed(task, durationS, end, 'though it names no finding');
    }
    return failed(task, durationS, end, 'and without a result');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function failed(task: BenchTask, durationS: number, { how, text, isHung }: ProcessEnd, but: string): BenchResult {
  const { spec, seedFrom, count } = task;
  const failures = [{ what: `the bench ended with ${how} ${but}: ${text}`, seed: undefined, replay: undefined }];
  const end = isHung ? 'hung' : 'died';
  return { bench: spec.name, seedFrom, count, acknowledgements: 0, failures, skipped: [], durationS, fileSystem: undefined, end };
}

interface ProcessEnd {
  readonly code: number | null;
  readonly isHung: boolean;
  readonly how: string;
  /** The last that it said. */
  readonly text: string;
}

function runProcess(task: BenchTask, jsonPath: string): Promise<ProcessEnd> {
  const { spec, root, seedFrom, count, moreArgs = [] } = task;
  const args = ['--import', 'tsx', spec.program, ...spec.args(seedFrom, count), ...moreArgs, '--json', jsonPath];
  return new Promise((resolve, reject) => {
    // In a group of its own, so that what it has started ends with it.
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let text = '';
    let isHung = false;
    // Asked to end, a bench unmounts what it has mounted.
    const endGroup = (signal: 'SIGTERM' | 'SIGKILL'): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // It has ended by itself.
      }
    };
    const timer = setTimeout(
      () => {
        isHung = true;
        endGroup('SIGTERM');
        setTimeout(() => endGroup('SIGKILL'), graceMs).unref();
      },
      (task.limitS ?? hangS) * 1000,
    );
    const onExit = (): void => endGroup('SIGTERM');
    process.once('exit', onExit);
    const take = (chunk: Buffer): void => {
      text = (text + chunk.toString()).slice(-keptTextBytes);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      process.removeListener('exit', onExit);
      resolve({ code, isHung, how: isHung ? 'no end in sight' : String(signal ?? code), text: text.trim().slice(-600) });
    });
  });
}
