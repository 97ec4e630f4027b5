import { corrupt } from '../base/errors.js';
import type { FileSystem } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import type { Exclusive } from './exclusive.js';
import type { QueueFiles } from './queue-files.js';
import type { QueueScan } from './queue-scan.js';
import type { QueueState } from './queue-state.js';
import type { QueueTable } from './queue-table.js';
import type { RebuildFolder } from './rebuild-folder.js';
import { RebuiltQueue } from './rebuilt-queue.js';
import type { UnsyncedQueues } from './unsynced-queues.js';

export type PutEntry = (queueOffset: number, physicalOffset: number, recordBytes: number, tagsCode: number) => void;

/** Puts all entries that the log has, in order; `doubt` is called with each place from which on it could not be read. */
export type FillQueue = (put: PutEntry, doubt: (physicalOffset: number) => void) => Promise<void>;

/**
 * Replaces all files of one queue by new ones made from the log.
 *
 * Invariants: the new files are complete and synced before the first of them takes its place; one rename replaces one file, in
 * ascending order, so that a kill in between leaves files of one queue, each whole, old or new; nothing is written to the old
 * files while `rebuilding` is set, new entries wait in memory.
 */
export class QueueRebuilder {
  readonly #files: QueueFiles;
  readonly #table: QueueTable;
  readonly #scan: QueueScan;
  readonly #fs: FileSystem;
  readonly #openFiles: OpenFiles;
  readonly #folder: RebuildFolder;
  readonly #unsynced: UnsyncedQueues;
  readonly #exclusive: Exclusive;

  constructor(
    table: QueueTable,
    files: QueueFiles,
    scan: QueueScan,
    fs: FileSystem,
    openFiles: OpenFiles,
    folder: RebuildFolder,
    unsynced: UnsyncedQueues,
    exclusive: Exclusive,
  ) {
    this.#table = table;
    this.#files = files;
    this.#scan = scan;
    this.#fs = fs;
    this.#openFiles = openFiles;
    this.#folder = folder;
    this.#unsynced = unsynced;
    this.#exclusive = exclusive;
  }

  /** The caller has set, and afterwards clears, `rebuilding`. */
  async rebuild(queue: QueueState, fill: FillQueue): Promise<void> {
    const minBefore = queue.min;
    const folder = await this.#folder.freshPath('queue');
    await this.#fs.makeDirectory(folder);
    const rebuilt = new RebuiltQueue(folder, this.#files, this.#fs, this.#openFiles);
    try {
      await fill(
        (queueOffset, physicalOffset, recordBytes, tagsCode) => rebuilt.put(queueOffset, physicalOffset, recordBytes, tagsCode),
        (physicalOffset) => rebuilt.doubt(physicalOffset),
      );
      await rebuilt.finish();
      await this.#exclusive.run(async () => {
        await queue.creation;
        await this.#swap(queue, rebuilt);
        this.#takeOver(queue, rebuilt, minBefore);
      });
    } finally {
      await rebuilt.closeFiles();
      await this.#folder.discard(folder);
    }
  }

  async #swap(queue: QueueState, rebuilt: RebuiltQueue): Promise<void> {
    const queueFolder = this.#files.queueFolder(queue.slot);
    await this.#fs.makeDirectory(queueFolder);
    const old = new Set(this.#scan.fileStarts(queueFolder).map((start) => start / this.#files.fileBytes));
    for (const index of rebuilt.fileIndexes) {
      const target = this.#files.pathOf(queue.slot, index);
      await this.#openFiles.forget(target);
      await this.#fs.rename(rebuilt.pathOf(index), target);
      // A reader may have opened the old one meanwhile.
      await this.#openFiles.forget(target);
      old.delete(index);
    }
    for (const index of old) {
      if (rebuilt.mayHaveLost(index)) continue;
      const path = this.#files.pathOf(queue.slot, index);
      await this.#openFiles.forget(path);
      await this.#fs.remove(path);
    }
    await this.#unsynced.syncFoldersOf(queue);
  }

  /** The files hold [rebuilt.first, rebuilt.end) now; entries that are pending stay so as far as they are not among these. */
  #takeOver(queue: QueueState, rebuilt: RebuiltQueue, minBefore: number): void {
    queue.firstUnsynced = -1;
    queue.wholeFileIndex = -1;
    // Retention may have gone on meanwhile, past what was found in the log when the rebuild began.
    const trimmedTo = queue.min > minBefore ? queue.min : 0;
    if (rebuilt.first < 0) {
      // Nothing of it is left in the log; the numbering goes on.
      if (!rebuilt.isFrontDoubtful) queue.min = queue.written;
      queue.durable = queue.written;
      queue.minPhysicalOffset = rebuilt.doubtfulFrom;
      return;
    }
    const missing = rebuilt.end < queue.written;
    if (!missing) {
      this.#table.dropFirst(queue, Math.min(rebuilt.end, queue.max) - queue.written);
      queue.written = rebuilt.end;
      queue.max = Math.max(queue.max, rebuilt.end);
      queue.durable = queue.written;
    }
    // What the damaged log does not tell has not expired: it stays, and is missing, until a repair has said what became of it.
    const first = rebuilt.isFrontDoubtful ? Math.min(minBefore, rebuilt.first) : rebuilt.first;
    queue.min = Math.max(first, trimmedTo);
    // In front of where the log could not be read first, it has no message of the queue.
    queue.minPhysicalOffset = queue.min === rebuilt.first ? rebuilt.firstPhysicalOffset : rebuilt.doubtfulFrom;
    if (missing) {
      const path = this.#files.pathOf(queue.slot, this.#files.indexOf(rebuilt.end));
      throw corrupt(
        path,
        this.#files.positionOf(rebuilt.end),
        `the log ends the queue at ${rebuilt.end}, known are ${queue.written} entries: its last records are damaged in the log; repair() puts tombstones in their place`,
      );
    }
  }
}
