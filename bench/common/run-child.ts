import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Whether this program was compiled: then the programs that it starts are, too. */
const compiled = import.meta.url.endsWith('.js');
const benchFolder = fileURLToPath(new URL('..', import.meta.url));

export interface ChildEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs another program of `bench/`, named without its ending, in a process of its own. */
export async function runChild(program: string, words: readonly string[], nodeOptions: readonly string[] = []): Promise<ChildEnd> {
  const path = join(benchFolder, `${program}.${compiled ? 'js' : 'ts'}`);
  const loader = compiled ? [] : ['--import', 'tsx'];
  const child = spawn(process.execPath, [...nodeOptions, ...loader, path, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const endWithUs = (): boolean => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  process.off('exit', endWithUs);
  return { exitCode, signal, output, errors };
}

/** The JSON that it prints; throws what it wrote to the error output if it fails. */
export async function runForJson(program: string, words: readonly string[], nodeOptions: readonly string[] = []): Promise<unknown> {
  const { exitCode, signal, output, errors } = await runChild(program, words, nodeOptions);
  if (exitCode !== 0) throw new Error(`${program} ${words.join(' ')}: ended with ${signal ?? `exit code ${exitCode}`}\n${errors.trim()}`);
  return JSON.parse(output);
}
