import type { StoreError } from '../base/errors.js';
import type { QueueRegistry } from '../base/queue-registry.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import type { IndexFaultSink } from '../key-index/file-check.js';
import type { IndexCheck } from '../key-index/index-check.js';
import type { Clock } from '../platform/platform.js';
import type { SmallReads } from './small-reads.js';

/** The queues as a reader sees them. */
export interface ReadableQueues {
  /** { 0, 0 } for a queue that nobody has written to. */
  bounds(slot: number): { readonly min: number; readonly max: number };
  /** Up to `count` entries of 20 bytes from `from` on; may stop early at a file's end. Throws CORRUPT where they are not readable. */
  readEntries(slot: number, from: number, into: Buffer, count: number): number;
  /** The first number from `from` on that has a place in a file or in memory: of a damaged queue, numbers may be missing by the million. */
  firstHeld(slot: number, from: number): number;
  /** Whether it is known that the entries from the queue's `min` on lead to `physicalOffset` or above: one that does not is damaged. */
  isTrimmedTo(slot: number, physicalOffset: number): boolean;
  /** Settles when a queue that is being made anew, none of whose entries in files can be read until then, is so no more. */
  rebuilding(slot: number): Promise<void> | undefined;
  readonly waiters: { add(slot: number, callback: () => void): () => void };
}

/** The key index as a reader sees it. */
export interface ReadableIndex {
  /** Offsets of records that may have the key, newest first; the caller compares key, topic and time with the record. */
  find(topic: string, key: string, since: number, until: number, before: number): AsyncIterable<number>;
  /** What has been found wrong with it; undefined: nothing. */
  readonly damage?: unknown;
  /** How often it has been emptied, to be made anew: a walk that began before ends early. Undefined: that does not happen. */
  readonly resetCount?: number;
  /** For `verify`; where it is missing, the index is not held against the log. */
  checker?(report: IndexFaultSink): IndexCheck;
}

/**
 * What reading needs of a store, be it the writer's own or one that follows a writer. All values are of the moment: ask again after
 * each `await`.
 */
export interface ReadView {
  readonly segments: LogSegments;
  /** For single records, which are most likely cached. */
  readonly smallReads: SmallReads;
  readonly registry: QueueRegistry;
  readonly queues: ReadableQueues;
  /** Undefined: opened without key index. */
  readonly index: ReadableIndex | undefined;
  readonly clock: Clock;
  /** Readers see nothing at or above it. Always the end of a record (or of a segment). */
  visible(): number;
  /** All below it is durable. */
  flushed(): number;
  /** Whether a record at `offset` must carry our checksum. */
  isOurs(offset: number): boolean;
  /** Throws STORE_CLOSED where the store is closing or closed. */
  assertReadable(): void;
  /** Thrown where a reader would wait: the store has failed. */
  failure(): StoreError | undefined;
  /** Called after `visible` has moved, and once when the store fails or begins to close; the returned function cancels. */
  onChange(callback: () => void): () => void;
  /**
   * Entries of a queue did not lead to their records. Rebuilds the queue from the log (once for all who ask); false: that is not
   * possible here (read-only), or has just been done, so it is the log that is damaged.
   */
  mendQueue(slot: number): Promise<boolean>;
  /** The same for the key index. */
  mendIndex(): Promise<boolean>;
  /**
   * Damage to the log has been met. True: the file is opened anew, for a writer may have put a repaired one in its place; so read once more.
   * Missing where nobody else writes.
   */
  reopenLog?(damage: unknown): boolean;
  /**
   * Where the log could not be read when the queues were fed from it: the stretch that `offset` lies in. Messages may stand there that no queue
   * knows of. Missing where queues are not fed so.
   */
  passedOver?(offset: number): { readonly from: number; readonly to: number } | undefined;
  /** For work over many queues: gives the descriptors of files no longer used time to close. */
  breathe(): Promise<void>;
  /** Counts messages handed out. */
  countRead(count: number): void;
  /** Registers a reader's position so that snapshots and retention can be asked about it; not needed by most. */
  readonly closing: AbortSignal;
}
