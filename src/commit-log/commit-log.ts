import { defined } from '../base/assert.js';
import { ioError, StoreError, systemErrorCode } from '../base/errors.js';
import type { FactsTarget } from '../format/record-facts.js';
import type { NewMessage } from '../format/message.js';
import type { Receipt } from '../format/receipt.js';
import { AppendCall, SingleAppend } from './append-call.js';
import { Appender } from './appender.js';
import { copyMessage } from './copy-message.js';
import { Flusher } from './flusher.js';
import type { CommitLogOptions } from './commit-log-options.js';
import { RoomQueue } from './room-queue.js';
import { UnlinkedSegments } from './unlinked-segments.js';
import { type LogWaiter, LogWaiters } from './waiters.js';
import { zeroRange } from './zero-range.js';

/** What a failed write may be for the log to go on without it. */
const undoableCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * The log: appends in order, written by the turn, synced by group commit or interval, undone where the disk was full.
 *
 * Invariants: `flushed <= written <= assigned`; what is visible never exceeds `flushed` (sync) or `written` (async);
 * receipts come in log order and after the derived structures have been fed; after `fail` nothing is acknowledged.
 */
export class CommitLog {
  readonly #options: CommitLogOptions;
  readonly #appender: Appender;
  readonly #flusher: Flusher;
  /** Those who wait for the operating system, and those who wait for the disk. */
  readonly #writtenWaiters = new LogWaiters();
  readonly #flushedWaiters = new LogWaiters();
  readonly #room = new RoomQueue();
  readonly #unlinked: UnlinkedSegments;
  /** Rejections of calls that came while a failed write was being undone. */
  #held: ((reason: unknown) => void)[] = [];
  #undoing: Promise<void> | undefined;
  /** Why a call of this turn was refused that needed a new segment; the later ones of the turn are refused as well. */
  #turnRefusal: StoreError | undefined;
  #failure: StoreError | undefined;
  /** A recent record that is on the disk. */
  #lastSyncedRecord: { readonly start: number; readonly end: number } | undefined;
  /** What the disk said when it was full, and where the log ended then. */
  #full: { readonly error: StoreError; readonly end: number } | undefined;
  /** Why appends were last undone, and how often that has happened. */
  #undone: { readonly reason: StoreError | undefined; readonly count: number } = { reason: undefined, count: 0 };
  flushCount = 0;

