import { StoreError, systemErrorCode } from '../base/errors.js';
import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import { isDeliveryTime } from '../format/delay-levels.js';
import { entryPhysicalOffset, entryRecordBytes, entryTagsCode, queueEntryBytes } from '../format/queue-entry.js';
import { scheduleTopic } from '../format/record-layout.js';
import type { RecordView } from '../format/record-view.js';
import type { IndexCheck } from '../key-index/index-check.js';
import { pastLastBelow, physicalOffsetAt, queueSettled } from './bounds.js';
import type { VerifyReport } from './contract.js';
import { checkOptions } from './options.js';
import { orAborted } from './or-aborted.js';
import { damagedLog } from './read-log.js';
import { signalOf } from './read-options.js';
import type { ReadView } from './read-view.js';

const FAULT_COUNT_MAX = 1000;
const ENTRIES_AHEAD = 64;
/** Looks into queue files before descriptors are given time to close. */
const LOADS_PER_TURN = 32;

export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: { readonly bytes: number; readonly totalBytes: number }) => void) | undefined;
}

/** What is left to see of a queue, as its bounds were when verifying began. */
interface QueueCheck {
  readonly max: number;
  /** The queue offset that the next record of it must have. */
  next: number;
  /** Entries [start, start + count) of the queue, read ahead. */
  readonly entries: Buffer;
  start: number;
  count: number;
}

/**
 * Reads the whole log and holds it against itself (structure, place, checksums, dense numbers in each queue), against every queue
 * entry, and against the key index: every entry, link, slot and header of it. Changes nothing. What is appended meanwhile is not looked
 * at; nor is an index that is being made anew. A queue that is being made anew is waited for.
 */
export async function verifyStore(view: ReadView, options: VerifyOptions = {}): Promise<VerifyReport> {
  view.assertReadable();
  checkOptions('verify', options, ['signal', 'onProgress']);
  signalOf(options.signal)?.throwIfAborted();
  const onProgress: unknown = options.onProgress;
  if (onProgress !== undefined && typeof onProgress !== 'function') throw new TypeError('onProgress must be a function');
  return await new Verification(view, options).run();
}

class Verification {
  readonly #view: ReadView;
  readonly #options: VerifyOptions;
  readonly #start: number;
  readonly #limit: number;
  readonly #queues = new Map<number, QueueCheck>();
  readonly #scanner: LogScanner;
  readonly #index: IndexCheck | undefined;
  /** Where the scan has paused, in front of a record of a queue that is being made anew. */
  #paused: { readonly offset: number; readonly slot: number } | undefined;
  /** Where the log has been opened anew because of damage. */
  #reopenedAt = -1;
  /** All records below it have been seen, or cannot be read. */
  #seenUntil: number;
  readonly #faults: { where: string; offset: number; what: string }[] = [];
  #faultCount = 0;
  /** Looks into queue files since the scan last paused. */
  #loadCount = 0;
  #recordCount = 0;

