import type { QueueRegistry } from '../base/queue-registry.js';
import { queueEntryBytes } from '../format/queue-entry.js';
import { PendingPool } from './pending-entries.js';
import { QueueState } from './queue-state.js';

/** All queues by slot, and what is counted over all of them. */
export class QueueTable {
  readonly registry: QueueRegistry;
  readonly states: (QueueState | undefined)[] = [];
  readonly pool: PendingPool = new PendingPool();
  readonly damaged: Set<number> = new Set();
  /** Why the last queue was marked as damaged. */
  damageCause: unknown;
  pendingBytes = 0;

  constructor(registry: QueueRegistry) {
    this.registry = registry;
  }

  /** The state of a queue, made where there is none. */
  at(slot: number): QueueState {
    const known = this.states[slot];
    if (known !== undefined) return known;
    // Without holes, so that the engine keeps the array a plain one.
    while (this.states.length <= slot) this.states.push(undefined);
    const state = new QueueState(slot);
    this.states[slot] = state;
    return state;
  }

  /** The files of a queue are not to be trusted any more. */
  markDamaged(queue: QueueState, cause: unknown): void {
    this.damaged.add(queue.slot);
    this.damageCause = cause;
  }

  /** `count` entries from the front of what is pending are in a file now, or no longer wanted. */
  dropFirst(queue: QueueState, count: number): void {
    const { pending } = queue;
    queue.written += count;
    if (pending === undefined || count === 0) return;
    const bytes = count * queueEntryBytes;
    pending.head += bytes;
    this.pendingBytes -= bytes;
    this.#release(queue);
  }

  /** Entries at or above `max` are forgotten, as far as they are pending. */
  dropFrom(queue: QueueState, max: number): void {
    const { pending } = queue;
    if (pending === undefined || max >= queue.max) return;
    const bytes = (queue.max - Math.max(max, queue.written)) * queueEntryBytes;
    pending.tail -= bytes;
    this.pendingBytes -= bytes;
    queue.max -= bytes / queueEntryBytes;
    this.#release(queue);
  }

  #release(queue: QueueState): void {
    const { pending } = queue;
    if (pending === undefined || pending.length > 0) return;
    queue.pending = undefined;
    this.pool.giveBack(pending);
  }
}
