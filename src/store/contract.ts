import type { StoreError } from '../base/errors.js';
import type { EpochMs, PhysicalOffset, QueueOffset } from '../base/quantities.js';
import type { AppendReceipt, Message, NewMessage } from '../format/message.js';
import type { Platform } from '../platform/platform.js';

/**
 * When an append counts as done.
 * `sync`  - after fdatasync (group commit): survives power loss.
 * `async` - after the bytes are in the operating system's page cache: survives the death of the process;
 *           the disk follows within `flushIntervalMs`.
 */
export type FlushMode = 'sync' | 'async';
export type StoreStatus = 'open' | 'closing' | 'closed' | 'failed';

/**
 * Where to begin. `latest`: after the newest message at the moment of the call (not of the first `next()`).
 * `time`: the first message stored (`storedAt`, not `bornAt`) at or after it.
 * An offset below the oldest or above the newest + 1: OFFSET_OUT_OF_RANGE. A physical one is that of a record or the end of one
 * (`physicalOffset + recordBytes`); any other: RangeError. Where a repair has laid something over such a place, or it lies in the blank at a
 * segment's end, reading goes on behind that.
 */
export type StartAt<Offset extends number = QueueOffset> = 'earliest' | 'latest' | Offset | { readonly time: EpochMs | Date };
/** Where to end, exclusive. `end`: what is the end at the moment of the call. An offset or time still to come is waited for. */
export type EndAt<Offset extends number = QueueOffset> = 'end' | Offset | { readonly time: EpochMs | Date };
/**
 * `queueId` defaults to 0. Queues need no making: one that nobody has written to is an empty one, `min` and `max` 0,
 * and waiting on it works. A message or a receipt is a QueueRef too.
 */
export interface QueueRef {
  readonly topic: string;
  readonly queueId?: number | undefined;
}
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

export interface StoreOptions {
  readonly flush?: FlushMode | undefined; // 'sync': there is no replica to repair from, so the default is the safe one
  readonly flushIntervalMs?: number | undefined; // 500      async mode: longest time between syncs
  readonly segmentBytes?: number | undefined; // 1 GiB    kept with the store
  readonly queueEntriesPerFile?: number | undefined; // 300_000  kept with the store
  readonly indexSlotCount?: number | undefined; // 5_000_000   kept with the store
  readonly indexEntryCount?: number | undefined; // 20_000_000  kept with the store
  readonly keyIndex?: boolean | undefined; // true
  readonly recordChecksum?: boolean | undefined; // true: the format's property checksum, over the whole record; false: body only
  readonly messageBytesMax?: number | undefined; // 4 MiB body
  readonly pendingBytesMax?: number | undefined; // 64 MiB   back-pressure: above it `append` waits, `appendSync` throws OVERLOADED
  readonly freeBytesMin?: number | undefined; // 64 MiB   with less left on the disk, writes are refused with DISK_FULL
  /** Nothing is ever deleted unless a bound is given here, or by `clean({ before })`. Whole segments, oldest first, all topics alike. */
  readonly retention?:
    | {
        readonly maxAgeMs?: number | undefined; // no bound; by `storedAt` of the segment's newest message
        readonly maxBytes?: number | undefined; // no bound; of the commit log
        readonly diskUseRatioMax?: number | undefined; // no bound; RocketMQ's 0.75 deletes messages because others filled the disk
      }
    | undefined;
  /**
   * What recovery does about damage that is not a torn tail (bytes that were once durable and no longer verify):
   * `strict` (default) refuses to open with CORRUPT; `skip` quarantines the damaged span and keeps all that follows;
   * `truncate` cuts the log there, as Apache RocketMQ does.
   */
  readonly recovery?: 'strict' | 'skip' | 'truncate' | undefined;
  readonly readOnly?: boolean | undefined; // open beside a live writer, or on read-only media; takes no lock
  readonly listener?: StoreListener | undefined;
  readonly platform?: Platform | undefined; // file system and clock; tests pass a faulty disk here
  readonly signal?: AbortSignal | undefined; // ends a long recovery; the store is as it was
  readonly unflushedBytesMax?: number | undefined; // 1 GiB   async mode: above it appends wait for the disk
  readonly openFilesMax?: number | undefined; // 256
  readonly storeHost?: { readonly address: string; readonly port: number } | undefined; // 127.0.0.1:10911, in records and message ids
  // for layers on top
  readonly systemMessages?: boolean | undefined; // false: RocketMQ's reserved topics and property names are refused
  readonly admit?: ((message: NewMessage) => NewMessage) | undefined; // may rewrite or, by throwing, refuse a message before it is stored
  readonly targets?: readonly DispatchTarget[] | undefined;
}

/**
 * A derived structure of one's own: fed in log order, at least once, again after a crash from where it says. Before messages are deleted
 * it is given them, and told to make them durable; one that throws is fed nothing more until the store is opened again
 * (`stratalog:target-failed` tells it), and is not waited for.
 */
