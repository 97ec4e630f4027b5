import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs the same program several times at once, each with its own arguments, and gives what each of them wrote to its `--json` file. */
export async function runParts<T>(program: string, parts: readonly (readonly string[])[]): Promise<readonly T[]> {
  const directory = mkdtempSync(join(tmpdir(), 'stratalog-parts-'));
  try {
    return await Promise.all(
      parts.map(async (args, index) => {
        const file = join(directory, `${index}.json`);
        await run([...process.execArgv, program, ...args, '--json', file]);
        return JSON.parse(readFileSync(file, 'utf8')) as T;
      }),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A part that found something ends with 1; any other end but 0 is a failure of the run itself. */
function run(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0 || code === 1) resolve();
      else reject(new Error(`a part ended with ${String(code ?? signal)}: ${args.join(' ')}`));
    });
  });
}
