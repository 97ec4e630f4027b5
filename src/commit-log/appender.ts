import { assert, defined } from '../base/assert.js';
import { ioError, StoreError } from '../base/errors.js';
import type { QueueRegistry } from '../base/queue-registry.js';
import type { NewMessage } from '../format/message.js';
import { Receipt } from '../format/receipt.js';
import { encodeBlank, type RecordEncoder, sealBatchHead } from '../format/record-encoder.js';
import type { Clock } from '../platform/platform.js';
import type { Segment } from '../segment/segment.js';
import { WindowPool, WriteWindow } from '../segment/write-window.js';
import { FactsQueue } from './facts-queue.js';
import type { LogSegments } from './log-segments.js';
import { WindowWriter } from './window-writer.js';

const BLANK_BYTES = 8;

export interface AppenderOptions {
  readonly segments: LogSegments;
  readonly encoder: RecordEncoder;
  readonly registry: QueueRegistry;
  readonly clock: Clock;
  readonly recordChecksum: boolean;
  /** Store host of receipts' message ids, as hex. */
  readonly hostHex: string;
  /** Where recovery found the end of the log. */
  readonly end: number;
  readonly lastStoredAt: number;
  /** Bytes have reached the operating system. */
  readonly onProgress: () => void;
  /** A write has failed; nothing more is issued. */
  readonly onFailure: () => void;
  readonly onRolled: (segment: Segment) => void;
  /** The next segment cannot be made; the call that needed it fails with this. */
  readonly onNoSegment: (error: StoreError) => void;
}

/** Everything of the appender that an abandoned batch has to give back. */
interface Mark {
  readonly assigned: number;
  readonly current: WriteWindow | undefined;
  readonly filled: number;
  readonly lastRecordStart: number;
  readonly readyCount: number;
  readonly lastStoredAt: number;
}

/**
 * Encodes messages straight into the write windows and gives each its place: offset in the log, number in its queue, time.
 *
 * Invariants: `written <= assigned`; a record and the eight bytes of a blank behind it always fit into its segment;
 * `storedAt` never goes back; a refused message leaves no trace.
 */
export class Appender {
  readonly facts: FactsQueue = new FactsQueue();
  readonly writer: WindowWriter;
  /** Records encoded and not taken back again. */
  appendedCount = 0;
  appendedBytes = 0;
  readonly #options: AppenderOptions;
  readonly #pool = new WindowPool();
  #active: Segment | undefined;
  #current: WriteWindow | undefined;
  #assigned: number;
  #lastStoredAt: number;
  #batchHead: number | undefined;
  #turnScheduled = false;

