import { StoreError } from '../base/errors.js';
import { LogScanner } from '../commit-log/log-scanner.js';
import { IndexFeeder } from '../dispatch/index-feeder.js';
import type { SyncableIndex } from '../dispatch/safe-point.js';
import { readOnBehind } from '../recovery/find-resync.js';
import type { OwnSpan } from '../recovery/manifest.js';
import type { SkipOptions } from '../recovery/skip-damage.js';
import type { Foundation } from './foundation.js';
import { logMending } from './log-mending.js';
import { orAborted } from './or-aborted.js';
import type { ReadableIndex } from './read-view.js';

/** Reads that meet the same damage again and again have it mended once in so long. */
const MEND_PAUSE_MS = 10_000;

/** The log as it stands, and what is known of it. */
export interface MendedLog {
  readonly flushed: () => number;
  readonly dispatched: () => number;
  readonly spans: () => readonly OwnSpan[];
  readonly isOurs: (offset: number) => boolean;
  /** Throws where no new work may begin. */
  readonly assertOpen: () => void;
}

/** Makes queues and key index anew from the log where they are damaged: for reads that have met it, for safe points and for `repair`. */
export class DerivedMending {
  /** Undefined: there is no index. */
  readonly indexFeeder: IndexFeeder | undefined;
  readonly #foundation: Foundation;
  readonly #log: MendedLog;
  readonly #abandoning = new AbortController();
  readonly #works = new Set<Promise<unknown>>();
  readonly #queueMendedAtMs = new Map<number, number>();
  #indexMendedAtMs = Number.NEGATIVE_INFINITY;

  constructor(foundation: Foundation, log: MendedLog) {
    this.#foundation = foundation;
    this.#log = log;
    const { index, segments, registry } = foundation;
    if (index === undefined) return;
    this.indexFeeder = new IndexFeeder(index, segments, registry, log.dispatched, log.flushed, {
      isOurs: log.isOurs,
      readOn: async (stopped) => await readOnBehind(this.log(), stopped),
      signal: this.#abandoning.signal,
    });
  }

  /** What is known of the log where it is damaged. */
  log(): SkipOptions {
    return logMending(this.#foundation, this.#log.spans(), this.#log.dispatched());
  }

  /** The key index as queries see it. */
  get readableIndex(): ReadableIndex | undefined {
    const { index } = this.#foundation;
    if (index === undefined) return undefined;
    const damage = (): unknown => this.#indexDamage;
    return {
      find: (topic, key, since, until, before) => index.find(topic, key, since, until, before),
      get damage() {
        return damage();
      },
      get resetCount() {
        return index.resetCount;
      },
      checker: (report) => index.checker(report),
    };
  }

  /** The key index as safe points see it: damaged while it is being made anew, which a query may have begun in the meantime. */
  get syncableIndex(): SyncableIndex | undefined {
    const index = this.#foundation.index;
    if (index === undefined) return undefined;
    const damage = (): unknown => this.#indexDamage;
    return {
      sync: async (durableBefore) => {
        const states = await index.sync(durableBefore);
        return this.#isIndexRebuilding ? undefined : states;
      },
      get damage() {
        return damage();
      },
    };
  }

  /** All that is damaged. */
  async mendAll(): Promise<void> {
    const { queues, index } = this.#foundation;
    for (const slot of [...queues.damagedSlots]) await this.rebuildQueue(slot);
    await index?.look();
    // While it is being made anew it is not damaged any more, and not whole yet.
    if (index?.damaged === true || this.#isIndexRebuilding) await this.rebuildIndex();
  }

  /** For a read; false: not again so soon. */
  async mendQueue(slot: number): Promise<boolean> {
    this.#log.assertOpen();
    const { queues, platform } = this.#foundation;
    const running = queues.rebuilding(slot);
    if (running !== undefined) {
      await running;
      return true;
    }
    const nowMs = platform.clock.monotonicMs();
    const last = this.#queueMendedAtMs.get(slot);
    if (last !== undefined && nowMs - last < MEND_PAUSE_MS) return false;
    this.#queueMendedAtMs.set(slot, nowMs);
    await this.rebuildQueue(slot);
    return true;
  }

  /** As `mendQueue`. */
  async mendIndex(): Promise<boolean> {
    this.#log.assertOpen();
    if (this.indexFeeder === undefined) return false;
    const nowMs = this.#foundation.platform.clock.monotonicMs();
    if (!this.#isIndexRebuilding && nowMs - this.#indexMendedAtMs < MEND_PAUSE_MS) return false;
    this.#indexMendedAtMs = nowMs;
    await this.rebuildIndex();
    return true;
  }

  async rebuildQueue(slot: number): Promise<void> {
    await this.working(this.#rebuildQueue(slot));
  }

  async rebuildIndex(): Promise<void> {
    if (this.indexFeeder !== undefined) await this.working(this.indexFeeder.rebuild());
  }

  /** What is being made anew now may have read the log as it was before a repair. What begins behind this reads it as it is. */
  async rebuildsEnded(signal: AbortSignal): Promise<void> {
    const { queues } = this.#foundation;
    const works = [...queues.damagedSlots].map(async (slot) => await queues.rebuilding(slot));
    if (this.#isIndexRebuilding) works.push(this.rebuildIndex());
    signal.throwIfAborted();
    await orAborted(
      Promise.allSettled(works).then(() => undefined),
      signal,
    );
  }

  /** `settled` waits for it. */
  async working<T>(work: Promise<T>): Promise<T> {
    this.#works.add(work);
    try {
      return await work;
    } finally {
      this.#works.delete(work);
    }
  }

  /** Nobody wants what is being made anew any more: it ends with `reason`. */
  abandon(reason: StoreError): void {
    this.#abandoning.abort(reason);
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#works);
  }

  get #isIndexRebuilding(): boolean {
    return this.indexFeeder?.isRebuilding === true;
  }

  /** One that is being made anew is not damaged, and not whole yet. */
  get #indexDamage(): unknown {
    const { index, paths } = this.#foundation;
    if (index?.damage !== undefined || !this.#isIndexRebuilding) return index?.damage;
    return new StoreError('CORRUPT', `${paths.index}: the key index is being made anew`);
  }

  async #rebuildQueue(slot: number): Promise<void> {
    const { queues, segments, registry } = this.#foundation;
    const topic = registry.topicOf(slot);
    const queueId = registry.queueIdOf(slot);
    const { isOurs } = this.#log;
    await queues.rebuild(slot, async (put, doubt) => {
      const limit = this.#log.dispatched();
      const mending = this.log();
      for (let from = segments.minOffset; from < limit; ) {
        const stopped = await new LogScanner(segments).scan(
          { from, limit, verify: true, isOurs, signal: this.#abandoning.signal },
          (view, offset) => {
            if (!view.hasQueueOffset || view.queueId !== queueId || view.topic !== topic) return;
            const { queueOffset, recordBytes } = view;
            const tagsCode = queues.keptTagsCode(slot, queueOffset, offset, recordBytes, view.storedAt, view.tagsCode());
            put(queueOffset, offset, recordBytes, tagsCode);
          },
        );
        if (stopped.reason === 'limit' || stopped.reason === 'end') return;
        doubt(stopped.offset);
        from = await readOnBehind(mending, stopped);
      }
    });
  }
}
