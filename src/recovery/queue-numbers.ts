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

/** The first number of each queue behind `from`. */
export async function numbersAfter(log: RestOfLog, from: number): Promise<ReadonlyMap<string, Continued>> {
  const found = new Map<string, Continued>();
  let isBehindDamage = false;
  for (let at = from; ; ) {
    const stopped = await new LogScanner(log.segments).scan(
      {
        from: at,
        limit: Number.MAX_SAFE_INTEGER,
        verify: true,
        isOurs: (offset) => isInSpans(log.spans, offset),
        signal: log.signal,
      },
      (view) => {
        if (!view.hasQueueOffset) return;
        const name = `${view.topic}/${view.queueId}`;
        if (!found.has(name)) found.set(name, { queueOffset: view.queueOffset, isBehindDamage });
      },
    );
    if ((stopped.reason !== 'invalid' && stopped.reason !== 'missing') || stopped.offset >= log.durable) return found;
    isBehindDamage = true;
    at = await log.resync(stopped);
  }
}
