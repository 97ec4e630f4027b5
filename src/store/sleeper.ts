import type { ReadView } from './read-view.js';

/** A timer's longest time that any clock can be trusted with. */
const napMsMax = 2 ** 30;

/**
 * Lets a reader wait for something that it should look at: messages (of one queue, or any), the end of the store, an abort, a time.
 * Whoever is woken looks again at everything; being woken says nothing.
 */
export class Sleeper {
  readonly #view: ReadView;
  readonly #slot: number | undefined;
  readonly #signal: AbortSignal | undefined;
  #wake: (() => void) | undefined;

  /** `slot`: wakes when that queue has grown; undefined: when readers see more of the log. */
  constructor(view: ReadView, slot: number | undefined, signal: AbortSignal | undefined) {
    this.#view = view;
    this.#slot = slot;
    this.#signal = signal;
  }

  wake(): void {
    this.#wake?.();
  }

  /** Has subscribed when it returns, so that nothing is missed if the caller has looked in the same turn. Keeps the process alive. */
  sleep(ms: number): Promise<void> {
    const view = this.#view;
    const slot = this.#slot;
    const signal = this.#signal;
    return new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        cancelTimer();
        leaveQueue?.();
        leaveLog();
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      const cancelTimer = view.clock.schedule(Math.min(ms, napMsMax), wake, true);
      const leaveQueue = slot === undefined ? undefined : view.queues.waiters.add(slot, wake);
      const leaveLog = view.onChange(() => {
        if (slot === undefined || view.closing.aborted || view.failure() !== undefined) wake();
      });
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}
