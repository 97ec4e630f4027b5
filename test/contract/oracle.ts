import { expect } from 'vitest';
import type { AppendReceipt, FlushMode, Message, NewMessage, Store, StoreReader } from '../../src/index.js';
import { StoreError } from '../../src/index.js';
import { collect, readLog, readQueue } from './harness.js';

/**
 * What a store has promised so far, kept outside of it. Every body says which message it is and is a function of that alone, so that
 * a swapped, torn or stale body cannot pass.
 */
type Fate = 'pending' | 'durable' | 'written' | 'no' | 'unknown';
interface Sent {
  readonly id: number;
  readonly batch: number | undefined;
  readonly generation: number;
  readonly topic: string;
  readonly queueId: number;
  readonly key: string;
  readonly body: string;
  fate: Fate;
  receipt: AppendReceipt | undefined;
  /** A reader was given it. */
  seen: boolean;
  /** It was in the log that an opening found. */
  kept: boolean;
}

export interface CheckOptions {
  /** The process died but not the machine: what was written counts too. */
  readonly keptWritten: boolean;
  /** What a reader saw must be there: true of a sync store. */
  readonly keptSeen: boolean;
}

export class Oracle {
  readonly #sent: Sent[] = [];
  #batches = 0;
  #generation = 0;

  get count(): number {
    return this.#sent.length;
  }
  get acknowledgedCount(): number {
    return this.#sent.filter((sent) => sent.fate === 'durable' || sent.fate === 'written').length;
  }

  /** The store was opened again, and nothing was compared. */
  reopened(): void {
    this.#generation += 1;
  }

  message(topic: string, queueId: number, bodyBytes: number, batch?: number): NewMessage {
    const id = this.#sent.length;
    const body = `${id}:`.padEnd(Math.max(bodyBytes, 8), `${(id * 7919) % 100_003}.`);
    const key = `key-${id}`;
    const sent = { id, batch, generation: this.#generation, topic, queueId, key, body, fate: 'pending' as Fate, receipt: undefined };
    this.#sent.push({ ...sent, seen: false, kept: false });
    return { topic, queueId, body, keys: [key, `shared-${id % 5}`], tag: `tag-${id % 3}` };
  }

  async append(store: Store, topic: string, queueId: number, bodyBytes: number, flush?: FlushMode): Promise<unknown> {
    const message = this.message(topic, queueId, bodyBytes);
    const sent = this.#sent.at(-1)!;
    return this.#settle([sent], async () => [await store.append(message, flush === undefined ? {} : { flush })]);
  }

  async appendBatch(store: Store, places: readonly (readonly [string, number, number])[]): Promise<unknown> {
    const batch = (this.#batches += 1);
    const messages = places.map(([topic, queueId, bytes]) => this.message(topic, queueId, bytes, batch));
    const sent = this.#sent.slice(-places.length);
    return this.#settle(sent, () => store.appendBatch<readonly NewMessage[]>(messages));
  }

  appendSync(store: Store, topic: string, queueId: number, bodyBytes: number): unknown {
    const message = this.message(topic, queueId, bodyBytes);
    const sent = this.#sent.at(-1)!;
    try {
      this.#acknowledge(sent, store.appendSync(message));
      return undefined;
    } catch (error) {
      refuse([sent], error);
      return error;
    }
  }

  /** A reader was given this message before anything went wrong. */
  saw(message: Message): void {
    const id = Number.parseInt(message.body.toString(), 10);
    const sent = this.#sent[id];
    expect(sent?.body).toBe(message.body.toString());
    expect(['no'].includes(sent!.fate)).toBe(false);
    sent!.seen = true;
  }

  /** After a flush has resolved all that was acknowledged is durable. */
  flushed(countAtCall: number): void {
    for (const sent of this.#sent.slice(0, countAtCall)) if (sent.fate === 'written') sent.fate = 'durable';
  }

  async #settle(sent: readonly Sent[], call: () => Promise<readonly AppendReceipt[]>): Promise<unknown> {
    try {
      const receipts = await call();
      expect(receipts).toHaveLength(sent.length);
      sent.forEach((one, i) => {
        this.#acknowledge(one, receipts[i]!);
      });
      return undefined;
    } catch (error) {
      refuse(sent, error);
      return error;
    }
  }

  #acknowledge(sent: Sent, receipt: AppendReceipt): void {
    expect([receipt.topic, receipt.queueId]).toEqual([sent.topic, sent.queueId]);
    sent.receipt = receipt;
    sent.fate = receipt.durable ? 'durable' : 'written';
  }

  /** Compares everything a reopened store tells with what was promised; from then on what was found is promised too. */
  async check(store: StoreReader, { keptWritten, keptSeen }: CheckOptions): Promise<void> {
    const log = await readLog(store);
    const present = new Map<number, Message>();
    let last = -1;
    for (const message of log) {
      const id = Number.parseInt(message.body.toString(), 10);
      const sent = this.#sent[id];
      expect(sent?.body, `what lies at ${message.physicalOffset}`).toBe(message.body.toString());
      expect(id, 'the order of the calls').toBeGreaterThan(last);
      last = id;
      present.set(id, message);
    }
    for (const sent of this.#sent) this.#checkOne(sent, present.get(sent.id), keptWritten, keptSeen);
    this.#checkSuffix(present);
    this.#checkBatches(present);
    await this.#checkQueues(store, log);
    await this.#checkWays(store, [...present.values()]);
    this.#generation += 1;
    for (const sent of this.#sent) {
      sent.kept = present.has(sent.id);
      if (sent.kept) {
        sent.fate = 'durable';
        sent.receipt = present.get(sent.id);
      } else {
        sent.fate = 'no';
        sent.seen = false;
      }
    }
  }

  #checkOne(sent: Sent, message: Message | undefined, keptWritten: boolean, keptSeen: boolean): void {
    const promised = sent.fate === 'durable' || (keptWritten && sent.fate === 'written') || (keptSeen && sent.seen);
    if (promised) expect(message, `message ${sent.id} (${sent.fate}, seen: ${sent.seen}) is lost`).toBeDefined();
    if (sent.fate === 'no') expect(message, `message ${sent.id} was refused for good and came back`).toBeUndefined();
    if (message === undefined) return;
    expect([message.topic, message.queueId, message.keys[0], message.tag]).toEqual([
      sent.topic,
      sent.queueId,
      sent.key,
      `tag-${sent.id % 3}`,
    ]);
    if (sent.receipt === undefined) return;
    const { queueOffset, physicalOffset, recordBytes, storedAt, messageId } = sent.receipt;
    expect(message).toMatchObject({ queueOffset, physicalOffset, recordBytes, storedAt, messageId });
  }

  /** What is lost of each opening's messages is their end, leaving out what was refused. */
  #checkSuffix(present: ReadonlyMap<number, Message>): void {
    const lostOf = new Map<number, number>();
    for (const sent of this.#sent) {
      if (sent.fate === 'no') continue;
      const lostId = lostOf.get(sent.generation);
      if (present.has(sent.id)) expect(lostId, `message ${sent.id} is there, an earlier one is lost`).toBeUndefined();
      else lostOf.set(sent.generation, lostId ?? sent.id);
    }
  }

