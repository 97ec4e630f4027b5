import type { QueueRegistry } from '../base/queue-registry.js';
import {
  damagedEntryCountMax,
  entryPhysicalOffset,
  entryRecordBytes,
  entryTagsCode,
  isPrefill,
  queueEntryBytes,
} from '../format/queue-entry.js';
import { isVoid, type State } from './state.js';

/** Where a queue entry says that a record lies. */
export interface QueuePlace {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly tagsCode: number;
}

/** Places in [from, to), ascending. */
export type PlacesIn = (from: number, to: number) => readonly QueuePlace[] | Promise<readonly QueuePlace[]>;

/** The queues, as far as looking through their entries goes. */
export interface PlacedQueues {
  bounds(slot: number): { readonly min: number; readonly max: number };
  /** Up to `count` entries from `from` on; throws where there is no file for them. */
  readEntries(slot: number, from: number, into: Buffer, count: number): number;
  /** The first number from `from` on that has a place in a file or in memory. */
  firstHeld(slot: number, from: number): number;
}

const CHUNK_COUNT = 1024;
/** Each may have opened a file: those no longer used are given time to close. */
const QUEUES_PER_BREATH = 32;

/** All entries that lead into [from, to) of the log, ascending. Damaged ones, and files that cannot be read, are passed over. */
export function placesIn(queues: PlacedQueues, registry: QueueRegistry, from: number, to: number): readonly QueuePlace[] {
  const places: QueuePlace[] = [];
  for (let slot = 0; slot < registry.count; slot += 1) new PlacesOfQueue(queues, registry, slot).addTo(places, from, to);
  return places.sort((a, b) => a.physicalOffset - b.physicalOffset);
}

/** As `placesIn`, where nothing else waits for it: never more files are open than may be. */
export async function placesInBreathing(
  queues: PlacedQueues,
  registry: QueueRegistry,
  from: number,
  to: number,
  breathe: () => Promise<void>,
): Promise<readonly QueuePlace[]> {
  const places: QueuePlace[] = [];
  for (let slot = 0; slot < registry.count; slot += 1) {
    if (slot % QUEUES_PER_BREATH === QUEUES_PER_BREATH - 1) await breathe();
    new PlacesOfQueue(queues, registry, slot).addTo(places, from, to);
  }
  return places.sort((a, b) => a.physicalOffset - b.physicalOffset);
}

class PlacesOfQueue {
  readonly #queues: PlacedQueues;
  readonly #registry: QueueRegistry;
  readonly #slot: number;
  readonly #bytes: Buffer = Buffer.alloc(CHUNK_COUNT * queueEntryBytes);

  constructor(queues: PlacedQueues, registry: QueueRegistry, slot: number) {
    this.#queues = queues;
    this.#registry = registry;
    this.#slot = slot;
  }

  addTo(places: QueuePlace[], from: number, to: number): void {
    const { min, max } = this.#queues.bounds(this.#slot);
    let beyondCount = 0;
    let step = 1;
    for (let queueOffset = Math.max(min, this.#firstAtOrAbove(from) - damagedEntryCountMax); queueOffset < max; ) {
      const count = this.#read(queueOffset, CHUNK_COUNT);
      if (count === 0) {
        queueOffset = Math.max(queueOffset + step, this.#queues.firstHeld(this.#slot, queueOffset));
        step = Math.min(CHUNK_COUNT, 2 * step);
        continue;
      }
      step = 1;
      for (let i = 0; i < count; i += 1) {
        const physicalOffset = this.#placeAt(i);
        if (physicalOffset >= to) beyondCount += 1;
        if (beyondCount > damagedEntryCountMax) return;
        if (physicalOffset < from || physicalOffset >= to) continue;
        beyondCount = 0;
        places.push({
          topic: this.#registry.topicOf(this.#slot),
          queueId: this.#registry.queueIdOf(this.#slot),
          queueOffset: queueOffset + i,
          physicalOffset,
          recordBytes: entryRecordBytes(this.#bytes, i * queueEntryBytes),
          tagsCode: entryTagsCode(this.#bytes, i * queueEntryBytes),
        });
      }
      queueOffset += count;
    }
  }

  /** The number of an entry near the first that leads to `physicalOffset` or above; where entries are damaged, one before it. */
  #firstAtOrAbove(physicalOffset: number): number {
    let { min: low, max: high } = this.#queues.bounds(this.#slot);
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.#firstPlaceFrom(middle, high) < physicalOffset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the first good entry from `queueOffset` on leads; Infinity if there is none near it. */
  #firstPlaceFrom(queueOffset: number, end: number): number {
    let count = this.#read(queueOffset, 1);
    if (count === 1 && this.#placeAt(0) >= 0) return this.#placeAt(0);
    count = this.#read(queueOffset, Math.min(damagedEntryCountMax, end - queueOffset));
    for (let i = 0; i < count; i += 1) if (this.#placeAt(i) >= 0) return this.#placeAt(i);
    return Number.POSITIVE_INFINITY;
  }

  #read(queueOffset: number, count: number): number {
    try {
      return this.#queues.readEntries(this.#slot, queueOffset, this.#bytes, count);
    } catch {
      return 0;
    }
  }

  /** Where entry `i` of those read leads; -1: it is none. */
  #placeAt(i: number): number {
    const at = i * queueEntryBytes;
    const physicalOffset = entryPhysicalOffset(this.#bytes, at);
    const isEntry = Number.isSafeInteger(physicalOffset) && physicalOffset >= 0 && entryRecordBytes(this.#bytes, at) > 0;
    return isEntry && !isPrefill(this.#bytes, at) ? physicalOffset : -1;
  }
}

/**
 * `all` without entries that lead below the safe point of `state` with numbers that had not been given out then: they stand in a file that
 * is not where it belongs.
 */
export function givenPlaces(all: PlacesIn, state: State | undefined): PlacesIn {
  if (state === undefined || isVoid(state)) return all;
  const ends = new Map(state.queues.map(({ topic, queueId, max }) => [`${topic}/${queueId}`, max]));
  return async (from, to) =>
    (await all(from, to)).filter(
      ({ topic, queueId, queueOffset, physicalOffset }) =>
        physicalOffset >= state.safeOffset || queueOffset < (ends.get(`${topic}/${queueId}`) ?? 0),
    );
}
