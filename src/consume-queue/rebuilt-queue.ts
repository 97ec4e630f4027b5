import { queueEntryBytes, writeQueueEntry } from '../format/queue-entry.js';
import { segmentName } from '../format/segment-name.js';
import type { FileSystem, StoreFile } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import { prefillParts } from './prefill.js';
import type { QueueFiles } from './queue-files.js';

const pieceBytes = 3276 * queueEntryBytes;

/**
 * The files of one queue, made anew in a folder of their own from its entries in order.
 *
 * An entry stands at the place that its number gives it, whatever came before: what the log does not hold is left as zeros,
 * which readers report. A number that was there already is ignored; the first one counts, as for a broker.
 */
export class RebuiltQueue {
  /** Number and record of the first entry; -1 before it. */
  first = -1;
  firstPhysicalOffset = -1;
  /** One past the last entry. */
  end = -1;
  /** Where, in front of the first entry, numbers may be missing that the log could not tell, first of all; -1: nowhere. */
  doubtfulFrom = -1;
  /** Ascending. */
  readonly fileIndexes: number[] = [];
  readonly #folder: string;
  readonly #files: QueueFiles;
  readonly #fs: FileSystem;
  readonly #openFiles: OpenFiles;
  readonly #piece: Buffer = Buffer.alloc(pieceBytes);
  /** Of the first entry in `#piece`. */
  #pieceFirst = 0;
  #pieceBytes = 0;

  constructor(folder: string, files: QueueFiles, fs: FileSystem, openFiles: OpenFiles) {
    this.#folder = folder;
    this.#files = files;
    this.#fs = fs;
    this.#openFiles = openFiles;
  }

  put(queueOffset: number, physicalOffset: number, recordBytes: number, tagsCode: number): void {
    if (queueOffset < this.end) return;
    const crossesFile = queueOffset % this.#files.entriesPerFile === 0;
    if (queueOffset !== this.end || crossesFile || this.#pieceBytes === pieceBytes) {
      this.#writePiece();
      this.#pieceFirst = queueOffset;
    }
    if (this.first < 0) {
      this.first = queueOffset;
      this.firstPhysicalOffset = physicalOffset;
    }
    writeQueueEntry(this.#piece, this.#pieceBytes, physicalOffset, recordBytes, tagsCode);
    this.#pieceBytes += queueEntryBytes;
    this.end = queueOffset + 1;
  }

  get isFrontDoubtful(): boolean {
    return this.doubtfulFrom >= 0;
  }

  /** From there on the log could not be read. */
  doubt(physicalOffset: number): void {
    if (this.first < 0 && !this.isFrontDoubtful) this.doubtfulFrom = physicalOffset;
  }

  /** Whether such a file may have been there, with entries that the log does not tell: the old one is all that is known of them. */
  mayHaveLost(fileIndex: number): boolean {
    return this.isFrontDoubtful && fileIndex < (this.fileIndexes[0] ?? Number.POSITIVE_INFINITY);
  }

  pathOf(fileIndex: number): string {
    return `${this.#folder}/${segmentName(fileIndex * this.#files.fileBytes)}`;
  }

  /** Everything is on the disk. The files are closed, so that they can be renamed. */
  async finish(): Promise<void> {
    this.#writePiece();
    for (const index of this.fileIndexes) {
      await this.#openFiles.with(this.pathOf(index), 'read-write', (file) => file.sync('all'));
      await this.#openFiles.forget(this.pathOf(index));
    }
  }

  async closeFiles(): Promise<void> {
    for (const index of this.fileIndexes) await this.#openFiles.forget(this.pathOf(index));
  }

  #writePiece(): void {
    if (this.#pieceBytes === 0) return;
    const index = this.#files.indexOf(this.#pieceFirst);
    const entries = this.#piece.subarray(0, this.#pieceBytes);
    const position = this.#files.positionOf(this.#pieceFirst);
    if (this.fileIndexes.at(-1) === index) {
      this.#openFiles.use(this.pathOf(index), 'read-write').writeSync([entries], position);
    } else {
      const file = this.#createFile(index);
      if (this.fileIndexes.length === 1) file.writeSync([...prefillParts(position), entries], 0);
      else file.writeSync([entries], position);
    }
    this.#pieceBytes = 0;
  }

  #createFile(index: number): StoreFile {
    const file = this.#fs.open(this.pathOf(index), 'create');
    this.#openFiles.adopt(file, file.path, false);
    this.fileIndexes.push(index);
    file.writeSync([Buffer.alloc(1)], this.#files.fileBytes - 1);
    return file;
  }
}
