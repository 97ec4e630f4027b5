import type { Clock } from '../platform/platform.js';

/**
 * The time by which messages age: the wall clock, but never ahead of what the monotonic clock says has passed since opening. A wall
 * clock that jumps forward (by an hour, by ten years) so deletes nothing.
 */
export class AgeClock {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #startMonotonicMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
    this.#startMonotonicMs = clock.monotonicMs();
  }

  nowMs(): number {
    return Math.min(this.#clock.nowMs(), this.#startMs + this.#clock.monotonicMs() - this.#startMonotonicMs);
  }
}
