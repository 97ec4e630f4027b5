import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import { isInSpans, type OwnSpan } from './manifest.js';

export interface NumberedLog {
  readonly segments: LogSegments;
  readonly spans: readonly OwnSpan[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * The next number of each queue, by `topic/queueId`, at a place in the log that moves on: from one damaged span to the next each record
 * in between is read once.
 */
export class NumbersBefore {
  readonly next: Map<string, number>;
  /** Of the last record in front of the place; later rather than earlier, so that a search by time ends in front of what is lost. */
  storedAt: number;
  #at: number;

  /** @param next what is known of the queues at `at`; `storedAt`: when at the latest anything in front of it was stored. */
  constructor(at: number, next: ReadonlyMap<string, number> = new Map(), storedAt: number = 0) {
    this.#at = at;
    this.next = new Map(next);
    this.storedAt = storedAt;
  }

  /** All that lies in front of `to` has been verified. */
  async moveTo(log: NumberedLog, to: number): Promise<void> {
    await new LogScanner(log.segments).scan(
      { from: this.#at, limit: to, verify: false, isOurs: () => false, signal: log.signal },
      (view) => {
        // A filler may tell no time.
        if (!view.isFiller) this.storedAt = view.storedAt;
        if (view.hasQueueOffset) this.next.set(`${view.topic}/${view.queueId}`, view.queueOffset + 1);
      },
    );
    this.#at = Math.max(this.#at, to);
  }
}

/** Where a queue goes on. */
export interface Continued {
  readonly queueOffset: number;
  /** Further damage lies in front of it, so some of the numbers missing before it may have been lost there. */
  readonly isBehindDamage: boolean;
}

export interface RestOfLog extends NumberedLog {
  /** What does not verify at or above it is the end of the log. */
  readonly durable: number;
  /** Where the log can be read on behind damage. */
  readonly resync: (stopped: ScanEnd) => Promise<number>;
}

/** A stretch of the log without damage. */
interface Stretch {
  /** The first number in it of each queue. */
  readonly firsts: ReadonlyMap<string, number>;
  /** The damage behind it; undefined: the end of the log. */
  readonly damage: ScanEnd | undefined;
}

/** Beyond as many numbers, stretches are read again rather than remembered. */
const NUMBER_COUNT_MAX = 1_000_000;

/**
 * The first number of each queue behind a place in the log, for one pass over it: damage is mended place by place, and what lies behind all
 * of them is read once. That stays as it is meanwhile; records appended since have higher numbers than whatever can be lost.
 */
export class NumbersBehind {
  readonly #stretches = new Map<number, Stretch>();
  #numberCount = 0;

  async from(log: RestOfLog, from: number): Promise<ReadonlyMap<string, Continued>> {
    const found = new Map<string, Continued>();
    for (let at = from; ; ) {
      const { firsts, damage } = this.#stretches.get(at) ?? (await this.#read(log, at));
      for (const [name, queueOffset] of firsts) if (!found.has(name)) found.set(name, { queueOffset, isBehindDamage: at !== from });
      if (damage === undefined) return found;
      at = await log.resync(damage);
    }
  }

  async #read(log: RestOfLog, from: number): Promise<Stretch> {
    const firsts = new Map<string, number>();
    const isOurs = (offset: number): boolean => isInSpans(log.spans, offset);
    const stopped = await new LogScanner(log.segments).scan(
      { from, limit: Number.MAX_SAFE_INTEGER, verify: true, isOurs, signal: log.signal },
      (view) => {
        if (!view.hasQueueOffset) return;
        const name = `${view.topic}/${view.queueId}`;
        if (!firsts.has(name)) firsts.set(name, view.queueOffset);
      },
    );
    const isDamage = (stopped.reason === 'invalid' || stopped.reason === 'missing') && stopped.offset < log.durable;
    const stretch = { firsts, damage: isDamage ? stopped : undefined };
    this.#numberCount += firsts.size;
    if (this.#numberCount <= NUMBER_COUNT_MAX) this.#stretches.set(from, stretch);
    return stretch;
  }
}
