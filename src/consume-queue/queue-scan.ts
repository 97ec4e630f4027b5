import { isAllZero } from '../base/bytes.js';
import { entryPhysicalOffset, entryRecordBytes, isPrefill, leadsNowhere, queueEntryBytes } from '../format/queue-entry.js';
import { segmentName } from '../format/segment-name.js';
import { listFolder } from '../platform/list-folder.js';
import type { FileSystem, StoreFile } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import { parseFileStart, parseQueueId, type QueueFiles } from './queue-files.js';
import type { QueueState } from './queue-state.js';

export interface QueueOnDisk {
  readonly topic: string;
  readonly queueId: number;
  /** Ascending. */
  readonly fileStarts: readonly number[];
}

const pieceEntries = 3276;

/** What the folders and files themselves say of the queues, for when nothing else is known. Synchronous; for opening. */
export class QueueScan {
  readonly #files: QueueFiles;
  readonly #fs: FileSystem;
  readonly #openFiles: OpenFiles;
  readonly #piece: Buffer = Buffer.alloc(pieceEntries * queueEntryBytes);

  constructor(files: QueueFiles, fs: FileSystem, openFiles: OpenFiles) {
    this.#files = files;
    this.#fs = fs;
    this.#openFiles = openFiles;
  }

  /** All queues that have a folder; paths that cannot belong to one go to `onStray`. */
  list(onStray?: (path: string) => void): readonly QueueOnDisk[] {
    const queues: QueueOnDisk[] = [];
    for (const topic of listFolder(this.#fs, this.#files.directory, onStray)) {
      const topicFolder = this.#files.topicFolder(topic);
      for (const name of listFolder(this.#fs, topicFolder, onStray)) {
        const queueId = parseQueueId(name);
        if (queueId < 0) onStray?.(`${topicFolder}/${name}`);
        else queues.push({ topic, queueId, fileStarts: this.fileStarts(`${topicFolder}/${name}`, onStray) });
      }
    }
    return queues;
  }

  /** The files of one queue by their starts, ascending. */
  fileStarts(queueFolder: string, onStray?: (path: string) => void): number[] {
    const starts: number[] = [];
    for (const name of listFolder(this.#fs, queueFolder, onStray)) {
      const start = parseFileStart(name, this.#files.fileBytes);
      if (start < 0) onStray?.(`${queueFolder}/${name}`);
      else starts.push(start);
    }
    return starts;
  }

  /** The first number from `from` on that has a place in a file or in memory: numbers may be missing by the million. */
  firstHeld(queue: QueueState, from: number): number {
    if (from >= queue.written) return from;
    for (const start of this.fileStarts(this.#files.queueFolder(queue.slot))) {
      const firstEntry = start / queueEntryBytes;
      if (firstEntry + this.#files.entriesPerFile > from) return Math.min(queue.written, Math.max(firstEntry, from));
    }
    return queue.written;
  }

  /**
   * The entries in the files of one queue: of the last run of files without a gap, from the first that is not pre-fill to the
   * last one that is an entry. { 0, 0 } if there is none; for a queue whose files hold pre-fill or zeros alone, both are where
   * its next entry can only be.
   */
  scan(topic: string, queueId: number): { min: number; max: number } {
    const folder = `${this.#files.topicFolder(topic)}/${queueId}`;
    const starts = lastRun(this.fileStarts(folder), this.#files.fileBytes);
    const first = starts[0];
    if (first === undefined) return { min: 0, max: 0 };
    let max = -1;
    for (const start of starts.toReversed()) {
      max = this.#endIn(folder, start);
      if (max >= 0) break;
    }
    const min = this.#afterPrefill(folder, first);
    return max < 0 ? { min, max: min } : { min: Math.min(min, max), max };
  }

  /** Whether nothing lies behind entry `max` - 1: no later file, and zeros alone in the next 64 KiB of its own. */
  isCleanBehind(queueFolder: string, max: number): boolean {
    const last = this.fileStarts(queueFolder).at(-1);
    if (last === undefined) return true;
    const firstEntry = last / queueEntryBytes;
    if (firstEntry >= max) return false;
    const ordinal = max - firstEntry;
    if (ordinal >= this.#files.entriesPerFile) return true;
    const readBytes = this.#openFiles.use(`${queueFolder}/${segmentName(last)}`, 'read').readSync(this.#piece, ordinal * queueEntryBytes);
    return isAllZero(this.#piece, 0, readBytes);
  }

  /** One past the last entry in a file, as a queue offset; -1 if there is none in it. */
  #endIn(folder: string, start: number): number {
    const file = this.#openFiles.use(`${folder}/${segmentName(start)}`, 'read');
    const firstEntry = start / queueEntryBytes;
    const count = Math.min(this.#files.entriesPerFile, Math.floor(file.sizeBytes() / queueEntryBytes));
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.#holdsSomething(file, middle)) low = middle + 1;
      else high = middle;
    }
    // Right if entries are followed by zeros alone. A power cut can leave holes between them; then look at all of it.
    const next = this.#lastEntryIn(file, low, Math.min(count, low + pieceEntries));
    if (next >= 0) low = this.#lastEntryBelow(file, count) + 1;
    const last = this.#lastEntryBelow(file, low);
    return last < 0 ? -1 : firstEntry + last + 1;
  }

  #lastEntryBelow(file: StoreFile, end: number): number {
    for (let to = end; to > 0; to -= pieceEntries) {
      const found = this.#lastEntryIn(file, Math.max(0, to - pieceEntries), to);
      if (found >= 0) return found;
    }
    return -1;
  }

  /** Ordinal of the last entry in [from, to) of a file, or -1. */
  #lastEntryIn(file: StoreFile, from: number, to: number): number {
    const piece = this.#piece.subarray(0, (to - from) * queueEntryBytes);
    const readBytes = file.readSync(piece, from * queueEntryBytes);
    for (let i = Math.floor(readBytes / queueEntryBytes) - 1; i >= 0; i -= 1) {
      if (isEntry(piece, i * queueEntryBytes)) return from + i;
    }
    return -1;
  }

  /** An entry or pre-fill. */
  #holdsSomething(file: StoreFile, ordinal: number): boolean {
    const entry = this.#piece.subarray(0, queueEntryBytes);
    return file.readSync(entry, ordinal * queueEntryBytes) === queueEntryBytes && entryRecordBytes(entry, 0) > 0;
  }

  #afterPrefill(folder: string, start: number): number {
    const file = this.#openFiles.use(`${folder}/${segmentName(start)}`, 'read');
    const entry = this.#piece.subarray(0, queueEntryBytes);
    let low = 0;
    let high = this.#files.entriesPerFile;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const whole = file.readSync(entry, middle * queueEntryBytes) === queueEntryBytes;
      if (whole && isPrefill(entry, 0)) low = middle + 1;
      else high = middle;
    }
    return start / queueEntryBytes + low;
  }
}

function isEntry(bytes: Buffer, at: number): boolean {
  return !leadsNowhere(bytes, at) && Number.isSafeInteger(entryPhysicalOffset(bytes, at));
}

/** The end of an ascending list, from behind the last gap. */
export function lastRun(starts: readonly number[], fileBytes: number): readonly number[] {
  return starts.slice(starts.findLastIndex((start, i) => start - (starts[i - 1] ?? Number.NEGATIVE_INFINITY) !== fileBytes));
}
