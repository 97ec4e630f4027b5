import { setImmediate } from 'node:timers';
import type { Clock } from '../../src/index.js';
import { Violation } from './violation.js';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

const startMs = Date.UTC(2024, 0, 1);
/** Nothing that a store is asked takes longer, by its own clock or in turns of the event loop: it hangs. */
const patienceMs = 600_000;
const turnCountMax = 200_000;

/**
 * Time that moves only when nothing else can: while a call is waited for, turns run first, and once none is left the next timer
 * fires. So a call that nothing will ever end is known at once, and a history takes no longer than its computing.
 */
export class SimulatedClock implements Clock {
  readonly #timers = new Set<Timer>();
  #passedMs = 0;
  #jumpedMs = 0;
  #wasSet = false;
  #turnCount = 0;

  get passedMs(): number {
    return this.#passedMs;
  }
  /** The wall clock has been set at some time. */
  get wasSet(): boolean {
    return this.#wasSet;
  }

  nowMs(): number {
    return startMs + Math.floor(this.#passedMs) + this.#jumpedMs;
  }

  monotonicMs(): number {
    return this.#passedMs;
  }

  nextTurn(callback: () => void): void {
    this.#turnCount += 1;
    setImmediate(() => {
      this.#turnCount -= 1;
      callback();
    });
  }

  schedule(ms: number, callback: () => void): () => void {
    const timer = { dueMs: this.#passedMs + Math.max(1, ms), callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
    this.#wasSet = true;
  }

  /** One turn of the event loop. */
  async turn(): Promise<void> {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }

  /** All turns that follow from one another, no timer. */
  async quiet(): Promise<void> {
    let turns = 0;
    do {
      await this.turn();
      turns += 1;
      if (turns > turnCountMax) throw new Violation('the store never comes to rest');
    } while (this.#turnCount > 0);
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.#passedMs + ms;
    await this.quiet();
    for (let timer = this.#earliest(); timer !== undefined && timer.dueMs <= untilMs; timer = this.#earliest()) {
      this.#fire(timer);
      await this.quiet();
    }
    this.#passedMs = Math.max(this.#passedMs, untilMs);
  }

  /** Runs turns and timers until `promise` is settled; a Violation if it never is. */
  async settle<T>(promise: Promise<T>, what: string): Promise<T> {
    let isSettled = false;
    const end = (): void => {
      isSettled = true;
    };
    promise.then(end, end);
    const giveUpMs = this.#passedMs + patienceMs;
    for (let turns = 0; ; turns += 1) {
      await this.turn();
      if (isSettled) return await promise;
      if (turns > turnCountMax) throw new Violation(`${what} hangs: ${turnCountMax} turns have not ended it`);
      if (this.#turnCount > 0) continue;
      const timer = this.#earliest();
      if (timer === undefined) throw new Violation(`${what} hangs: nothing is pending that could end it`);
      if (timer.dueMs > giveUpMs) throw new Violation(`${what} hangs: ${patienceMs} ms have not ended it`);
      this.#fire(timer);
    }
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer);
    this.#passedMs = Math.max(this.#passedMs, timer.dueMs);
    timer.callback();
  }

  #earliest(): Timer | undefined {
    let found: Timer | undefined;
    for (const timer of this.#timers) if (found === undefined || timer.dueMs < found.dueMs) found = timer;
    return found;
  }
}