  #checkBatches(present: ReadonlyMap<number, Message>): void {
    const found = new Map<number, Set<boolean>>();
    for (const sent of this.#sent) {
      if (sent.batch === undefined) continue;
      const states = found.get(sent.batch) ?? new Set();
      found.set(sent.batch, states.add(present.has(sent.id)));
    }
    for (const [batch, states] of found) expect(states.size, `batch ${batch} is torn`).toBe(1);
  }

  async #checkQueues(store: StoreReader, log: readonly Message[]): Promise<void> {
    const queues = new Map<string, Message[]>();
    for (const message of log) {
      const name = `${message.topic}/${message.queueId}`;
      queues.set(name, [...(queues.get(name) ?? []), message]);
    }
    for (const messages of queues.values()) {
      const queue = messages[0]!;
      const read = await readQueue(store, queue);
      expect(read.map((message) => message.body.toString())).toEqual(messages.map((message) => message.body.toString()));
      const { min, max } = store.bounds(queue);
      expect(read.map((message) => message.queueOffset)).toEqual(messages.map((_, i) => min + i));
      expect(max).toBe(min + messages.length);
    }
  }

  async #checkWays(store: StoreReader, messages: readonly Message[]): Promise<void> {
    const stride = Math.max(1, Math.floor(messages.length / 40));
    for (let i = messages.length - 1; i >= 0; i -= stride) {
      const message = messages[i]!;
      const body = message.body.toString();
      expect((await store.get(message.physicalOffset))?.body.toString()).toBe(body);
      const byKey = await collect(store.findByKey({ topic: message.topic, key: message.keys[0]! }));
      expect(
        byKey.map((found) => found.body.toString()),
        `by key ${message.keys[0]}`,
      ).toEqual([body]);
      const at = await store.offsetAt(message, message.storedAt);
      expect(at).toBeLessThanOrEqual(message.queueOffset);
      const before = await store.read(message, { from: at, countMax: 1 });
      expect(before.messages[0]!.storedAt).toBe(message.storedAt);
    }
  }
}

function refuse(sent: readonly Sent[], error: unknown): void {
  expect(StoreError.is(error) ? 'typed' : error, 'an append was rejected with').toBe('typed');
  const { stored, code } = error as StoreError;
  if (stored === 'unknown') expect(code).toBe('STORE_FAILED');
  for (const one of sent) one.fate = stored;
}
