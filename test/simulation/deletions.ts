import type { Model } from './model.js';
import type { SimulatedClock } from './simulated-clock.js';
import { must } from './violation.js';

interface Bounds {
  readonly maxBytes?: number | undefined;
  readonly maxAgeMs?: number | undefined;
}

/** Which segments may go: the beginning of the log moves only where somebody has asked for it. */
export class Deletions {
  readonly #segmentBytes: number;
  readonly #holds = new Set<{ readonly offset: number }>();
  #bounds: Bounds | undefined;
  #floor = 0;
  /** Up to here deletion was asked for, or told of by the store. */
  #ceiling = 0;
  #mayDeleteByItself = false;

  constructor(segmentBytes: number) {
    this.#segmentBytes = segmentBytes;
  }

  configured(bounds: Bounds | undefined): void {
    this.#bounds = bounds;
    this.#mayDeleteByItself ||= bounds !== undefined;
  }

  asked(before: number): void {
    this.#ceiling = Math.max(this.#ceiling, Math.floor(before / this.#segmentBytes) * this.#segmentBytes);
  }

  hold(offset: number): () => void {
    const hold = { offset };
    this.#holds.add(hold);
    return () => this.#holds.delete(hold);
  }

  get lowestHold(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#holds].map(({ offset }) => offset));
  }

  /** `isDurable`: nothing was wrong with the machine, so that the segment cannot come back. */
  deleted(
    { baseOffset, reason }: { readonly baseOffset: number; readonly reason: string },
    model: Model,
    clock: SimulatedClock,
    isDurable: boolean,
  ): void {
    const end = baseOffset + this.#segmentBytes;
    const what = `segment ${baseOffset} was deleted by ${reason}`;
    must(end <= this.lowestHold, () => `${what} though held from ${this.lowestHold}`);
    if (reason === 'request') must(end <= this.#ceiling, () => `${what}, asked for up to ${this.#ceiling}`);
    else must(this.#bounds !== undefined, () => `${what} without a bound`);
    const maxAgeMs = this.#bounds?.maxAgeMs;
    if (reason === 'age' && maxAgeMs !== undefined) {
      for (const { id, receipt, sentMs, fate } of model.sent) {
        if (fate === 'gone' || receipt === undefined || receipt.physicalOffset < baseOffset || receipt.physicalOffset >= end) continue;
        // Who opens while the wall clock is wrong cannot know it, and may say so when it is right again.
        const isOld = clock.wasSet || clock.passedMs - sentMs >= maxAgeMs;
        must(isOld, () => `${what} with message ${id}, ${clock.passedMs - sentMs} ms old`);
      }
    }
    if (isDurable) this.#floor = Math.max(this.#floor, end);
    this.#ceiling = Math.max(this.#ceiling, end);
  }

  checkBeginning(minOffset: number): void {
    must(minOffset % this.#segmentBytes === 0, () => `the log begins at ${minOffset}, inside a segment`);
    must(minOffset >= this.#floor, () => `the log begins at ${minOffset}, it was deleted up to ${this.#floor}`);
    must(
      minOffset <= this.#ceiling || this.#mayDeleteByItself,
      () => `the log begins at ${minOffset}, nobody asked for more than ${this.#ceiling}`,
    );
  }

  /** A new life: nothing is held any more, and what is gone is gone. */
  opened(minOffset: number): void {
    this.#holds.clear();
    this.#floor = minOffset;
    this.#ceiling = Math.max(this.#ceiling, minOffset);
    this.#mayDeleteByItself = this.#bounds !== undefined;
  }
}
