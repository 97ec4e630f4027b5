import { systemErrorCode } from '../../base/errors.js';
import type { QueueRegistry } from '../../base/queue-registry.js';
import { xxh64Hex } from '../../base/xxh64.js';
import { pushFacts } from '../../commit-log/feed.js';
import { type FactsTarget, RecordFacts } from '../../format/record-facts.js';
import { RecordView } from '../../format/record-view.js';
import type { FollowedSegments } from './followed-segments.js';

const PIECE_BYTES = 1024 * 1024;
const ROWS = 4096;
const HASHED_BYTES_MAX = 64 * 1024;

/** A record in its place, and how to tell whether it is still the same one. */
export interface KnownRecord {
  readonly start: number;
  readonly end: number;
  /** XXH64 of its first 64 KiB. */
  readonly hash: string;
}

/** Whether that record is still where it was: false where the log has been cut in front of its end, and goes on differently. */
export function isInPlace(segments: FollowedSegments, { start, end, hash }: KnownRecord): boolean {
  segments.forgetSoon(segments.baseOf(start));
  const bytes = Buffer.alloc(Math.min(end - start, HASHED_BYTES_MAX));
  try {
    return segments.readSync(bytes, start) === bytes.length && xxh64Hex(bytes) === hash;
  } catch (error) {
    // Deleted: retention takes what is old, and says nothing about what follows.
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return start < segments.minOffset;
  }
}

/** `stuck`: what should come next is not there (yet). `damaged`: what stands at `position`, or does not, is no record, and never will be; see `passTo`. */
export type FeedStep = 'more' | 'done' | 'stuck' | 'damaged';

/** How far to feed. */
export interface FeedBounds {
  readonly limit: number;
  readonly durable: number;
  /** Whether a record there must carry our checksum. */
  readonly isOurs: (offset: number) => boolean;
}

/**
 * Feeds structures in memory from the log, in order, a piece of at most 1 MiB (or one larger record) at a time, up to a limit of which
 * the writer says that everything below it is there. Below what is durable that is certain: what cannot be read there is damage, and the
 * caller finds out where to go on; what is as long as it says, and has the number that is next in its queue, is not read in all its bytes
 * for that. Above, a power cut can have taken it back: records are
 * verified, and the first that does not verify is waited for.
 *
 * Invariant: everything below `position` has been given to the targets, but for what was missing or damaged; it is a record's end or a segment's beginning.
 */
export class LogFeed {
  position = 0;
  /** The last record fed. */
  last: KnownRecord | undefined;
  recordCount = 0;
  readonly #segments: FollowedSegments;
  readonly #registry: QueueRegistry;
  readonly #targets: readonly FactsTarget[];
  readonly #view: RecordView;
  readonly #facts = new RecordFacts(ROWS);
  /** By slot: one past the last number fed. */
  readonly #next: (number | undefined)[] = [];
  #piece: Buffer = Buffer.allocUnsafeSlow(0);
  /** Where the file has been opened anew because its bytes made no sense. */
  #retriedAt = -1;
  /** The next record needs so many bytes. */
  #needed = 0;

  constructor(segments: FollowedSegments, registry: QueueRegistry, targets: readonly FactsTarget[]) {
    this.#segments = segments;
    this.#registry = registry;
    this.#targets = targets;
    this.#view = new RecordView(segments.segmentBytes);
  }

  /** Feeds one piece, at once. */
  advance(bounds: FeedBounds): FeedStep {
    const ready = this.#prepare(bounds.limit);
    if (ready !== 'more') return ready;
    this.#piece = this.#sized(this.#piece);
    const wanted = this.#wanted(bounds.limit);
    return this.#take(bounds, this.#piece, wanted, this.#readSync(this.#piece.subarray(0, wanted)));
  }