  constructor(view: ReadView, options: VerifyOptions) {
    this.#view = view;
    this.#options = options;
    this.#start = view.segments.minOffset;
    this.#limit = view.visible();
    this.#seenUntil = this.#start;
    this.#scanner = new LogScanner(view.segments);
    this.#index = view.index?.checker?.((where, offset, what) => {
      // Of a store that is closing, what cannot be read is no fault.
      view.assertReadable();
      this.#fault(where, offset, what);
    });
    for (let slot = 0; slot < view.registry.count; slot += 1) {
      const { min, max } = view.queues.bounds(slot);
      this.#queues.set(slot, { max, next: min, entries: Buffer.alloc(ENTRIES_AHEAD * queueEntryBytes), start: 0, count: 0 });
    }
  }

  async run(): Promise<VerifyReport> {
    const { segments } = this.#view;
    await this.#index?.skip(Number.NEGATIVE_INFINITY, this.#start);
    for (let from = this.#start; from < this.#limit; ) {
      const stopped = await this.#scan(from);
      if (stopped.reason === 'limit' || stopped.reason === 'end') break;
      if (stopped.reason === 'stopped') {
        await this.#index?.settle();
        await this.#view.breathe();
        this.#loadCount = 0;
        from = await this.#resumed(stopped.offset);
        continue;
      }
      if (this.#isReopened(stopped)) {
        from = stopped.offset;
        continue;
      }
      const base = segments.baseOf(stopped.offset);
      // Deleted by retention meanwhile: nothing to find fault with.
      if (stopped.offset < segments.minOffset) {
        from = segments.minOffset;
        await this.#index?.skip(Number.NEGATIVE_INFINITY, from);
      } else {
        this.#fault(segments.pathOf(base), stopped.offset - base, stopped.what);
        await this.#allSettled();
        from = this.#nextKnown(stopped.offset, base + segments.segmentBytes);
        await this.#index?.skip(this.#seenUntil, Math.min(from, this.#limit));
      }
      this.#seenUntil = from;
    }
    await this.#index?.skip(this.#seenUntil, this.#limit);
    await this.#index?.end(this.#limit);
    this.#view.assertReadable();
    for (const [slot, queue] of this.#queues) {
      if (queue.next >= queue.max) continue;
      await this.#settled(slot);
      this.#followTrim(slot, queue);
      if (queue.next < queue.max) this.#fault(this.#queueName(slot), queue.next, `${queue.max - queue.next} entries without a record`);
    }
    this.#options.onProgress?.({ bytes: this.#limit - this.#start, totalBytes: this.#limit - this.#start });
    return {
      ok: this.#faultCount === 0,
      recordCount: this.#recordCount,
      bytes: this.#limit - this.#start,
      faultCount: this.#faultCount,
      faults: this.#faults,
    };
  }

  async #scan(from: number): Promise<ScanEnd> {
    return await this.#scanner.scan(
      {
        from,
        limit: this.#limit,
        verify: true,
        isOurs: (offset) => this.#view.isOurs(offset),
        signal: this.#options.signal,
        onProgress: (offset) => {
          this.#view.assertReadable();
          this.#options.onProgress?.({ bytes: offset - this.#start, totalBytes: this.#limit - this.#start });
        },
      },
      (record, offset) => {
        const slot = record.hasQueueOffset ? this.#view.registry.find(record.topic, record.queueId) : -1;
        if (this.#view.queues.rebuilding(slot) !== undefined) {
          this.#paused = { offset, slot };
          return false;
        }
        this.#visit(record, offset, slot);
        if (this.#index !== undefined) this.#checkKeys(this.#index, record, offset);
        return this.#index?.hasWork !== true && this.#loadCount < LOADS_PER_TURN;
      },
    );
  }

  /** What stands between two records, or in place of one that was lost, may have had keys. */
  #checkKeys(index: IndexCheck, record: RecordView, offset: number): void {
    const end = offset + record.recordBytes;
    if (offset > this.#seenUntil) index.passOver(this.#seenUntil, offset);
    this.#seenUntil = end;
    if (record.isTombstone || record.isFiller) return index.passOver(offset, end);
    const count = record.readKeys();
    if (count === 0) return;
    const { keyHashes, storedAt } = record;
    for (let i = 0; i < count; i += 1) index.expect(keyHashes[i] as number, offset, storedAt);
  }

  #isReopened({ offset, what }: ScanEnd): boolean {
    if (this.#reopenedAt === offset || this.#view.reopenLog?.(damagedLog(this.#view, offset, what)) !== true) return false;
    this.#reopenedAt = offset;
    return true;
  }

  /** Where to go on after the scan has stopped at `offset`. */
  async #resumed(offset: number): Promise<number> {
    const paused = this.#paused;
    if (paused === undefined) return offset;
    this.#paused = undefined;
    await this.#settled(paused.slot);
    const queue = this.#queues.get(paused.slot);
    // Read ahead before it was made anew.
    if (queue !== undefined) queue.count = 0;
    return paused.offset;
  }

  async #allSettled(): Promise<void> {
    const { queues } = this.#view;
    const next = (): number | undefined => [...this.#queues.keys()].find((slot) => queues.rebuilding(slot) !== undefined);
    for (let slot = next(); slot !== undefined; slot = next()) await this.#settled(slot);
  }

  async #settled(slot: number): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const settled = queueSettled(this.#view, slot);
    await (signal === undefined ? settled : orAborted(settled, signal));
  }

  #visit(record: RecordView, offset: number, slot: number): void {
    this.#recordCount += 1;
    if (!record.hasQueueOffset) return;
    const queue = this.#queues.get(slot);
    const { queueOffset } = record;
    // Read just before retention deleted it: by now its queue may begin behind it.
    if (offset < this.#view.segments.minOffset) return;
    if (queue === undefined)
      return this.#fault(this.#logName(offset), offset, `a record of ${record.topic}/${record.queueId}, a queue that is not there`);
    const { min } = this.#view.queues.bounds(slot);
    if (queueOffset < min)
      return this.#fault(this.#queueName(slot), queueOffset, `in the log at ${offset}, but the queue begins at ${min}`);
    if (queueOffset > queue.next) this.#followTrim(slot, queue);
    if (queueOffset !== queue.next) {
      this.#fault(this.#queueName(slot), queue.next, `the log goes on with queue offset ${queueOffset} instead of ${queue.next}`);
    }
    queue.next = queueOffset + 1;
    this.#checkEntry(slot, queue, record, offset);
  }

  #checkEntry(slot: number, queue: QueueCheck, record: RecordView, offset: number): void {
    const { queueOffset } = record;
    try {
      if (queueOffset < queue.start || queueOffset >= queue.start + queue.count) {
        this.#loadCount += 1;
        queue.start = queueOffset;
        queue.count = this.#view.queues.readEntries(slot, queueOffset, queue.entries, ENTRIES_AHEAD);
      }
    } catch (error) {
      queue.count = 0;
      if (!StoreError.is(error) && systemErrorCode(error) === undefined) throw error;
      return this.#fault(this.#queueName(slot), queueOffset, error instanceof Error ? error.message : 'not readable');
    }
    if (queue.count === 0) return this.#fault(this.#queueName(slot), queueOffset, 'no entry');
    const at = (queueOffset - queue.start) * queueEntryBytes;
    const { entries } = queue;
    const fits =
      entryPhysicalOffset(entries, at) === offset &&
      entryRecordBytes(entries, at) === record.recordBytes &&
      tagsCodeFits(record, entryTagsCode(entries, at));
    if (!fits) this.#fault(this.#queueName(slot), queueOffset, `the entry does not fit the record at ${offset}`);
  }

  /** Where the log can be read again after `offset`: at the next record that a queue entry names, or with the next segment. */
  #nextKnown(offset: number, segmentEnd: number): number {
    let next = segmentEnd;
    for (const [slot, queue] of this.#queues) {
      const entry = Buffer.alloc(queueEntryBytes);
      for (let queueOffset = queue.next; queueOffset < queue.max; queueOffset += 1) {
        let found: number;
        try {
          if (this.#view.queues.readEntries(slot, queueOffset, entry, 1) === 0) break;
          found = entryPhysicalOffset(entry, 0);
        } catch {
          break;
        }
        if (found >= segmentEnd || found >= next) break;
        if (found > offset) next = found;
      }
    }
    return next;
  }

  /** What retention has deleted since is not to be seen; the queues are trimmed only after the log, so that the log decides. */
  #followTrim(slot: number, queue: QueueCheck): void {
    const { segments, queues } = this.#view;
    // Verifying may have begun in that moment, too: then the bounds have moved since, or the entry still leads to where the log was.
    const { min, max } = queues.bounds(slot);
    const hasMoved = segments.minOffset > this.#start || min > queue.next;
    // A deletion that has failed puts back what was in front of where we have begun.
    const logMin = Math.max(segments.minOffset, this.#start);
    const place = hasMoved ? -1 : physicalOffsetAt(this.#view, slot, queue.next);
    if (!hasMoved && (place < 0 || place >= logMin)) return;
    queue.next = pastLastBelow(this.#view, slot, Math.min(max, Math.max(min, queue.next)), max, logMin);
  }

  #queueName(slot: number): string {
    return `${this.#view.registry.topicOf(slot)}/${this.#view.registry.queueIdOf(slot)}`;
  }

  #logName(offset: number): string {
    return this.#view.segments.pathOf(this.#view.segments.baseOf(offset));
  }

  #fault(where: string, offset: number, what: string): void {
    this.#faultCount += 1;
    if (this.#faults.length < FAULT_COUNT_MAX) this.#faults.push({ where, offset, what });
  }
}

/** When a delayed message is due, the record alone does not tell: the levels are a setting of the broker that took it. */
function tagsCodeFits(record: RecordView, found: number): boolean {
  const expected = record.tagsCode();
  if (found === expected) return true;
  return record.topic === scheduleTopic && isDeliveryTime(expected, record.storedAt) && isDeliveryTime(found, record.storedAt);
}
