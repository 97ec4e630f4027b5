import { assert } from '../base/assert.js';
import { deferred } from '../base/deferred.js';
import type { WindowPool, WriteWindow } from '../segment/write-window.js';

/** Up to this much, with nothing in flight, is written at once: a round trip through the thread pool costs ten times as much. */
const DIRECT_BYTES_MAX = 256 * 1024;
const IN_FLIGHT_COUNT_MAX = 4;

/** One write of consecutive bytes, from a record's beginning to a record's end. */
interface WriteOp {
  readonly window: WriteWindow;
  readonly bytes: Buffer;
  readonly offset: number;
  /** Where the log is complete up to once this and all before it are done. */
  readonly completeEnd: number;
  /** Where the last record begins that ends with these bytes; -1: it is not known. */
  readonly lastRecordStart: number;
  done: boolean;
  error: unknown;
}

export interface WriterFailure {
  /** Start of the lowest write that failed, or of the batch that it belongs to. */
  readonly offset: number;
  /** One past the highest byte that may have reached the disk. */
  readonly issuedEnd: number;
  readonly errors: readonly unknown[];
}

/**
 * Brings windows to the disk: a turn's few records by one synchronous write, more by the thread pool, four writes at a time.
 *
 * Invariants:
 * - `written` is the end of the gapless prefix of writes that are done; it ends at no place inside a batch.
 * - A window's buffer goes back to the pool only when no write of it is in flight.
 * - After a write has failed nothing more is issued until `resume`.
 */
export class WindowWriter {
  readonly #pool: WindowPool;
  readonly #onProgress: () => void;
  readonly #onFailure: () => void;
  /** In log order, from the first that is not done. */
  #ops: WriteOp[] = [];
  /** Closed windows not yet issued, in log order. */
  #ready: WriteWindow[] = [];
  #readyBytes = 0;
  readonly #inFlight = new Set<WriteOp>();
  #idle: { promise: Promise<void>; resolve: () => void } | undefined;
  #written: number;
  #pendingBytes = 0;
  #issuedEnd: number;
  /** A recent record that is written, for the watermark to name. */
  #lastRecord: { readonly start: number; readonly end: number } | undefined;
  #stopped = false;

  constructor(pool: WindowPool, written: number, onProgress: () => void, onFailure: () => void) {
    this.#pool = pool;
    this.#written = written;
    this.#issuedEnd = written;
    this.#onProgress = onProgress;
    this.#onFailure = onFailure;
  }

  get written(): number {
    return this.#written;
  }

  /** A recent record below `written`. */
  get lastRecord(): { readonly start: number; readonly end: number } | undefined {
    return this.#lastRecord;
  }

