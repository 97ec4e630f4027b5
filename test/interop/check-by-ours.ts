import { expect } from 'vitest';
import type { Message, StoreReader } from '../../src/index.js';
import { expectSame } from './check-by-stock.js';
import { type Facts, factsOfMessage } from './facts.js';
import type { SeenQueue } from './theirs.js';

/** Our store finds in every queue what the broker served from it, with the same bounds, and its own check of everything passes. */
export async function checkQueuesByOurs(store: StoreReader, queues: readonly SeenQueue[]): Promise<number> {
  let count = 0;
  for (const { topic, queueId, min, max, facts } of queues) {
    expect({ topic, queueId, ...store.bounds({ topic, queueId }) }).toEqual({ topic, queueId, min, max });
    const found = await queueByOurs(store, topic, queueId);
    expectSame(`${topic}/${queueId}`, found, facts ?? found);
    count += found.length;
  }
  const known = store.topics().flatMap(({ topic, queueIds }) => queueIds.map((queueId) => `${topic}/${queueId}`));
  expect(known.sort()).toEqual(queues.map(({ topic, queueId }) => `${topic}/${queueId}`).sort());
  return count;
}

export async function queueByOurs(store: StoreReader, topic: string, queueId: number): Promise<Facts[]> {
  const found: Facts[] = [];
  for await (const message of store.tail({ topic, queueId }, { from: 'earliest', until: 'end' })) found.push(factsOfMessage(message));
  return found;
}

/** Every key of these messages finds, newest first, all that carry it; where the client gave a unique key, that one too. */
export async function checkKeysByOurs(store: StoreReader, facts: readonly Facts[]): Promise<number> {
  const carriers = new Map<string, Facts[]>();
  for (const fact of facts) {
    const unique = fact.properties['UNIQ_KEY'];
    for (const key of new Set(unique === undefined ? fact.keys : [...fact.keys, unique])) {
      const name = `${fact.topic}\n${key}`;
      const known = carriers.get(name);
      if (known === undefined) carriers.set(name, [fact]);
      else known.push(fact);
    }
  }
  for (const [name, expected] of carriers) {
    const [topic = '', key = ''] = name.split('\n');
    const found: Message[] = [];
    for await (const message of store.findByKey({ topic, key })) found.push(message);
    const wanted = expected.toSorted((a, b) => b.physicalOffset - a.physicalOffset);
    expectSame(`${topic} by key ${key}`, found.map(factsOfMessage), wanted);
  }
  return carriers.size;
}

export async function checkVerified(store: StoreReader): Promise<void> {
  const report = await store.verify();
  expect(report.faults).toEqual([]);
  expect(report.ok).toBe(true);
}