  /** The same, but the piece is read without holding up others. Nobody else may call this meanwhile, but `advance` may be called. */
  async advanceSlowly(bounds: FeedBounds, piece: Buffer): Promise<{ readonly step: FeedStep; readonly piece: Buffer }> {
    const ready = this.#prepare(bounds.limit);
    if (ready !== 'more') return { step: ready, piece };
    const { position } = this;
    const sized = this.#sized(piece);
    const wanted = this.#wanted(bounds.limit);
    const bytes = await this.#read(sized.subarray(0, wanted));
    return { step: this.position === position ? this.#take(bounds, sized, wanted, bytes) : 'more', piece: sized };
  }

  /** Whether what is to be fed next has been deleted: then only a state knows which numbers it had. */
  isNextDeleted(limit: number): boolean {
    return this.position < Math.min(limit, this.#segments.minOffset);
  }

  /** Goes on at `position`, of which the caller knows that all before it is known otherwise. */
  restart(position: number): void {
    this.position = position;
    this.last = undefined;
    this.#next.length = 0;
    this.#needed = 0;
  }

  /** Of damage at `position` the caller knows that the log can be read again at `end`. */
  passTo(end: number): void {
    this.position = end;
    this.#needed = 0;
  }

  #prepare(limit: number): FeedStep {
    const segments = this.#segments;
    for (;;) {
      if (this.position >= limit) return 'done';
      const base = segments.baseOf(this.position);
      if (segments.has(base)) return 'more';
      segments.look();
      if (segments.has(base)) return 'more';
      const next = segments.bases.find((each) => each > base);
      if (next === undefined) return 'stuck';
      // Lost, or deleted: nothing of it can be fed.
      if (base > segments.minOffset) return 'damaged';
      this.passTo(Math.min(next, limit));
    }
  }

  #sized(piece: Buffer): Buffer {
    const bytes = Math.min(Math.max(PIECE_BYTES, this.#needed), this.#segments.segmentBytes);
    return piece.length >= bytes ? piece : Buffer.allocUnsafeSlow(bytes);
  }

  /** Never beyond the limit: what lies there may be half written. */
  #wanted(limit: number): number {
    const { segments, position } = { segments: this.#segments, position: this.position };
    const end = Math.min(limit, segments.baseOf(position) + segments.segmentBytes);
    return Math.min(end - position, Math.max(PIECE_BYTES, this.#needed));
  }

  #readSync(into: Buffer): number {
    try {
      return this.#segments.readSync(into, this.position);
    } catch (error) {
      return this.#goneOr(error);
    }
  }

  async #read(into: Buffer): Promise<number> {
    try {
      return await this.#segments.read(into, this.position);
    } catch (error) {
      return this.#goneOr(error);
    }
  }

  /** -1 for a segment that was deleted meanwhile. */
  #goneOr(error: unknown): number {
    if (systemErrorCode(error) === 'ENOENT') return -1;
    throw error;
  }

  #take(bounds: FeedBounds, piece: Buffer, wanted: number, bytes: number): FeedStep {
    // Gone from the directory, or named there and not to be had: the former goes on behind it.
    if (bytes < 0) return this.#segments.has(this.#segments.baseOf(this.position)) ? 'stuck' : 'more';
    const segments = this.#segments;
    const start = this.position;
    const segmentEnd = segments.baseOf(start) + segments.segmentBytes;
    const end = Math.min(bounds.limit, segmentEnd);
    let at = 0;
    let lastAt = -1;
    let isBroken = false;
    while (start + at < end) {
      const kind = this.#view.read(piece, at, bytes);
      if (kind === 'record' && this.#isGood(bounds, start + at)) {
        lastAt = at;
        this.#push(start + at);
        at += this.#view.recordBytes;
      } else if (kind === 'blank' && start + at + this.#view.recordBytes === segmentEnd) {
        at = segmentEnd - start;
      } else {
        const needed = kind === 'invalid' ? this.#view.bytesNeeded : 0;
        isBroken = needed <= bytes - at || needed > end - start - at || (at === 0 && needed <= wanted);
        this.#needed = isBroken ? 0 : needed;
        break;
      }
      this.#needed = 0;
    }
    if (lastAt >= 0) this.#remember(piece, start, lastAt);
    this.#handOver();
    this.position = start + at;
    if (isBroken) return this.#broken(bounds);
    return this.position >= bounds.limit ? 'done' : 'more';
  }

  #isGood(bounds: FeedBounds, offset: number): boolean {
    if (this.#view.physicalOffset !== offset) return false;
    return (offset < bounds.durable && this.#isNext()) || this.#view.verify(bounds.isOurs(offset));
  }

  /** Whether it has the number that is next in its queue. One that has not may be damaged, and would lead the queue astray. */
  #isNext(): boolean {
    const { topic, queueId, queueOffset, hasQueueOffset } = this.#view;
    return hasQueueOffset && this.#next[this.#registry.find(topic, queueId)] === queueOffset;
  }

  #push(offset: number): void {
    pushFacts(this.#facts, this.#registry, this.#view, offset);
    const { slot, queueOffset, count } = this.#facts;
    const pushed = slot[count - 1] ?? -1;
    if (pushed >= 0) this.#next[pushed] = (queueOffset[count - 1] ?? 0) + 1;
    this.recordCount += 1;
    if (this.#facts.isFull) this.#handOver();
  }

  #handOver(): void {
    if (this.#facts.count === 0) return;
    for (const target of this.#targets) target.accept(this.#facts, 0, this.#facts.count);
    this.#facts.truncate(0);
  }

  #remember(piece: Buffer, start: number, at: number): void {
    const recordBytes = piece.readInt32BE(at);
    const hash = xxh64Hex(piece.subarray(at, at + Math.min(recordBytes, HASHED_BYTES_MAX)));
    this.last = { start: start + at, end: start + at + recordBytes, hash };
  }

  /** The file may have been replaced by another under its name, which shows when it is opened anew. */
  #broken(bounds: FeedBounds): FeedStep {
    if (this.#retriedAt !== this.position) {
      this.#retriedAt = this.position;
      this.#segments.forgetSoon(this.#segments.baseOf(this.position));
      return 'more';
    }
    if (this.position < bounds.durable) return 'damaged';
    this.#retriedAt = -1;
    return 'stuck';
  }
}
