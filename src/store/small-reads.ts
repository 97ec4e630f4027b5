import type { LogSegments } from '../commit-log/log-segments.js';
import type { Clock } from '../platform/platform.js';

/** More than this goes through the thread pool in any case. */
const SMALL_BYTES_MAX = 64 * 1024;
/** As many reads in place are followed by one through the pool, which lets the event loop have its turn. */
const IN_PLACE_COUNT_MAX = 64;
/** A read in place that took longer came from the disk, or the machine is busy. */
const SLOW_MS = 0.5;
/** As many reads go through the pool after a slow one. */
const POOLED_COUNT = 64;

/**
 * Small reads of the log. What is read by offset or key lies mostly in the kernel's memory, where reading in place costs one or two
 * microseconds and the way through the thread pool thirty; but a read that has to wait for the disk must not hold up the event loop.
 * So reads are made in place as long as that is fast, and never more than a few dozen in one turn of a loop that awaits them.
 */
export class SmallReads {
  readonly #segments: LogSegments;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #inPlaceLeft = IN_PLACE_COUNT_MAX;
  #pooledLeft = 0;

  constructor(segments: LogSegments, clock: Pick<Clock, 'monotonicMs'>) {
    this.#segments = segments;
    this.#clock = clock;
  }

  /** As `LogSegments.read`: the number of bytes, at once or later. Throws, or rejects with, what that rejects with. */
  read(into: Uint8Array, offset: number): number | Promise<number> {
    if (into.length > SMALL_BYTES_MAX || !this.#mayReadInPlace()) return this.#segments.read(into, offset);
    const startMs = this.#clock.monotonicMs();
    const bytes = this.#segments.readSync(into, offset);
    if (this.#clock.monotonicMs() - startMs > SLOW_MS) this.#pooledLeft = POOLED_COUNT;
    return bytes;
  }

  #mayReadInPlace(): boolean {
    if (this.#pooledLeft > 0) {
      this.#pooledLeft -= 1;
      return false;
    }
    this.#inPlaceLeft -= 1;
    if (this.#inPlaceLeft >= 0) return true;
    this.#inPlaceLeft = IN_PLACE_COUNT_MAX;
    return false;
  }
}
