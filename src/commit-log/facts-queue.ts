import { type FactsTarget, RecordFacts } from '../format/record-facts.js';

const ROWS_PER_BATCH = 4096;
const SPARE_COUNT_MAX = 4;

/**
 * Facts of records that are in the log but not yet handed to the derived structures, in log order.
 *
 * Invariants: `physicalOffset` ascends over all batches; rows before `#head` of the first batch have been handed over.
 */
export class FactsQueue {
  #batches: RecordFacts[] = [];
  #head = 0;
  readonly #spare: RecordFacts[] = [];

  /** Where the next row goes. */
  tail(): RecordFacts {
    const last = this.#batches.at(-1);
    if (last !== undefined && !last.isFull) return last;
    const fresh = this.#spare.pop() ?? new RecordFacts(ROWS_PER_BATCH);
    this.#batches.push(fresh);
    return fresh;
  }

  /** Hands over every row of a record that begins below `limit`. Returns how many. */
  handOver(limit: number, targets: readonly FactsTarget[]): number {
    let handed = 0;
    for (;;) {
      const batch = this.#batches[0];
      if (batch === undefined) return handed;
      const from = this.#head;
      const to = rowsBelow(batch, from, limit);
      if (to > from) {
        for (const target of targets) target.accept(batch, from, to);
        handed += to - from;
      }
      if (to < batch.count || !batch.isFull) {
        // A batch that is handed over whole starts again at its first row.
        if (to === batch.count) {
          batch.truncate(0);
          this.#head = 0;
        } else this.#head = to;
        return handed;
      }
      this.#batches.shift();
      this.#head = 0;
      batch.truncate(0);
      if (this.#spare.length < SPARE_COUNT_MAX) this.#spare.push(batch);
    }
  }

  /** Takes back every row at or above `offset`, newest first; what has been handed over lies below it. */
  takeBack(offset: number, undo: (slot: number, queueOffset: number, bytes: number) => void): void {
    for (;;) {
      const batch = this.#batches.at(-1);
      if (batch === undefined) return;
      let count = batch.count;
      while (count > 0 && (batch.physicalOffset[count - 1] as number) >= offset) {
        count -= 1;
        undo(batch.slot[count] as number, batch.queueOffset[count] as number, batch.recordBytes[count] as number);
      }
      batch.truncate(count);
      if (count > 0 || this.#batches.length === 1) return;
      this.#batches.pop();
    }
  }
}

function rowsBelow(batch: RecordFacts, from: number, limit: number): number {
  const count = batch.count;
  if (count > from && (batch.physicalOffset[count - 1] as number) < limit) return count;
  let to = from;
  while (to < count && (batch.physicalOffset[to] as number) < limit) to += 1;
  return to;
}
