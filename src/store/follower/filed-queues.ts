import type { QueueRegistry } from '../../base/queue-registry.js';
import type { QueueReader } from '../../consume-queue/queue-reader.js';
import type { QueueScan } from '../../consume-queue/queue-scan.js';
import { QueueState } from '../../consume-queue/queue-state.js';
import { type PlacedQueues, placesIn, type QueuePlace } from '../../recovery/queue-places.js';

/** To look into the files of more of them would hold up others for too long. */
const QUEUES_SEARCHED_MAX = 4096;
const noBounds = { min: 0, max: 0 };

/** All that the files of queues hold now, also what no state vouches for yet: where the log is damaged, they tell where records begin. */
export class FiledQueues implements PlacedQueues {
  readonly #registry: QueueRegistry;
  readonly #reader: QueueReader;
  readonly #scan: QueueScan;
  readonly #queues: (QueueState | undefined)[] = [];

  constructor(registry: QueueRegistry, reader: QueueReader, scan: QueueScan) {
    this.#registry = registry;
    this.#reader = reader;
    this.#scan = scan;
    if (registry.count > QUEUES_SEARCHED_MAX) return;
    for (const { topic, queueId } of scan.list()) this.#add(topic, queueId);
  }

  bounds(slot: number): { readonly min: number; readonly max: number } {
    return this.#queues[slot] ?? noBounds;
  }

  readEntries(slot: number, from: number, into: Buffer, count: number): number {
    const queue = this.#queues[slot];
    return queue === undefined ? 0 : this.#reader.read(queue, from, into, count);
  }

  firstHeld(slot: number, from: number): number {
    const queue = this.#queues[slot];
    return queue === undefined ? from : this.#scan.firstHeld(queue, from);
  }

  /** All entries that lead into [from, to) of the log, ascending. */
  placesIn(from: number, to: number): readonly QueuePlace[] {
    return placesIn(this, this.#registry, from, to);
  }

  #add(topic: string, queueId: number): void {
    try {
      const { min, max } = this.#scan.scan(topic, queueId);
      const queue = new QueueState(this.#registry.slotOf(topic, queueId));
      queue.min = min;
      queue.max = max;
      queue.written = max;
      this.#queues[queue.slot] = queue;
    } catch {
      // What cannot be read, or has been deleted meanwhile, tells nothing.
    }
  }
}