export interface DispatchTarget {
  readonly name: string;
  /** Where to begin: what `sync` was given last; `undefined`, or what is below the log: its start. */
  from(): PhysicalOffset | undefined;
  dispatch(message: Message): void;
  /** Make durable all that was dispatched up to `end`. */
  sync(end: PhysicalOffset): Promise<void>;
}
export interface AppendOptions extends Abortable {
  readonly flush?: FlushMode | undefined;
}

export interface ReadOptions extends Abortable {
  readonly from: StartAt;
  readonly countMax?: number | undefined; // 32
  readonly bytesMax?: number | undefined; // 256 KiB; the first message is always returned whole
  readonly tags?: readonly string[] | undefined;
  readonly waitMs?: number | undefined; // 0: long poll for the first message
}
export interface ReadResult {
  readonly messages: readonly Message[];
  /** Pass as `from` to go on; it moves past what the filter left out. */
  readonly next: QueueOffset;
  readonly min: QueueOffset;
  /** One past the newest message. */
  readonly max: QueueOffset;
}
export interface TailOptions<Offset extends number = QueueOffset> extends Abortable {
  readonly from: StartAt<Offset>;
  readonly tags?: readonly string[] | undefined;
  readonly until?: EndAt<Offset> | undefined; // none: waits for more
  readonly onExpired?: 'error' | 'skip' | undefined; // 'error'
  readonly onCorrupt?: 'error' | 'skip' | undefined; // 'error'
}
/**
 * One cursor. Leaving a loop (`break`, `throw`), an error and the end all close it; go on with a new one `from: position`.
 * Concurrent `next()` calls are served in order. It gives the event loop a turn after every batch that it reads, and it keeps the
 * process alive while it waits. `close()` and closing the store end the loop; an abort throws the signal's reason; in a store
 * that has failed, STORE_FAILED is thrown where it would wait.
 */
export interface Tail<Offset extends number = QueueOffset> extends AsyncIterable<Message>, AsyncDisposable {
  /** What `from` must be to go on: one past the last message handed out, or past what the filter left out. Readable after the end. */
  readonly position: Offset;
  batches(countMax?: number): AsyncIterable<readonly Message[]>;
  close(): Promise<void>;
}
/** Newest first, each message once. By `storedAt`, `since` included, `until` excluded. */
export interface KeyQuery extends Abortable {
  readonly topic: string;
  readonly key: string;
  readonly since?: EpochMs | Date | undefined;
  readonly until?: EpochMs | Date | undefined;
  readonly before?: PhysicalOffset | undefined; // the next page: `physicalOffset` of the last message of this one
  readonly countMax?: number | undefined; // no bound
}

/** What a store opened with `readOnly` can do; a program that only reads asks for this. */
export interface StoreReader extends AsyncDisposable {
  readonly directory: string;
  readonly status: StoreStatus;
  /** What opening found and did. */
  readonly recovery: RecoveryReport;

  /** One record. `undefined`: deleted by retention, or no record begins there. A message id is taken for its offset. */
  get(at: PhysicalOffset | string): Promise<Message | undefined>;
  read(queue: QueueRef, options: ReadOptions): Promise<ReadResult>;
  tail(queue: QueueRef, options: TailOptions): Tail;
  /** As `tail`, over all queues of all topics (or of some), in the order of the log: one total order, one position. */
  tailAll(options: TailOptions<PhysicalOffset> & { readonly topics?: readonly string[] | undefined }): Tail<PhysicalOffset>;
  /** Newest first, each message once; hash collisions are filtered out. */
  findByKey(query: KeyQuery): AsyncIterable<Message>;
  /** Queue offset of the first message stored at or after `time`; `max` if there is none. */
  offsetAt(queue: QueueRef, time: EpochMs | Date): Promise<QueueOffset>;
  /** What is readable now; `max` is one past the newest. */
  bounds(queue: QueueRef): { readonly min: QueueOffset; readonly max: QueueOffset };
  topics(): readonly { readonly topic: string; readonly queueIds: readonly number[] }[];

  /** A consistent copy that opens by itself. `directory` must not exist; it appears whole or not at all. Also beside a live writer. */
  snapshot(directory: string, options?: Abortable & { readonly links?: boolean | undefined }): Promise<Watermarks>;
  /** Reads everything and checks everything; damages nothing. */
  verify(
    options?: Abortable & { readonly onProgress?: ((done: { readonly bytes: number; readonly totalBytes: number }) => void) | undefined },
  ): Promise<VerifyReport>;
  stats(): StoreStats;
  /** Finishes what was accepted, flushes, ends tails, releases the lock. Twice is fine. Rejects if not all of it reached the disk. */
  close(options?: { readonly timeoutMs?: number | undefined }): Promise<void>;
}

/**
 * **Writing.** Messages are stored in the order of the calls, awaited or not, `append`, `appendBatch` and `appendSync` alike, and those
 * with the same `flush` resolve in that order. A message is copied before the call returns: its buffer may be used again at once.
 * When writing or syncing fails, all that were called later and have not resolved fail with it, so what is stored of a pipeline is a
 * prefix of it (a message refused for its own sake takes no other along). What a rejection means is in `StoreError.stored`.
 * `signal` counts only while an append waits for room.
 * An append that nobody awaits may end as an unhandled rejection like any promise; to fire and forget there is `appendSync`.
 */
