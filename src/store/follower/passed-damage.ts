import { systemErrorCode } from '../../base/errors.js';
import type { QueueRegistry } from '../../base/queue-registry.js';
import type { FileSystem } from '../../platform/platform.js';
import { findResync } from '../../recovery/find-resync.js';
import type { OwnSpan } from '../../recovery/manifest.js';
import { NumbersBefore, NumbersBehind } from '../../recovery/queue-numbers.js';
import type { QueuePlace } from '../../recovery/queue-places.js';
import type { StorePaths } from '../../recovery/side-files.js';
import type { SkipOptions } from '../../recovery/skip-damage.js';
import type { FiledQueues } from './filed-queues.js';
import type { FollowedQueues } from './followed-queues.js';
import type { FollowedSegments } from './followed-segments.js';
import type { FeedBounds } from './log-feed.js';

/** What is known of the log, as a follower knows it. */
export interface FollowedLog {
  readonly platform: { readonly fs: FileSystem };
  readonly paths: StorePaths;
  readonly options: { readonly storeHost: { readonly address: string; readonly port: number } };
  readonly segments: FollowedSegments;
  readonly registry: QueueRegistry;
  readonly queues: FollowedQueues;
  readonly manifest: { readonly spans: readonly OwnSpan[] } | undefined;
}

/** A stretch of the log. */
export interface LogStretch {
  readonly from: number;
  readonly to: number;
}

/** A stretch that is not to be fed, and the entries in the files that lead there. */
export interface DamagedStretch extends LogStretch {
  readonly places: readonly QueuePlace[];
}

/** The stretches of the log that could not be fed, and where it goes on behind them. Nothing is mended here: that is for the writer. */
export class PassedDamage {
  readonly #log: FollowedLog;
  readonly #signal: AbortSignal;
  readonly #stretches: LogStretch[] = [];
  /** Where to go on behind damage further on, where that has been decided with what was in front of it. */
  readonly #resyncs = new Map<number, number>();

  constructor(log: FollowedLog, signal: AbortSignal) {
    this.#log = log;
    this.#signal = signal;
  }

  /**
   * What cannot be fed from `offset` on: a segment that is missing between others; or up to where the log can be read again behind damage, at
   * the latest at `durable`, where a record begins or will; or its segment's end.
   */
  async lookAt(offset: number, { limit, durable }: FeedBounds): Promise<DamagedStretch> {
    const missingTo = endOfMissing(this.#log.segments, offset, limit);
    const end = Math.min(limit, durable);
    // Another run of the writer may say less of what is durable.
    if (missingTo === undefined && end <= offset) return { from: offset, to: offset, places: [] };
    const filed = await this.#log.queues.inFiles();
    const to = missingTo ?? (await this.#endOf(offset, end, filed));
    return { from: offset, to, places: await filed.placesIn(offset, to) };
  }

  async #endOf(offset: number, end: number, filed: FiledQueues): Promise<number> {
    const { platform, paths, options, segments, registry, queues, manifest } = this.#log;
    const nextNumbers = new Map<string, number>();
    for (let slot = 0; slot < registry.count; slot += 1) {
      const { max } = queues.bounds(slot);
      if (max > 0) nextNumbers.set(`${registry.topicOf(slot)}/${registry.queueIdOf(slot)}`, max);
    }
    const known: SkipOptions = {
      fs: platform.fs,
      paths,
      segments,
      signal: this.#signal,
      spans: manifest?.spans ?? [],
      storeHost: options.storeHost,
      placesIn: async (from: number, to: number) => await filed.placesIn(from, to),
      numbersBefore: new NumbersBefore(offset, nextNumbers),
      numbersBehind: new NumbersBehind(),
      queueEnds: nextNumbers,
      resyncs: this.#resyncs,
      certainResyncs: new Map(),
      durable: end,
      goesOnAt: end,
    };
    try {
      return Math.min(end, await findResync(known, offset));
    } catch (error) {
      // What the disk does not let us read further on is no reason not to go on behind the segment.
      if (systemErrorCode(error) === undefined) throw error;
      return Math.min(end, segments.baseOf(offset) + segments.segmentBytes);
    }
  }

  /** It is not fed. Entries that lead there are in the files, or nowhere. */
  passOver({ from, to, places }: DamagedStretch): void {
    const { queues, segments } = this.#log;
    queues.passOver(to, places);
    while ((this.#stretches[0]?.to ?? Number.POSITIVE_INFINITY) <= segments.minOffset) this.#stretches.shift();
    this.#stretches.push({ from, to });
  }

  /** The stretch that `offset` lies in, unless a state has told since what stood there. */
  stretchAt(offset: number): LogStretch | undefined {
    if (!this.#log.queues.isDoubtful) return undefined;
    return this.#stretches.find(({ from, to }) => offset >= from && offset < to);
  }
}

/** Where the log goes on behind segments that are missing at `offset`; undefined: it is there, or nothing comes behind it. */
function endOfMissing(segments: FollowedSegments, offset: number, limit: number): number | undefined {
  const base = segments.baseOf(offset);
  const next = segments.has(base) ? undefined : segments.bases.find((each) => each > base);
  return next === undefined ? undefined : Math.min(next, limit);
}
