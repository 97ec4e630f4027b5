import { corrupt, StoreError, systemErrorCode } from '../base/errors.js';
import { entryPhysicalOffset, isEmptyEntry, queueEntryBytes } from '../format/queue-entry.js';
import type { FileSystem } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import type { QueueFiles } from './queue-files.js';
import type { QueueReader } from './queue-reader.js';
import { lastRun, type QueueScan } from './queue-scan.js';
import type { QueueState } from './queue-state.js';
import type { QueueTable } from './queue-table.js';
import type { UnsyncedQueues } from './unsynced-queues.js';

/** Whether the record at `physicalOffset` is the one with that number. */
export type IsOf = (slot: number, queueOffset: number, physicalOffset: number) => Promise<boolean>;

/**
 * What retention and recovery take away from queues: expired entries in front, and entries behind the end.
 *
 * Invariants: `max` never goes back by trimming, also when all entries have expired; files go from the front, the last one
 * never; after a cut, nothing but zeros stands behind the last entry.
 */
export class QueueTrimmer {
  readonly #files: QueueFiles;
  readonly #table: QueueTable;
  readonly #reader: QueueReader;
  readonly #scan: QueueScan;
  readonly #fs: FileSystem;
  readonly #openFiles: OpenFiles;
  readonly #unsynced: UnsyncedQueues;

  constructor(
    table: QueueTable,
    files: QueueFiles,
    reader: QueueReader,
    scan: QueueScan,
    fs: FileSystem,
    openFiles: OpenFiles,
    unsynced: UnsyncedQueues,
  ) {
    this.#table = table;
    this.#files = files;
    this.#reader = reader;
    this.#scan = scan;
    this.#fs = fs;
    this.#openFiles = openFiles;
    this.#unsynced = unsynced;
  }

