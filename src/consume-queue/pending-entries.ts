import { queueEntryBytes } from '../format/queue-entry.js';

const firstBytes = 16 * queueEntryBytes;
/** Larger buffers are left to the garbage collector when they have been written. */
const keptBytesMax = 64 * 1024;
const poolBytesMax = 4 * 1024 * 1024;

/** The entries of one queue that are in memory only: bytes [head, tail) of `bytes`, in order. Exists only while there are some. */
export class PendingEntries {
  bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes);
  head = 0;
  tail = 0;

  get length(): number {
    return this.tail - this.head;
  }

  /** Called when `tail` stands at the end of `bytes`; afterwards at least one more entry fits. */
  makeRoom(): void {
    const length = this.tail - this.head;
    if (length * 2 <= this.bytes.length) {
      this.bytes.copyWithin(0, this.head, this.tail);
    } else {
      const grown = Buffer.allocUnsafeSlow(this.bytes.length * 2);
      this.bytes.copy(grown, 0, this.head, this.tail);
      this.bytes = grown;
    }
    this.head = 0;
    this.tail = length;
  }
}

/** Buffers change hands all the time between the queues that happen to be busy; what is kept for that is bounded. */
export class PendingPool {
  readonly #kept: PendingEntries[] = [];
  #keptBytes = 0;

  take(): PendingEntries {
    const entries = this.#kept.pop();
    if (entries === undefined) return new PendingEntries();
    this.#keptBytes -= entries.bytes.length;
    return entries;
  }

  giveBack(entries: PendingEntries): void {
    const bytes = entries.bytes.length;
    if (bytes > keptBytesMax || this.#keptBytes + bytes > poolBytesMax) return;
    entries.head = 0;
    entries.tail = 0;
    this.#keptBytes += bytes;
    this.#kept.push(entries);
  }
}
