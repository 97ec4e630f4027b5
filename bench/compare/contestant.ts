/**
 * What takes part in the comparison. Everybody does the same work: a message is stored so that it can be found by its queue and number
 * there, by its key, and the messages of a queue by the time at which they were stored. Who needs a structure of its own for one of these keeps
 * it, in the way that its own documentation calls the quick one.
 */
export type Durability = 'async' | 'sync';

export interface CompareMessage {
  readonly topic: string;
  readonly queueId: number;
  /** One, or none. */
  readonly keys: readonly string[];
  readonly body: Buffer;
}

export interface FoundMessage {
  readonly storedAt: number;
  readonly body: Uint8Array;
}

export interface ContestantOptions {
  /**
   * `async`: with the operating system when the call is done, so that the death of the process loses nothing. `sync`: on the disk when it is
   * done, so that a power cut loses nothing.
   */
  readonly durability: Durability;
  /** Whether messages have keys that must be found again. */
  readonly keyed: boolean;
  /** How many wait for their message at a time: 1 in columns with batches. */
  readonly callers: number;
}

type Maybe<Value> = Value | Promise<Value>;

export interface Contestant {
  append(message: CompareMessage): Maybe<unknown>;
  appendBatch(messages: readonly CompareMessage[]): Maybe<unknown>;
  readAt(queueId: number, offset: number): Maybe<FoundMessage | undefined>;
  findByKey(key: string): Maybe<readonly FoundMessage[]>;
  /** Number of the first message of the queue that was stored at that time or later. */
  offsetAt(queueId: number, timeMs: number): Maybe<number>;
  /** All messages, queue by queue or in the order in which they were stored, whichever is quicker. */
  readAll(queueCount: number, take: (message: FoundMessage) => void): Maybe<void>;
  close(): Maybe<void>;
}

export interface ContestantKind {
  readonly name: string;
  readonly version: string;
  /** The floor only writes; it is not a store and cannot be asked for anything. */
  readonly finds: boolean;
  /** How it does the work, in one sentence for the page. */
  readonly how: string;
  readonly open: (directory: string, options: ContestantOptions) => Promise<Contestant>;
}
