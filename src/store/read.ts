import type { Message } from '../format/message.js';
import { firstReadable, offsetOutOfRange, queueText } from './bounds.js';
import type { QueueRef, ReadOptions, ReadResult } from './contract.js';
import { QueueFetcher } from './fetch-records.js';
import { turn } from './read-log.js';
import { checkFields, countOf, durationOf, queueName, signalOf, startAt, type Start, tagFilter, type TagFilter } from './read-options.js';
import type { ReadView } from './read-view.js';
import { Sleeper } from './sleeper.js';
import { type Beginning, queueBeginning } from './start-at.js';

const optionNames: readonly string[] = ['from', 'countMax', 'bytesMax', 'tags', 'waitMs', 'signal'];
const COUNT_MAX = 32;
const BYTES_MAX = 256 * 1024;

interface Wish {
  readonly from: Start;
  readonly countMax: number;
  readonly bytesMax: number;
  readonly tags: TagFilter | undefined;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Messages of one queue, in order; see `ReadOptions` for how many. With `waitMs` a long poll: it waits until something passes the filter
 * or the time is over. OFFSET_OUT_OF_RANGE below the oldest and above the end; CORRUPT where the first message cannot be read.
 */
export async function read(view: ReadView, queue: QueueRef, options: ReadOptions): Promise<ReadResult> {
  view.assertReadable();
  const { topic, queueId } = queueName(view, queue);
  const wish = wishOf(options);
  wish.signal?.throwIfAborted();
  let slot = view.registry.find(topic, queueId);
  if (slot < 0) {
    if (wish.from.kind === 'offset' && wish.from.offset !== 0) {
      throw offsetOutOfRange(`queue ${queueId} of ${topic}`, wish.from.offset, 0, 0);
    }
    // Nobody has written to it. Only who waits for it makes it known.
    if (wish.waitMs === 0) return { messages: [], next: 0, min: 0, max: 0 };
    slot = view.registry.slotOf(topic, queueId);
  }
  const reading = new QueueReading(view, slot, wish);
  const messages = await reading.run(await queueBeginning(view, slot, wish.from));
  const { min, max } = view.queues.bounds(slot);
  view.countRead(messages.length);
  return { messages, next: Math.max(min, reading.position), min, max };
}

function wishOf(options: ReadOptions): Wish {
  checkFields('options', options, optionNames);
  return {
    from: startAt(options.from),
    countMax: countOf('countMax', options.countMax, COUNT_MAX),
    bytesMax: countOf('bytesMax', options.bytesMax, BYTES_MAX),
    tags: tagFilter(options.tags),
    waitMs: durationOf('waitMs', options.waitMs, 0),
    signal: signalOf(options.signal),
  };
}

/** One call of `read` under way. */
class QueueReading {
  position = 0;
  readonly #view: ReadView;
  readonly #slot: number;
  readonly #wish: Wish;
  readonly #messages: Message[] = [];
  #bytes = 0;

  constructor(view: ReadView, slot: number, wish: Wish) {
    this.#view = view;
    this.#slot = slot;
    this.#wish = wish;
  }

  async run(beginning: Beginning): Promise<readonly Message[]> {
    const view = this.#view;
    const { countMax, waitMs, signal, tags } = this.#wish;
    const fetcher = new QueueFetcher(view, this.#slot, tags);
    fetcher.since = beginning.since;
    this.position = beginning.position;
    const sleeper = new Sleeper(view, this.#slot, signal);
    const endMs = waitMs === 0 ? 0 : view.clock.monotonicMs() + waitMs;
    for (;;) {
      view.assertReadable();
      signal?.throwIfAborted();
      const { min, max } = view.queues.bounds(this.#slot);
      if (this.position < min || this.position > max) {
        if (this.#messages.length > 0) return this.#messages;
        await this.#restart(fetcher, min);
      } else if (this.position < max && this.#messages.length < countMax) {
        if (await this.#fetch(fetcher, max)) return this.#messages;
      } else {
        if (this.#messages.length > 0 || waitMs === 0) return this.#messages;
        const failure = view.failure();
        if (failure !== undefined) throw failure;
        const leftMs = endMs - view.clock.monotonicMs();
        if (leftMs <= 0) return this.#messages;
        await sleeper.sleep(leftMs);
      }
    }
  }

  /** True: no more is to be read. */
  async #fetch(fetcher: QueueFetcher, max: number): Promise<boolean> {
    const { countMax, bytesMax } = this.#wish;
    const isFirst = this.#messages.length === 0;
    const got = await fetcher.fetch(this.position, max, countMax - this.#messages.length, bytesMax - this.#bytes, isFirst);
    this.position = got.next;
    for (const message of got.messages) {
      this.#messages.push(message);
      this.#bytes += message.recordBytes;
    }
    if (got.stop === 'none') {
      if (got.messages.length === 0) await turn(this.#view);
      return false;
    }
    if (!isFirst) return true;
    if (got.stop === 'damaged' || got.stop === 'missing') throw got.error;
    if (got.stop === 'expired') await this.#restart(fetcher, await firstReadable(this.#view, this.#slot, this.position + 1));
    return false;
  }

  /** What was to be read first is not there (any more). */
  async #restart(fetcher: QueueFetcher, min: number): Promise<void> {
    const view = this.#view;
    const { from } = this.#wish;
    const { max } = view.queues.bounds(this.#slot);
    if (from.kind === 'offset' || from.kind === 'latest' || this.position > max) {
      throw offsetOutOfRange(queueText(view, this.#slot), this.position, min, max);
    }
    await turn(view);
    if (from.kind === 'earliest') {
      this.position = Math.max(min, view.queues.bounds(this.#slot).min);
    } else {
      const again = await queueBeginning(view, this.#slot, from);
      this.position = again.position;
      fetcher.since = again.since;
    }
  }
}
