/** Somebody who waits until the log has come to `end`. */
export interface LogWaiter {
  readonly end: number;
  settle(): void;
  reject(reason: unknown): void;
}

const COMPACT_AT = 1024;

/**
 * Waiters in log order; settled from the front, rejected from the back.
 *
 * Invariant: `end` never descends from the front to the back.
 */
export class LogWaiters {
  #waiters: (LogWaiter | undefined)[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#waiters.length;
  }

  get count(): number {
    return this.#waiters.length - this.#head;
  }

  /** The end that the last one waits for; 0 if there is none. */
  get lastEnd(): number {
    return this.isEmpty ? 0 : (this.#waiters.at(-1)?.end ?? 0);
  }

  /** Nearly always at the back; who asks for a place in the log that has been passed already goes to where it belongs. */
  add(waiter: LogWaiter): void {
    let at = this.#waiters.length;
    while (at > this.#head && (this.#waiters[at - 1]?.end ?? 0) > waiter.end) at -= 1;
    if (at === this.#waiters.length) this.#waiters.push(waiter);
    else this.#waiters.splice(at, 0, waiter);
  }

  /** Settles, in order, those whose end is at or below `position`. */
  settleUpTo(position: number): void {
    while (this.#head < this.#waiters.length) {
      const waiter = this.#waiters[this.#head];
      if (waiter === undefined || waiter.end > position) break;
      this.#waiters[this.#head] = undefined;
      this.#head += 1;
      waiter.settle();
    }
    this.#compact();
  }

  /** Rejects, in order, those whose end is above `position`. */
  rejectAbove(position: number, reason: unknown): void {
    const rejected: LogWaiter[] = [];
    while (this.#waiters.length > this.#head && (this.#waiters.at(-1)?.end ?? 0) > position) {
      const waiter = this.#waiters.pop();
      if (waiter !== undefined) rejected.push(waiter);
    }
    for (const waiter of rejected.reverse()) waiter.reject(reason);
    this.#compact();
  }

  #compact(): void {
    if (this.#head === this.#waiters.length) {
      this.#waiters.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#waiters.length) {
      this.#waiters = this.#waiters.slice(this.#head);
      this.#head = 0;
    }
  }
}
