import { StoreError } from '../base/errors.js';
import { decodeMessage } from '../format/decode-message.js';
import type { Message } from '../format/message.js';
import { entryPhysicalOffset, entryRecordBytes, entryTagsCode, isEmptyEntry, queueEntryBytes } from '../format/queue-entry.js';
import { recordBytesMin, scheduleTopic } from '../format/record-layout.js';
import { RecordView } from '../format/record-view.js';
import { ascendAround, leadsAstray, physicalOffsetAt, queueText } from './bounds.js';
import { mayBeginAt, recordsEndAt } from './log-places.js';
import { damagedLog, forgetBytes, giveBuffer, mendQueue, readLog, SPAN_BYTES, takeBuffer } from './read-log.js';
import type { TagFilter } from './read-options.js';
import type { ReadView } from './read-view.js';

/** Entries looked at in one go. */
const FETCH_ENTRIES = 1024;
const SPAN_GAP_BYTES_MAX = 64 * 1024;
const noEntries: Buffer = Buffer.alloc(0);

/**
 * Why a fetch came to its end before what it was asked for. `full`: the next message is too large for what was left of the bytes.
 * `until`: the next message was stored at or after `until`. `expired`: it has been deleted. `damaged`: its record cannot be read. `missing`: the
 * queue does not lead to it, made anew as far as that could be done.
 */
export type FetchStop = 'none' | 'full' | 'until' | 'expired' | 'damaged' | 'missing';

const stopOf = { entry: 'missing', log: 'damaged', expired: 'expired', until: 'until' } as const satisfies Record<string, FetchStop>;

export interface Fetched {
  readonly messages: readonly Message[];
  /** One past the last message looked at. */
  readonly next: number;
  /** Other than `none` only if `next` has not moved: what came before is handed out first, and the next fetch meets the same again. */
  readonly stop: FetchStop;
  readonly error: StoreError | undefined;
}

/** What one look found wrong with the next message. `entry`: it may be the queue that is damaged, and not the log. */
interface Fault {
  readonly kind: keyof typeof stopOf;
  readonly error: StoreError | undefined;
  /** Where the log may be damaged, or the entry that led there. */
  readonly suspectOffset?: number | undefined;
}

/**
 * Reads messages of one queue: entries in one go, then their records, those near each other in the log together, with one awaited
 * read for each such span. Every record is compared with the entry that led to it. One call at a time.
 */
export class QueueFetcher {
  /** Messages stored before it are passed over, until the first that was not. */
  since: number = Number.NEGATIVE_INFINITY;
  readonly #view: ReadView;
  readonly #slot: number;
  readonly #topic: string;
  readonly #queueId: number;
  readonly #tags: TagFilter | undefined;
  /** Whether entries tell the tag's hash: those of scheduled messages tell a time. */
  readonly #hasTagHashes: boolean;
  readonly #until: number;
  readonly #record: RecordView;
  #entries: Buffer = noEntries;
  #entryCount = 0;
  #messages: Message[] = [];
  #bytes = 0;
  #fault: Fault | undefined;
  #isFull = false;
  // Of the call under way:
  #bytesMax = 0;
  #isFirstWhole = false;
  // The span to be read next: [#spanStart, #spanEnd) of the log, for entries up to #spanEntryEnd.
  #spanStart = 0;
  #spanEnd = 0;
  #spanEntryEnd = 0;

  constructor(view: ReadView, slot: number, tags: TagFilter | undefined, until: number = Number.POSITIVE_INFINITY) {
    this.#view = view;
    this.#slot = slot;
    this.#topic = view.registry.topicOf(slot);
    this.#queueId = view.registry.queueIdOf(slot);
    this.#tags = tags;
    this.#hasTagHashes = this.#topic !== scheduleTopic;
    this.#until = until;
    this.#record = new RecordView(view.segments.segmentBytes);
  }

