import { entryPhysicalOffset, queueEntryBytes } from '../format/queue-entry.js';

/** What of the queues is asked for. */
export interface NumberedQueues {
  /** As far as the queues' files are on the disk. */
  snapshotBounds(): readonly { readonly slot: number; readonly max: number }[];
  bounds(slot: number): { readonly max: number };
  readEntries(slot: number, from: number, into: Buffer, count: number): number;
}

/**
 * Which next numbers of queues the disk knows. A number is never given twice, also when all messages of a queue have been deleted; so
 * a segment may only go when each queue's next number stands in the newest state file, or follows from a record that stays.
 */
export class KeptNumbers {
  readonly #queues: NumberedQueues;
  readonly #known = new Map<number, number>();

  /** @param known by the state file that the store was opened with. */
  constructor(queues: NumberedQueues, known: readonly { readonly slot: number; readonly max: number }[]) {
    this.#queues = queues;
    this.note(known);
  }

  /** A state file says so. */
  note(bounds: readonly { readonly slot: number; readonly max: number }[]): void {
    for (const { slot, max } of bounds) this.#known.set(slot, max);
  }

  /** Whether all numbers are still known when the log begins at `minOffset`; what is not below `flushed` may be lost. */
  outlive(minOffset: number, flushed: number): boolean {
    return this.#queues.snapshotBounds().every(({ slot }) => {
      const { max } = this.#queues.bounds(slot);
      if (max <= (this.#known.get(slot) ?? 0)) return true;
      const place = this.#lastPlace(slot, max);
      return place >= minOffset && place < flushed;
    });
  }

  #lastPlace(slot: number, max: number): number {
    const entry = Buffer.alloc(queueEntryBytes);
    try {
      return this.#queues.readEntries(slot, max - 1, entry, 1) === 1 ? entryPhysicalOffset(entry, 0) : -1;
    } catch {
      return -1;
    }
  }
}
