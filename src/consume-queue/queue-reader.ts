import { defined } from '../base/assert.js';
import { corrupt, ioError, systemErrorCode } from '../base/errors.js';
import { damagedEntryCountMax, entryPhysicalOffset, isPrefill, leadsNowhere, queueEntryBytes } from '../format/queue-entry.js';
import type { OpenFiles } from '../segment/open-files.js';
import type { QueueFiles } from './queue-files.js';
import type { QueueState } from './queue-state.js';

/** Reads entries where they are: in memory until they are written, then in the files. A few KiB a call, so synchronously. */
export class QueueReader {
  readonly #files: QueueFiles;
  readonly #openFiles: OpenFiles;
  readonly #entry: Buffer = Buffer.alloc(queueEntryBytes);
  readonly #around: Buffer = Buffer.alloc(2 * damagedEntryCountMax * queueEntryBytes);

  constructor(files: QueueFiles, openFiles: OpenFiles) {
    this.#files = files;
    this.#openFiles = openFiles;
  }

  /** Up to `count` entries from `from` on, which lies in [min, max); fewer at the end of a file. CORRUPT if the file does not hold them. */
  read(queue: QueueState, from: number, into: Buffer, count: number): number {
    if (from < queue.min || from >= queue.max) return 0;
    const room = Math.min(count, queue.max - from, Math.floor(into.length / queueEntryBytes));
    if (from >= queue.written) return readPending(queue, from, into, room);
    const index = this.#files.indexOf(from);
    const end = Math.min(queue.written, this.#files.firstEntryOf(index + 1));
    const taken = Math.min(room, end - from);
    this.#readFile(this.#files.pathOf(queue.slot, index), this.#files.positionOf(from), into.subarray(0, taken * queueEntryBytes));
    return taken;
  }

  /**
   * The physical offset in entry `queueOffset`, which lies in [min, max). CORRUPT for one that is none: pre-fill too stands there only for what
   * a damaged log did not tell, and that need not have expired.
   */
  physicalOffsetAt(queue: QueueState, queueOffset: number): number {
    const entry = this.#entry;
    this.read(queue, queueOffset, entry, 1);
    const physicalOffset = entryPhysicalOffset(entry, 0);
    if (leadsNowhere(entry, 0) || !Number.isSafeInteger(physicalOffset)) {
      const path = this.#files.pathOf(queue.slot, this.#files.indexOf(queueOffset));
      throw corrupt(path, this.#files.positionOf(queueOffset), `entry ${queueOffset} of the queue is missing`);
    }
    return physicalOffset;
  }

  /** First entry in [min, max) whose record starts at or above `physicalOffset`; `max` if there is none. CORRUPT where those around it say otherwise. */
  firstAtOrAbove(queue: QueueState, physicalOffset: number): number {
    let low = queue.min;
    let high = queue.max;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.physicalOffsetAt(queue, middle) < physicalOffset) low = middle + 1;
      else high = middle;
    }
    this.#assertDivides(queue, low, physicalOffset);
    return low;
  }

  /**
   * A search believes a few entries out of many, and nothing vouches for these. A damaged one that has led it astray stands beside where it has
   * ended, and what stands around the damage contradicts: that entries ascend, or that those in front lead below and those behind above.
   */
  #assertDivides(queue: QueueState, found: number, physicalOffset: number): void {
    const end = Math.min(queue.max, found + damagedEntryCountMax);
    let before = -1;
    for (let queueOffset = Math.max(queue.min, found - damagedEntryCountMax); queueOffset < end; ) {
      const count = this.read(queue, queueOffset, this.#around, end - queueOffset);
      for (let i = 0; i < count; i += 1, queueOffset += 1) {
        const at = i * queueEntryBytes;
        // What the log has lost has none.
        if (leadsNowhere(this.#around, at)) continue;
        const place = entryPhysicalOffset(this.#around, at);
        if (place <= before || place < physicalOffset !== queueOffset < found) {
          const path = this.#files.pathOf(queue.slot, this.#files.indexOf(queueOffset));
          throw corrupt(path, this.#files.positionOf(queueOffset), `entry ${queueOffset} of the queue contradicts those around it`);
        }
        before = place;
      }
    }
  }

  /** Whether pre-fill stands at the place of an entry in a file. */
  isPrefillAt(path: string, queueOffset: number): boolean {
    const entry = this.#entry;
    const readBytes = this.#openFiles.use(path, 'read').readSync(entry, this.#files.positionOf(queueOffset));
    return readBytes === queueEntryBytes && isPrefill(entry, 0);
  }

  #readFile(path: string, at: number, into: Buffer): void {
    let readBytes: number;
    try {
      readBytes = this.#openFiles.use(path, 'read').readSync(into, at);
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOENT') throw corrupt(path, at, 'the file is missing');
      // What cannot be read here can be made anew elsewhere.
      if (code === 'EIO') throw corrupt(path, at, 'the file cannot be read', error);
      throw ioError(`reading ${path}`, error);
    }
    if (readBytes < into.length) throw corrupt(path, at + readBytes, 'the file is too short');
  }
}

function readPending(queue: QueueState, from: number, into: Buffer, count: number): number {
  const pending = defined(queue.pending, 'pending entries');
  const start = pending.head + (from - queue.written) * queueEntryBytes;
  pending.bytes.copy(into, 0, start, start + count * queueEntryBytes);
  return count;
}