  constructor(options: AppenderOptions, active: Segment | undefined) {
    this.#options = options;
    this.#active = active;
    this.#assigned = options.end;
    this.#lastStoredAt = options.lastStoredAt;
    this.writer = new WindowWriter(this.#pool, options.end, () => this.#progress(), options.onFailure);
  }

  get assigned(): number {
    return this.#assigned;
  }

  get lastStoredAt(): number {
    return this.#lastStoredAt;
  }

  /** Encodes one message; undefined: it would bring what waits for the disk above `pendingBytesMax`. */
  encodeOne(message: NewMessage, pendingBytesMax: number): Receipt | undefined {
    const { encoder, clock } = this.#options;
    const nowMs = clock.nowMs();
    const bytes = encoder.stage(message, nowMs, false);
    const pending = this.writer.pendingBytes;
    if (pending > 0 && pending + bytes > pendingBytesMax) return undefined;
    this.#makeRoom(bytes);
    return this.#encodeStaged(bytes, nowMs);
  }

  /** Encodes all or none, adjacent and in one segment; undefined as in `encodeOne`. */
  encodeBatch(messages: readonly NewMessage[], pendingBytesMax: number): Receipt[] | undefined {
    const pending = this.writer.pendingBytes;
    let mark = this.#mark();
    this.#batchHead = mark.assigned;
    try {
      let receipts = this.#tryBatch(messages);
      if (receipts === undefined) {
        this.#abandon(mark);
        this.#assertFitsSegment(messages);
        this.#roll();
        mark = this.#mark();
        this.#batchHead = mark.assigned;
        receipts = defined(this.#tryBatch(messages), 'room for a batch in a fresh segment');
      }
      if (pending === 0 || pending + (this.#assigned - mark.assigned) <= pendingBytesMax) return receipts;
      this.#abandon(mark);
      return undefined;
    } catch (error) {
      this.#abandon(mark);
      throw error;
    } finally {
      this.#batchHead = undefined;
    }
  }

  /** Has what was encoded written at the end of the turn, or at once where it fills a write. */
  writeSoon(): void {
    this.writer.writeFull();
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#options.clock.nextTurn(() => {
      this.#turnScheduled = false;
      this.writeTurn();
    });
  }

  writeTurn(): void {
    if (this.writer.writeTurn(this.#current)) this.#current = undefined;
  }

  writeAllNow(): void {
    this.writer.writeAllNow(this.#current);
  }

  /** After a failed write: the log ends at `offset` again. Whatever lay above it on disk is the caller's to clear. */
  undoTo(offset: number, active: Segment | undefined): void {
    this.#takeBack(offset);
    this.#current = undefined;
    this.#assigned = offset;
    this.#active = active;
    this.writer.resume(offset);
  }

  #progress(): void {
    this.#options.onProgress();
    if ((this.#current?.unissuedBytes ?? 0) > 0 && !this.writer.isStopped) this.writeSoon();
  }

  #encodeStaged(bytes: number, nowMs: number): Receipt {
    const { encoder, registry, hostHex } = this.#options;
    const window = defined(this.#current, 'a window with room');
    assert(window.startOffset + window.filled === this.#assigned, 'a window ends where the log ends');
    const storedAt = nowMs > this.#lastStoredAt ? nowMs : this.#lastStoredAt;
    this.#lastStoredAt = storedAt;
    const physicalOffset = this.#assigned;
    const slot = encoder.hasQueueOffset ? registry.slotOf(encoder.topic, encoder.queueId) : -1;
    const queueOffset = slot < 0 ? 0 : (registry.next[slot] ?? 0);
    encoder.write(window.buffer, window.filled, physicalOffset, queueOffset, storedAt);
    if (slot >= 0) registry.next[slot] = queueOffset + 1;
    window.filled += bytes;
    window.lastRecordStart = physicalOffset;
    this.appendedCount += 1;
    this.appendedBytes += bytes;
    this.#assigned = physicalOffset + bytes;
    this.writer.encoded(bytes);
    this.facts.tail().push(physicalOffset, bytes, slot, queueOffset, encoder.tagsCode, storedAt, encoder.keyHashes, encoder.keyCount);
    return new Receipt(encoder.topic, encoder.queueId, queueOffset, physicalOffset, bytes, storedAt, false, hostHex);
  }

  /** Undefined: it does not fit into what is left of the segment. */
  #tryBatch(messages: readonly NewMessage[]): Receipt[] | undefined {
    const { encoder, clock, recordChecksum } = this.#options;
    const nowMs = clock.nowMs();
    const head = this.#assigned;
    const receipts: Receipt[] = [];
    let headWindow: WriteWindow | undefined;
    let headAt = 0;
    for (let i = 0; i < messages.length; i += 1) {
      const bytes = encoder.stage(defined(messages[i], 'message of a batch'), nowMs, i === 0 && messages.length > 1);
      if (this.#active === undefined || this.#assigned + bytes + BLANK_BYTES > this.#active.endOffset) return undefined;
      this.#openWindow(bytes);
      if (i === 0) {
        headWindow = this.#current;
        headAt = headWindow?.filled ?? 0;
      }
      receipts.push(this.#encodeStaged(bytes, nowMs));
    }
    const first = receipts[0];
    if (messages.length > 1 && first !== undefined && headWindow !== undefined) {
      sealBatchHead(headWindow.buffer, headAt, first.recordBytes, messages.length, this.#assigned - head, recordChecksum);
    }
    return receipts;
  }

  #assertFitsSegment(messages: readonly NewMessage[]): void {
    const { encoder, clock, segments } = this.#options;
    const nowMs = clock.nowMs();
    let total = 0;
    messages.forEach((message, i) => {
      total += encoder.stage(message, nowMs, i === 0 && messages.length > 1);
    });
    this.#assertBelowSegment(total, segments.segmentBytes - BLANK_BYTES, messages.length > 1 ? 'batch' : 'message');
  }

  #assertBelowSegment(bytes: number, limit: number, what: string): void {
    if (bytes <= limit) return;
    throw new StoreError('MESSAGE_TOO_LARGE', `the ${what} takes ${bytes} bytes of the log; a segment holds at most ${limit}`, {
      details: { limit, actual: bytes },
    });
  }

  #makeRoom(bytes: number): void {
    if (this.#active === undefined || this.#assigned + bytes + BLANK_BYTES > this.#active.endOffset) {
      this.#assertBelowSegment(bytes, this.#options.segments.segmentBytes - BLANK_BYTES, 'message');
      this.#roll();
    }
    this.#openWindow(bytes);
  }

  #openWindow(bytes: number): void {
    const current = this.#current;
    if (current !== undefined && current.room >= bytes) return;
    this.#closeWindow();
    const segment = defined(this.#active, 'an active segment');
    const window = new WriteWindow(this.#pool.take(bytes), segment, this.#assigned);
    window.headOfBatchBefore = this.#batchHead;
    this.#current = window;
  }

  #closeWindow(): void {
    const window = this.#current;
    this.#current = undefined;
    if (window === undefined) return;
    window.headOfBatchBehind = this.#batchHead;
    this.writer.submit(window);
    if (this.#batchHead === undefined) this.writer.writeFull();
  }

  /** Goes over to the next segment, with a blank record in what is left of this one. Throws, changing nothing, if it cannot be made. */
  #roll(): void {
    const { segments, clock, onRolled } = this.#options;
    const previous = this.#active;
    const base = previous === undefined ? segments.baseOf(this.#assigned) : previous.endOffset;
    const fresh = this.#create(base);
    if (previous !== undefined && this.#assigned < base) {
      this.#batchHead = undefined;
      this.#openWindow(BLANK_BYTES);
      const window = defined(this.#current, 'a window for the blank');
      encodeBlank(window.buffer, window.filled, base - this.#assigned);
      window.filled += BLANK_BYTES;
      window.endsSegment = true;
      this.writer.encoded(BLANK_BYTES);
      this.#assigned = base;
    }
    this.#closeWindow();
    this.#active = fresh;
    onRolled(fresh);
    clock.nextTurn(() => {
      if (this.#active === fresh && !this.writer.isStopped) segments.prepareNext(fresh.endOffset);
    });
  }

  #create(base: number): Segment {
    try {
      return this.#options.segments.create(base);
    } catch (error) {
      const refused = ioError('append: making the next segment', error);
      this.#options.onNoSegment(refused);
      throw refused;
    }
  }

  /** What depends on the records from `offset` on is as it was before them. */
  #takeBack(offset: number): void {
    const { registry } = this.#options;
    this.facts.takeBack(offset, (slot, queueOffset, bytes) => {
      if (slot >= 0) registry.next[slot] = queueOffset;
      this.appendedCount -= 1;
      this.appendedBytes -= bytes;
    });
  }

  #mark(): Mark {
    const current = this.#current;
    return {
      assigned: this.#assigned,
      current,
      filled: current?.filled ?? 0,
      lastRecordStart: current?.lastRecordStart ?? -1,
      readyCount: this.writer.readyCount,
      lastStoredAt: this.#lastStoredAt,
    };
  }

  /** Takes back what a batch has encoded since `mark`; no segment was rolled since. */
  #abandon(mark: Mark): void {
    this.#takeBack(mark.assigned);
    this.writer.unsubmit(mark.readyCount);
    this.writer.encoded(mark.assigned - this.#assigned);
    this.#current = mark.current;
    if (mark.current !== undefined) {
      mark.current.filled = mark.filled;
      mark.current.lastRecordStart = mark.lastRecordStart;
      mark.current.headOfBatchBehind = undefined;
    }
    this.#assigned = mark.assigned;
    this.#lastStoredAt = mark.lastStoredAt;
  }
}
