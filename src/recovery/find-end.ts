import { corrupt } from '../base/errors.js';
import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import { isAllZero } from '../base/bytes.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import type { RecordView } from '../format/record-view.js';

export interface FindEndOptions {
  readonly segments: LogSegments;
  /** A record's beginning that is known as one. */
  readonly from: number;
  /** Everything below it was once durable: what does not verify there is damage, not a torn tail. */
  readonly watermark: number;
  readonly mode: 'strict' | 'skip' | 'truncate';
  readonly isOurs: (offset: number) => boolean;
  /** Whether a batch property there is our own, and no copy that a broker made of one. */
  readonly believesBatches: (offset: number) => boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (offset: number) => void;
  /** Mode `skip`: makes a span that does not verify readable again; returns where the log goes on. */
  readonly skip: (damage: ScanEnd) => Promise<number | undefined>;
}

export interface FoundEnd {
  /** Where the log ends. */
  readonly end: number;
  readonly lastRecord: { readonly start: number; readonly end: number } | undefined;
  readonly lastStoredAt: number;
  /** Set where the end is not a torn tail but a cut in what was durable. */
  readonly damage: ScanEnd | undefined;
}

/**
 * Reads the log from a known record to its end. Tear or damage is told by position alone: at or above the watermark the first byte
 * that does not verify is the end, in every mode; below it the mode decides.
 */
export async function findEnd(options: FindEndOptions): Promise<FoundEnd> {
  const { segments, watermark, mode } = options;
  const scanner = new LogScanner(segments);
  const tail = new TailOfLog();
  // Where our own checksum covers the whole record it has said so; what was durable once is damage if it has changed.
  const isWhole = (view: RecordView, offset: number): boolean =>
    offset < watermark || options.isOurs(offset) || !lacksProperties(view, offset - segments.baseOf(offset));
  let from = options.from;
  for (;;) {
    const stopped = await scanner.scan(
      {
        from,
        limit: Number.MAX_SAFE_INTEGER,
        verify: true,
        isOurs: options.isOurs,
        isWhole,
        signal: options.signal,
        onProgress: options.onProgress,
      },
      (view, offset) => tail.visit(offset, view.recordBytes, view.storedAt, options.believesBatches(offset) ? view.batchMark() : undefined),
    );
    const whole = Math.max(tail.wholeEnd(stopped.offset), Math.min(watermark, stopped.offset));
    if (stopped.offset >= watermark) return { end: whole, ...tail.last(whole), damage: undefined };
    if (mode === 'strict') {
      throw corrupt(
        segments.pathOf(segments.baseOf(stopped.offset)),
        stopped.offset % segments.segmentBytes,
        `${stopped.what}, below ${watermark} up to where the log was durable. Open with recovery 'skip' to put the span aside and keep what follows, or 'truncate' to cut the log here`,
      );
    }
    const next = mode === 'skip' ? await options.skip(stopped) : undefined;
    if (next === undefined) return { end: whole, ...tail.last(whole), damage: stopped };
    tail.endBatch();
    from = next;
  }
}

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;

/**
 * Whether a part of a record's properties is missing. A record without a checksum over all of it vouches for its body only: with its
 * last sector lost in a power cut, or its end in a write that was cut short, it would come back without keys and tag. Its other parts are
 * told by size, topic and body checksum.
 */
function lacksProperties(view: RecordView, positionInFile: number): boolean {
  // They are text, and never end with a zero.
  if (view.propertiesEnd > view.propertiesStart && view.bytes[view.propertiesEnd - 1] === 0) return true;
  const shift = positionInFile - view.start;
  const end = view.propertiesEnd + shift;
  for (let sector = positionInFile - (positionInFile % SECTOR_BYTES) + SECTOR_BYTES; sector < end; sector += SECTOR_BYTES) {
    const from = Math.max(sector, view.propertiesStart + shift);
    const to = Math.min(sector + SECTOR_BYTES, end);
    if (from < to && isAllZero(view.bytes, from - shift, to - shift)) return true;
  }
  return false;
}

/** The last records seen, and whether they belong to a batch that is not complete yet. */
class TailOfLog {
  #batchStart: number | undefined;
  #batchEnd = 0;
  #beforeBatch: { start: number; end: number; storedAt: number } | undefined;
  #last: { start: number; end: number; storedAt: number } | undefined;
  #highestStoredAt = 0;

  visit(offset: number, recordBytes: number, storedAt: number, batch: { readonly bytes: number } | undefined): void {
    if (this.#batchStart !== undefined && offset >= this.#batchEnd) this.#batchStart = undefined;
    if (this.#batchStart === undefined && batch !== undefined && batch.bytes > recordBytes) {
      this.#batchStart = offset;
      this.#batchEnd = offset + batch.bytes;
      this.#beforeBatch = this.#last;
    }
    this.#last = { start: offset, end: offset + recordBytes, storedAt };
    if (storedAt > this.#highestStoredAt) this.#highestStoredAt = storedAt;
  }

  /** Where the log ends if nothing readable follows `offset`: an unfinished batch goes as a whole. */
  wholeEnd(offset: number): number {
    return this.#batchStart !== undefined && offset < this.#batchEnd ? this.#batchStart : offset;
  }

  last(end: number): { lastRecord: { start: number; end: number } | undefined; lastStoredAt: number } {
    const last = this.#last !== undefined && this.#last.start < end ? this.#last : this.#beforeBatch;
    return { lastRecord: last === undefined ? undefined : { start: last.start, end: last.end }, lastStoredAt: this.#highestStoredAt };
  }

  endBatch(): void {
    this.#batchStart = undefined;
  }
}
