import { LogScanner } from '../commit-log/log-scanner.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import type { Platform } from '../platform/platform.js';
import type { AgeClock } from './age-clock.js';
import type { Holds } from './holds.js';

export type DeletionReason = 'age' | 'bytes' | 'disk' | 'request';

export interface RetentionBounds {
  readonly maxAgeMs: number | undefined;
  readonly maxBytes: number | undefined;
  readonly diskUseRatioMax: number | undefined;
}

export interface RetentionOptions {
  readonly platform: Platform;
  readonly directory: string;
  readonly segments: LogSegments;
  readonly holds: Holds;
  readonly ageClock: AgeClock;
  readonly bounds: RetentionBounds;
  readonly flushed: () => number;
  readonly assigned: () => number;
  /** Called with the log's new beginning before a segment goes: recovery must not need it any more. */
  readonly beforeDelete: (end: number) => Promise<void>;
  /** Queues and index follow. */
  readonly afterDelete: (minOffset: number) => Promise<void>;
  readonly onDeleted: (info: { path: string; baseOffset: number; bytes: number; reason: DeletionReason }) => void;
}

export interface Deleted {
  readonly deletedSegmentCount: number;
  readonly freedBytes: number;
}

/**
 * Deletes whole segments, oldest first, and only when asked to.
 *
 * Invariants: what is deleted is a prefix of the log; never the segment being written, never one that is not wholly durable, never
 * one that a hold reaches into; one pass at a time.
 */
export class Retention {
  readonly #options: RetentionOptions;
  /** How far the oldest segment has been read, once that was needed, and the highest storedAt of what was read. */
  #readOfOldest: { readonly base: number; readonly end: number; readonly storedAt: number } | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #followToDo = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  get isBounded(): boolean {
    const { maxAgeMs, maxBytes, diskUseRatioMax } = this.#options.bounds;
    return maxAgeMs !== undefined || maxBytes !== undefined || diskUseRatioMax !== undefined;
  }

  /** Deletes what the bounds allow, at most `countMax` segments, and everything that ends at or before `before`. */
  async run(before: number | undefined, countMax: number, signal: AbortSignal): Promise<Deleted> {
    const turn = this.#running.then(
      async () => await this.#run(before, countMax, signal),
      async () => await this.#run(before, countMax, signal),
    );
    this.#running = turn;
    return await turn;
  }

  async settled(): Promise<void> {
    await this.#running.catch(() => undefined);
  }

  async #run(before: number | undefined, countMax: number, signal: AbortSignal): Promise<Deleted> {
    const { segments } = this.#options;
    let deletedSegmentCount = 0;
    let freedBytes = 0;
    if (this.#followToDo) await this.#follow();
    while (deletedSegmentCount < countMax && !signal.aborted) {
      const base = segments.bases[0];
      if (base === undefined || !this.#isFree(base)) break;
      const reason = await this.#reason(base, before);
      if (reason === undefined || signal.aborted) break;
      await this.#options.beforeDelete(base + segments.segmentBytes);
      if (!this.#isFree(base)) break;
      const path = await segments.removeFirst();
      deletedSegmentCount += 1;
      freedBytes += segments.segmentBytes;
      this.#followToDo = true;
      try {
        await this.#follow();
      } finally {
        this.#options.onDeleted({ path, baseOffset: base, bytes: segments.segmentBytes, reason });
      }
    }
    return { deletedSegmentCount, freedBytes };
  }

  /** After a deletion, and again before the next one if it fails: it is made durable, then queues and index let go of what is gone. */
  async #follow(): Promise<void> {
    const { segments, afterDelete } = this.#options;
    await segments.syncRemoval();
    await afterDelete(segments.minOffset);
    this.#followToDo = false;
  }

  /** Whether the oldest segment may go at all. */
  #isFree(base: number): boolean {
    const { segments, holds, flushed } = this.#options;
    const end = base + segments.segmentBytes;
    return segments.bases.length > 1 && segments.activeAt(base) === undefined && end <= flushed() && end <= holds.lowest;
  }

  async #reason(base: number, before: number | undefined): Promise<DeletionReason | undefined> {
    const { segments, bounds, assigned, ageClock, platform, directory } = this.#options;
    if (before !== undefined && base + segments.segmentBytes <= before) return 'request';
    if (bounds.maxBytes !== undefined && assigned() - base > bounds.maxBytes) return 'bytes';
    if (bounds.maxAgeMs !== undefined && ageClock.nowMs() - (await this.#newestStoredAt(base)) > bounds.maxAgeMs) return 'age';
    if (bounds.diskUseRatioMax === undefined) return undefined;
    const { usedBytes, availableBytes } = await platform.fs.diskUsage(directory);
    return usedBytes / Math.max(1, usedBytes + availableBytes) > bounds.diskUseRatioMax ? 'disk' : undefined;
  }

  /**
   * storedAt of a segment's last record: read once, for the oldest segment only. Where damage hides it, no less than it: what begins the
   * next segment was not stored before it. Infinity: nothing tells.
   */
  async #newestStoredAt(base: number): Promise<number> {
    const { segments, bounds, ageClock } = this.#options;
    const segmentEnd = base + segments.segmentBytes;
    let { end, storedAt } = this.#readOfOldest?.base === base ? this.#readOfOldest : { end: base, storedAt: 0 };
    if (end === base) {
      // A segment whose first record is young enough need not be read to its end.
      const first = await this.#firstStoredAt(base);
      if (first !== undefined && ageClock.nowMs() - first <= (bounds.maxAgeMs ?? 0)) return first;
    }
    if (end < segmentEnd) {
      // From the damage on, where it stopped the last time: that may have been repaired.
      const scan = { from: end, limit: segmentEnd, verify: false, isOurs: () => false };
      const stopped = await new LogScanner(segments).scan(scan, (view) => {
        storedAt = Math.max(storedAt, view.storedAt);
      });
      end = stopped.offset;
      this.#readOfOldest = { base, end, storedAt };
    }
    return end === segmentEnd ? storedAt : Math.max(storedAt, await this.#firstStoredAtBehind(base));
  }

  async #firstStoredAtBehind(base: number): Promise<number> {
    for (const behind of this.#options.segments.bases.filter((each) => each > base)) {
      const storedAt = await this.#firstStoredAt(behind);
      if (storedAt !== undefined) return storedAt;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Of the first message that is left in a segment: what a repair has put in its place does not tell when that was stored. */
  async #firstStoredAt(base: number): Promise<number | undefined> {
    const { segments } = this.#options;
    let storedAt: number | undefined;
    const scan = { from: base, limit: base + segments.segmentBytes, verify: false, isOurs: () => false };
    await new LogScanner(segments).scan(scan, (view) => {
      if (view.isFiller || view.isTombstone) return true;
      storedAt = view.storedAt;
      return false;
    });
    return storedAt;
  }
}
