import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AppendReceipt, NewMessage, Store } from '../../src/index.js';
import type { Latencies } from '../common/latencies.js';

/**
 * The ways in which programs append. Each stores messages until `goal` says that it is enough, and returns when the last receipt is there.
 *
 *   append   so many callers, each awaiting its message before it sends the next; a latency is one message's
 *   batch    `appendBatch`, a few of them on their way at a time; a latency is one batch's
 *   sync     `appendSync` in a loop that gives the event loop a turn now and then; a latency is one call's
 *   all      `appendAll`; it tells nothing of single messages
 */
export const appendWays = ['append', 'batch', 'sync', 'all'] as const;
export type AppendWay = (typeof appendWays)[number];

export interface AppendWork {
  readonly callers: number;
  readonly batch: number;
  readonly batchesInFlight: number;
  readonly message: (ordinal: number) => NewMessage;
  readonly latencies: Latencies;
  readonly goal: Goal;
}

export interface Appended {
  readonly count: number;
  readonly recordBytes: number;
}

/** A number of messages, or a time; looked at before each call. */
export class Goal {
  taken = 0;
  readonly #count: number;
  readonly #deadline: number;
  #untilLook = 1;

  constructor(count: number, durationMs: number) {
    this.#count = count;
    this.#deadline = performance.now() + durationMs;
  }

  /** Whether `count` more may be sent; their first ordinal is what `taken` was before. */
  take(count: number): boolean {
    if (this.taken + count > this.#count) return false;
    this.#untilLook -= 1;
    if (this.#untilLook <= 0) {
      this.#untilLook = 64;
      if (performance.now() > this.#deadline) return false;
    }
    this.taken += count;
    return true;
  }
}

const turnEvery = 1_000;

export async function appendInWay(way: AppendWay, store: Store, work: AppendWork): Promise<Appended> {
  if (way === 'append') return appendAwaited(store, work);
  if (way === 'batch') return appendBatches(store, work);
  if (way === 'sync') return appendSynchronously(store, work);
  return appendStream(store, work);
}

async function appendAwaited(store: Store, work: AppendWork): Promise<Appended> {
  const { goal, latencies, message } = work;
  let count = 0;
  let recordBytes = 0;
  const call = async (): Promise<void> => {
    while (goal.take(1)) {
      const begun = latencies.begin();
      const receipt = await store.append(message(goal.taken - 1));
      latencies.end(begun);
      count += 1;
      recordBytes += receipt.recordBytes;
    }
  };
  await Promise.all(Array.from({ length: work.callers }, call));
  return { count, recordBytes };
}

async function appendBatches(store: Store, work: AppendWork): Promise<Appended> {
  const { goal, latencies, message, batch } = work;
  let count = 0;
  let recordBytes = 0;
  const call = async (): Promise<void> => {
    while (goal.take(batch)) {
      const first = goal.taken - batch;
      const messages: NewMessage[] = [];
      for (let ordinal = first; ordinal < first + batch; ordinal += 1) messages.push(message(ordinal));
      const begun = latencies.begin();
      const receipts = await store.appendBatch(messages);
      latencies.end(begun);
      count += receipts.length;
      recordBytes += bytesOf(receipts);
    }
  };
  await Promise.all(Array.from({ length: work.batchesInFlight }, call));
  return { count, recordBytes };
}

/** A batch is adjacent in the log. */
function bytesOf(receipts: readonly AppendReceipt[]): number {
  const first = receipts[0];
  const last = receipts.at(-1);
  return first === undefined || last === undefined ? 0 : last.physicalOffset + last.recordBytes - first.physicalOffset;
}

async function appendSynchronously(store: Store, work: AppendWork): Promise<Appended> {
  const { goal, latencies, message } = work;
  let count = 0;
  let recordBytes = 0;
  while (goal.take(1)) {
    const begun = latencies.begin();
    const receipt = store.appendSync(message(goal.taken - 1));
    latencies.end(begun);
    count += 1;
    recordBytes += receipt.recordBytes;
    if (count % turnEvery === 0) await nextTurn();
  }
  return { count, recordBytes };
}

async function appendStream(store: Store, work: AppendWork): Promise<Appended> {
  const { goal, message } = work;
  const before = store.stats().appendedBytes;
  const messages = function* (): Generator<NewMessage> {
    while (goal.take(1)) yield message(goal.taken - 1);
  };
  const { count } = await store.appendAll(messages());
  return { count, recordBytes: store.stats().appendedBytes - before };
}