  /** Encoded and not yet written. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** No write below it is in flight, not even one that has been made good in the meantime. */
  get settledEnd(): number {
    let end = Number.POSITIVE_INFINITY;
    for (const op of this.#inFlight) end = Math.min(end, op.offset);
    return end;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  get readyCount(): number {
    return this.#ready.length;
  }

  /** Counts bytes that were encoded into a window (or, negative, taken out of it again). */
  encoded(bytes: number): void {
    this.#pendingBytes += bytes;
  }

  /** Takes a window that nothing will be added to. */
  submit(window: WriteWindow): void {
    this.#ready.push(window);
    this.#readyBytes += window.unissuedBytes;
  }

  /** Takes back the windows submitted last, down to `readyCount`, unwritten. */
  unsubmit(readyCount: number): void {
    while (this.#ready.length > readyCount) {
      const window = this.#ready.pop();
      if (window === undefined) return;
      this.#readyBytes -= window.unissuedBytes;
    }
  }

  /** Within a turn: what fills a write on its own goes out at once, so that memory does not wait for the turn's end. */
  writeFull(): void {
    if (this.#readyBytes > DIRECT_BYTES_MAX) this.#issueReady();
  }

  /** At the end of a turn. Returns true if `current` has been taken over whole. */
  writeTurn(current: WriteWindow | undefined): boolean {
    if (this.#stopped) return false;
    const currentBytes = current?.unissuedBytes ?? 0;
    if (this.#inFlight.size === 0 && this.#readyBytes + currentBytes <= DIRECT_BYTES_MAX) {
      this.#writeDirectly(current);
      return false;
    }
    this.#issueReady();
    if (current === undefined || currentBytes === 0 || this.#ready.length > 0 || this.#inFlight.size >= IN_FLIGHT_COUNT_MAX) return false;
    this.#issueToPool(current);
    return true;
  }

  /**
   * Puts everything encoded so far into the operating system's hands before it returns: writes in flight are made once more (same
   * bytes, same place), for they may still be waiting for a thread. Where that fails, `isStopped` says so.
   */
  writeAllNow(current: WriteWindow | undefined): void {
    assert(!this.#stopped, 'nothing is written after a failed write');
    for (const op of this.#ops) {
      if (!op.done) this.#writeNow(op);
      if (this.#stopped) return;
    }
    this.#writeDirectly(current);
  }

  /** Settles when no write is in flight. */
  async settled(): Promise<void> {
    if (this.#inFlight.size === 0) return;
    this.#idle ??= deferred();
    await this.#idle.promise;
  }

  /** After `settled`: what failed, lowest first; undefined if nothing did. */
  failure(): WriterFailure | undefined {
    const failed = this.#ops.filter((op) => op.error !== undefined);
    const lowest = failed[0];
    if (lowest === undefined) return undefined;
    // Only a window's first write can begin inside a batch.
    const { offset: start, window } = lowest;
    const offset = start === window.startOffset ? Math.min(start, window.headOfBatchBefore ?? start) : start;
    return { offset, issuedEnd: this.#issuedEnd, errors: failed.map((op) => op.error) };
  }

  /** Forgets everything from `offset` on and goes on from there. */
  resume(offset: number): void {
    assert(offset >= this.#written, 'what was written is not undone');
    this.#ops = [];
    this.#ready = [];
    this.#readyBytes = 0;
    this.#pendingBytes = 0;
    this.#written = offset;
    this.#issuedEnd = offset;
    this.#stopped = false;
  }

  /** Gives up for good. */
  stop(): void {
    this.#stopped = true;
  }

  #writeDirectly(current: WriteWindow | undefined): void {
    const ready = this.#ready;
    this.#ready = [];
    this.#readyBytes = 0;
    for (let i = 0; i < ready.length; i += 1) {
      const window = ready[i];
      if (window === undefined || this.#stopped) continue;
      if (window.unissuedBytes > 0) this.#writeOne(window);
      if (!this.#stopped) this.#pool.give(window.buffer);
    }
    if (!this.#stopped && current !== undefined && current.unissuedBytes > 0) this.#writeOne(current);
    this.#advance();
  }

  #writeOne(window: WriteWindow): void {
    this.#writeNow(this.#issue(window));
  }

  #writeNow(op: WriteOp): void {
    const { segment } = op.window;
    try {
      segment.file.writeSync([op.bytes], op.offset - segment.baseOffset);
      this.#markDone(op);
    } catch (error) {
      this.#fail(op, error);
    }
  }

  #issueReady(): void {
    while (!this.#stopped && this.#inFlight.size < IN_FLIGHT_COUNT_MAX) {
      const window = this.#ready.shift();
      if (window === undefined) return;
      this.#readyBytes -= window.unissuedBytes;
      if (window.unissuedBytes > 0) this.#issueToPool(window);
      else this.#pool.give(window.buffer);
    }
  }

  #issueToPool(window: WriteWindow): void {
    const op = this.#issue(window);
    this.#inFlight.add(op);
    window.segment.file.write([op.bytes], op.offset - window.segment.baseOffset).then(
      () => {
        this.#markDone(op);
        this.#settle(op);
      },
      (error: unknown) => {
        // A write that `writeAllNow` has made good in the meantime is no loss.
        if (!op.done) this.#fail(op, error);
        this.#settle(op);
      },
    );
  }

  #issue(window: WriteWindow): WriteOp {
    const { bytes, offset } = window.issue();
    const end = offset + bytes.length;
    const completeEnd = window.headOfBatchBehind ?? (window.endsSegment ? window.segment.endOffset : end);
    const lastRecordStart = completeEnd === end ? window.lastRecordStart : -1;
    const op: WriteOp = { window, bytes, offset, completeEnd, lastRecordStart, done: false, error: undefined };
    this.#ops.push(op);
    if (end > this.#issuedEnd) this.#issuedEnd = end;
    return op;
  }

  #markDone(op: WriteOp): void {
    // One that has failed stays so, also where the same bytes were on their way a second time: calls have been told.
    if (op.done || op.error !== undefined) return;
    op.done = true;
    this.#pendingBytes -= op.bytes.length;
  }

  #settle(op: WriteOp): void {
    this.#inFlight.delete(op);
    if (!this.#stopped) {
      this.#pool.give(op.window.buffer);
      this.#issueReady();
    }
    this.#advance();
    if (this.#inFlight.size > 0) return;
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.resolve();
  }

  #fail(op: WriteOp, error: unknown): void {
    op.error = error ?? new Error('write failed');
    if (this.#stopped) return;
    this.#stopped = true;
    this.#onFailure();
  }

  #advance(): void {
    let doneCount = 0;
    for (const op of this.#ops) {
      if (!op.done) break;
      doneCount += 1;
      if (op.completeEnd > this.#written) this.#written = op.completeEnd;
      if (op.lastRecordStart >= 0) this.#lastRecord = { start: op.lastRecordStart, end: op.completeEnd };
    }
    if (doneCount === 0) return;
    // A failed write behind them keeps the rest: `failure` reads it.
    this.#ops.splice(0, doneCount);
    this.#onProgress();
  }
}
