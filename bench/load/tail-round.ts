import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type FlushMode, type NewMessage, openStore, type Store, type Tail } from '../../src/index.js';
import { Latencies, type LatencyUs } from '../common/latencies.js';
import { perSecond } from '../common/numbers.js';
import { type ProcessUse, watchProcess } from '../common/process-use.js';
import type { OpenForLoad } from './check-stored.js';
import { loadKey, loadMessages, type LoadShape } from './load-messages.js';

export interface TailOptions extends LoadShape {
  readonly mode: FlushMode;
  readonly batch: number;
  readonly batchesInFlight: number;
  readonly count: number;
  readonly rounds: number;
}

export interface TailRound {
  readonly messageCount: number;
  /** Of the writer, with and without somebody who reads behind it. */
  readonly writtenPerSecond: number;
  /** Until the tail had them all; 0 in a round without a tail. */
  readonly readPerSecond: number;
  /** How far the tail was behind what could be read, whenever a batch reached it. */
  readonly behindBytesMax: number;
  /** From the call of the append until the tail handed the message over; of each batch the first. */
  readonly endToEndUs: LatencyUs;
  readonly use: ProcessUse;
}

/** Longer than any writer here pauses. */
const idleMs = 2_000;

/** Writes as fast as the store takes it, once alone and once with a tail over the whole log in the same process. */
export async function runTailRound(
  directory: string,
  options: TailOptions,
  withTail: boolean,
  open: OpenForLoad = openStore,
): Promise<TailRound> {
  const path = join(directory, 'store');
  const store = await open(path, { flush: options.mode });
  const endWatch = watchProcess();
  const latencies = new Latencies(1);
  const sentAt = new Float64Array(options.count);
  const started = performance.now();
  const follow = withTail ? followAll(store, options, sentAt, latencies) : undefined;
  follow?.catch(() => undefined);
  await writeAll(store, options, sentAt);
  const writtenMs = performance.now() - started;
  const behindBytesMax = await follow;
  const readMs = performance.now() - started;
  const use = endWatch();
  await store.close();
  await rm(path, { recursive: true });
  return {
    messageCount: options.count,
    writtenPerSecond: perSecond(options.count, writtenMs),
    readPerSecond: withTail ? perSecond(options.count, readMs) : 0,
    behindBytesMax: behindBytesMax ?? 0,
    endToEndUs: latencies.summary(),
    use,
  };
}

async function writeAll(store: Store, options: TailOptions, sentAt: Float64Array): Promise<void> {
  const message = loadMessages(options);
  let next = 0;
  const call = async (): Promise<void> => {
    while (next < options.count) {
      const first = next;
      next = Math.min(options.count, first + options.batch);
      const messages: NewMessage[] = [];
      for (let ordinal = first; ordinal < next; ordinal += 1) messages.push(message(ordinal));
      sentAt.fill(performance.now(), first, next);
      await store.appendBatch(messages);
    }
  };
  await Promise.all(Array.from({ length: options.batchesInFlight }, call));
}

/** Everything once and in order, or it throws. */
async function followAll(store: Store, options: TailOptions, sentAt: Float64Array, latencies: Latencies): Promise<number> {
  const tail = store.tailAll({ from: 'earliest' });
  const endWatch = closeAtEnd(store, tail, options);
  let expected = 0;
  let behindBytesMax = 0;
  for await (const messages of tail.batches(options.batch)) {
    latencies.record(performance.now() - (sentAt[expected] as number));
    for (const message of messages) {
      if (message.keys[0] !== loadKey(expected, 0)) throw new Error(`the tail gave ${message.keys[0]} in place of message ${expected}`);
      expected += 1;
    }
    const last = messages.at(-1);
    if (last !== undefined) behindBytesMax = Math.max(behindBytesMax, readableEnd(store, options) - last.physicalOffset - last.recordBytes);
    if (expected >= options.count) break;
  }
  endWatch();
  if (expected !== options.count) throw new Error(`the tail gave ${expected} of ${options.count} messages`);
  return behindBytesMax;
}

function readableEnd(store: Store, options: TailOptions): number {
  return options.mode === 'sync' ? store.stats().flushedOffset : store.stats().writtenOffset;
}

/** A tail that has missed a message would wait for it without end: once nothing is appended any more and it has seen all there is, it is closed. */
function closeAtEnd(store: Store, tail: Tail<number>, options: TailOptions): () => void {
  let endBefore = -1;
  const timer = setInterval(() => {
    const end = readableEnd(store, options);
    if (end > 0 && end === endBefore && tail.position >= end) void tail.close();
    endBefore = end;
  }, idleMs);
  return () => clearInterval(timer);
}
