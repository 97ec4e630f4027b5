import { defined } from '../base/assert.js';
import { systemErrorCode } from '../base/errors.js';
import { queueEntryBytes } from '../format/queue-entry.js';
import type { FileSystem, StoreFile } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import { prefillParts } from './prefill.js';
import type { QueueFiles } from './queue-files.js';
import type { QueueState } from './queue-state.js';
import type { QueueTable } from './queue-table.js';
import type { RebuildFolder } from './rebuild-folder.js';
import type { UnsyncedQueues } from './unsynced-queues.js';
import { WaitingLine } from './waiting-line.js';

const pieceBytesMax = 3276 * queueEntryBytes;
/** What a write costs at least, in bytes: with many queues the file mostly has to be opened, and another one closed. */
const callCostBytes = 16 * 1024;
/** Queues looked at in vain in one call. */
const passedOverMax = 256;
/** When the disk is full, most of the other writes would fail as well. */
const failureCountMax = 8;
const creationCountMax = 4;

/**
 * Brings pending entries into the files, the queues taking turns.
 *
 * Invariants: an entry is written to byte 20 n of its queue and nowhere else, so that writing again, after a failure or a
 * crash, changes nothing; `written` moves only when the write has returned. A new file is made in the rebuild folder, at its
 * full length, with pre-fill and first entries in it, and then renamed in: a kill at any moment leaves no file that is empty,
 * short, all zeros, or pre-fill alone under a RocketMQ name. (A power cut may: nothing is synced here. Then the queue has
 * entries behind the last safe point, and recovery writes it again.)
 */
export class QueueWriter {
  /** Why the last call could not write everything, if the disk was full; cleared by a call, or the making of a file, that could. */
  fullError: unknown;
  readonly #files: QueueFiles;
  readonly #table: QueueTable;
  readonly #fs: FileSystem;
  readonly #openFiles: OpenFiles;
  readonly #folder: RebuildFolder;
  readonly #unsynced: UnsyncedQueues;
  readonly #line = new WaitingLine<QueueState>();
  readonly #creationLine = new WaitingLine<QueueState>();
  readonly #creations = new Set<Promise<void>>();

  constructor(table: QueueTable, files: QueueFiles, fs: FileSystem, openFiles: OpenFiles, folder: RebuildFolder, unsynced: UnsyncedQueues) {
    this.#table = table;
    this.#files = files;
    this.#fs = fs;
    this.#openFiles = openFiles;
    this.#folder = folder;
    this.#unsynced = unsynced;
  }

  /** The queue has pending entries and is on no list. */
  enlist(queue: QueueState): void {
    queue.listed = true;
    this.#line.push(queue);
  }

  /** Settles when the next of the running creations of files has; `undefined` if there is none. */
  nextCreation(): Promise<void> | undefined {
    return this.#creations.size === 0 ? undefined : Promise.race(this.#creations);
  }

