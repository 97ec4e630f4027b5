import { assert } from '../base/assert.js';
import type { Segment } from './segment.js';

/** Room for a turn's records; a larger record gets a window of its own size. */
export const WINDOW_BYTES: number = 1024 * 1024;
const POOLED_COUNT_MAX = 8;

/**
 * A stretch of one segment that records are encoded into and that is then written, in one piece or several.
 *
 *   0 ........ issued ........ filled ........ buffer.length
 *   |  given to the disk  |  encoded    |  free
 *
 * Invariants: `issued <= filled`; byte i belongs at `startOffset + i`; all of it lies in `segment`.
 */
export class WriteWindow {
  readonly buffer: Buffer;
  readonly segment: Segment;
  readonly startOffset: number;
  filled = 0;
  issued = 0;
  /** Where the last record of it begins that is not part of an unfinished batch; -1: there is none. */
  lastRecordStart = -1;
  /** Its last record is the last of the segment: what follows up to the segment's end is not written. */
  endsSegment = false;
  /** Where the batch began of which a part lies in front of this window; such a batch is undone as a whole. */
  headOfBatchBefore: number | undefined;
  /** Where the batch began of which a part follows behind this window; nothing from there on is complete with this window alone. */
  headOfBatchBehind: number | undefined;

  constructor(buffer: Buffer, segment: Segment, startOffset: number) {
    this.buffer = buffer;
    this.segment = segment;
    this.startOffset = startOffset;
  }

  get room(): number {
    return this.buffer.length - this.filled;
  }

  get unissuedBytes(): number {
    return this.filled - this.issued;
  }

  /** The bytes not yet issued, marked as issued. */
  issue(): { readonly bytes: Buffer; readonly offset: number } {
    assert(this.issued < this.filled, 'a window is issued only when it holds something');
    const bytes = this.buffer.subarray(this.issued, this.filled);
    const offset = this.startOffset + this.issued;
    this.issued = this.filled;
    return { bytes, offset };
  }
}

/** Buffers of windows, used again once their write has settled. */
export class WindowPool {
  readonly #free: Buffer[] = [];

  take(bytesMin: number): Buffer {
    if (bytesMin > WINDOW_BYTES) return Buffer.allocUnsafeSlow(bytesMin);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(WINDOW_BYTES);
  }

  give(buffer: Buffer): void {
    if (buffer.length === WINDOW_BYTES && this.#free.length < POOLED_COUNT_MAX) this.#free.push(buffer);
  }
}
