import type { QueueOffset } from '../base/quantities.js';
import type { Message } from '../format/message.js';
import { firstReadable, offsetOutOfRange, queueText } from './bounds.js';
import type { QueueRef, Tail, TailOptions } from './contract.js';
import { QueueFetcher } from './fetch-records.js';
import { checkFields, endAt, queueName, signalOf, skips, type Start, startAt, tagFilter } from './read-options.js';
import type { ReadView } from './read-view.js';
import { Sleeper } from './sleeper.js';
import { type Beginning, queueBeginning } from './start-at.js';
import { SETTLING_MS, TAIL_BYTES_MAX, TAIL_COUNT_MAX, TailCursor, type TailSource, type TailStep } from './tail-cursor.js';

const optionNames: readonly string[] = ['from', 'tags', 'until', 'onExpired', 'onCorrupt', 'signal'];

/** A cursor over one queue. Wrong options throw here; what the store has to say, an offset out of range too, comes through the iteration. */
export function tailQueue(view: ReadView, queue: QueueRef, options: TailOptions): Tail {
  view.assertReadable();
  const { topic, queueId } = queueName(view, queue);
  checkFields('options', options, optionNames);
  const signal = signalOf(options.signal);
  const start = startAt(options.from);
  const end = endAt(options.until);
  const tags = tagFilter(options.tags);
  const skipsExpired = skips('onExpired', options.onExpired);
  const skipsCorrupt = skips('onCorrupt', options.onCorrupt);
  const slot = view.registry.slotOf(topic, queueId);
  const { min, max } = view.queues.bounds(slot);
  const source = new QueueSource({
    view,
    slot,
    start,
    // What `latest` and `end` mean is settled now.
    endAtCall: max,
    end: end.kind === 'end' ? max : end.kind === 'offset' ? end.offset : Number.POSITIVE_INFINITY,
    endTime: end.kind === 'time' ? end.time : Number.POSITIVE_INFINITY,
    skipsExpired,
    skipsCorrupt,
    fetcher: new QueueFetcher(view, slot, tags, end.kind === 'time' ? end.time : undefined),
    sleeper: new Sleeper(view, slot, signal),
  });
  const position = start.kind === 'offset' ? start.offset : start.kind === 'latest' ? max : min;
  return new TailCursor<QueueOffset>(view, source, position, signal);
}

interface QueueSourceOptions {
  readonly view: ReadView;
  readonly slot: number;
  readonly start: Start;
  /** Queue offset; Infinity: none. */
  readonly end: number;
  readonly endTime: number;
  /** The queue's end when the tail was asked for: where `latest` is, and no start lies above it. */
  readonly endAtCall: number;
  readonly skipsExpired: boolean;
  readonly skipsCorrupt: boolean;
  readonly fetcher: QueueFetcher;
  readonly sleeper: Sleeper;
}

const noMessages: readonly Message[] = [];

class QueueSource implements TailSource {
  readonly sleeper: Sleeper;
  readonly #options: QueueSourceOptions;
  #next = 0;
  #hasBegun = false;
  /** Until then, what expires under a tail that begins with the oldest does not concern it. */
  #hasMessages = false;

  constructor(options: QueueSourceOptions) {
    this.#options = options;
    this.sleeper = options.sleeper;
  }

  hasNews(): boolean {
    const { view, slot } = this.#options;
    return this.#next < view.queues.bounds(slot).max;
  }

  positionAfter(message: Message): number {
    return message.queueOffset + 1;
  }

  release(): void {
    // Reads in flight give back what they hold by themselves.
  }

  async step(): Promise<TailStep> {
    const { view, slot, end, fetcher } = this.#options;
    if (!this.#hasBegun) await this.#begin();
    if (this.#next >= end) return this.#stepped('end');
    const { min, max } = view.queues.bounds(slot);
    if (this.#next < min) return await this.#expired();
    if (this.#next >= max) return this.#waiting();
    const got = await fetcher.fetch(this.#next, Math.min(max, end), TAIL_COUNT_MAX, TAIL_BYTES_MAX, true);
    this.#next = got.next;
    if (got.messages.length > 0) this.#hasMessages = true;
    if (got.stop === 'until') return this.#stepped('end');
    if (got.stop === 'expired') return await this.#expired();
    if (got.stop === 'damaged' || got.stop === 'missing') {
      if (!this.#options.skipsCorrupt) throw got.error;
      // What lies behind a damaged record has not been asked for yet: where a file is missing there, it can be made anew.
      this.#next = got.stop === 'damaged' ? this.#next + 1 : Math.min(max, view.queues.firstHeld(slot, this.#next + 1));
    }
    return { kind: 'more', messages: got.messages, next: this.#next, waitMs: 0 };
  }

  async #begin(): Promise<void> {
    const { view, slot, start, endAtCall, fetcher } = this.#options;
    if (start.kind === 'latest') this.#next = endAtCall;
    else this.#take(await queueBeginning(view, slot, start), fetcher);
    this.#hasBegun = true;
    if (start.kind === 'offset' && start.offset > endAtCall) throw this.#outOfRange(await firstReadable(view, slot));
  }

  #take(beginning: Beginning, fetcher: QueueFetcher): void {
    this.#next = beginning.position;
    fetcher.since = beginning.since;
  }

  async #expired(): Promise<TailStep> {
    const { view, slot, start, skipsExpired, fetcher } = this.#options;
    const min = await firstReadable(view, slot, this.#next + 1);
    const isAtStart = !this.#hasMessages && (start.kind === 'earliest' || start.kind === 'time');
    if (!skipsExpired && !isAtStart) throw this.#outOfRange(min);
    if (isAtStart && start.kind === 'time') this.#take(await queueBeginning(view, slot, start), fetcher);
    this.#next = Math.max(this.#next, min);
    return this.#stepped('more');
  }

  #outOfRange(min: number): Error {
    const { view, slot } = this.#options;
    return offsetOutOfRange(queueText(view, slot), this.#next, min, view.queues.bounds(slot).max);
  }

  #waiting(): TailStep {
    const { view, slot, endTime } = this.#options;
    const waitMs = endTime - view.clock.nowMs();
    // The clock has passed it, and none that was stored before is on its way to readers: whatever comes is stored later.
    if (waitMs <= 0 && (view.registry.next[slot] ?? 0) <= this.#next) return this.#stepped('end');
    return { kind: 'wait', messages: noMessages, next: this.#next, waitMs: Math.max(SETTLING_MS, waitMs) };
  }

  #stepped(kind: 'more' | 'end'): TailStep {
    return { kind, messages: noMessages, next: this.#next, waitMs: 0 };
  }
}
