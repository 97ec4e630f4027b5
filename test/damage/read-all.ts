import { type Message, type Store, StoreError } from '../../src/index.js';

/** What a store gives back, each way of asking by itself. */
export interface Answers {
  readonly log: readonly Message[];
  readonly queues: readonly Message[];
  /** By physical offset. */
  readonly got: ReadonlyMap<number, Message>;
  readonly byKey: ReadonlyMap<string, readonly Message[]>;
  readonly refusals: readonly string[];
}

export interface Asked {
  readonly offsets: readonly number[];
  readonly keys: readonly (readonly [topic: string, key: string])[];
  /** Past what cannot be read; else the first of it ends the asking. */
  readonly skips: boolean;
}

/**
 * Asks a store for everything in every way: the log, each queue by tail and by reading from number to number, each offset, keys, times.
 * Errors of the store are kept as `CODE`; any other error is thrown on.
 */
export async function readAll(store: Store, asked: Asked): Promise<Answers> {
  const refusals: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!StoreError.is(error)) throw error;
      refusals.push(`${what}: ${error.code}: ${error.message}`);
      return undefined;
    }
  };
  const onCorrupt = asked.skips ? 'skip' : 'error';
  const log: Message[] = [];
  await attempt('tailAll', async () => {
    for await (const batch of store.tailAll({ from: 'earliest', until: 'end', onCorrupt }).batches()) log.push(...batch);
  });
  const queues: Message[] = [];
  for (const { topic, queueIds } of store.topics()) {
    for (const queueId of queueIds) {
      await attempt(`tail ${topic}/${queueId}`, async () => {
        for await (const batch of store.tail({ topic, queueId }, { from: 'earliest', until: 'end', onCorrupt }).batches()) {
          for (const message of batch) assertOf(message, { topic, queueId }, 0);
          queues.push(...batch);
        }
      });
      await readByNumber(store, { topic, queueId }, attempt, queues);
    }
  }
  const got = new Map<number, Message>();
  for (const offset of asked.offsets) {
    const message = await attempt(`get ${offset}`, async () => await store.get(offset));
    if (message !== undefined) got.set(offset, message);
  }
  const byKey = new Map<string, Message[]>();
  for (const [topic, key] of asked.keys) {
    const found: Message[] = [];
    byKey.set(`${topic}#${key}`, found);
    await attempt(`key ${topic} ${key}`, async () => {
      for await (const message of store.findByKey({ topic, key })) found.push(message);
    });
  }
  return { log, queues, got, byKey, refusals };
}

/** A queue gives its own messages, in order. */
function assertOf(message: Message, queue: { topic: string; queueId: number }, from: number): void {
  if (message.topic === queue.topic && message.queueId === queue.queueId && message.queueOffset >= from) return;
  const { topic, queueId, queueOffset } = message;
  throw new Error(`read of ${queue.topic}/${queue.queueId} from ${from} gave message ${queueOffset} of ${topic}/${queueId}`);
}

/** From each end of a queue that is too long to be asked for number by number. */
const ASKED_COUNT = 1000;

type Attempt = <T>(what: string, work: () => Promise<T>) => Promise<T | undefined>;

/** From number to number, over what cannot be read; and by time, from that of a message in the middle on. */
async function readByNumber(store: Store, queue: { topic: string; queueId: number }, attempt: Attempt, into: Message[]): Promise<void> {
  const { min, max } = store.bounds(queue);
  for (let from = min; from < max; ) {
    const result = await attempt(
      `read ${queue.topic}/${queue.queueId} ${from}`,
      async () => await store.read(queue, { from, countMax: 9 }),
    );
    into.push(...(result?.messages ?? []));
    for (const message of result?.messages ?? []) assertOf(message, queue, from);
    if (result !== undefined && result.next <= from) throw new Error(`read of ${queue.topic}/${queue.queueId} stands still at ${from}`);
    from = result?.next ?? from + 1;
    // A damaged number that no checksum covers may leave a gap of billions: what lies around it is asked for.
    if (from === min + ASKED_COUNT && max - from > ASKED_COUNT) from = max - ASKED_COUNT;
  }
  const middle = into.at(-1);
  if (middle === undefined || middle.topic !== queue.topic || middle.queueId !== queue.queueId) return;
  const time = middle.storedAt;
  const at = await attempt(`offsetAt ${time}`, async () => await store.offsetAt(queue, time));
  if (at !== undefined && at > middle.queueOffset)
    throw new Error(`offsetAt ${time} is ${at}, message ${middle.queueOffset} was stored then`);
  const result = await attempt(`read from time ${time}`, async () => await store.read(queue, { from: { time } }));
  into.push(...(result?.messages ?? []));
}
