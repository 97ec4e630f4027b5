import { join } from 'node:path';
import { compareTopic } from '../compare-messages.js';
import type { CompareMessage, Contestant, ContestantKind, ContestantOptions, FoundMessage } from '../contestant.js';
import { TurnGroup } from '../turn-group.js';
import { loadPeer, peerVersion } from './peer-package.js';
import { decodeValue, encodeValue, QueueNumbers, searchByTime } from './stored-value.js';

/** What is used of the package. */
interface LmdbDatabase<Key, Value> {
  put(key: Key, value: Value): Promise<boolean>;
  get(key: Key): Value | undefined;
  getValues(key: Key): Iterable<Value>;
  getRange(options: { start: Key; end: Key }): Iterable<{ readonly key: Key; readonly value: Value }>;
}
interface LmdbRoot extends LmdbDatabase<unknown, unknown> {
  openDB<Key, Value>(options: object): LmdbDatabase<Key, Value>;
  transactionSync(work: () => void): void;
  readonly flushed: Promise<boolean>;
  close(): Promise<void>;
}

const queueStride = 2 ** 40;

/** Messages under one number made of queue and offset; keys in a database of their own that allows duplicates. */
class LmdbContestant implements Contestant {
  readonly #root: LmdbRoot;
  readonly #messages: LmdbDatabase<number, Buffer>;
  readonly #keys: LmdbDatabase<string, number>;
  readonly #queues = new QueueNumbers();
  readonly #group: TurnGroup<CompareMessage> | undefined;

  constructor(root: LmdbRoot, options: ContestantOptions) {
    this.#root = root;
    this.#messages = root.openDB({ name: 'messages', encoding: 'binary' });
    this.#keys = root.openDB({ name: 'keys', encoding: 'ordered-binary', dupSort: true });
    this.#group = options.callers > 1 ? new TurnGroup((messages) => this.appendBatch(messages)) : undefined;
  }

  append(message: CompareMessage): unknown {
    return this.#group === undefined ? this.appendBatch([message]) : this.#group.add(message);
  }

  appendBatch(messages: readonly CompareMessage[]): void {
    const storedAt = Date.now();
    this.#root.transactionSync(() => {
      for (const message of messages) this.#put(message, storedAt);
    });
  }

  #put(message: CompareMessage, storedAt: number): void {
    const queue = this.#queues.numberOf(message.topic, message.queueId);
    const position = queue * queueStride + this.#queues.take(queue);
    void this.#messages.put(position, encodeValue(message, storedAt));
    for (const key of message.keys) void this.#keys.put(key, position);
  }

  readAt(queueId: number, offset: number): FoundMessage | undefined {
    const value = this.#messages.get(this.#queues.numberOf(compareTopic, queueId) * queueStride + offset);
    return value === undefined ? undefined : decodeValue(value);
  }

  findByKey(key: string): readonly FoundMessage[] {
    return [...this.#keys.getValues(key)].map((position) => decodeValue(this.#messages.get(position) as Buffer));
  }

  offsetAt(queueId: number, timeMs: number): number {
    const queue = this.#queues.numberOf(compareTopic, queueId);
    return searchByTime(this.#queues.count(queue), timeMs, (offset) => {
      const value = this.#messages.get(queue * queueStride + offset) as Buffer;
      return value.readDoubleLE(0);
    });
  }

  readAll(queueCount: number, take: (message: FoundMessage) => void): void {
    for (const { value } of this.#messages.getRange({ start: 0, end: queueCount * queueStride })) take(decodeValue(value));
  }

  close(): Promise<void> {
    return this.#root.close();
  }
}

export function lmdbKind(): ContestantKind {
  const { open } = loadPeer('lmdb') as { readonly open: (options: object) => LmdbRoot };
  return {
    name: 'lmdb',
    version: peerVersion('lmdb'),
    finds: true,
    how: 'one transaction for a batch or for all who call in one turn',
    open: async (directory, options) => {
      const sync = options.durability === 'sync';
      const root = open({ path: join(directory, 'lmdb'), maxDbs: 4, compression: false, noSync: !sync, overlappingSync: false });
      return new LmdbContestant(root, options);
    },
  };
}
