import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { cleanAtExit } from '../common/cleanups.js';
import { programPath } from '../common/programs.js';

const answerMsMax = 30_000;

/** A process that races; lives through many races. */
export class Contender {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #forget: () => void;
  isAlive = true;

  constructor(notesPath: string, locking: 'lock' | 'no-lock') {
    this.#child = spawn(process.execPath, [programPath('races/racer'), notesPath, locking], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin!.on('error', () => undefined);
    this.#forget = cleanAtExit(() => this.#child.kill('SIGKILL'));
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** The answer's words; `dead` from one that has been killed, `silent` from one that hangs. */
  async ask(command: string): Promise<readonly string[]> {
    if (!this.isAlive) return ['dead'];
    this.#child.stdin!.write(`${command}\n`);
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<readonly string[]>((resolve) => {
      timer = setTimeout(() => resolve(['silent']), answerMsMax);
    });
    const answer = this.#answers.next().then(({ value, done }) => (done === true ? ['dead'] : value.split(' ')));
    try {
      return await Promise.race([answer, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return;
    this.isAlive = false;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
    this.#forget();
  }
}
