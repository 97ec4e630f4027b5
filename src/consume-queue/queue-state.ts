import type { PendingEntries } from './pending-entries.js';

/**
 * What is known of one queue. There may be a hundred thousand of them, hence nothing but a few numbers while nothing goes on.
 *
 * Invariants: min <= max; written <= max; entries [written, max) are in `pending`, which exists exactly if there are any;
 * entries [min, written) are in the files, unless the queue is damaged; durable <= written.
 */
export class QueueState {
  readonly slot: number;
  /** First entry whose record is still in the log. */
  min = 0;
  /** One past the newest entry. */
  max = 0;
  /** One past the last entry that is in a file. */
  written = 0;
  /** `written` as it stood when the last completed sync of the files was issued. */
  durable = 0;
  pending: PendingEntries | undefined;
  /** Whether the writer has it on one of its lists. */
  listed = false;
  /** The file that is known to be there at its full length, or -1. */
  wholeFileIndex = -1;
  /** Lowest entry written since the last sync, or -1. */
  firstUnsynced = -1;
  /** Whether this process has seen to the directory entries that lead to the queue's folder. */
  folderTouched = false;
  /** Entry `min`, and all behind it, lead there or above; -1 if nobody has looked. */
  minPhysicalOffset = -1;
  /** Files in front of that of entry `min` are still to be removed. */
  hasExpiredFiles = false;
  creation: Promise<void> | undefined;
  rebuilding: Promise<void> | undefined;

  constructor(slot: number) {
    this.slot = slot;
  }
}
