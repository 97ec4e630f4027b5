import type { QueueRegistry } from '../../base/queue-registry.js';
import type { QueueReader } from '../../consume-queue/queue-reader.js';
import type { QueueScan } from '../../consume-queue/queue-scan.js';
import { QueueState } from '../../consume-queue/queue-state.js';
import { type PlacedQueues, placesInBreathing, type QueuePlace } from '../../recovery/queue-places.js';

/** To look into the files of more of them would hold up others for too long. */
const QUEUES_SEARCHED_MAX = 4096;
/** Each may have opened a file: those no longer used are given time to close. */
const QUEUES_PER_BREATH = 32;
const noBounds = { min: 0, max: 0 };

/** All that the files of queues hold now, also what no state vouches for yet: where the log is damaged, they tell where records begin. */
export class FiledQueues implements PlacedQueues {
  readonly #registry: QueueRegistry;
  readonly #reader: QueueReader;
  readonly #scan: QueueScan;
  readonly #breathe: () => Promise<void>;
  readonly #queues: (QueueState | undefined)[] = [];

  private constructor(registry: QueueRegistry, reader: QueueReader, scan: QueueScan, breathe: () => Promise<void>) {
    this.#registry = registry;
    this.#reader = reader;
    this.#scan = scan;
    this.#breathe = breathe;
  }

  static async of(registry: QueueRegistry, reader: QueueReader, scan: QueueScan, breathe: () => Promise<void>): Promise<FiledQueues> {
    const queues = new FiledQueues(registry, reader, scan, breathe);
    if (registry.count > QUEUES_SEARCHED_MAX) return queues;
    let count = 0;
    for (const { topic, queueId } of scan.list()) {
      queues.#add(topic, queueId);
      count += 1;
      if (count % QUEUES_PER_BREATH === 0) await breathe();
    }
    return queues;
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
  async placesIn(from: number, to: number): Promise<readonly QueuePlace[]> {
    return await placesInBreathing(this, this.#registry, from, to, this.#breathe);
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
