import { join } from 'node:path';
import { compareTopic } from '../compare-messages.js';
import type { CompareMessage, Contestant, ContestantKind, ContestantOptions, FoundMessage } from '../contestant.js';
import { TurnGroup } from '../turn-group.js';
import { loadPeer, peerVersion } from './peer-package.js';
import { QueueNumbers, searchByTime } from './stored-value.js';

/** What is used of the package. */
interface Statement<Row> {
  run(...values: readonly unknown[]): unknown;
  get(...values: readonly unknown[]): Row | undefined;
  all(...values: readonly unknown[]): readonly Row[];
  iterate(): IterableIterator<Row>;
}
interface Database {
  pragma(text: string): unknown;
  exec(sql: string): unknown;
  prepare<Row>(sql: string): Statement<Row>;
  transaction<Given>(work: (given: Given) => void): (given: Given) => void;
  close(): void;
}
interface MessageRow {
  readonly stored_at: number;
  readonly body: Buffer;
}

const queueStride = 2 ** 40;
const cacheKiB = 65_536;

/** A table whose row number is made of queue and offset, so that it needs no index of its own for them; one index over the keys. */
class SqliteContestant implements Contestant {
  readonly #database: Database;
  readonly #write: (messages: readonly CompareMessage[]) => void;
  readonly #byId: Statement<MessageRow>;
  readonly #byKey: Statement<MessageRow>;
  readonly #timeById: Statement<MessageRow>;
  readonly #queues = new QueueNumbers();
  readonly #group: TurnGroup<CompareMessage> | undefined;

  constructor(database: Database, options: ContestantOptions) {
    this.#database = database;
    database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${options.durability === 'sync' ? 'FULL' : 'OFF'}`);
    database.pragma(`cache_size = -${cacheKiB}`);
    database.exec('CREATE TABLE message (id INTEGER PRIMARY KEY, stored_at INTEGER NOT NULL, key TEXT, body BLOB NOT NULL)');
    if (options.keyed) database.exec('CREATE INDEX message_by_key ON message (key)');
    const insert = database.prepare('INSERT INTO message VALUES (?, ?, ?, ?)');
    this.#write = database.transaction((messages: readonly CompareMessage[]) => {
      const storedAt = Date.now();
      for (const message of messages) {
        const queue = this.#queues.numberOf(message.topic, message.queueId);
        insert.run(queue * queueStride + this.#queues.take(queue), storedAt, message.keys[0] ?? null, message.body);
      }
    });
    this.#byId = database.prepare('SELECT stored_at, body FROM message WHERE id = ?');
    this.#byKey = database.prepare('SELECT stored_at, body FROM message WHERE key = ? ORDER BY stored_at DESC');
    this.#timeById = database.prepare('SELECT stored_at FROM message WHERE id = ?');
    this.#group = options.callers > 1 ? new TurnGroup((messages) => this.#write(messages)) : undefined;
  }

  append(message: CompareMessage): unknown {
    return this.#group === undefined ? this.#write([message]) : this.#group.add(message);
  }

  appendBatch(messages: readonly CompareMessage[]): void {
    this.#write(messages);
  }

  readAt(queueId: number, offset: number): FoundMessage | undefined {
    const row = this.#byId.get(this.#queues.numberOf(compareTopic, queueId) * queueStride + offset);
    return row === undefined ? undefined : { storedAt: row.stored_at, body: row.body };
  }

  findByKey(key: string): readonly FoundMessage[] {
    return this.#byKey.all(key).map((row) => ({ storedAt: row.stored_at, body: row.body }));
  }

  offsetAt(queueId: number, timeMs: number): number {
    const queue = this.#queues.numberOf(compareTopic, queueId);
    return searchByTime(
      this.#queues.count(queue),
      timeMs,
      (offset) => (this.#timeById.get(queue * queueStride + offset) as MessageRow).stored_at,
    );
  }

  readAll(_queueCount: number, take: (message: FoundMessage) => void): void {
    const all = this.#database.prepare<MessageRow>('SELECT stored_at, body FROM message ORDER BY id');
    for (const row of all.iterate()) take({ storedAt: row.stored_at, body: row.body });
  }

  close(): void {
    this.#database.close();
  }
}

export function sqliteKind(): ContestantKind {
  const Sqlite = loadPeer('better-sqlite3') as new (path: string) => Database;
  return {
    name: 'better-sqlite3',
    version: peerVersion('better-sqlite3'),
    finds: true,
    how: 'prepared statements, write-ahead log, 64 MiB of cache, one transaction for a batch or for all who call in one turn; synchronous = OFF or FULL',
    open: async (directory, options) => new SqliteContestant(new Sqlite(join(directory, 'messages.db')), options),
  };
}
