import type { Clock } from '../platform/platform.js';
import type { SeededRandom } from './seeded-random.js';

interface PendingCall {
  /** Does it and settles the caller's promise. */
  finish(): void;
  fail(error: Error): void;
}

/** How often a call is overtaken by those issued after it, as calls in a pool of threads are. */
const overtakenChance = 0.25;

/**
 * Asynchronous calls of a disk in memory. A call takes effect in a later turn than it was made in, at once with its completion,
 * and not always in the order of issue: who reuses a buffer too early, or does not wait for a call, is found out.
 */
export class PendingCalls {
  #calls: PendingCall[] = [];
  #armed = false;
  readonly #random: SeededRandom;
  readonly #clock: Clock;

  constructor(random: SeededRandom, clock: Clock) {
    this.#random = random;
    this.#clock = clock;
  }

  add<T>(act: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#calls.push({
        finish: () => {
          try {
            resolve(act());
          } catch (error) {
            reject(error);
          }
        },
        fail: reject,
      });
      this.#arm();
    });
  }

  /** All of them end now: a chosen part takes effect unseen, and everyone is told `error`. */
  abort(error: Error, takesEffect: () => boolean): void {
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) {
      call.fail(error);
      if (takesEffect()) call.finish();
    }
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#clock.nextTurn(() => {
      this.#armed = false;
      this.#finishSome();
    });
  }

  #finishSome(): void {
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) {
      if (this.#random.chance(overtakenChance)) this.#calls.push(call);
      else call.finish();
    }
    if (this.#calls.length > 0) this.#arm();
  }
}
