import type { QueueRegistry } from '../base/queue-registry.js';
import { isDeliveryTime } from '../format/delay-levels.js';
import { entryPhysicalOffset, entryRecordBytes, entryTagsCode, queueEntryBytes } from '../format/queue-entry.js';
import type { RecordFacts } from '../format/record-facts.js';
import { scheduleTopic } from '../format/record-layout.js';
import type { OpenFiles } from '../segment/open-files.js';
import type { QueueFiles } from './queue-files.js';

/**
 * When a delayed message is due stands in its queue entry alone. The record tells the level, and how long a level lasts is a setting of
 * the broker that made the entry: whoever makes entries anew from the log must take over the times of those that are there.
 */
export class DeliveryTimes {
  readonly #files: QueueFiles;
  readonly #openFiles: OpenFiles;
  readonly #registry: QueueRegistry;
  readonly #entry: Buffer = Buffer.alloc(queueEntryBytes);

  constructor(files: QueueFiles, openFiles: OpenFiles, registry: QueueRegistry) {
    this.#files = files;
    this.#openFiles = openFiles;
    this.#registry = registry;
  }

  /** Gives rows [from, to) the times of their entries on disk. */
  keep(facts: RecordFacts, from: number, to: number): void {
    const { slot, queueOffset, physicalOffset, recordBytes, tagsCode, storedAt } = facts;
    for (let row = from; row < to; row += 1) {
      const of = slot[row] as number;
      if (of < 0 || this.#registry.topicOf(of) !== scheduleTopic) continue;
      tagsCode[row] = this.keptOf(
        of,
        queueOffset[row] as number,
        physicalOffset[row] as number,
        recordBytes[row] as number,
        storedAt[row] as number,
        tagsCode[row] as number,
      );
    }
  }

  /** The time in the entry on disk, if it leads to that record and can be one; otherwise `tagsCode`, which the record tells. */
  keptOf(slot: number, queueOffset: number, physicalOffset: number, recordBytes: number, storedAt: number, tagsCode: number): number {
    // Of a message in this topic that has no delay, the entry holds the tag.
    if (this.#registry.topicOf(slot) !== scheduleTopic || !isDeliveryTime(tagsCode, storedAt)) return tagsCode;
    const entry = this.#entry;
    if (!this.#read(slot, queueOffset)) return tagsCode;
    if (entryPhysicalOffset(entry, 0) !== physicalOffset || entryRecordBytes(entry, 0) !== recordBytes) return tagsCode;
    const found = entryTagsCode(entry, 0);
    return isDeliveryTime(found, storedAt) ? found : tagsCode;
  }

  #read(slot: number, queueOffset: number): boolean {
    const path = this.#files.pathOf(slot, this.#files.indexOf(queueOffset));
    try {
      return this.#openFiles.use(path, 'read').readSync(this.#entry, this.#files.positionOf(queueOffset)) === queueEntryBytes;
    } catch {
      // Not there, or not readable: the record's own level has to do.
      return false;
    }
  }
}
