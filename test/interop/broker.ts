import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const startTimeoutMs = 180_000;

/** A stock broker process. */
export class Broker {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #logPath: string;
  readonly #logStart: number;
  readonly #ended: Promise<number | string>;
  #output = '';

  private constructor(child: ChildProcessWithoutNullStreams, logPath: string) {
    this.#child = child;
    this.#logPath = logPath;
    this.#logStart = textOf(logPath).length;
    this.#ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code ?? 'unknown')));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        this.#output += bytes.toString();
      });
    }
  }

  /** `logPath`: where its log goes by its configuration. Does not wait for anything. */
  static launch(command: readonly string[], environment: NodeJS.ProcessEnv, logPath: string): Broker {
    const [program = 'java', ...parameters] = command;
    return new Broker(spawn(program, parameters, { env: environment, stdio: 'pipe' }), logPath);
  }

  /** Resolves with `up` once it serves, or with how it has ended. */
  async settled(): Promise<{ readonly up: true } | { readonly up: false; readonly exit: number | string; readonly output: string }> {
    const patience = AbortSignal.timeout(startTimeoutMs);
    for (;;) {
      if (this.#output.includes('boot success')) return { up: true };
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        return { up: false, exit: await this.#ended, output: this.#output };
      }
      if (patience.aborted) throw new Error(`the broker neither starts nor ends: ${this.#output}\n${this.log().slice(-4_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What it has logged since this process began: warnings and errors, with the names of the loggers. */
  log(): string {
    return textOf(this.#logPath).slice(this.#logStart);
  }

  /** What it has printed. */
  get output(): string {
    return this.#output;
  }

  /** As an operator does: SIGTERM, and wait. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