export interface Store extends StoreReader {
  /** Why appends are refused at the moment (DISK_FULL, STORE_FAILED); `undefined` when they are not. */
  readonly writeError: StoreError | undefined;

  /** Resolves as `flush` says; then the message is readable by offset, by key and by time (`async` asked of a `sync` store: after the next sync). */
  append(message: NewMessage, options?: AppendOptions): Promise<AppendReceipt>;
  /** All or none, after a crash and our own recovery too; adjacent in the log; may mix topics and queues. Together no larger than a segment. */
  appendBatch<const T extends readonly NewMessage[]>(
    messages: T,
    options?: AppendOptions,
  ): Promise<{ readonly [K in keyof T]: AppendReceipt }>;
  /** Any number of messages, as fast as the disk takes them and no faster: bulk import, end of a pipeline. Not atomic; on error a prefix is stored. */
  appendAll(
    messages: Iterable<NewMessage> | AsyncIterable<NewMessage>,
    options?: AppendOptions & {
      /** After each part that is as durable as `flush` says: `count` messages so far. From here an import can be resumed. */
      readonly onProgress?: ((done: { readonly count: number; readonly last: AppendReceipt }) => void) | undefined;
    },
  ): Promise<{ readonly count: number }>;
  /**
   * With the operating system when it returns, **whatever `flush` says**: survives the process, not yet a power cut.
   * The next sync takes it along (`sync`: started at once, `async`: within `flushIntervalMs`); `await flush()` to be sure.
   */
  appendSync(message: NewMessage): AppendReceipt;

  /** Everything appended before the call is durable and readable. Joins the group commit; does not wait for queues and index. */
  flush(options?: Abortable): Promise<Watermarks>;
  /** Keeps everything from `offset` on, whatever retention says, until released (or the process ends). */
  hold(offset: PhysicalOffset): { release(): void };
  /**
   * Applies the `skip` repair (see `recovery`) to damage found since opening. If the process dies in its middle, the next opening reads the
   * whole log: `recovery: 'skip'` goes on with the repair, `strict` refuses what is left of the damage.
   */
  repair(options?: Abortable): Promise<RecoveryReport>;
  /** Deletes what retention allows, now; with `before`, also every segment that ends at or before it, whatever retention says. */
  clean(options?: {
    readonly before?: PhysicalOffset | undefined;
  }): Promise<{ readonly deletedSegmentCount: number; readonly freedBytes: number }>;
}

export interface Watermarks {
  readonly minOffset: PhysicalOffset;
  readonly flushedOffset: PhysicalOffset;
  readonly writtenOffset: PhysicalOffset;
  readonly dispatchedOffset: PhysicalOffset;
}
export interface RecoveryReport {
  readonly cleanShutdown: boolean;
  readonly durationMs: number;
  readonly scannedBytes: number;
  readonly truncatedBytes: number;
  readonly skippedBytes: number;
  /** The spans skipped or cut, at most 1,000 of them, and where their bytes were put aside. */
  readonly damage: readonly {
    readonly path: string;
    readonly offset: number;
    readonly bytes: number;
    readonly what: string;
    readonly quarantinePath: string | undefined;
  }[];
  readonly redispatchedCount: number;
  /**
   * Whether an Apache RocketMQ broker started on this directory would be refused. `false` on macOS and on Linux with musl, whose locks keep
   * only other stratalog stores out, and for a `readOnly` store, which has no lock.
   */
  readonly brokersRefused: boolean;
}
export interface VerifyReport {
  readonly ok: boolean;
  readonly recordCount: number;
  readonly bytes: number;
  readonly faultCount: number;
  /** The first 1,000. */
  readonly faults: readonly { readonly where: string; readonly offset: number; readonly what: string }[];
}
export interface StoreStats extends Watermarks {
  readonly topicCount: number;
  readonly queueCount: number;
  readonly segmentCount: number;
  readonly diskBytes: number;
  readonly appendedCount: number;
  readonly appendedBytes: number;
  readonly readCount: number;
  readonly flushCount: number;
  readonly pendingBytes: number;
}
/** Called after the fact; what a listener throws never reaches the store. */
export interface StoreListener {
  readonly onSegmentRolled?: ((info: { path: string; baseOffset: number }) => void) | undefined;
  readonly onSegmentDeleted?:
    | ((info: { path: string; baseOffset: number; bytes: number; reason: 'age' | 'bytes' | 'disk' | 'request' }) => void)
    | undefined;
  readonly onFlushed?: ((info: { bytes: number; durationMs: number; waiterCount: number }) => void) | undefined;
  readonly onFailed?: ((info: { error: StoreError }) => void) | undefined;
  readonly onRecoveryProgress?: ((info: { scannedBytes: number; totalBytes: number }) => void) | undefined;
}
