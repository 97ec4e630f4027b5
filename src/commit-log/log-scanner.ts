import { systemErrorCode } from '../base/errors.js';
import { RecordView } from '../format/record-view.js';
import { isLargeRecord, TRUSTED_RECORD_BYTES } from './large-record.js';
import type { LogSegments } from './log-segments.js';

const CHUNK_BYTES = 1024 * 1024;
const HEADER_BYTES = 8;

export interface ScanOptions {
  /** A record's beginning, or a segment's. */
  readonly from: number;
  /** Records at or above it are not looked at. */
  readonly limit: number;
  /** Whether checksums are compared. */
  readonly verify: boolean;
  /** Whether the record checksum must be there and match, at this offset: we wrote it. */
  readonly isOurs: (offset: number) => boolean;
  /** A further look at a record that verifies; false: it is none. */
  readonly isWhole?: ((view: RecordView, offset: number) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After each chunk: where the scan is. */
  readonly onProgress?: ((offset: number) => void) | undefined;
}

/** Where a scan came to its end, and why. */
export interface ScanEnd {
  readonly offset: number;
  /** `end`: there is no further segment. `missing`: one is missing, with others behind it. */
  readonly reason: 'limit' | 'end' | 'invalid' | 'missing' | 'stopped';
  readonly what: string;
  /** Records visited. */
  readonly count: number;
}

/** Sees each record in turn; `false` ends the scan behind it. What it is given is valid only during the call. */
export type RecordVisitor = (view: RecordView, offset: number, bytes: Buffer) => boolean | void;

/**
 * Reads the log in order, a chunk at a time, over blanks and from segment to segment, and stops at the first byte that is no record.
 * Recovery, catching up, rebuilding, verifying and tails over all queues share it.
 */
export class LogScanner {
  readonly #segments: LogSegments;
  readonly #view = new RecordView();
  #chunk: Buffer;
  /** The chunk holds the log's bytes [start, end). */
  #start = 0;
  #end = 0;

  constructor(segments: LogSegments) {
    this.#segments = segments;
    this.#chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, segments.segmentBytes));
  }

  async scan(options: ScanOptions, visit: RecordVisitor): Promise<ScanEnd> {
    this.#start = 0;
    this.#end = 0;
    let offset = options.from;
    let count = 0;
    const ended = (reason: ScanEnd['reason'], what: string): ScanEnd => ({ offset, reason, what, count });
    while (offset < options.limit) {
      const base = this.#segments.baseOf(offset);
      if (!this.#segments.has(base)) return this.#beyond(base) ? ended('end', 'the log ends') : ended('missing', 'the segment is missing');
      const segmentEnd = base + this.#segments.segmentBytes;
      // No await a record: only where the chunk has come to its end.
      const now = this.#lookNow(offset, segmentEnd);
      const kind = now === 'more' ? await this.#look(offset, segmentEnd, options) : now;
      if (kind === 'gone') return ended('missing', 'the segment is missing');
      const view = this.#view;
      if (kind === 'invalid') return ended('invalid', view.what);
      if (kind === 'blank') {
        if (view.recordBytes !== segmentEnd - offset)
          return ended('invalid', 'a blank record that does not reach to the end of its segment');
        offset = segmentEnd;
        continue;
      }
      if (view.physicalOffset !== offset) return ended('invalid', `a record that says it belongs at ${view.physicalOffset}`);
      if (options.verify && !view.verify(options.isOurs(offset))) return ended('invalid', 'a record whose checksum does not match');
      if (options.isWhole?.(view, offset) === false) return ended('invalid', 'a record of which a part never reached the disk');
      count += 1;
      const more = visit(view, offset, this.#chunk);
      offset += view.recordBytes;
      if (more === false) return ended('stopped', 'stopped');
    }
    return ended('limit', 'the limit');
  }

  #beyond(base: number): boolean {
    const last = this.#segments.bases.at(-1);
    return last === undefined || base > last;
  }

  #lookNow(offset: number, segmentEnd: number): 'record' | 'blank' | 'invalid' | 'more' {
    if (offset < this.#start || offset + HEADER_BYTES > this.#end) return 'more';
    const kind = this.#view.read(this.#chunk, offset - this.#start, this.#end - this.#start);
    if (kind !== 'invalid') return kind;
    const claimed = this.#view.bytesNeeded;
    return claimed > this.#end - offset && claimed <= segmentEnd - offset ? 'more' : 'invalid';
  }

  async #look(offset: number, segmentEnd: number, options: ScanOptions): Promise<'record' | 'blank' | 'invalid' | 'gone'> {
    let needed = HEADER_BYTES;
    for (;;) {
      if (offset < this.#start || offset + Math.min(needed, segmentEnd - offset) > this.#end) {
        if (!(await this.#fill(offset, needed))) return 'gone';
        options.signal?.throwIfAborted();
        options.onProgress?.(offset);
      }
      const kind = this.#view.read(this.#chunk, offset - this.#start, this.#end - this.#start);
      if (kind !== 'invalid') return kind;
      const claimed = this.#view.bytesNeeded;
      // Read on only where more bytes of this segment can make a record of it.
      if (claimed <= this.#end - offset || claimed > segmentEnd - offset || claimed <= needed) return 'invalid';
      if (claimed > Math.max(TRUSTED_RECORD_BYTES, this.#chunk.length) && !(await isLargeRecord(this.#segments, offset, claimed))) {
        return 'invalid';
      }
      needed = claimed;
    }
  }

  /** Has the chunk begin at `offset` with at least `needed` bytes, where the segment has as many. */
  async #fill(offset: number, needed: number): Promise<boolean> {
    if (needed > this.#chunk.length) this.#chunk = Buffer.allocUnsafeSlow(needed);
    try {
      const bytes = await this.#segments.read(this.#chunk, offset);
      this.#start = offset;
      this.#end = offset + bytes;
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }
}
