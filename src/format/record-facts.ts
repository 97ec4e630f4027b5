/**
 * What the derived structures need to know of records, in columns: filled by the appender from what it knows already,
 * or by a scan of the log; consumed in log order by the dispatcher.
 *
 *   row i:  physicalOffset  recordBytes  slot  queueOffset  tagsCode  storedAt  keyHashes[keyEnd[i-1] .. keyEnd[i])
 *
 * Invariants: `physicalOffset` ascends strictly; `slot` is -1 for a record that has no place in a queue
 * (transaction types PREPARED and ROLLBACK); `keyEnd` ascends and the last one is `keyCount`.
 */
export class RecordFacts {
  readonly capacity: number;
  count = 0;
  keyCount = 0;
  readonly physicalOffset: Float64Array;
  readonly recordBytes: Int32Array;
  readonly slot: Int32Array;
  readonly queueOffset: Float64Array;
  /** The Java hash of the tag, sign kept; of scheduled messages the time of delivery. */
  readonly tagsCode: Float64Array;
  readonly storedAt: Float64Array;
  /** One past the last of the row's entries in `keyHashes`. */
  readonly keyEnd: Int32Array;
  /** Index key hashes (of `topic#key`, 0 to 2^31 - 1). Grows. */
  keyHashes: Int32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.physicalOffset = new Float64Array(capacity);
    this.recordBytes = new Int32Array(capacity);
    this.slot = new Int32Array(capacity);
    this.queueOffset = new Float64Array(capacity);
    this.tagsCode = new Float64Array(capacity);
    this.storedAt = new Float64Array(capacity);
    this.keyEnd = new Int32Array(capacity);
    this.keyHashes = new Int32Array(capacity * 2);
  }

  get isFull(): boolean {
    return this.count === this.capacity;
  }

  /** First entry of row `row` in `keyHashes`. */
  keyStart(row: number): number {
    return row === 0 ? 0 : (this.keyEnd[row - 1] ?? 0);
  }

  /** Adds a row; its keys are the first `keyCount` of `keyHashes`. The caller has checked `isFull`. */
  push(
    physicalOffset: number,
    recordBytes: number,
    slot: number,
    queueOffset: number,
    tagsCode: number,
    storedAt: number,
    keyHashes: Int32Array,
    keyCount: number,
  ): void {
    const row = this.count;
    this.physicalOffset[row] = physicalOffset;
    this.recordBytes[row] = recordBytes;
    this.slot[row] = slot;
    this.queueOffset[row] = queueOffset;
    this.tagsCode[row] = tagsCode;
    this.storedAt[row] = storedAt;
    const end = this.keyCount + keyCount;
    if (end > this.keyHashes.length) this.#growKeys(end);
    for (let i = 0; i < keyCount; i += 1) this.keyHashes[this.keyCount + i] = keyHashes[i] ?? 0;
    this.keyCount = end;
    this.keyEnd[row] = end;
    this.count = row + 1;
  }

  /** Keeps the first `count` rows. */
  truncate(count: number): void {
    this.count = count;
    this.keyCount = count === 0 ? 0 : (this.keyEnd[count - 1] ?? 0);
  }

  #growKeys(needed: number): void {
    const grown = new Int32Array(Math.max(needed, this.keyHashes.length * 2));
    grown.set(this.keyHashes.subarray(0, this.keyCount));
    this.keyHashes = grown;
  }
}

/** A structure derived from the log. Rows come in log order; a row may come again after a crash and must then change nothing. */
export interface FactsTarget {
  readonly name: string;
  /** Takes rows [from, to) into memory; never throws for the disk's sake. The columns are reused after it returns. */
  accept(facts: RecordFacts, from: number, to: number): void;
}
