import { defined } from '../base/assert.js';

/**
 * Who wants to know when a queue has grown: tails and long polls.
 *
 * A queue that nobody waits for costs one look into an array; a batch of rows calls each waiter once, after all of its rows
 * are in, so that whoever is woken sees all of them.
 */
export class QueueWaiters {
  readonly #bySlot = new Map<number, Set<() => void>>();
  /** By slot: whether there is a waiter. Kept beside the map for the sake of the hot path. */
  readonly #isWaited: boolean[] = [];
  readonly #touched = new Set<number>();

  /** Number of queues that somebody waits for. */
  get queueCount(): number {
    return this.#bySlot.size;
  }

  /** Calls back after every batch with entries for that queue, until the returned function is called. The callback must not throw. */
  add(slot: number, callback: () => void): () => void {
    let callbacks = this.#bySlot.get(slot);
    if (callbacks === undefined) {
      callbacks = new Set();
      this.#bySlot.set(slot, callbacks);
      while (this.#isWaited.length <= slot) this.#isWaited.push(false);
      this.#isWaited[slot] = true;
    }
    // Wrapped, so that the same function given twice is two waiters.
    const waiter = (): void => callback();
    callbacks.add(waiter);
    return () => this.#remove(slot, waiter);
  }

  /** Entries were added to that queue. */
  touch(slot: number): void {
    if (this.#isWaited[slot] === true) this.#touched.add(slot);
  }

  /** The batch is in: calls the waiters of the queues touched since the last time. */
  callTouched(): void {
    if (this.#touched.size === 0) return;
    const callbacks: (() => void)[] = [];
    for (const slot of this.#touched) {
      for (const callback of defined(this.#bySlot.get(slot), 'waiters of a touched queue')) callbacks.push(callback);
    }
    this.#touched.clear();
    for (const callback of callbacks) callback();
  }

  #remove(slot: number, waiter: () => void): void {
    const callbacks = this.#bySlot.get(slot);
    if (callbacks === undefined || !callbacks.delete(waiter) || callbacks.size > 0) return;
    this.#bySlot.delete(slot);
    this.#isWaited[slot] = false;
    this.#touched.delete(slot);
  }
}
