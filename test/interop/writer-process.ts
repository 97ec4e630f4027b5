import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Facts } from './facts.js';
import { until } from './until.js';
import type { WriterJob } from './writer.js';

/** The process of `writer.ts`. */
export class WriterProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #job: WriterJob;
  #output = '';

  private constructor(child: ChildProcessWithoutNullStreams, job: WriterJob) {
    this.#child = child;
    this.#job = job;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        this.#output += bytes.toString();
      });
    }
  }

  /** Once it has the store. */
  static async start(job: WriterJob): Promise<WriterProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'writer.ts'), JSON.stringify(job)], {
      stdio: 'pipe',
    });
    const writer = new WriterProcess(child, job);
    await until(async () => writer.#output.includes('open\n') || !writer.isAlive, 'the writer has the store');
    if (!writer.isAlive) throw new Error(writer.#output);
    return writer;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get output(): string {
    return this.#output;
  }

  /** What has been acknowledged so far, in the order of the log. A last line that the kill has cut was not. */
  acknowledged(): Facts[] {
    if (!existsSync(this.#job.factsPath)) return [];
    const lines = readFileSync(this.#job.factsPath, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => withoutGaps(JSON.parse(line) as Facts)).sort((a, b) => a.physicalOffset - b.physicalOffset);
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.isAlive) this.#child.kill('SIGKILL');
    else return;
    await ended;
  }
}

/** JSON leaves out what is undefined. */
function withoutGaps(facts: Facts): Facts {
  return { ...facts, tag: facts.tag };
}
