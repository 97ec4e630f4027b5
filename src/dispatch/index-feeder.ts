import type { QueueRegistry } from '../base/queue-registry.js';
import { feed, type FeedOptions } from '../commit-log/feed.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import type { FactsTarget, RecordFacts } from '../format/record-facts.js';

/** The key index, as far as feeding it again from the log goes. */
export interface ResettableIndex extends FactsTarget {
  reset(): Promise<void>;
  markDamaged(cause: unknown): void;
  readonly pendingBytes: number;
  writePending(durableBefore: number, bytesMax: number): void;
}

/** How damage in the log is told, where to read on behind it, and when nobody wants the index any more. */
export interface IndexFeederLog extends Pick<FeedOptions, 'isOurs' | 'readOn' | 'signal'> {}

const PENDING_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Stands between the dispatcher and the key index. While the index is made anew from the log, rows that come in pass it by: the
 * reader of the log meets them in their place, and once it has caught up the rows go to the index directly again.
 */
export class IndexFeeder implements FactsTarget {
  readonly name: string = 'key index';
  readonly #index: ResettableIndex;
  readonly #segments: LogSegments;
  readonly #registry: QueueRegistry;
  readonly #dispatched: () => number;
  readonly #flushed: () => number;
  readonly #log: IndexFeederLog;
  #rebuilding: Promise<void> | undefined;
  #detached = false;

  constructor(
    index: ResettableIndex,
    segments: LogSegments,
    registry: QueueRegistry,
    dispatched: () => number,
    flushed: () => number,
    log: IndexFeederLog = {},
  ) {
    this.#index = index;
    this.#segments = segments;
    this.#registry = registry;
    this.#dispatched = dispatched;
    this.#flushed = flushed;
    this.#log = log;
  }

  get isRebuilding(): boolean {
    return this.#rebuilding !== undefined;
  }

  accept(facts: RecordFacts, from: number, to: number): void {
    if (!this.#detached) this.#index.accept(facts, from, to);
  }

  /** Makes the index anew from the whole log; whoever asks while it runs waits for the same. Where it fails, the index stays damaged. */
  rebuild(): Promise<void> {
    this.#rebuilding ??= this.#rebuild()
      .catch((error: unknown) => {
        // Rows have passed it by: no safe point may vouch for it.
        this.#index.markDamaged(error);
        throw error;
      })
      .finally(() => {
        this.#rebuilding = undefined;
      });
    return this.#rebuilding;
  }

  async #rebuild(): Promise<void> {
    this.#detached = true;
    await this.#index.reset();
    let from = this.#segments.minOffset;
    for (;;) {
      const to = this.#dispatched();
      if (from >= to) break;
      await feed({
        segments: this.#segments,
        registry: this.#registry,
        targets: [this.#index],
        from,
        to,
        ...this.#log,
        afterBatch: () => {
          if (this.#index.pendingBytes > PENDING_BYTES_MAX) this.#index.writePending(this.#flushed(), PENDING_BYTES_MAX);
        },
      });
      from = to;
    }
    // No await between the last look at `dispatched` and this: no row falls between.
    this.#detached = false;
  }
}
