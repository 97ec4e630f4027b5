import { createHash } from 'node:crypto';
import type { Message, StoreReader } from '../../src/index.js';
import { collect, readQueue } from '../contract/harness.js';
import type { Described, GoldenMessage, GoldenQueue } from './golden-store.js';

/** PREPARED and ROLLBACK: RocketMQ gives such a record no place in a queue, and stratalog counts it as no message. */
export function isQueued(message: GoldenMessage): boolean {
  return (message.sysFlag & 0x4) === 0;
}

/** What stratalog keeps to itself of a record's properties, or has fields for. */
const ownProperties: ReadonlySet<string> = new Set(['KEYS', 'TAGS', '__CRC32#', 'STRATALOG_BATCH']);

/**
 * Holds everything that a stock broker said of its store against what `store` says: each message by offset, by id, in its queue, by key and
 * by time. Returns what differs, one sentence each; empty: nothing does.
 */
export async function compareStore(store: StoreReader, expected: Described): Promise<readonly string[]> {
  const comparison = new Comparison(store, expected);
  await comparison.offsets();
  await comparison.queues();
  await comparison.log();
  await comparison.keys();
  return comparison.differences;
}

class Comparison {
  readonly differences: string[] = [];
  readonly #store: StoreReader;
  readonly #expected: Described;
  readonly #byOffset: ReadonlyMap<number, GoldenMessage>;

  constructor(store: StoreReader, expected: Described) {
    this.#store = store;
    this.#expected = expected;
    this.#byOffset = new Map(expected.messages.map((message) => [message.physicalOffset, message]));
  }

  async offsets(): Promise<void> {
    for (const expected of this.#expected.messages) {
      const { physicalOffset, messageId } = expected;
      const found = await this.#store.get(physicalOffset);
      if (!isQueued(expected)) {
        this.#same(`a record without a place in a queue, at ${physicalOffset},`, found, undefined);
        continue;
      }
      this.#message(`at ${physicalOffset}`, found, expected);
      this.#message(`with id ${messageId}`, await this.#store.get(messageId), expected);
    }
  }

  async queues(): Promise<void> {
    for (const queue of this.#expected.queues) {
      const name = `${queue.topic}/${queue.queueId}`;
      this.#same(`bounds of ${name}`, this.#store.bounds(queue), { min: queue.min, max: queue.max });
      const found = await readQueue(this.#store, queue, 10);
      this.#same(
        `offsets in ${name}`,
        found.map((message) => message.physicalOffset),
        queue.offsets,
      );
      found.forEach((message, i) => {
        this.#same(`queue offset of message ${i} of ${name}`, message.queueOffset, queue.min + i);
        this.#message(`in ${name}, number ${i}`, message, this.#byOffset.get(queue.offsets[i] ?? -1));
      });
      await this.#times(queue, name);
    }
  }

  /** The first message stored at or after a time: for each time in the queue, and for the one after it. */
  async #times(queue: GoldenQueue, name: string): Promise<void> {
    const times = queue.offsets.map((offset) => this.#byOffset.get(offset)?.storedAt ?? 0);
    for (const time of new Set(times.flatMap((each) => [each, each + 1]))) {
      const first = times.findIndex((each) => each >= time);
      this.#same(`offset of ${name} at ${time}`, await this.#store.offsetAt(queue, time), first < 0 ? queue.max : queue.min + first);
    }
  }

  async log(): Promise<void> {
    const { maxOffset, messages } = this.#expected;
    const found = await collect(this.#store.tailAll({ from: 'earliest', until: maxOffset }));
    this.#same(
      'offsets along the log',
      found.map((message) => message.physicalOffset),
      messages.filter(isQueued).map((message) => message.physicalOffset),
    );
  }

  async keys(): Promise<void> {
    for (const [topic, key, offsets] of this.#expected.keys) {
      const found = await collect(this.#store.findByKey({ topic, key }));
      const queued = offsets.filter((offset) => isQueued(this.#byOffset.get(offset) ?? notThere));
      this.#same(
        `messages of ${topic} with key ${key}`,
        found.map((message) => message.physicalOffset),
        [...queued].reverse(),
      );
      for (const message of found) this.#message(`with key ${key}`, message, this.#byOffset.get(message.physicalOffset));
    }
  }

  #message(which: string, found: Message | undefined, expected: GoldenMessage | undefined): void {
    if (found === undefined || expected === undefined) {
      this.differences.push(`the message ${which} is ${found === undefined ? 'not found' : 'one that the broker does not know'}`);
      return;
    }
    this.#same(`the message ${which}`, asSeen(found), asExpected(expected));
  }

  #same(what: string, found: unknown, expected: unknown): void {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
    if (a !== b) this.differences.push(`${what}: found ${excerpt(a)}, the broker said ${excerpt(b)}`);
  }
}

function excerpt(text: string | undefined): string {
  return text === undefined || text.length <= excerptMax ? String(text) : `${text.slice(0, excerptMax)}...`;
}

const excerptMax = 300;
const notThere: GoldenMessage = { sysFlag: 0x4 } as GoldenMessage;

/** In one order, for comparing as text. */
function sorted(properties: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(properties)
    .filter(([name]) => !ownProperties.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function asSeen(message: Message): unknown {
  const { topic, queueId, queueOffset, physicalOffset, recordBytes, storedAt, bornAt, flag, sysFlag, reconsumeTimes } = message;
  const { preparedTransactionOffset, messageId, body, tag, keys, properties } = message;
  return [
    ...[topic, queueId, queueOffset, physicalOffset, recordBytes, storedAt, bornAt, flag, sysFlag, reconsumeTimes],
    ...[preparedTransactionOffset, messageId, body.length, createHash('sha256').update(body).digest('hex').slice(0, 32)],
    ...[tag ?? null, keys, sorted(properties)],
  ];
}

function asExpected(message: GoldenMessage): unknown {
  const { topic, queueId, queueOffset, physicalOffset, recordBytes, storedAt, bornAt, flag, sysFlag, reconsumeTimes } = message;
  const { preparedTransactionOffset, messageId, bodyBytes, bodySha256, properties } = message;
  const keys = (properties['KEYS'] ?? '').split(' ').filter((key) => key !== '');
  return [
    ...[topic, queueId, queueOffset, physicalOffset, recordBytes, storedAt, bornAt, flag, sysFlag, reconsumeTimes],
    ...[preparedTransactionOffset, messageId, bodyBytes, bodySha256],
    ...[properties['TAGS'] ?? null, keys, sorted(properties)],
  ];
}
