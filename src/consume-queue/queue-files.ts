import type { QueueRegistry } from '../base/queue-registry.js';
import { queueEntryBytes } from '../format/queue-entry.js';
import { parseSegmentName, segmentName } from '../format/segment-name.js';

/**
 * Where the entries of a queue lie:
 *
 *   <directory>/<topic>/<queueId>/<start of the file in the queue's bytes, 20 digits>
 *
 * Entry n is at byte 20 n of the queue. All files of a queue have one length and each starts at a multiple of it, so that the
 * place of an entry follows from its number alone, however deep the queue is.
 */
export class QueueFiles {
  readonly directory: string;
  readonly entriesPerFile: number;
  readonly fileBytes: number;
  readonly #registry: QueueRegistry;

  constructor(directory: string, entriesPerFile: number, registry: QueueRegistry) {
    this.directory = directory;
    this.entriesPerFile = entriesPerFile;
    this.fileBytes = entriesPerFile * queueEntryBytes;
    this.#registry = registry;
  }

  /** Ordinal of the file that holds entry `queueOffset`: 0 for the one named 00000000000000000000. */
  indexOf(queueOffset: number): number {
    return Math.floor(queueOffset / this.entriesPerFile);
  }

  /** Number of the first entry of a file. */
  firstEntryOf(fileIndex: number): number {
    return fileIndex * this.entriesPerFile;
  }

  /** Byte of entry `queueOffset` within its file. */
  positionOf(queueOffset: number): number {
    return (queueOffset % this.entriesPerFile) * queueEntryBytes;
  }

  topicFolder(topic: string): string {
    return `${this.directory}/${topic}`;
  }

  queueFolder(slot: number): string {
    return `${this.directory}/${this.#registry.topicOf(slot)}/${this.#registry.queueIdOf(slot)}`;
  }

  pathOf(slot: number, fileIndex: number): string {
    return `${this.queueFolder(slot)}/${segmentName(fileIndex * this.fileBytes)}`;
  }
}

/** The start that a file name gives, or -1 if no file of a queue with files of this length is called so. */
export function parseFileStart(name: string, fileBytes: number): number {
  const start = parseSegmentName(name);
  return start !== undefined && Number.isSafeInteger(start + fileBytes) && start % fileBytes === 0 ? start : -1;
}

/** The queue id that a folder name gives, or -1. */
export function parseQueueId(name: string): number {
  if (!/^(?:0|[1-9][0-9]{0,9})$/.test(name)) return -1;
  const queueId = Number(name);
  return queueId <= 0x7fff_ffff ? queueId : -1;
}