  /**
   * At most `countMax` messages and `bytesMax` bytes of [from, to), which lies within the bounds of the queue. Looks at some 1,024
   * entries at most: fewer messages than asked for do not mean that there are no more. `whole`: the first message counts as small enough.
   */
  async fetch(from: number, to: number, countMax: number, bytesMax: number, whole: boolean): Promise<Fetched> {
    let first = await this.#lookWell(from, to, countMax, bytesMax, whole);
    if (this.#messages.length === 0 && first === from && this.#view.reopenLog?.(this.#fault?.error) === true) {
      first = await this.#lookWell(from, to, countMax, bytesMax, whole);
    }
    const fault = this.#fault;
    if (fault?.kind !== 'entry' || this.#messages.length > 0 || first > from) return this.#result(from, first);
    // No reason to rebuild a queue that leads where a record must begin: that could only lose the entry.
    if (fault.suspectOffset !== undefined && (await this.#mayBePlace(from, fault.suspectOffset))) {
      this.#fault = { kind: 'log', error: fault.error };
      return this.#result(from, first);
    }
    await mendQueue(this.#view, this.#slot);
    const { min } = this.#view.queues.bounds(this.#slot);
    if (from < min) return { messages: [], next: from, stop: 'expired', error: undefined };
    return this.#result(from, await this.#lookWell(from, to, countMax, bytesMax, whole));
  }

  /** Behind damage the log does not tell where records begin: there the entry is believed if those around it do not contradict it. */
  async #mayBePlace(queueOffset: number, offset: number): Promise<boolean> {
    const isInOrder = ascendAround(this.#view, this.#slot, queueOffset);
    return isInOrder ? await mayBeginAt(this.#view, offset) : await recordsEndAt(this.#view, offset);
  }

  #result(from: number, next: number): Fetched {
    const messages = this.#messages;
    // There may be many fetchers that wait for their next call.
    this.#messages = [];
    this.#entries = noEntries;
    forgetBytes(this.#record);
    const fault = this.#fault;
    if (messages.length > 0 || next > from) return { messages, next, stop: 'none', error: undefined };
    if (fault === undefined) return { messages, next, stop: this.#isFull ? 'full' : 'none', error: undefined };
    return { messages, next, stop: stopOf[fault.kind], error: fault.error };
  }

  /** As `#look`. A message that seems to have expired may be there: then its entry is damaged. */
  async #lookWell(from: number, to: number, countMax: number, bytesMax: number, whole: boolean): Promise<number> {
    const next = await this.#look(from, to, countMax, bytesMax, whole);
    if (next === from && this.#messages.length === 0 && this.#fault?.kind === 'expired' && leadsAstray(this.#view, this.#slot, from)) {
      this.#fault = { kind: 'entry', error: this.#missing(from) };
    }
    return next;
  }

  /** Returns the queue offset that it came to. */
  async #look(from: number, to: number, countMax: number, bytesMax: number, whole: boolean): Promise<number> {
    this.#messages = [];
    this.#bytes = 0;
    this.#fault = undefined;
    this.#isFull = false;
    this.#bytesMax = bytesMax;
    this.#isFirstWhole = whole;
    this.#readEntries(from, Math.min(to - from, this.#tags === undefined ? countMax : FETCH_ENTRIES, FETCH_ENTRIES));
    let i = 0;
    while (i < this.#entryCount && this.#messages.length < countMax) {
      i = this.#planSpan(from, i, countMax);
      if (this.#spanEntryEnd === i) break;
      i = await this.#readSpan(from, i);
      if (this.#fault !== undefined || this.#isFull) break;
    }
    return from + i;
  }

  #readEntries(from: number, count: number): void {
    this.#entries = Buffer.allocUnsafe(count * queueEntryBytes);
    this.#entryCount = 0;
    try {
      while (this.#entryCount < count) {
        const into = this.#entries.subarray(this.#entryCount * queueEntryBytes);
        const taken = this.#view.queues.readEntries(this.#slot, from + this.#entryCount, into, count - this.#entryCount);
        if (taken === 0) break;
        this.#entryCount += taken;
      }
    } catch (error) {
      if (!StoreError.is(error, 'CORRUPT')) throw error;
      if (this.#entryCount === 0) this.#fault = { kind: 'entry', error };
      return;
    }
    // Within the bounds there is an entry; where not, retention has moved them.
    if (this.#entryCount === 0) this.#fault = { kind: 'expired', error: undefined };
  }

  #passes(at: number): boolean {
    return this.#tags === undefined || !this.#hasTagHashes || this.#tags.hashes.has(this.#entries.readInt32BE(at + 16));
  }

  /**
   * Passes over entries that the filter leaves out, then plans a span for as many as lie near each other. Returns the first entry of
   * the span; if the span is empty, the first entry that could not be taken.
   */
  #planSpan(from: number, start: number, countMax: number): number {
    const entries = this.#entries;
    const { segments } = this.#view;
    const countLeft = countMax - this.#messages.length;
    const visible = this.#view.visible();
    let first = start;
    let count = 0;
    let bytes = this.#bytes;
    let segmentEnd = 0;
    let i = start;
    this.#isFull = false;
    this.#spanStart = this.#spanEnd = 0;
    for (; i < this.#entryCount; i += 1) {
      const at = i * queueEntryBytes;
      const offset = entryPhysicalOffset(entries, at);
      const recordBytes = entryRecordBytes(entries, at);
      const isEntry = !isEmptyEntry(entries, at) && recordBytes >= recordBytesMin && offset + recordBytes <= visible;
      if (!isEntry || (offset % segments.segmentBytes) + recordBytes > segments.segmentBytes) {
        if (count === 0) this.#fault = { kind: 'entry', error: this.#missing(from + i) };
        break;
      }
      if (!this.#passes(at)) {
        if (count === 0) first = i + 1;
        continue;
      }
      const isFirst = count === 0 && this.#messages.length === 0;
      const isTooLarge = bytes + recordBytes > this.#bytesMax && !(isFirst && this.#isFirstWhole);
      // Another tag may have the same hash: of a filter's candidates, the record itself says whether it counts.
      if (isTooLarge && (count > 0 || this.#tags === undefined)) {
        this.#isFull = count === 0;
        break;
      }
      if (count === 0) {
        first = i;
        this.#spanStart = offset;
        segmentEnd = offset - (offset % segments.segmentBytes) + segments.segmentBytes;
      } else if (
        offset < this.#spanEnd ||
        offset - this.#spanEnd > SPAN_GAP_BYTES_MAX ||
        offset >= segmentEnd ||
        offset + recordBytes - this.#spanStart > SPAN_BYTES
      ) {
        break;
      }
      this.#spanEnd = offset + recordBytes;
      bytes += recordBytes;
      count += 1;
      if (count === countLeft) {
        i += 1;
        break;
      }
    }
    this.#spanEntryEnd = count === 0 ? first : i;
    return first;
  }

  /** Reads the planned span and takes the messages in it; returns the entry that it came to. */
  async #readSpan(from: number, first: number): Promise<number> {
    const bytes = this.#spanEnd - this.#spanStart;
    const buffer = takeBuffer(bytes);
    try {
      if (!(await readLog(this.#view, buffer, this.#spanStart, bytes))) {
        this.#fault = { kind: 'expired', error: undefined };
        return first;
      }
      return this.#takeMessages(from, first, buffer);
    } catch (error) {
      if (this.#spanEntryEnd === first + 1) {
        if (!StoreError.is(error, 'CORRUPT')) throw error;
        this.#fault = { kind: 'log', error };
        return first;
      }
    } finally {
      giveBuffer(buffer);
    }
    // What cannot be read may be further on in the span: by itself, the first record is as good as if it stood alone.
    this.#spanEntryEnd = first + 1;
    this.#spanEnd = this.#spanStart + entryRecordBytes(this.#entries, first * queueEntryBytes);
    return await this.#readSpan(from, first);
  }

  #takeMessages(from: number, first: number, buffer: Buffer): number {
    const record = this.#record;
    const tags = this.#tags;
    const flushed = this.#view.flushed();
    for (let i = first; i < this.#spanEntryEnd; i += 1) {
      const at = i * queueEntryBytes;
      if (tags !== undefined && !this.#passes(at)) continue;
      if (!this.#fits(buffer, at, from + i)) return i;
      if (record.storedAt < this.since) continue;
      this.since = Number.NEGATIVE_INFINITY;
      if (record.storedAt >= this.#until) {
        this.#fault = { kind: 'until', error: undefined };
        return i;
      }
      if (record.isTombstone) continue;
      const message = decodeMessage(record, buffer, record.physicalOffset + record.recordBytes <= flushed);
      if (tags !== undefined && !tags.passes(message.tag)) continue;
      const isWhole = this.#isFirstWhole && this.#messages.length === 0;
      if (this.#bytes + record.recordBytes > this.#bytesMax && !isWhole) {
        this.#isFull = true;
        return i;
      }
      this.#messages.push(message);
      this.#bytes += record.recordBytes;
    }
    return this.#spanEntryEnd;
  }

  /** Whether the record is the one that entry `at` names; sets the fault if not. */
  #fits(buffer: Buffer, at: number, queueOffset: number): boolean {
    const record = this.#record;
    const offset = entryPhysicalOffset(this.#entries, at);
    const recordBytes = entryRecordBytes(this.#entries, at);
    const position = offset - this.#spanStart;
    const kind = record.read(buffer, position, position + recordBytes);
    const isMeant =
      kind === 'record' &&
      record.recordBytes === recordBytes &&
      record.physicalOffset === offset &&
      record.queueOffset === queueOffset &&
      record.queueId === this.#queueId &&
      record.hasQueueOffset &&
      record.topic === this.#topic;
    if (!isMeant) {
      const what = kind === 'record' ? `another record than message ${queueOffset} of ${queueText(this.#view, this.#slot)}` : record.what;
      // A record that says it is longer than its entry does may be right: the entry is looked at first.
      const isLonger = kind === 'invalid' && record.bytesNeeded > recordBytes;
      const isGood = kind === 'record' && record.physicalOffset === offset && record.verify(this.#view.isOurs(offset));
      this.#fault = { kind: 'entry', error: damagedLog(this.#view, offset, what), suspectOffset: isGood || isLonger ? undefined : offset };
      return false;
    }
    if (!record.verify(this.#view.isOurs(offset))) {
      this.#fault = { kind: 'log', error: damagedLog(this.#view, offset, record.what) };
      return false;
    }
    // The checksum does not vouch for the entry's copy of the tag's hash, and a filter believes it.
    if (this.#hasTagHashes && entryTagsCode(this.#entries, at) !== record.tagsCode() && !record.isTombstone) {
      this.#fault = { kind: 'entry', error: damagedLog(this.#view, offset, 'a record with another tag than its queue entry says') };
      return false;
    }
    return true;
  }

  /** There is no entry to say where the record should be: behind the one before it. */
  #missing(queueOffset: number): StoreError {
    const before = Math.max(this.#view.segments.minOffset, physicalOffsetAt(this.#view, this.#slot, queueOffset - 1));
    return damagedLog(this.#view, before, `from here on, message ${queueOffset} of ${queueText(this.#view, this.#slot)} is missing`);
  }
}
