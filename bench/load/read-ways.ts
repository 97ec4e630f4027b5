import type { AppendReceipt, Store } from '../../src/index.js';
import type { Latencies } from '../common/latencies.js';
import { seededRandom } from '../common/seeded-random.js';
import { loadKey, loadTopic } from './load-messages.js';

/**
 * The ways in which programs read. Sequential ones read everything and count messages; random ones make a number of calls that each
 * must find what was asked for.
 */
export interface ReadWork {
  readonly store: Store;
  readonly queues: number;
  readonly batch: number;
  readonly calls: number;
  readonly callers: number;
  readonly seed: number;
  readonly filled: Filled;
  readonly latencies: Latencies;
}

/** What was stored, in columns, so that any of it can be asked for. */
export interface Filled {
  readonly count: number;
  readonly recordBytes: number;
  readonly physicalOffset: Float64Array;
  readonly storedAt: Float64Array;
}

/** Messages read; throws if one was not what was asked for. */
export type ReadWay = (work: ReadWork) => Promise<number>;

export const readWays: Readonly<Record<string, ReadWay>> = {
  'tail, every queue': tailQueues,
  tailAll: tailLog,
  'read, every queue': readQueues,
  'get by offset': (work) => atRandom(work, (ordinal) => getOne(work, ordinal)),
  findByKey: (work) => atRandom(work, (ordinal) => findOne(work, ordinal)),
  offsetAt: (work) => atRandom(work, (ordinal) => seekTime(work, ordinal)),
};

async function tailQueues({ store, queues, batch }: ReadWork): Promise<number> {
  let count = 0;
  for (let queueId = 0; queueId < queues; queueId += 1) {
    for await (const messages of store.tail({ topic: loadTopic, queueId }, { from: 'earliest', until: 'end' }).batches(batch))
      count += messages.length;
  }
  return count;
}

async function tailLog({ store, batch }: ReadWork): Promise<number> {
  let count = 0;
  for await (const messages of store.tailAll({ from: 'earliest', until: 'end' }).batches(batch)) count += messages.length;
  return count;
}

async function readQueues({ store, queues, batch }: ReadWork): Promise<number> {
  let count = 0;
  for (let queueId = 0; queueId < queues; queueId += 1) {
    const { min, max } = store.bounds({ topic: loadTopic, queueId });
    for (let from = min; from < max; ) {
      const { messages, next } = await store.read({ topic: loadTopic, queueId }, { from, countMax: batch, bytesMax: 4 * 1024 ** 2 });
      if (next <= from) throw new Error(`reading queue ${queueId} stays at ${from}`);
      count += messages.length;
      from = next;
    }
  }
  return count;
}

async function atRandom(work: ReadWork, call: (ordinal: number) => Promise<void>): Promise<number> {
  const random = seededRandom(work.seed);
  let left = work.calls;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const ordinal = Math.floor(random() * work.filled.count);
      const begun = work.latencies.begin();
      await call(ordinal);
      work.latencies.end(begun);
    }
  };
  await Promise.all(Array.from({ length: work.callers }, caller));
  return work.calls;
}

async function getOne({ store, filled }: ReadWork, ordinal: number): Promise<void> {
  const message = await store.get(filled.physicalOffset[ordinal] as number);
  if (message?.keys[0] !== loadKey(ordinal, 0)) throw new Error(`message ${ordinal} is not at its offset`);
}

async function findOne({ store }: ReadWork, ordinal: number): Promise<void> {
  let found = 0;
  for await (const message of store.findByKey({ topic: loadTopic, key: loadKey(ordinal, 0) })) if (message.keys.length > 0) found += 1;
  if (found !== 1) throw new Error(`message ${ordinal} was found ${found} times by its key`);
}

async function seekTime({ store, queues, filled }: ReadWork, ordinal: number): Promise<void> {
  const offset = await store.offsetAt({ topic: loadTopic, queueId: ordinal % queues }, filled.storedAt[ordinal] as number);
  if (offset > Math.floor(ordinal / queues)) throw new Error(`message ${ordinal} lies before where its time begins`);
}

export function emptyFilled(count: number): { physicalOffset: Float64Array; storedAt: Float64Array } {
  return { physicalOffset: new Float64Array(count), storedAt: new Float64Array(count) };
}

export function noteReceipts(
  into: { physicalOffset: Float64Array; storedAt: Float64Array },
  first: number,
  receipts: readonly AppendReceipt[],
): void {
  for (const [index, receipt] of receipts.entries()) {
    into.physicalOffset[first + index] = receipt.physicalOffset;
    into.storedAt[first + index] = receipt.storedAt;
  }
}
