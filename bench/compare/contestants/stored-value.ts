import type { CompareMessage, FoundMessage } from '../contestant.js';

/** How key-value stores keep a message: time, key, body. */
const keyAt = 10;

export function encodeValue(message: CompareMessage, storedAt: number): Buffer {
  const key = message.keys[0] ?? '';
  const value = Buffer.allocUnsafe(keyAt + key.length + message.body.length);
  value.writeDoubleLE(storedAt, 0);
  value.writeUInt16LE(key.length, 8);
  value.write(key, keyAt, 'latin1');
  message.body.copy(value, keyAt + key.length);
  return value;
}

export function decodeValue(value: Buffer): FoundMessage {
  return { storedAt: value.readDoubleLE(0), body: value.subarray(keyAt + value.readUInt16LE(8)) };
}

/** The first number in [0, count) whose message was stored at `timeMs` or later, by halving: nobody needs an index by time. */
export function searchByTime(count: number, timeMs: number, storedAt: (offset: number) => number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (storedAt(middle) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Numbers of the queues of all topics, and the next offset of each. */
export class QueueNumbers {
  readonly #topics = new Map<string, (number | undefined)[]>();
  readonly #counts: number[] = [];

  numberOf(topic: string, queueId: number): number {
    let numbers = this.#topics.get(topic);
    if (numbers === undefined) this.#topics.set(topic, (numbers = []));
    let found = numbers[queueId];
    if (found === undefined) {
      found = this.#counts.length;
      numbers[queueId] = found;
      this.#counts.push(0);
    }
    return found;
  }

  /** The offset of the next message of that queue, which is taken. */
  take(queue: number): number {
    const offset = this.#counts[queue] as number;
    this.#counts[queue] = offset + 1;
    return offset;
  }

  count(queue: number): number {
    return this.#counts[queue] ?? 0;
  }
}
