import { StoreError } from '../base/errors.js';
import type { PhysicalOffset } from '../base/quantities.js';
import { decodeMessage } from '../format/decode-message.js';
import type { Message } from '../format/message.js';
import { RecordView } from '../format/record-view.js';
import { offsetOutOfRange } from './bounds.js';
import type { Tail, TailOptions } from './contract.js';
import { LogReader } from './log-reader.js';
import { neighboursOf } from './log-places.js';
import { checkFields, endAt, signalOf, skips, type Start, startAt, tagFilter, type TagFilter, topicFilter } from './read-options.js';
import type { ReadView } from './read-view.js';
import { Sleeper } from './sleeper.js';
import { logBeginning } from './start-at.js';
import { SETTLING_MS, TAIL_BYTES_MAX, TAIL_COUNT_MAX, TailCursor, type TailSource, type TailStep } from './tail-cursor.js';

const optionNames: readonly string[] = ['from', 'tags', 'topics', 'until', 'onExpired', 'onCorrupt', 'signal'];

/** A cursor over the log. Wrong options throw here; what the store has to say, a bad offset too, comes through the iteration. */
export function tailLog(
  view: ReadView,
  options: TailOptions<PhysicalOffset> & { readonly topics?: readonly string[] | undefined },
): Tail<PhysicalOffset> {
  view.assertReadable();
  checkFields('options', options, optionNames);
  const signal = signalOf(options.signal);
  const start = startAt(options.from);
  const end = endAt(options.until);
  const visible = view.visible();
  const source = new LogSource({
    view,
    start,
    // What `latest` and `end` mean is settled now.
    endAtCall: visible,
    end: end.kind === 'end' ? visible : end.kind === 'offset' ? end.offset : Number.POSITIVE_INFINITY,
    endTime: end.kind === 'time' ? end.time : Number.POSITIVE_INFINITY,
    tags: tagFilter(options.tags),
    topics: topicFilter(view, options.topics),
    skipsExpired: skips('onExpired', options.onExpired),
    skipsCorrupt: skips('onCorrupt', options.onCorrupt),
    sleeper: new Sleeper(view, undefined, signal),
  });
  const position = start.kind === 'offset' ? start.offset : start.kind === 'latest' ? visible : view.segments.minOffset;
  return new TailCursor<PhysicalOffset>(view, source, position, signal);
}

interface LogSourceOptions {
  readonly view: ReadView;
  readonly start: Start;
  /** Physical offset; Infinity: none. */
  readonly end: number;
  readonly endTime: number;
  /** The log's end when the tail was asked for: where `latest` is, and no start lies above it. */
  readonly endAtCall: number;
  readonly tags: TagFilter | undefined;
  readonly topics: ReadonlySet<string> | undefined;
  readonly skipsExpired: boolean;
  readonly skipsCorrupt: boolean;
  readonly sleeper: Sleeper;
}

const noMessages: readonly Message[] = [];

/** Goes along the log record by record; what has no place in a queue is no message. */
class LogSource implements TailSource {
  readonly sleeper: Sleeper;
  readonly #options: LogSourceOptions;
  readonly #reader: LogReader;
  #next = 0;
  #since = Number.NEGATIVE_INFINITY;
  #hasBegun = false;
  /** Where the file has been opened anew because of damage. */
  #reopenedAt = -1;
  /** Until then, what expires under a tail that begins with the oldest does not concern it. */
  #hasMessages = false;

  constructor(options: LogSourceOptions) {
    this.#options = options;
    this.sleeper = options.sleeper;
    this.#reader = new LogReader(options.view, new RecordView(options.view.segments.segmentBytes));
  }

  hasNews(): boolean {
    return this.#next < this.#options.view.visible();
  }

  positionAfter(message: Message): number {
    return message.physicalOffset + message.recordBytes;
  }

  release(): void {
    this.#reader.release();
  }

