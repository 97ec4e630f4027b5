import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { LifeTold, Promises } from '../oracle/promises.js';
import type { WriterPlan } from '../writer/plan.js';
import { cleanAtExit } from './cleanups.js';
import { programPath } from './programs.js';

/** Longer than any life is planned; a process that lives on hangs. */
const hangMs = 300_000;

export interface LifeOptions {
  /** Words before the command: strace, a shell that sets limits. */
  readonly prefix?: readonly string[] | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

export interface EndedLife extends LifeTold {
  /** `SIGKILL`, or the exit code. */
  readonly end: string;
  readonly stderr: string;
}

/** One process that writes a store. */
export class Life {
  readonly plan: WriterPlan;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #opened: Promise<void>;
  readonly #unregister: () => void;
  #stderr = '';
  #end: string | undefined;
  #bindingBytes = Number.POSITIVE_INFINITY;

  constructor(plan: WriterPlan, { prefix = [], environment = {} }: LifeOptions = {}) {
    this.plan = plan;
    const [program, ...args] = [...prefix, process.execPath, programPath('writer/writer'), JSON.stringify(plan)];
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment }, detached: true });
    this.#unregister = cleanAtExit(() => this.kill());
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4000);
    });
    this.#exited = once(this.#child, 'close').then(([code, signal]) => {
      this.#end = String(signal ?? code);
    });
    this.#opened = once(this.#child.stdout!, 'data').then(() => undefined);
    this.#opened.catch(() => undefined);
  }

  /** Resolves when the store is open, or the process has ended. */
  async opened(): Promise<void> {
    await Promise.race([this.#opened, this.#exited]);
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  kill(): void {
    // With what it runs under, strace or a shell.
    if (!this.hasEnded && this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
  }

  /**
   * Stops every thread of it where no call is under way, does `what`, and lets it go on. What it tells from then on promises nothing.
   * (ext4 may let an fdatasync that is under way succeed although the file system was shut down beneath it, and lose what it covered.)
   */
  async frozen(what: () => void): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined || this.hasEnded || !this.#child.kill('SIGSTOP')) return what();
    while (!this.hasEnded && !isStopped(pid)) await wait(1);
    this.#bindingBytes = existsSync(this.plan.notesPath) ? statSync(this.plan.notesPath).size : 0;
    what();
    this.#child.kill('SIGCONT');
  }

  /** Waits for its end and takes in what it has told. */
  async ended(promises: Promises): Promise<EndedLife> {
    const stop = new AbortController();
    const hung = wait(hangMs, true, { signal: stop.signal }).catch(() => false);
    const isHung = await Promise.race([this.#exited.then(() => false), hung]);
    stop.abort();
    if (isHung) {
      this.kill();
      await this.#exited;
    }
    this.#unregister();
    const told = promises.read(this.plan.notesPath, this.#bindingBytes);
    const errors = [...told.errors];
    if (isHung) errors.push(`the process hung in phase ${told.phase}`);
    else if (this.#end !== 'SIGKILL' && this.#end !== '0' && this.#end !== '3' && errors.length === 0)
      errors.push(`the process ended with ${this.#end}: ${this.#stderr.trim().slice(-600)}`);
    return { ...told, errors, end: this.#end ?? 'unknown', stderr: this.#stderr.trim() };
  }
}

function isStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => {
      const status = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
      return 'TXZ'.includes(status.charAt(status.lastIndexOf(')') + 2));
    });
  } catch {
    // A thread has ended between the two looks.
    return false;
  }
}
