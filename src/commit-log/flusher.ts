import { deferred } from '../base/deferred.js';
import type { Clock } from '../platform/platform.js';

export interface FlusherOptions {
  readonly clock: Clock;
  readonly flushIntervalMs: number;
  readonly flushed: number;
  /** How far the log can be synced now: written, and in segments whose names are durable. */
  readonly syncable: () => number;
  /** Syncs everything in [from, to); rejects with the system's error. */
  readonly sync: (from: number, to: number) => Promise<void>;
  /** After a sync has returned, before anybody hears of it. Throws to declare the store failed. */
  readonly onSynced: (flushed: number, bytes: number, durationMs: number) => void;
  readonly onFailed: (error: unknown) => void;
}

/**
 * Group commit and the flush interval: one sync of the log in flight, covering what was written when it was issued.
 *
 * Invariants: `flushed` moves only after the sync that justifies it has returned; after a sync has failed there is no other.
 */
export class Flusher {
  readonly #options: FlusherOptions;
  #flushed: number;
  /** Somebody waits for the log to be durable up to here. */
  #wanted = 0;
  #running = false;
  #paused = false;
  #ended = false;
  #lastEndMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #idle: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#flushed = options.flushed;
  }

  get flushed(): number {
    return this.#flushed;
  }

  /** Asks for everything below `end` to be synced as soon as it has been written. */
  want(end: number): void {
    if (end > this.#wanted) this.#wanted = end;
    this.progress();
  }

  /** More has been written: what was asked for is synced now, anything else within the interval. */
  progress(): void {
    if (this.#running || this.#paused || this.#ended) return;
    const syncable = this.#options.syncable();
    if (syncable <= this.#flushed) return;
    if (this.#wanted > this.#flushed || this.#dueInMs() <= 0) void this.#run();
    else this.#schedule();
  }

  /** No sync is issued until `resume`; settles when none is in flight. */
  async pause(): Promise<void> {
    this.#paused = true;
    if (!this.#running) return;
    this.#idle ??= deferred();
    await this.#idle.promise;
  }

  resume(): void {
    this.#paused = false;
    this.progress();
  }

  /** For good. Settles when no sync is in flight. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#cancelTimer?.();
    await this.pause();
  }

  async #run(): Promise<void> {
    const { clock, syncable, sync, onSynced, onFailed } = this.#options;
    this.#running = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    try {
      while (!this.#paused && !this.#ended) {
        const end = syncable();
        if (end <= this.#flushed || (this.#wanted <= this.#flushed && this.#dueInMs() > 0)) break;
        const from = this.#flushed;
        const startMs = clock.monotonicMs();
        await sync(from, end);
        this.#flushed = end;
        this.#lastEndMs = clock.monotonicMs();
        onSynced(end, end - from, this.#lastEndMs - startMs);
      }
    } catch (error) {
      this.#ended = true;
      onFailed(error);
    } finally {
      this.#running = false;
      const idle = this.#idle;
      this.#idle = undefined;
      idle?.resolve();
    }
    this.progress();
  }

  #dueInMs(): number {
    return this.#lastEndMs + this.#options.flushIntervalMs - this.#options.clock.monotonicMs();
  }

  #schedule(): void {
    if (this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.#options.clock.schedule(Math.max(1, Math.ceil(this.#dueInMs())), () => {
      this.#cancelTimer = undefined;
      this.progress();
    });
  }
}