  async creationsSettled(): Promise<void> {
    while (this.#creations.size > 0) await Promise.all(this.#creations);
  }

  /**
   * Writes at most `bytesMax` bytes, of some queues or, with `all`, of each in turn. Without it, queues with little to write are
   * passed over while others have much: they would cost a write for a few entries. Queues whose next file is not there yet have
   * it made, and wait for that.
   */
  writePending(bytesMax: number, all: boolean): void {
    const waitingCount = this.#line.length + this.#creationLine.length + this.#creations.size;
    const worthwhileBytes = all ? 0 : this.#table.pendingBytes / waitingCount / 4;
    let room = bytesMax;
    let failureCount = 0;
    let passedOver = 0;
    let writtenBytes = 0;
    while (room >= queueEntryBytes && failureCount < failureCountMax && passedOver < passedOverMax) {
      const queue = this.#line.shift();
      if (queue === undefined) break;
      queue.listed = false;
      if (!this.#mayWrite(queue)) continue;
      if (defined(queue.pending, 'pending entries').length < worthwhileBytes) {
        passedOver += 1;
        this.enlist(queue);
        continue;
      }
      try {
        const bytes = this.#writePiece(queue, Math.min(room, pieceBytesMax));
        writtenBytes += bytes;
        room -= Math.max(bytes, callCostBytes);
      } catch (error) {
        failureCount += 1;
        this.#fail(queue, error);
      }
      if (!queue.listed && this.#mayWrite(queue)) this.enlist(queue);
    }
    if (failureCount === 0 && writtenBytes > 0) this.fullError = undefined;
  }

  /** Returns the bytes written: 0 if the file has to be made first. */
  #writePiece(queue: QueueState, bytesMax: number): number {
    const first = queue.written;
    const index = this.#files.indexOf(first);
    const path = this.#files.pathOf(queue.slot, index);
    let file: StoreFile;
    try {
      file = this.#openFiles.use(path, 'read-write');
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || !this.#startsFile(queue)) throw error;
      queue.listed = true;
      this.#creationLine.push(queue);
      this.#startCreations();
      return 0;
    }
    const entries = this.#pendingInFile(queue, index, bytesMax);
    if (queue.wholeFileIndex !== index) {
      if (file.sizeBytes() < this.#files.fileBytes) this.#lengthen(file);
      queue.wholeFileIndex = index;
    }
    file.writeSync([entries], this.#files.positionOf(first));
    this.#table.dropFirst(queue, entries.length / queueEntryBytes);
    this.#unsynced.noteWrite(queue, first);
    return entries.length;
  }

  /** Not the pending entries of a damaged queue: they stay in memory until it is rebuilt. */
  #mayWrite(queue: QueueState): boolean {
    return queue.pending !== undefined && queue.rebuilding === undefined && !this.#table.damaged.has(queue.slot);
  }

  /** The front of what is pending, as far as it belongs into that file. */
  #pendingInFile(queue: QueueState, index: number, bytesMax: number): Buffer {
    const pending = defined(queue.pending, 'pending entries');
    const room = this.#files.fileBytes - (queue.written - this.#files.firstEntryOf(index)) * queueEntryBytes;
    const whole = bytesMax - (bytesMax % queueEntryBytes);
    return pending.bytes.subarray(pending.head, pending.head + Math.min(pending.length, room, whole));
  }

  /** Whether no entry that counts lies before the next one in its file, so that the file may be missing. */
  #startsFile(queue: QueueState): boolean {
    return Math.max(queue.min, this.#files.firstEntryOf(this.#files.indexOf(queue.written))) >= queue.written;
  }

  /** A file that a power cut, or a foreign hand, left too short: a broker would refuse to start. */
  #lengthen(file: StoreFile): void {
    file.writeSync([Buffer.alloc(1)], this.#files.fileBytes - 1);
  }

  #startCreations(): void {
    while (this.#creations.size < creationCountMax) {
      const queue = this.#creationLine.shift();
      if (queue === undefined) return;
      if (!this.#mayWrite(queue)) {
        queue.listed = false;
        continue;
      }
      const creation = this.#create(queue).then(
        () => undefined,
        (error: unknown) => this.#fail(queue, error),
      );
      queue.creation = creation;
      const settled = creation.then(() => {
        queue.creation = undefined;
        queue.listed = false;
        this.#creations.delete(settled);
        if (this.#mayWrite(queue)) this.enlist(queue);
        this.#startCreations();
      });
      this.#creations.add(settled);
    }
  }

  async #create(queue: QueueState): Promise<void> {
    const first = queue.written;
    const index = this.#files.indexOf(first);
    const target = this.#files.pathOf(queue.slot, index);
    const temporary = await this.#folder.freshPath('new');
    // A gap has moved the queue on meanwhile: what is pending now belongs elsewhere.
    if (queue.written !== first || !this.#mayWrite(queue)) return;
    // A copy: the buffer goes on changing while the thread pool writes.
    const entries = Buffer.from(this.#pendingInFile(queue, index, pieceBytesMax));
    try {
      await this.#fs.makeDirectory(this.#files.queueFolder(queue.slot));
      const file = this.#fs.open(temporary, 'create');
      try {
        this.#lengthen(file);
        await file.write([...prefillParts(this.#files.positionOf(first)), entries], 0);
      } finally {
        await file.close();
      }
      await this.#fs.rename(temporary, target);
      this.fullError = undefined;
    } catch (error) {
      await this.#folder.discard(temporary);
      throw error;
    }
    queue.wholeFileIndex = index;
    this.#unsynced.noteFolder(queue);
    this.#unsynced.noteWrite(queue, first);
    // Unless a gap has moved the queue on meanwhile.
    if (queue.written === first) this.#table.dropFirst(queue, entries.length / queueEntryBytes);
  }

  #fail(queue: QueueState, error: unknown): void {
    const code = systemErrorCode(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') this.fullError = error;
    else this.#table.markDamaged(queue, error);
  }
}