  constructor(options: CommitLogOptions) {
    this.#options = options;
    const { segments, end } = options;
    const base = segments.bases.at(-1);
    const active = base !== undefined && end < base + segments.segmentBytes ? segments.openForWriting(base) : undefined;
    this.#unlinked = new UnlinkedSegments(
      segments,
      (segment) => {
        this.#progress();
        // Only now: users hear of it, who may append again at once.
        options.hooks.onRolled(segment);
      },
      (error) => this.fail(error, 'a new segment could not be moved into the log'),
    );
    this.#appender = new Appender(
      {
        ...options,
        onProgress: () => this.#progress(),
        onFailure: () => {
          this.#undoing = this.#undo();
        },
        onRolled: (segment) => this.#unlinked.add(segment),
        onNoSegment: (error) => this.#refuseTurn(error),
      },
      active,
    );
    this.#flusher = new Flusher({
      clock: options.clock,
      flushIntervalMs: options.flushIntervalMs,
      flushed: end,
      syncable: () => Math.min(this.written, this.#unlinked.linkedEnd),
      sync: async (from, to) => await this.#sync(from, to),
      onSynced: (flushed, bytes, durationMs) => this.#synced(flushed, bytes, durationMs),
      onFailed: (error) => this.fail(error, 'a sync of the log failed; the pages may be gone'),
    });
  }

  get assigned(): number {
    return this.#appender.assigned;
  }

  get written(): number {
    return this.#appender.writer.written;
  }

  get flushed(): number {
    return this.#flusher.flushed;
  }

  get visible(): number {
    return this.#options.flush === 'sync' ? this.flushed : this.written;
  }

  /** What was appended since the store was opened, without what was undone. */
  get appendedCount(): number {
    return this.#appender.appendedCount;
  }

  get appendedBytes(): number {
    return this.#appender.appendedBytes;
  }

  /** The disk took no more when it was last asked to. The next append asks again. */
  get diskFull(): StoreError | undefined {
    return this.#full?.error;
  }

  get pendingBytes(): number {
    return this.#appender.writer.pendingBytes;
  }

  get lastSyncedRecord(): { readonly start: number; readonly end: number } | undefined {
    return this.#lastSyncedRecord;
  }

  get lastStoredAt(): number {
    return this.#appender.lastStoredAt;
  }

  get failure(): StoreError | undefined {
    return this.#failure;
  }

  /**
   * Moves on whenever appends are undone. Who has encoded and does not wait for it yet must look whether it has: the places that he
   * was given may be others' by then.
   */
  get undone(): { readonly reason: StoreError | undefined; readonly count: number } {
    return this.#undone;
  }

  /** Feeds the targets with everything that has become visible. */
  handOver(targets: readonly FactsTarget[]): number {
    return this.#appender.facts.handOver(this.visible, targets);
  }

  append(message: NewMessage, flush: 'sync' | 'async', signal: AbortSignal | undefined): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#assertAccepting();
      if (this.#room.isEmpty && this.#takesNow) {
        const receipt = this.#appender.encodeOne(message, this.#options.pendingBytesMax);
        if (receipt !== undefined) {
          this.#waitFor(new SingleAppend(receipt, this, resolve, reject), flush);
          this.#appender.writeSoon();
          return;
        }
      }
      const call = new AppendCall([message], flush, (receipts) => resolve(defined(receipts[0], 'a receipt')), reject);
      this.#submit(
        call,
        (taken) => {
          const receipt = this.#appender.encodeOne(taken.messages[0] as NewMessage, this.#options.pendingBytesMax);
          return receipt === undefined ? undefined : [receipt];
        },
        signal,
      );
    });
  }

  appendBatch(messages: readonly NewMessage[], flush: 'sync' | 'async', signal: AbortSignal | undefined): Promise<readonly Receipt[]> {
    return new Promise((resolve, reject) => {
      const call = new AppendCall(messages, flush, resolve, reject);
      this.#submit(call, (taken) => this.#appender.encodeBatch(taken.messages, this.#options.pendingBytesMax), signal);
    });
  }

  /** In the operating system's hands when it returns. Throws OVERLOADED where `append` would wait. */
  appendSync(message: NewMessage): Receipt {
    this.#assertAccepting();
    const receipt = this.encodeNow(message);
    if (receipt === undefined) {
      throw new StoreError('OVERLOADED', 'the disk is behind: calls wait for room already; use `append`, which waits too, or try later');
    }
    this.#appender.writeAllNow();
    if (this.#undoing !== undefined) throw this.#undoCause('appendSync');
    if (this.#options.flush === 'sync') this.#flusher.want(this.assigned);
    else this.#flusher.progress();
    return receipt;
  }

  /** Encodes without waiting for anything; undefined: there is no room now. Written by the end of the turn. */
  encodeNow(message: NewMessage): Receipt | undefined {
    if (this.#turnRefusal !== undefined) throw this.#turnRefusal;
    if (!this.#room.isEmpty || !this.#takesNow) {
      this.#options.encoder.stage(message, this.#options.clock.nowMs(), false);
      return undefined;
    }
    const receipt = this.#appender.encodeOne(message, this.#options.pendingBytesMax);
    if (receipt !== undefined) this.#appender.writeSoon();
    return receipt;
  }

  /**
   * Settles once everything that waited for room at the time of the call has been taken, and there is room for more: not before
   * something has been written, for who asks has found too little.
   */
  waitForRoom(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      this.#room.add(
        () => {
          if (!this.#takesNow || this.pendingBytes >= this.#options.pendingBytesMax) return false;
          resolve();
          return true;
        },
        reject,
        signal,
      );
      if (this.pendingBytes === 0) this.#room.serve();
    });
  }

  /** Settles once the log is complete up to `end` as `flush` says. */
  reach(end: number, flush: 'sync' | 'async'): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined && (flush === 'sync' ? this.flushed : this.#acknowledged) < end) reject(this.#failure);
      else this.#waitFor({ end, settle: () => resolve(), reject }, flush);
    });
  }

  /** Everything encoded so far durable. */
  async flush(): Promise<void> {
    if (this.#undoing !== undefined) await this.#undoing;
    // Calls that wait and are refused are told so themselves.
    if (!this.#room.isEmpty) await this.waitForRoom(undefined).catch(() => undefined);
    this.#appender.writeTurn();
    await this.reach(this.assigned, 'sync');
  }

  /** For closing: takes what waits, then makes everything durable. */
  async drain(): Promise<void> {
    if (this.#undoing !== undefined) await this.#undoing;
    while (!this.#room.isEmpty) await this.waitForRoom(undefined).catch(() => undefined);
    await this.flush();
  }

  /** No write and no sync is in flight, and none will be. */
  async end(): Promise<void> {
    this.#appender.writer.stop();
    await Promise.all([this.#flusher.end(), this.#appender.writer.settled(), this.#options.segments.linkingSettled()]);
  }

  /** For good: nothing more is acknowledged. What was on its way may or may not be found after reopening. */
  fail(cause: unknown, what: string): void {
    if (this.#failure !== undefined) return;
    const message = failedFor(cause, what);
    const unknown = new StoreError('STORE_FAILED', message, { cause, stored: 'unknown' });
    this.#failure = new StoreError('STORE_FAILED', message, { cause });
    this.#appender.writer.stop();
    void this.#flusher.end();
    this.#writtenWaiters.rejectAbove(0, unknown);
    this.#flushedWaiters.rejectAbove(0, unknown);
    this.#rejectLater(this.#failure);
    this.#options.hooks.onFailed(unknown);
  }

  #submit(call: AppendCall, encode: (call: AppendCall) => readonly Receipt[] | undefined, signal: AbortSignal | undefined): void {
    const take = (): boolean => {
      if (!this.#takesNow) return false;
      const receipts = encode(call);
      if (receipts === undefined) return false;
      this.#taken(call, receipts);
      return true;
    };
    this.#assertAccepting();
    if (this.#room.isEmpty && take()) return;
    this.#room.assertNotFull();
    const { encoder, clock } = this.#options;
    for (const message of call.messages) encoder.stage(message, clock.nowMs(), false);
    call.messages = call.messages.map((message) => copyMessage(message, clock.nowMs()));
    if (this.#undoing !== undefined) this.#held.push(call.reject);
    else this.#room.add(() => call.attempt(take), call.reject, signal);
  }

  #assertAccepting(): void {
    const refusal = this.#failure ?? this.#turnRefusal ?? this.#options.hooks.refusal();
    if (refusal !== undefined) throw refusal;
  }

  /** What waits came later than the call that is refused, and so does whatever is called before anybody can know of it. */
  #refuseTurn(error: StoreError): void {
    this.#turnRefusal = error;
    if (error.code === 'DISK_FULL') this.#full = { error, end: this.assigned };
    this.#options.clock.nextTurn(() => {
      this.#turnRefusal = undefined;
    });
    this.#room.rejectAll(error);
  }

  #taken(call: AppendCall, receipts: readonly Receipt[]): void {
    const last = receipts.at(-1);
    call.receipts = receipts;
    call.end = last === undefined ? this.assigned : last.physicalOffset + last.recordBytes;
    call.log = this;
    this.#waitFor(call, call.flush);
    this.#appender.writeSoon();
  }

  #waitFor(waiter: LogWaiter, flush: 'sync' | 'async'): void {
    if (flush === 'sync') {
      this.#flushedWaiters.add(waiter);
      this.#flusher.want(waiter.end);
      this.#flushedWaiters.settleUpTo(this.flushed);
    } else {
      this.#writtenWaiters.add(waiter);
      this.#writtenWaiters.settleUpTo(this.#acknowledged);
    }
  }

  /** What the operating system has under its final name. */
  get #acknowledged(): number {
    return Math.min(this.written, this.#unlinked.linkedEnd);
  }

  /** Whether a call can be encoded, as far as that does not depend on its size. */
  get #takesNow(): boolean {
    return this.#undoing === undefined && this.#hasRoom();
  }

  #hasRoom(): boolean {
    return this.assigned - this.flushed <= this.#options.unflushedBytesMax;
  }

  #progress(): void {
    if (this.#full !== undefined && this.written > this.#full.end) this.#full = undefined;
    if (this.#failure === undefined) this.#unlinked.link(this.written);
    if (this.#options.flush === 'async') this.#options.hooks.onVisible();
    this.#writtenWaiters.settleUpTo(this.#acknowledged);
    this.#hurry();
    this.#flusher.progress();
    this.#room.serve();
  }

  /** Calls wait until less is at stake: then the interval is not waited for. */
  #hurry(): void {
    if (!this.#hasRoom()) this.#flusher.want(this.written);
  }

  async #sync(from: number, to: number): Promise<void> {
    const { segments } = this.#options;
    const lastRecord = this.#appender.writer.lastRecord;
    const written = segments.unsyncedBelow(to).filter((segment) => segment.endOffset > from);
    for (const segment of written) await segment.file.sync('data');
    const last = written.at(-1);
    if (last !== undefined && last.file.linkCount() < 1) throw new Error(`${last.path} has been deleted by somebody else`);
    segments.release(Math.min(to, this.#appender.writer.settledEnd));
    if (lastRecord !== undefined && lastRecord.end <= to) this.#lastSyncedRecord = lastRecord;
  }

  #synced(_flushed: number, bytes: number, durationMs: number): void {
    this.flushCount += 1;
    const { hooks } = this.#options;
    hooks.onFlushed({ bytes, durationMs, waiterCount: this.#flushedWaiters.count });
    if (this.#options.flush === 'sync') hooks.onVisible();
    this.#flushedWaiters.settleUpTo(this.flushed);
    this.#hurry();
    this.#room.serve();
  }

  /**
   * The disk was full: what could not be written, and all that was called later, never happened. Any other failure is final.
   * What `appendSync` has promised is written, so it lies below.
   */
  async #undo(): Promise<void> {
    const { segments } = this.#options;
    const { writer } = this.#appender;
    await Promise.all([writer.settled(), this.#flusher.pause(), segments.linkingSettled()]);
    const failure = writer.failure();
    if (failure === undefined || this.#failure !== undefined) return;
    const { offset, issuedEnd, errors } = failure;
    const final = errors.find((error) => !undoableCodes.has(systemErrorCode(error) ?? ''));
    if (final !== undefined) return this.fail(final, 'a write to the log failed');
    try {
      await zeroRange(segments.unsyncedBelow(issuedEnd), offset, issuedEnd);
      await this.#unlinked.discardFrom(offset);
    } catch (error) {
      return this.fail(error, 'what a failed write had left in the log could not be cleared');
    }
    if (this.#failure !== undefined) return;
    this.#appender.undoTo(offset, segments.activeAt(offset));
    this.#undoing = undefined;
    const reason = ioError('append', errors[0]);
    this.#full = { error: reason, end: offset };
    this.#undone = { reason, count: this.#undone.count + 1 };
    this.#writtenWaiters.rejectAbove(offset, reason);
    this.#flushedWaiters.rejectAbove(offset, reason);
    this.#rejectLater(reason);
    this.#flusher.resume();
  }

  /** A full disk has not taken the end of the record, so it is no record; of any other failure nobody knows what it has left there. */
  #undoCause(doing: string): StoreError {
    const cause: unknown = this.#failure ?? this.#appender.writer.failure()?.errors[0] ?? new Error('a write to the log failed');
    if (undoableCodes.has(systemErrorCode(cause) ?? '')) return ioError(doing, cause);
    return new StoreError('STORE_FAILED', failedFor(cause, `${doing}: a write to the log failed`), { cause, stored: 'unknown' });
  }

  /** Calls that came later than what failed fail with it: what is stored of a pipeline is a prefix of it. */
  #rejectLater(reason: StoreError): void {
    const held = this.#held;
    this.#held = [];
    this.#room.rejectAll(reason);
    for (const reject of held) reject(reason);
  }
}

function failedFor(cause: unknown, what: string): string {
  return `${what} (${cause instanceof Error ? cause.message : String(cause)}). Reads go on; reopen the store to write.`;
}
