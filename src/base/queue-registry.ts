import { defined } from './assert.js';

/**
 * Gives every queue (topic, queueId) a small number, its *slot*, so that the hot path passes integers about.
 *
 * Invariants: slots are dense from 0, never reused; `next[slot]` is the queue offset that the next appended message gets
 * and goes back only when an append is undone.
 */
export class QueueRegistry {
  /** By slot: the next queue offset to assign. */
  readonly next: number[] = [];
  readonly #topics: string[] = [];
  readonly #queueIds: number[] = [];
  readonly #byTopic = new Map<string, Map<number, number>>();

  get count(): number {
    return this.#topics.length;
  }

  /** The slot of a queue, or -1. */
  find(topic: string, queueId: number): number {
    return this.#byTopic.get(topic)?.get(queueId) ?? -1;
  }

  /** The slot of a queue, made where there is none. */
  slotOf(topic: string, queueId: number): number {
    let queues = this.#byTopic.get(topic);
    if (queues === undefined) {
      queues = new Map();
      this.#byTopic.set(topic, queues);
    }
    const known = queues.get(queueId);
    if (known !== undefined) return known;
    const slot = this.#topics.length;
    queues.set(queueId, slot);
    this.#topics.push(topic);
    this.#queueIds.push(queueId);
    this.next.push(0);
    return slot;
  }

  topicOf(slot: number): string {
    return defined(this.#topics[slot], 'topic of a slot');
  }

  queueIdOf(slot: number): number {
    return defined(this.#queueIds[slot], 'queue id of a slot');
  }

  /** Slots of one topic, in no order. */
  slotsOf(topic: string): readonly number[] {
    return [...(this.#byTopic.get(topic)?.values() ?? [])];
  }

  topics(): readonly string[] {
    return [...this.#byTopic.keys()];
  }
}
