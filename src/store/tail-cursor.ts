import type { Message } from '../format/message.js';
import type { Tail } from './contract.js';
import { turn } from './read-log.js';
import { countOf } from './read-options.js';
import type { ReadView } from './read-view.js';
import { typedError } from './typed-errors.js';
import type { Sleeper } from './sleeper.js';

/** Messages, and bytes of them, read ahead of whoever iterates. */
export const TAIL_COUNT_MAX = 1024;
export const TAIL_BYTES_MAX: number = 256 * 1024;
/** Messages stored before an end in time may be on their way when the clock has passed it. */
export const SETTLING_MS = 10;

/** What one step of a source came to. */
export interface TailStep {
  /** `more`: step again. `wait`: there is nothing now. `end`: nothing will come. */
  readonly kind: 'more' | 'wait' | 'end';
  /** Only with `more`; may be empty where all was left out. */
  readonly messages: readonly Message[];
  /** Where to go on once `messages` are handed out. */
  readonly next: number;
  /** Of `wait`: look again after that time even if nothing has happened. */
  readonly waitMs: number;
}

/** Where a tail gets its messages from. Steps come one after the other. */
export interface TailSource {
  readonly sleeper: Sleeper;
  step(): Promise<TailStep>;
  /** Whether a step would find something, now. */
  hasNews(): boolean;
  /** The position behind a message. */
  positionAfter(message: Message): number;
  /** No step comes any more. */
  release(): void;
}

interface Request {
  /** Of a batch; 0: a single message is asked for. */
  readonly countMax: number;
  readonly resolve: (result: IteratorResult<never, undefined> | IteratorResult<Message | readonly Message[], undefined>) => void;
  readonly reject: (reason: unknown) => void;
}

const noMessages: readonly Message[] = [];
const ended: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * One cursor over the messages of a source, for any number of iterators.
 *
 * Invariants: requests are served in the order of the calls; `#position` is behind all that was handed out and in front of all
 * that was not (of what passes the filter); after the end, whatever caused it, nothing is handed out.
 */
export class TailCursor<Offset extends number> implements Tail<Offset> {
  readonly #view: ReadView;
  readonly #source: TailSource;
  readonly #signal: AbortSignal | undefined;
  readonly #requests: Request[] = [];
  #messages: readonly Message[] = noMessages;
  /** The first of `#messages` not handed out. */
  #first = 0;
  /** Where to go on once all of `#messages` are handed out. */
  #next: number;
  #position: number;
  #isEnded = false;
  #isServing = false;
  #hasStepped = false;

  constructor(view: ReadView, source: TailSource, position: number, signal: AbortSignal | undefined) {
    this.#view = view;
    this.#source = source;
    this.#signal = signal;
    this.#position = position;
    this.#next = position;
  }

  get position(): Offset {
    return this.#position as Offset;
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> & AsyncIterable<Message> {
    return this.#iterator<Message>(0);
  }

  batches(countMax?: number): AsyncIterable<readonly Message[]> {
    return this.#iterator<readonly Message[]>(countOf('countMax', countMax, TAIL_COUNT_MAX));
  }

  close(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #iterator<T extends Message | readonly Message[]>(countMax: number): AsyncIterator<T, undefined> & AsyncIterable<T> {
    const iterator = {
      next: (): Promise<IteratorResult<T, undefined>> => this.#ask(countMax) as Promise<IteratorResult<T, undefined>>,
      return: (): Promise<IteratorResult<T, undefined>> => {
        this.#end();
        return Promise.resolve(ended);
      },
      throw: (reason: unknown): Promise<IteratorResult<T, undefined>> => {
        this.#end();
        return Promise.reject(reason);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #ask(countMax: number): Promise<IteratorResult<Message | readonly Message[], undefined>> {
    if (this.#isEnded) return Promise.resolve(ended);
    if (this.#requests.length === 0 && this.#first < this.#messages.length && !this.#mustLook()) {
      return Promise.resolve({ done: false, value: this.#take(countMax) });
    }
    return new Promise((resolve, reject) => {
      this.#requests.push({ countMax, resolve, reject });
      if (!this.#isServing) void this.#serve();
    });
  }

  /** Whether something has happened that goes before messages. */
  #mustLook(): boolean {
    return this.#isEnded || this.#view.closing.aborted || this.#signal?.aborted === true;
  }

  #take(countMax: number): Message | readonly Message[] {
    if (countMax > 0) return this.#takeBatch(countMax);
    const message = this.#messages[this.#first] as Message;
    this.#first += 1;
    this.#position = this.#first === this.#messages.length ? this.#next : this.#source.positionAfter(message);
    this.#view.countRead(1);
    return message;
  }

  #takeBatch(countMax: number): readonly Message[] {
    const batch = this.#messages.slice(this.#first, this.#first + countMax);
    this.#first += batch.length;
    this.#position = this.#first === this.#messages.length ? this.#next : this.#source.positionAfter(batch.at(-1) as Message);
    this.#view.countRead(batch.length);
    return batch;
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    for (let request = this.#requests[0]; request !== undefined; request = this.#requests[0]) {
      try {
        if (this.#first === this.#messages.length || this.#mustLook()) await this.#fill();
      } catch (error) {
        if (this.#isEnded) continue;
        this.#requests.shift();
        this.#end();
        request.reject(error);
        continue;
      }
      // Ending answers all requests, this one too.
      if (this.#isEnded) continue;
      this.#requests.shift();
      request.resolve({ done: false, value: this.#take(request.countMax) });
    }
    this.#isServing = false;
  }

  /** Has messages ready, or ends the cursor. */
  async #fill(): Promise<void> {
    while (!this.#isEnded) {
      if (this.#view.closing.aborted) return this.#end();
      this.#signal?.throwIfAborted();
      if (this.#first < this.#messages.length) return;
      // Also where the reads themselves need no turn: others must be able to run, however fast the disk is.
      if (this.#hasStepped) await turn(this.#view);
      this.#hasStepped = true;
      const step = await this.#step();
      if (step === undefined || this.#isEnded) continue;
      this.#next = step.next;
      if (step.messages.length === 0) this.#position = step.next;
      this.#messages = step.messages;
      this.#first = 0;
      if (step.kind === 'end') return this.#end();
      if (step.kind === 'wait') await this.#wait(step.waitMs);
    }
  }

  /** Undefined: something else must be looked at first. */
  async #step(): Promise<TailStep | undefined> {
    if (this.#mustLook()) return undefined;
    try {
      return await this.#source.step();
    } catch (error) {
      // Whatever else goes wrong while the store closes, or after an abort, is a consequence of it.
      if (this.#mustLook()) return undefined;
      throw typedError('tail', error);
    }
  }

  async #wait(ms: number): Promise<void> {
    if (this.#mustLook() || this.#source.hasNews()) return;
    const failure = this.#view.failure();
    if (failure !== undefined) throw failure;
    await this.#source.sleeper.sleep(ms);
    // Waiting was a turn of its own.
    this.#hasStepped = false;
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#messages = noMessages;
    this.#first = 0;
    this.#source.release();
    this.#source.sleeper.wake();
    for (const request of this.#requests.splice(0)) request.resolve(ended);
  }
}
