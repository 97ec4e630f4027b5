import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const repositoryRoot: string = fileURLToPath(new URL('../..', import.meta.url));

export interface ProgramRun {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a TypeScript program of `bench/` as a user would, without a terminal. */
export async function runProgram(program: string, words: readonly string[]): Promise<ProgramRun> {
  return runScript(join(repositoryRoot, 'bench', program), words);
}

/** The same of a script that lies elsewhere; `temporary` is where it puts what it keeps after a failure. */
export async function runScript(path: string, words: readonly string[], temporary: string = tmpdir()): Promise<ProgramRun> {
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...words], {
    cwd: repositoryRoot,
    env: { ...process.env, TMPDIR: temporary, TEMP: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, output, errors };
}

/** A path where nothing is yet; what a test leaves there is deleted after it. */
export function freshPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stratalog-bench-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'store');
}
