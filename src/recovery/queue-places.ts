import type { QueueRegistry } from '../base/queue-registry.js';
import { entryPhysicalOffset, entryRecordBytes, queueEntryBytes } from '../format/queue-entry.js';

/** Where a queue entry says that a record lies. */
export interface QueuePlace {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly recordBytes: number;
}

/** The queues, as far as looking through their entries goes. */
export interface PlacedQueues {
  bounds(slot: number): { readonly min: number; readonly max: number };
  firstAtOrAbove(slot: number, physicalOffset: number): number;
  readEntries(slot: number, from: number, into: Buffer, count: number): number;
}

const CHUNK_COUNT = 1024;

/** All entries that lead into [from, to) of the log, ascending. Queues that cannot be read name none. */
export function placesIn(queues: PlacedQueues, registry: QueueRegistry, from: number, to: number): readonly QueuePlace[] {
  const places: QueuePlace[] = [];
  for (let slot = 0; slot < registry.count; slot += 1) {
    try {
      addPlaces(places, queues, registry, slot, from, to);
    } catch {
      // A damaged queue file: the record's own size and a search are left.
    }
  }
  return places.sort((a, b) => a.physicalOffset - b.physicalOffset);
}

function addPlaces(places: QueuePlace[], queues: PlacedQueues, registry: QueueRegistry, slot: number, from: number, to: number): void {
  const { max } = queues.bounds(slot);
  const bytes = Buffer.alloc(CHUNK_COUNT * queueEntryBytes);
  for (let queueOffset = queues.firstAtOrAbove(slot, from); queueOffset < max; ) {
    const count = queues.readEntries(slot, queueOffset, bytes, CHUNK_COUNT);
    if (count === 0) return;
    for (let i = 0; i < count; i += 1) {
      const physicalOffset = entryPhysicalOffset(bytes, i * queueEntryBytes);
      if (physicalOffset >= to) return;
      const recordBytes = entryRecordBytes(bytes, i * queueEntryBytes);
      if (physicalOffset < from || recordBytes <= 0) continue;
      places.push({
        topic: registry.topicOf(slot),
        queueId: registry.queueIdOf(slot),
        queueOffset: queueOffset + i,
        physicalOffset,
        recordBytes,
      });
    }
    queueOffset += count;
  }
}
