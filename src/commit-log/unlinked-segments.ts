import type { Segment } from '../segment/segment.js';
import type { LogSegments } from './log-segments.js';

/**
 * New segments on their way into `commitlog/`, in order: each is moved there as soon as its first bytes are written.
 *
 * Invariant: nothing at or above `linkedEnd` is acknowledged or synced.
 */
export class UnlinkedSegments {
  readonly #segments: LogSegments;
  readonly #onLinked: (segment: Segment) => void;
  readonly #onFailed: (error: unknown) => void;
  readonly #unlinked: Segment[] = [];
  /** Of them, from the first, those being moved. */
  #linkingCount = 0;

  constructor(segments: LogSegments, onLinked: (segment: Segment) => void, onFailed: (error: unknown) => void) {
    this.#segments = segments;
    this.#onLinked = onLinked;
    this.#onFailed = onFailed;
  }

  /** Where the first segment begins whose name is not durable yet. */
  get linkedEnd(): number {
    return this.#unlinked[0]?.baseOffset ?? Number.POSITIVE_INFINITY;
  }

  add(segment: Segment): void {
    this.#unlinked.push(segment);
  }

  /** Begins to move those in that hold something below `written`. */
  link(written: number): void {
    for (;;) {
      const segment = this.#unlinked[this.#linkingCount];
      if (segment === undefined || segment.baseOffset >= written) return;
      this.#linkingCount += 1;
      this.#segments.link(segment).then(() => {
        this.#unlinked.shift();
        this.#linkingCount -= 1;
        this.#onLinked(segment);
      }, this.#onFailed);
    }
  }

  /** Forgets those from `offset` on, and discards their files. */
  async discardFrom(offset: number): Promise<void> {
    while ((this.#unlinked.at(-1)?.baseOffset ?? -1) >= offset) this.#unlinked.pop();
    await this.#segments.discardFrom(offset);
  }
}
