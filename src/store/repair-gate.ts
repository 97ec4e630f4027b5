import { type Deferred, deferred } from '../base/deferred.js';
import { orAborted } from './or-aborted.js';

/**
 * One repair at a time: two would set the same bytes aside and own the same segments. And none while segments are copied or linked, which
 * any number of snapshots do at once: a segment that somebody shares must not change.
 *
 * Waiting ends when `signal` is aborted; whoever has been let in calls the result when done.
 */
export class RepairGate {
  #isRepairing = false;
  #copyCount = 0;
  #left: Deferred<void> = deferred();

  async forRepair(signal: AbortSignal): Promise<() => void> {
    const isFree = (): boolean => !this.#isRepairing && this.#copyCount === 0;
    while (!isFree()) await this.#change(signal);
    this.#isRepairing = true;
    return () => {
      this.#isRepairing = false;
      this.#wake();
    };
  }

  async forCopying(signal: AbortSignal): Promise<() => void> {
    while (this.#isRepairing) await this.#change(signal);
    this.#copyCount += 1;
    return () => {
      this.#copyCount -= 1;
      this.#wake();
    };
  }

  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await orAborted(this.#left.promise, signal);
  }

  #wake(): void {
    this.#left.resolve();
    this.#left = deferred();
  }
}
