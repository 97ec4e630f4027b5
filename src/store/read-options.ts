import type { EpochMs } from '../base/quantities.js';
import { javaHash } from '../base/java-hash.js';
import { outOfRange, topicInvalid, wrongType } from '../format/refusals.js';
import { topicFault } from '../format/topic-rules.js';
import { refuseUnknown } from './options.js';
import type { ReadView } from './read-view.js';

/**
 * What callers of reads may give. Wrong type: TypeError; wrong value: RangeError; a topic that no message can have: TOPIC_INVALID.
 * Offsets below or above what there is are no wrong call: they meet the bounds of the moment, and OFFSET_OUT_OF_RANGE.
 */
export interface QueueName {
  readonly topic: string;
  readonly queueId: number;
}

/** Where to begin, checked. */
export type Start = { readonly kind: 'earliest' } | { readonly kind: 'latest' } | AtOffset | AtTime;
/** Where to end, checked. */
export type End = { readonly kind: 'none' } | { readonly kind: 'end' } | AtOffset | AtTime;
interface AtOffset {
  readonly kind: 'offset';
  readonly offset: number;
}
interface AtTime {
  readonly kind: 'time';
  readonly time: EpochMs;
}

const queueIdMax = 2_147_483_647;

/** Options and queries are objects, with no other fields than these: a misspelt one would be left out silently. */
export function checkFields(argument: string, value: unknown, known: readonly string[]): void {
  checkObject(argument, value);
  refuseUnknown(value, known, 'option');
}

function checkObject(argument: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null) throw wrongType(argument, 'an object', value);
}

/** A queue, existing or not. What stands in the store may be read, whatever it is called. */
export function queueName(view: ReadView, queue: unknown): QueueName {
  checkObject('queue', queue);
  const { topic, queueId = 0 } = queue as { readonly topic?: unknown; readonly queueId?: unknown };
  if (typeof topic !== 'string') throw wrongType('topic', 'a string', topic);
  if (typeof queueId !== 'number') throw wrongType('queueId', 'a number', queueId);
  if (!Number.isInteger(queueId) || queueId < 0 || queueId > queueIdMax) {
    throw outOfRange('queueId', `an integer from 0 to ${queueIdMax}`, queueId);
  }
  checkTopic(view, topic);
  return { topic, queueId };
}

function checkTopic(view: ReadView, topic: string): void {
  if (view.registry.slotsOf(topic).length > 0) return;
  const fault = topicFault(topic, true);
  if (fault !== undefined) throw topicInvalid(topic, fault);
}

/** Topics to keep; undefined: all. */
export function topicFilter(view: ReadView, topics: unknown): ReadonlySet<string> | undefined {
  if (topics === undefined) return undefined;
  if (!Array.isArray(topics)) throw wrongType('topics', 'an array of strings', topics);
  for (const topic of topics) {
    if (typeof topic !== 'string') throw wrongType('a topic', 'a string', topic);
    checkTopic(view, topic);
  }
  return new Set(topics as readonly string[]);
}

/** Which tags pass. A queue entry knows the hash only, so that the tag itself is compared as well. */
export class TagFilter {
  readonly hashes: ReadonlySet<number>;
  readonly #tags: ReadonlySet<string>;

  constructor(tags: readonly string[]) {
    this.#tags = new Set(tags);
    this.hashes = new Set(tags.map((tag) => javaHash(tag)));
  }

  passes(tag: string | undefined): boolean {
    return tag !== undefined && this.#tags.has(tag);
  }
}

/** Undefined: all messages pass. An empty array lets none pass. */
export function tagFilter(tags: unknown): TagFilter | undefined {
  if (tags === undefined) return undefined;
  if (!Array.isArray(tags)) throw wrongType('tags', 'an array of strings', tags);
  for (const tag of tags) if (typeof tag !== 'string') throw wrongType('a tag', 'a string', tag);
  return new TagFilter(tags as readonly string[]);
}

export function startAt(from: unknown): Start {
  if (from === 'earliest' || from === 'latest') return { kind: from };
  if (typeof from === 'number') return { kind: 'offset', offset: wholeNumber('from', from) };
  if (isTimeObject(from)) return { kind: 'time', time: timeOf('from.time', from.time) };
  throw wrongType('from', "'earliest', 'latest', an offset or { time }", from);
}

export function endAt(until: unknown): End {
  if (until === undefined) return { kind: 'none' };
  if (until === 'end') return { kind: until };
  if (typeof until === 'number' && until < 0) throw outOfRange('until', 'an offset of at least 0', until);
  if (typeof until === 'number') return { kind: 'offset', offset: wholeNumber('until', until) };
  if (isTimeObject(until)) return { kind: 'time', time: timeOf('until.time', until.time) };
  throw wrongType('until', "'end', an offset or { time }", until);
}

function isTimeObject(value: unknown): value is { readonly time: unknown } {
  return typeof value === 'object' && value !== null && 'time' in value;
}

function wholeNumber(argument: string, value: number): number {
  if (!Number.isInteger(value)) throw outOfRange(argument, 'a whole number', value);
  return value;
}

/** Milliseconds of a Date or a number; infinities are times before and after all others. */
export function timeOf(argument: string, value: unknown): EpochMs {
  if (typeof value !== 'number' && !(value instanceof Date)) throw wrongType(argument, 'a Date or milliseconds since 1970', value);
  const ms = Number(value);
  if (Number.isNaN(ms)) throw outOfRange(argument, 'a valid Date or milliseconds since 1970', value);
  return ms;
}

/** At least 1; Infinity for no bound. */
export function countOf(argument: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') throw wrongType(argument, 'a number', value);
  if (value !== Number.POSITIVE_INFINITY && (!Number.isInteger(value) || value < 1)) {
    throw outOfRange(argument, 'a whole number of at least 1', value);
  }
  return value;
}

/** At least 0; Infinity to wait however long it takes. */
export function durationOf(argument: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') throw wrongType(argument, 'a number', value);
  if (Number.isNaN(value) || value < 0) throw outOfRange(argument, 'a number of milliseconds, at least 0', value);
  return value;
}

/** Whether a tail goes on where messages have expired, or cannot be read. */
export function skips(argument: string, value: unknown): boolean {
  if (value === undefined || value === 'error') return false;
  if (value === 'skip') return true;
  throw wrongType(argument, "'error' or 'skip'", value);
}

export function signalOf(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const isSignal = typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal;
  if (!isSignal) throw wrongType('signal', 'an AbortSignal', signal);
  return signal as AbortSignal;
}
