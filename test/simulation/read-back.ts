import type { Message, StoreReader } from '../../src/index.js';
import type { SeededRandom } from '../../src/testing/seeded-random.js';
import { must } from './violation.js';

/** Times of a queue that are asked for, each with the one before and the one after it. */
const timesMax = 8;

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/**
 * Reads a store that is at rest, every message by log order, by queue and by offset, and compares what keys and times lead to with
 * it: all ways must tell the same. The result is the log.
 */
export async function readBack(store: StoreReader, random: SeededRandom, hasKeys: boolean): Promise<readonly Message[]> {
  const log = await collect(store.tailAll({ from: 'earliest', until: 'end' }));
  const queues = new Map<string, Message[]>();
  for (const message of log) {
    const name = `${message.topic}/${message.queueId}`;
    const known = queues.get(name);
    if (known === undefined) queues.set(name, [message]);
    else known.push(message);
  }
  for (const messages of queues.values()) await checkQueue(store, random, messages);
  for (const message of log) {
    const found = await store.get(random.chance(0.2) ? message.messageId : message.physicalOffset);
    must(isSame(found, message), () => `get(${message.physicalOffset}) does not find what is there`);
  }
  if (hasKeys) await checkKeys(store, random, log);
  checkTopics(store, queues);
  return log;
}

async function checkQueue(store: StoreReader, random: SeededRandom, expected: readonly Message[]): Promise<void> {
  const [first] = expected;
  if (first === undefined) return;
  const queue = `${first.topic}/${first.queueId}`;
  // A queue that could not be made anew while calls failed is made so by the first read, and has followed the deletions then.
  const earliest = await store.read(first, { from: 'earliest', countMax: 1 });
  must(isSame(earliest.messages[0], first), () => `queue ${queue} does not begin with its first message, ${first.queueOffset}`);
  const { min, max } = store.bounds(first);
  must(min === first.queueOffset, () => `queue ${queue} begins at ${min}, its first message is ${first.queueOffset}`);
  must(max === min + expected.length, () => `queue ${queue} has ${expected.length} messages between ${min} and ${max}`);
  const read: Message[] = [];
  for (let from = min; from < max; ) {
    const result = await store.read(first, { from, countMax: 1 + random.below(9) });
    must(result.messages.length > 0, () => `reading queue ${queue} from ${from} of ${max} gives nothing`);
    must(result.next > from && result.next <= max, () => `reading queue ${queue} from ${from} goes on at ${result.next}`);
    read.push(...result.messages);
    from = result.next;
  }
  must(read.length === expected.length, () => `queue ${queue}: ${read.length} messages read, ${expected.length} in the log`);
  for (const [index, message] of expected.entries()) {
    must(isSame(read[index], message), () => `queue ${queue}: another message at ${message.queueOffset}`);
    must(message.queueOffset === min + index, () => `queue ${queue}: ${message.queueOffset} follows ${min + index - 1}`);
  }
  await checkTags(store, random, queue, expected);
  await checkTimes(store, random, queue, expected);
}

async function checkTags(store: StoreReader, random: SeededRandom, queue: string, expected: readonly Message[]): Promise<void> {
  const [first] = expected;
  if (first === undefined) return;
  const tag = `t${random.below(3)}`;
  const tagged = await collect(store.tail(first, { from: 'earliest', until: 'end', tags: [tag] }));
  const wanted = expected.filter((message) => message.tag === tag);
  const isEqual = tagged.length === wanted.length && tagged.every((message, index) => isSame(message, wanted[index]));
  must(isEqual, () => `queue ${queue}: ${tagged.length} messages with tag ${tag}, ${wanted.length} in the log`);
}

async function checkTimes(store: StoreReader, random: SeededRandom, queue: string, expected: readonly Message[]): Promise<void> {
  const [first] = expected;
  if (first === undefined) return;
  const { max } = store.bounds(first);
  const times = [...new Set(expected.map(({ storedAt }) => storedAt))];
  const step = Math.max(1, Math.floor(times.length / timesMax));
  for (let index = random.below(step); index < times.length; index += step) {
    const time = (times[index] ?? 0) + random.below(3) - 1;
    const offset = await store.offsetAt(first, time);
    const wanted = expected.find((message) => message.storedAt >= time)?.queueOffset ?? max;
    must(offset === wanted, () => `queue ${queue}: offsetAt(${time}) is ${offset}, by the log it is ${wanted}`);
  }
}

async function checkKeys(store: StoreReader, random: SeededRandom, log: readonly Message[]): Promise<void> {
  const byKey = new Map<string, Message[]>();
  for (const message of log) {
    for (const key of new Set(message.keys)) {
      const name = `${message.topic} ${key}`;
      const known = byKey.get(name);
      if (known === undefined) byKey.set(name, [message]);
      else known.push(message);
    }
  }
  for (const [name, messages] of byKey) {
    const [topic = '', key = ''] = name.split(' ');
    const found = await collect(store.findByKey({ topic, key }));
    const wanted = messages.reverse();
    const isEqual = found.length === wanted.length && found.every((one, place) => isSame(one, wanted[place]));
    must(isEqual, () => `key ${key} of ${topic}: ${placesOf(found)} found, ${placesOf(wanted)} in the log`);
    if (random.chance(0.3)) await checkPartOfKey(store, random, { topic, key }, wanted);
  }
}

/** One page of what a key leads to, between two times. */
async function checkPartOfKey(
  store: StoreReader,
  random: SeededRandom,
  which: { readonly topic: string; readonly key: string },
  all: readonly Message[],
): Promise<void> {
  const any = (): Message | undefined => all[random.below(all.length)];
  const since = random.chance(0.5) ? (any()?.storedAt ?? 0) + random.below(3) - 1 : undefined;
  const until = random.chance(0.5) ? (any()?.storedAt ?? 0) + random.below(3) - 1 : undefined;
  const before = random.chance(0.5) ? Math.max(0, (any()?.physicalOffset ?? 0) + random.below(3) - 1) : undefined;
  const countMax = random.chance(0.3) ? 1 + random.below(3) : undefined;
  if (since !== undefined && until !== undefined && since > until) return;
  const found = await collect(store.findByKey({ ...which, since, until, before, countMax }));
  const wanted = all
    .filter(({ storedAt }) => storedAt >= (since ?? Number.NEGATIVE_INFINITY) && storedAt < (until ?? Number.POSITIVE_INFINITY))
    .filter(({ physicalOffset }) => physicalOffset < (before ?? Number.POSITIVE_INFINITY))
    .slice(0, countMax);
  const isEqual = found.length === wanted.length && found.every((one, place) => isSame(one, wanted[place]));
  const query = JSON.stringify({ ...which, since, until, before, countMax });
  must(isEqual, () => `findByKey ${query}: ${placesOf(found)} found, ${placesOf(wanted)} in the log`);
}

function checkTopics(store: StoreReader, queues: ReadonlyMap<string, readonly Message[]>): void {
  const named = new Set(store.topics().flatMap(({ topic, queueIds }) => queueIds.map((queueId) => `${topic}/${queueId}`)));
  for (const queue of queues.keys()) must(named.has(queue), () => `topics() leaves out ${queue}`);
}

function placesOf(messages: readonly Message[]): string {
  return `[${messages.map((message) => message.physicalOffset).join(' ')}]`;
}

function isSame(a: Message | undefined, b: Message | undefined): boolean {
  return a !== undefined && b !== undefined && a.physicalOffset === b.physicalOffset && a.body.equals(b.body);
}
