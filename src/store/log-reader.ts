import type { StoreError } from '../base/errors.js';
import { isLargeRecord, TRUSTED_RECORD_BYTES } from '../commit-log/large-record.js';
import type { RecordView } from '../format/record-view.js';
import { damagedLog, forgetBytes, giveBuffer, readLog, SPAN_BYTES, takeBuffer } from './read-log.js';
import type { ReadView } from './read-view.js';

/**
 * A stretch of the log in memory, looked at record by record and kept until it has been used up.
 *
 * Invariants: the stretch lies in one segment and below what readers might see when it was read; its buffer is given back only
 * while no read into it is in flight.
 */
export class LogReader {
  readonly record: RecordView;
  readonly #view: ReadView;
  #buffer: Buffer | undefined;
  /** The buffer holds [#start, #end) of the log. */
  #start = 0;
  #end = 0;
  #isFilling = false;
  #isReleased = false;
  /** Bytes that the record looked at last is known to need. */
  #needed = 0;

  constructor(view: ReadView, record: RecordView) {
    this.#view = view;
    this.record = record;
  }

  holds(offset: number): boolean {
    return offset >= this.#start && offset < this.#end;
  }

  /**
   * What stands at `offset`: a record, its checksums compared, or a blank that reaches to the end of its segment, both in `record`.
   * `unread`: `fill` first.
   */
  look(offset: number): 'record' | 'blank' | 'damaged' | 'unread' {
    this.#needed = 0;
    if (this.#buffer === undefined || !this.holds(offset)) return 'unread';
    const { record } = this;
    const kind = record.read(this.#buffer, offset - this.#start, this.#end - this.#start);
    const room = this.#roomAt(offset);
    if (kind === 'invalid') {
      // What a damaged record claims is believed only as far as there can be more of it.
      const { bytesNeeded } = record;
      if (bytesNeeded <= this.#end - offset || bytesNeeded > room) return 'damaged';
      this.#needed = bytesNeeded;
      return 'unread';
    }
    if (kind === 'blank') {
      if (record.recordBytes === this.#segmentEnd(offset) - offset) return 'blank';
      record.what = 'a blank that does not reach to the end of its segment';
      return 'damaged';
    }
    if (record.physicalOffset === offset) return record.verify(this.#view.isOurs(offset)) ? 'record' : 'damaged';
    record.what = `a record that says it belongs at ${record.physicalOffset}`;
    return 'damaged';
  }

  /** After `damaged`. */
  damage(offset: number): StoreError {
    return damagedLog(this.#view, offset, this.record.what);
  }

  /** After `unread`. False: retention has deleted the segment. CORRUPT where it is missing or short. */
  async fill(offset: number): Promise<boolean> {
    const bytes = Math.min(this.#roomAt(offset), Math.max(this.#needed, SPAN_BYTES));
    if (bytes > TRUSTED_RECORD_BYTES && !(await isLargeRecord(this.#view.segments, offset, bytes))) throw this.damage(offset);
    this.#isReleased = false;
    this.#isFilling = true;
    this.#start = this.#end = 0;
    if (this.#buffer !== undefined && this.#buffer.length < bytes) {
      giveBuffer(this.#buffer);
      this.#buffer = undefined;
    }
    const buffer = this.#buffer ?? takeBuffer(bytes);
    this.#buffer = buffer;
    try {
      if (!(await readLog(this.#view, buffer, offset, bytes))) return false;
      this.#start = offset;
      this.#end = offset + bytes;
      return true;
    } finally {
      this.#isFilling = false;
      if (this.#isReleased) this.release();
    }
  }

  /** The memory may go to others. The next look reads again. */
  release(): void {
    this.#isReleased = true;
    if (this.#isFilling || this.#buffer === undefined) return;
    forgetBytes(this.record);
    giveBuffer(this.#buffer);
    this.#buffer = undefined;
    this.#start = this.#end = 0;
  }

  #segmentEnd(offset: number): number {
    const { segments } = this.#view;
    return segments.baseOf(offset) + segments.segmentBytes;
  }

  /** Bytes from `offset` on that readers may see, in its segment. */
  #roomAt(offset: number): number {
    return Math.min(this.#segmentEnd(offset), this.#view.visible()) - offset;
  }
}