  /** Entries of records below `minPhysicalOffset` are gone. Returns the number of files removed. Damage found on the way marks the queue. */
  async trim(queue: QueueState, minPhysicalOffset: number): Promise<number> {
    if (!this.#isWhole(queue)) return 0;
    const isLeftOver = queue.hasExpiredFiles;
    if (mayBeginBelow(queue, minPhysicalOffset)) {
      const oldMin = queue.min;
      try {
        const min = await this.#firstToKeep(queue, minPhysicalOffset);
        queue.min = min;
        queue.minPhysicalOffset = min === queue.max ? -1 : this.#reader.physicalOffsetAt(queue, min);
      } catch (error) {
        if (!StoreError.is(error, 'CORRUPT')) throw error;
        this.#table.markDamaged(queue, error);
        return 0;
      }
      if (this.#files.indexOf(queue.min) > this.#files.indexOf(oldMin)) queue.hasExpiredFiles = true;
    }
    if (!queue.hasExpiredFiles) return 0;
    // Who has been told of a file that cannot be removed is not kept by it from deleting what can be.
    return await (isLeftOver ? this.#removeFilesBelow(queue).catch(() => 0) : this.#removeFilesBelow(queue));
  }

  /** Whether `trim` may have something to do. What it could not remove the last time is left to the next one. */
  isTrimDue(queue: QueueState, minPhysicalOffset: number): boolean {
    return queue.hasExpiredFiles || mayBeginBelow(queue, minPhysicalOffset);
  }

  /**
   * Before the log loses what lies below `end`: the last entry that leads there is held against its record, which vouches for all in front of
   * it. Later nobody could tell an expired message from one whose entry is damaged. Where it does not fit, the queue is marked.
   */
  async checkBelow(queue: QueueState, end: number, isOf: IsOf): Promise<void> {
    if (!mayBeginBelow(queue, end) || !this.#isWhole(queue)) return;
    try {
      const last = this.#reader.firstAtOrAbove(queue, end) - 1;
      if (last < queue.min || (await isOf(queue.slot, last, this.#reader.physicalOffsetAt(queue, last)))) return;
      const path = this.#files.pathOf(queue.slot, this.#files.indexOf(last));
      throw corrupt(path, this.#files.positionOf(last), `entry ${last} of the queue does not lead to its record`);
    } catch (error) {
      if (!StoreError.is(error, 'CORRUPT')) throw error;
      this.#table.markDamaged(queue, error);
    }
  }

  #isWhole(queue: QueueState): boolean {
    return queue.rebuilding === undefined && !this.#table.damaged.has(queue.slot);
  }

  /** The first look is asynchronous, so that a pass over many queues leaves turns of the event loop to others. */
  async #firstToKeep(queue: QueueState, minPhysicalOffset: number): Promise<number> {
    if (queue.min < queue.written) {
      const path = this.#files.pathOf(queue.slot, this.#files.indexOf(queue.min));
      try {
        await this.#openFiles.with(path, 'read', (file) => file.read(Buffer.alloc(1), this.#files.positionOf(queue.min)));
      } catch (error) {
        const code = systemErrorCode(error);
        // What cannot be read here can be made anew elsewhere.
        if (code === 'EIO') throw corrupt(path, this.#files.positionOf(queue.min), 'the file cannot be read', error);
        if (code !== 'ENOENT') throw error;
        this.#skipRemoved(queue, minPhysicalOffset);
      }
    }
    return this.#reader.firstAtOrAbove(queue, minPhysicalOffset);
  }

  /**
   * After a crash the first files may be gone that an earlier pass removed. That they held nothing but expired entries is certain
   * if the first entry behind them has expired too; otherwise `min` stays, and the search finds the damage.
   */
  #skipRemoved(queue: QueueState, minPhysicalOffset: number): void {
    const { fileBytes } = this.#files;
    const starts = lastRun(this.#scan.fileStarts(this.#files.queueFolder(queue.slot)), fileBytes);
    const first = this.#files.firstEntryOf((starts[0] ?? 0) / fileBytes);
    if (first <= queue.min || first >= queue.written) return;
    if (this.#reader.physicalOffsetAt(queue, first) < minPhysicalOffset) queue.min = first;
  }

  async #removeFilesBelow(queue: QueueState): Promise<number> {
    const folder = this.#files.queueFolder(queue.slot);
    const lastKept = Math.min(this.#files.indexOf(queue.min), this.#files.indexOf(Math.max(0, queue.written - 1)));
    let removedCount = 0;
    for (const start of this.#scan.fileStarts(folder)) {
      const index = start / this.#files.fileBytes;
      if (index >= lastKept) break;
      await this.#remove(this.#files.pathOf(queue.slot, index));
      removedCount += 1;
      this.#unsynced.noteFolder(queue);
    }
    queue.hasExpiredFiles = false;
    return removedCount;
  }

  /**
   * Recovery: files in front of that of the first entry, which nobody would come back for: a deletion was cut off behind the first
   * file of the queue. They go as far as their last entries speak of records that have expired; what else stands there is left to be seen.
   */
  async removeExpiredFiles(queue: QueueState, minPhysicalOffset: number): Promise<void> {
    if (!this.#isWhole(queue)) return;
    const folder = this.#files.queueFolder(queue.slot);
    const lastKept = this.#files.indexOf(queue.min < queue.max ? queue.min : Math.max(0, queue.written - 1));
    for (const start of this.#scan.fileStarts(folder)) {
      const index = start / this.#files.fileBytes;
      if (index >= lastKept || !this.#isExpired(queue.slot, index, minPhysicalOffset)) return;
      await this.#remove(this.#files.pathOf(queue.slot, index));
      this.#unsynced.noteFolder(queue);
    }
  }

  /** Whether the last entry of a file speaks of a record below `minPhysicalOffset`. A useless file that cannot be read stops no opening. */
  #isExpired(slot: number, index: number, minPhysicalOffset: number): boolean {
    const entry = Buffer.alloc(queueEntryBytes);
    try {
      this.#openFiles.use(this.#files.pathOf(slot, index), 'read').readSync(entry, this.#files.fileBytes - queueEntryBytes);
    } catch {
      return false;
    }
    return !isEmptyEntry(entry, 0) && entryPhysicalOffset(entry, 0) < minPhysicalOffset;
  }

  /** Entries in memory, from `from` on, are as if they had never been added. */
  async forget(queue: QueueState, from: number = 0): Promise<void> {
    // It holds a copy of them.
    await queue.creation;
    this.#table.dropFrom(queue, from);
  }

  /** Entries at or above `max` are cut, on the disk and durably. */
  async cut(queue: QueueState, max: number): Promise<void> {
    await this.forget(queue, max);
    queue.max = Math.min(queue.max, max);
    queue.written = Math.min(queue.written, max);
    queue.durable = Math.min(queue.durable, max);
    if (queue.min > max) queue.minPhysicalOffset = -1;
    queue.min = Math.min(queue.min, max);
    queue.wholeFileIndex = -1;
    const folder = this.#files.queueFolder(queue.slot);
    const indexes = this.#scan.fileStarts(folder).map((start) => start / this.#files.fileBytes);
    let removed = false;
    for (const index of indexes.toReversed()) {
      if (this.#files.firstEntryOf(index) < max && !(await this.#cutFile(queue, index, max))) break;
      await this.#remove(this.#files.pathOf(queue.slot, index));
      removed = true;
    }
    if (removed) await this.#fs.syncDirectory(folder);
  }

  /** Returns whether the file is to go: nothing but pre-fill would be left. */
  async #cutFile(queue: QueueState, index: number, max: number): Promise<boolean> {
    const path = this.#files.pathOf(queue.slot, index);
    const end = Math.min(max, this.#files.firstEntryOf(index + 1));
    if (this.#reader.isPrefillAt(path, end - 1)) return true;
    await this.#openFiles.with(path, 'read-write', async (file) => {
      const endByte = this.#files.positionOf(end - 1) + queueEntryBytes;
      // Cheaper than to look for what stands there, and exact also where a power cut left holes.
      if (endByte < file.sizeBytes()) await file.truncate(endByte);
      if (file.sizeBytes() !== this.#files.fileBytes) await file.truncate(this.#files.fileBytes);
      await file.sync('all');
    });
    return false;
  }

  async #remove(path: string): Promise<void> {
    await this.#openFiles.forget(path);
    try {
      await this.#fs.remove(path);
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
}

function mayBeginBelow(queue: QueueState, physicalOffset: number): boolean {
  return queue.min < queue.max && queue.minPhysicalOffset < physicalOffset;
}
