import type { Store } from '../../src/index.js';
import { collect } from '../contract/harness.js';
import type { LogRecord } from './frozen-store.js';

/** `topic/queueId:queueOffset=body` of all that can be read, queue by queue. */
export type Survivors = readonly string[];

function lineOf(message: { topic: string; queueId: number; queueOffset: number; body: Uint8Array | string }): string {
  return `${message.topic}/${message.queueId}:${message.queueOffset}=${String(message.body)}`;
}

export function linesOf(records: readonly LogRecord[]): Survivors {
  return records.map(lineOf).sort();
}

/** Everything that is readable, by queue; the same by key and over the whole log is asserted by the caller's `verify`. */
export async function survivorsOf(store: Store): Promise<Survivors> {
  const lines: string[] = [];
  for (const { topic, queueIds } of store.topics()) {
    for (const queueId of queueIds) {
      const tail = store.tail({ topic, queueId }, { from: 'earliest', until: 'end' });
      for await (const message of tail) lines.push(lineOf(message));
    }
  }
  return lines.sort();
}

/** The same, found by key and by reading the log as a whole: both must agree with the queues. */
export async function survivorsByKey(store: Store, topics: readonly string[], key: string): Promise<Survivors> {
  const lines: string[] = [];
  for (const topic of topics) lines.push(...(await collect(store.findByKey({ topic, key }))).map(lineOf));
  return lines.sort();
}

export async function survivorsInLog(store: Store): Promise<Survivors> {
  return (await collect(store.tailAll({ from: 'earliest', until: 'end' }))).map(lineOf).sort();
}
