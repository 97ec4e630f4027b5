import type { FactsTarget } from '../format/record-facts.js';

export interface DispatcherOptions {
  readonly log: { readonly visible: number; readonly flushed: number; handOver(targets: readonly FactsTarget[]): number };
  readonly queues: FactsTarget & { readonly pendingBytes: number; writePending(bytesMax: number): void };
  readonly index:
    | (FactsTarget & { readonly pendingBytes: number; writePending(durableBefore: number, bytesMax: number): void })
    | undefined;
  /** What stands before the index in the row of targets. */
  readonly indexFeeder: FactsTarget | undefined;
  readonly start: number;
}

/** Entries pile up to this before they are written, so that small queues cost a write per hundreds of entries. */
const PENDING_BYTES = 8 * 1024 * 1024;
const WRITE_BYTES = 2 * 1024 * 1024;

/**
 * Feeds the derived structures with what has become visible, in log order, from what the appender knows already.
 *
 * Invariant: `dispatched` is the visible offset as of the last feeding; every record below it is in queues and index, in memory at least.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #targets: readonly FactsTarget[];
  #dispatched: number;
  dispatchedCount = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#targets = options.indexFeeder === undefined ? [options.queues] : [options.queues, options.indexFeeder];
    this.#dispatched = options.start;
  }

  get dispatched(): number {
    return this.#dispatched;
  }

  /** Call whenever the visible offset may have moved; before anybody hears of it. */
  run(): void {
    const { log, queues, index } = this.#options;
    const limit = log.visible;
    if (limit <= this.#dispatched) return;
    this.#dispatched = limit;
    this.dispatchedCount += log.handOver(this.#targets);
    if (queues.pendingBytes > PENDING_BYTES) queues.writePending(WRITE_BYTES);
    if (index !== undefined && index.pendingBytes > PENDING_BYTES) index.writePending(log.flushed, WRITE_BYTES);
  }
}