  async step(): Promise<TailStep> {
    const { view, end } = this.#options;
    if (!this.#hasBegun) await this.#begin();
    if (this.#next >= end) return this.#stepped('end');
    if (this.#next < view.segments.minOffset && !this.#reader.holds(this.#next)) return await this.#expired();
    if (this.#next >= view.visible()) return this.#waiting();
    const messages: Message[] = [];
    const stop = this.#collect(messages);
    if (messages.length > 0) this.#hasMessages = true;
    // Messages first: what stopped us is met again by the next step.
    if (messages.length > 0 || stop === 'none') return { kind: 'more', messages, next: this.#next, waitMs: 0 };
    if (stop === 'until') return this.#stepped('end');
    if (stop === 'unread') return await this.#fill();
    await this.#damaged(stop);
    return this.#stepped('more');
  }

  async #begin(): Promise<void> {
    const { view, start, endAtCall } = this.#options;
    const beginning = start.kind === 'latest' ? { position: endAtCall, since: this.#since } : await logBeginning(view, start);
    this.#next = beginning.position;
    this.#since = beginning.since;
    this.#hasBegun = true;
    if (start.kind === 'offset' && start.offset > endAtCall) throw this.#outOfRange();
  }

  /**
   * Takes messages out of what has been read already. `unread`: to go on, more must be read; `until`: the end has come; an error: the
   * record at `#next` is damaged.
   */
  #collect(messages: Message[]): 'none' | 'unread' | 'until' | StoreError {
    const { view, end, endTime } = this.#options;
    const reader = this.#reader;
    const { record } = reader;
    const flushed = view.flushed();
    const limit = Math.min(this.#next + TAIL_BYTES_MAX, end, view.visible());
    while (this.#next < limit && messages.length < TAIL_COUNT_MAX) {
      const kind = reader.look(this.#next);
      if (kind === 'unread') return kind;
      if (kind === 'damaged') return reader.damage(this.#next);
      const next = this.#next + record.recordBytes;
      if (kind === 'record') {
        if (record.storedAt >= endTime && !record.isFiller) return 'until';
        if (this.#passes(record)) {
          const message = decodeMessage(record, record.bytes, next <= flushed);
          if (this.#options.tags === undefined || this.#options.tags.passes(message.tag)) messages.push(message);
        }
      }
      this.#next = next;
    }
    return 'none';
  }

  #passes(record: RecordView): boolean {
    if (!record.hasQueueOffset || record.isFiller) return false;
    if (record.storedAt < this.#since) return false;
    this.#since = Number.NEGATIVE_INFINITY;
    const { topics } = this.#options;
    return (topics === undefined || topics.has(record.topic)) && !record.isTombstone;
  }

  async #fill(): Promise<TailStep> {
    try {
      if (!(await this.#reader.fill(this.#next))) return await this.#expired();
    } catch (error) {
      if (!StoreError.is(error, 'CORRUPT')) throw error;
      await this.#damaged(error);
    }
    return this.#stepped('more');
  }

  /** Goes on at the next place where a record is known to begin. */
  async #damaged(error: StoreError): Promise<void> {
    const { view, skipsCorrupt } = this.#options;
    if (this.#reopenedAt !== this.#next && view.reopenLog?.(error) === true) {
      this.#reopenedAt = this.#next;
      this.#reader.release();
      return;
    }
    if (!skipsCorrupt) throw error;
    const { segments } = view;
    const from = this.#next;
    const segmentEnd = segments.baseOf(from) + segments.segmentBytes;
    const { after } = await neighboursOf(view, from);
    const nextBase = segments.bases.find((base) => base >= segmentEnd) ?? segmentEnd;
    this.#next = Math.min(after, nextBase, view.visible());
  }

  async #expired(): Promise<TailStep> {
    const { view, start, skipsExpired } = this.#options;
    const isAtStart = !this.#hasMessages && (start.kind === 'earliest' || start.kind === 'time');
    if (!skipsExpired && !isAtStart) throw this.#outOfRange();
    this.#next = Math.max(this.#next, view.segments.minOffset);
    return this.#stepped('more');
  }

  #outOfRange(): Error {
    const { view } = this.#options;
    return offsetOutOfRange('the log', this.#next, view.segments.minOffset, view.visible());
  }

  #waiting(): TailStep {
    const { view, endTime } = this.#options;
    this.#reader.release();
    const waitMs = endTime - view.clock.nowMs();
    // The clock has passed it, and none that was stored before is on its way to readers: whatever comes is stored later.
    if (waitMs <= 0 && !this.#isSomethingOnItsWay()) return this.#stepped('end');
    return { kind: 'wait', messages: noMessages, next: this.#next, waitMs: Math.max(SETTLING_MS, waitMs) };
  }

  #isSomethingOnItsWay(): boolean {
    const { registry, queues } = this.#options.view;
    return registry.next.some((next, slot) => next > queues.bounds(slot).max);
  }

  #stepped(kind: 'more' | 'end'): TailStep {
    return { kind, messages: noMessages, next: this.#next, waitMs: 0 };
  }
}
