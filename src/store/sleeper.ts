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

  /** Subscribes before it returns, so that nothing is missed if the caller has looked in the same turn. Keeps the process alive. */
  async sleep(ms: number): Promise<void> {
    const view = this.#view;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      const cancelTimer = view.clock.schedule(Math.min(ms, napMsMax), resolve, true);
      const leaveQueue = this.#slot === undefined ? undefined : view.queues.waiters.add(this.#slot, resolve);
      const leaveLog = view.onChange(() => {
        if (this.#slot === undefined || view.closing.aborted || view.failure() !== undefined) resolve();
      });
      this.#signal?.addEventListener('abort', resolve as () => void, { once: true });
      this.#leave = () => {
        cancelTimer();
        leaveQueue?.();
        leaveLog();
        this.#signal?.removeEventListener('abort', resolve as () => void);
      };
    });
    this.#wake = undefined;
    this.#leave?.();
    this.#leave = undefined;
  }

  #leave: (() => void) | undefined;
}
