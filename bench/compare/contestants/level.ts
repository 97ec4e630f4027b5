import { join } from 'node:path';
import { compareTopic } from '../compare-messages.js';
import type { CompareMessage, Contestant, ContestantKind, ContestantOptions, FoundMessage } from '../contestant.js';
import { TurnGroup } from '../turn-group.js';
import { loadPeer, peerVersion } from './peer-package.js';
import { decodeValue, encodeValue, QueueNumbers, searchByTime } from './stored-value.js';

/** What is used of the package. */
interface Operation {
  readonly type: 'put';
  readonly key: Buffer;
  readonly value: Buffer;
}
interface LevelDatabase {
  open(options: object): Promise<void>;
  batch(operations: readonly Operation[], options: { readonly sync: boolean }): Promise<void>;
  get(key: Buffer): Promise<Buffer | undefined>;
  getSync(key: Buffer): Buffer | undefined;
  iterator(range: { gte: Buffer; lt: Buffer }): {
    nextv(count: number): Promise<readonly (readonly [Buffer, Buffer])[]>;
    close(): Promise<void>;
  };
  close(): Promise<void>;
}

const messagePrefix = 0x6d;
const keyPrefix = 0x6b;
const messageKeyBytes = 9;
const nothing = Buffer.alloc(0);
const writeBufferBytes = 64 * 1024 ** 2;
const iteratorBatch = 500;

/** Messages under queue and offset, keys under themselves and the place of the message, in one database, so that one batch holds both. */
class LevelContestant implements Contestant {
  readonly #database: LevelDatabase;
  readonly #sync: boolean;
  readonly #queues = new QueueNumbers();
  readonly #group: TurnGroup<CompareMessage> | undefined;

  constructor(database: LevelDatabase, options: ContestantOptions) {
    this.#database = database;
    this.#sync = options.durability === 'sync';
    this.#group = options.callers > 1 ? new TurnGroup((messages) => this.appendBatch(messages)) : undefined;
  }

  append(message: CompareMessage): Promise<void> {
    return this.#group === undefined ? this.appendBatch([message]) : this.#group.add(message);
  }

  appendBatch(messages: readonly CompareMessage[]): Promise<void> {
    const storedAt = Date.now();
    const operations: Operation[] = [];
    for (const message of messages) {
      const queue = this.#queues.numberOf(message.topic, message.queueId);
      const key = messageKey(queue, this.#queues.take(queue));
      operations.push({ type: 'put', key, value: encodeValue(message, storedAt) });
      for (const name of message.keys) operations.push({ type: 'put', key: Buffer.concat([keyStart(name), key]), value: nothing });
    }
    return this.#database.batch(operations, { sync: this.#sync });
  }

  readAt(queueId: number, offset: number): FoundMessage | undefined {
    const value = this.#database.getSync(messageKey(this.#queues.numberOf(compareTopic, queueId), offset));
    return value === undefined ? undefined : decodeValue(value);
  }

  async findByKey(key: string): Promise<readonly FoundMessage[]> {
    const start = keyStart(key);
    const end = Buffer.from(start);
    end[end.length - 1] = 1;
    const iterator = this.#database.iterator({ gte: start, lt: end });
    const entries = await iterator.nextv(iteratorBatch);
    await iterator.close();
    return entries.map(([name]) => decodeValue(this.#database.getSync(name.subarray(-messageKeyBytes)) as Buffer));
  }

  offsetAt(queueId: number, timeMs: number): number {
    const queue = this.#queues.numberOf(compareTopic, queueId);
    return searchByTime(this.#queues.count(queue), timeMs, (offset) =>
      (this.#database.getSync(messageKey(queue, offset)) as Buffer).readDoubleLE(0),
    );
  }

  async readAll(queueCount: number, take: (message: FoundMessage) => void): Promise<void> {
    const iterator = this.#database.iterator({ gte: messageKey(0, 0), lt: messageKey(queueCount, 0) });
    for (;;) {
      const entries = await iterator.nextv(iteratorBatch);
      if (entries.length === 0) break;
      for (const [, value] of entries) take(decodeValue(value));
    }
    await iterator.close();
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** Prefix, 2 bytes of queue, 6 of offset, highest byte first, so that they sort as numbers do. */
function messageKey(queue: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(messageKeyBytes);
  key[0] = messagePrefix;
  key.writeUInt16BE(queue, 1);
  key.writeUIntBE(offset, 3, 6);
  return key;
}

/** Ends with a 0, which no name holds, so that no name is the start of another. */
function keyStart(name: string): Buffer {
  const start = Buffer.allocUnsafe(name.length + 2);
  start[0] = keyPrefix;
  start.write(name, 1, 'latin1');
  start[name.length + 1] = 0;
  return start;
}

export function levelKind(): ContestantKind {
  const { ClassicLevel } = loadPeer('classic-level') as { readonly ClassicLevel: new (path: string, options: object) => LevelDatabase };
  return {
    name: 'classic-level',
    version: peerVersion('classic-level'),
    finds: true,
    how: 'one batch for all who call in one turn, 64 MiB of write buffer, no compression; sync = false or true',
    open: async (directory, options) => {
      const database = new ClassicLevel(join(directory, 'level'), {
        keyEncoding: 'buffer',
        valueEncoding: 'buffer',
        compression: false,
        writeBufferSize: writeBufferBytes,
      });
      await database.open({});
      return new LevelContestant(database, options);
    },
  };
}
