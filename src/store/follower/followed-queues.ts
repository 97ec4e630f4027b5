import { StoreError, systemErrorCode } from '../../base/errors.js';
import type { QueueRegistry } from '../../base/queue-registry.js';
import { QueueFiles } from '../../consume-queue/queue-files.js';
import { QueueReader } from '../../consume-queue/queue-reader.js';
import { QueueScan } from '../../consume-queue/queue-scan.js';
import type { QueueState } from '../../consume-queue/queue-state.js';
import { QueueTable } from '../../consume-queue/queue-table.js';
import { QueueWaiters } from '../../consume-queue/queue-waiters.js';
import { queueEntryBytes, writeQueueEntry } from '../../format/queue-entry.js';
import type { FactsTarget, RecordFacts } from '../../format/record-facts.js';
import type { QueuePlace } from '../../recovery/queue-places.js';
import type { QueueState as QueueInState } from '../../recovery/state.js';
import type { FileSystem } from '../../platform/platform.js';
import type { OpenFiles } from '../../segment/open-files.js';
import { FiledQueues } from './filed-queues.js';
import { type EntryView, firstEntry, pastLastBelow, physicalOffsetAt } from '../bounds.js';
import type { ReadableQueues } from '../read-view.js';

export interface FollowedQueuesOptions {
  readonly directory: string;
  readonly entriesPerFile: number;
  readonly registry: QueueRegistry;
  readonly files: OpenFiles;
  readonly fs: FileSystem;
  /** Where the log begins now. */
  readonly logMin: () => number;
  /** What readers may see of the log. */
  readonly visible: () => number;
}

/** Numbers missing between two records of one queue, up to so many, are remembered as missing; beyond, the queue begins anew. */
const GAP_COUNT_MAX = 65_536;
const queueOffsetMax = Math.floor(Number.MAX_SAFE_INTEGER / queueEntryBytes / 2);

/**
 * The queues as somebody else writes them: entries that a state vouches for are in the files, those that came after it are in memory, fed
 * from the log.
 *
 * Invariants: those of `QueueState`, where `written` is one past the last entry that the newest state vouches for. Nothing is ever written.
 */
export class FollowedQueues implements FactsTarget, ReadableQueues {
  readonly name: string = 'queues of a follower';
  readonly waiters: QueueWaiters = new QueueWaiters();
  readonly #options: FollowedQueuesOptions;
  readonly #table: QueueTable;
  readonly #reader: QueueReader;
  readonly #scan: QueueScan;
  readonly #entries: EntryView = { queues: this };
  /** By slot: where the log began when `min` was last compared with it. */
  readonly #minCheckedAt: number[] = [];
  /** The files may have entries of records at or above what is fed; not of any at or above this. */
  #surelyBelow = 0;
  /** Above what the newest state vouches for, some of the log has not been fed, up to there: numbers may have been lost. Or 0. */
  #doubtfulTo = 0;
  #isClosed = false;

  constructor(options: FollowedQueuesOptions) {
    this.#options = options;
    this.#table = new QueueTable(options.registry);
    const files = new QueueFiles(options.directory, options.entriesPerFile, options.registry);
    this.#reader = new QueueReader(files, options.files);
    this.#scan = new QueueScan(files, options.fs, options.files);
  }

  /** Entries in memory. */
  get pendingBytes(): number {
    return this.#table.pendingBytes;
  }

  /** Whether numbers may have been given out of which nothing is known. */
  get isDoubtful(): boolean {
    return this.#doubtfulTo > 0;
  }

  /** Nothing is read any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Begins anew with what a state says; `surelyBelow`: where the log ended, at most, when the state was written; `trimmedTo`: where it began, at least. */
  restore(states: readonly QueueInState[], surelyBelow: number, trimmedTo: number): void {
    this.#surelyBelow = surelyBelow;
    this.#doubtfulTo = 0;
    for (const queue of this.#table.states) {
      if (queue === undefined) continue;
      this.#table.dropFrom(queue, queue.written);
      queue.written = queue.max;
    }
    for (const state of states) {
      const queue = this.#table.at(this.#options.registry.slotOf(state.topic, state.queueId));
      queue.min = Math.max(queue.min, state.min);
      queue.max = Math.max(queue.min, state.max);
      queue.written = queue.max;
      this.#minCheckedAt[queue.slot] = trimmedTo;
      this.waiters.touch(queue.slot);
    }
    this.waiters.callTouched();
  }

  /**
   * Where no state tells, and the whole log has been fed: queues of which it holds nothing any more, all of theirs being deleted, go on with
   * the number that their files had come to.
   */
  keepNumbers(): void {
    for (const { topic, queueId } of this.#scan.list()) {
      const queue = this.#table.at(this.#options.registry.slotOf(topic, queueId));
      if (queue.max > 0) continue;
      const { min, max } = this.#scan.scan(topic, queueId);
      queue.min = min;
      queue.max = max;
      queue.written = max;
      const next = this.#endBelow(queue, this.#options.visible());
      queue.min = next;
      queue.max = next;
      queue.written = next;
    }
  }

  /**
   * Queues of which the log holds nothing any more go on with the number that a state says, also one that vouches for nothing else. What may have
   * been lost in damage has not expired: it stays, and is missing.
   */
  keepEnds(states: readonly QueueInState[]): void {
    for (const { topic, queueId, min, max } of states) {
      const queue = this.#table.at(this.#options.registry.slotOf(topic, queueId));
      if (this.isDoubtful && queue.max < max) {
        if (queue.max === 0) queue.min = queue.max = queue.written = Math.min(min, max);
        this.#moveTo(queue, max);
      }
      if (queue.min !== queue.max || queue.max >= max) continue;
      queue.min = max;
      queue.max = max;
      queue.written = max;
    }
  }

  /** What a newer state vouches for need not be kept in memory. What it alone knows of has been lost in damage to the log. */
  takeOver(states: readonly QueueInState[], safeOffset: number, surelyBelow: number): void {
    const { registry } = this.#options;
    const { isDoubtful } = this;
    for (const state of states) {
      const slot = isDoubtful ? registry.slotOf(state.topic, state.queueId) : registry.find(state.topic, state.queueId);
      const queue = isDoubtful ? this.#table.at(slot) : this.#table.states[slot];
      if (queue === undefined) continue;
      if (isDoubtful && state.max > queue.max) {
        this.#surelyBelow = Math.max(this.#surelyBelow, surelyBelow);
        if (queue.max === 0) queue.min = queue.max = queue.written = state.min;
        this.#table.dropFrom(queue, queue.written);
        queue.max = state.max;
        queue.written = state.max;
        this.waiters.touch(queue.slot);
      }
      const covered = Math.min(state.max, queue.max);
      if (covered > queue.written) this.#table.dropFirst(queue, covered - queue.written);
      this.#raiseMin(queue, Math.min(state.min, queue.max));
    }
    // It knows all that was given out below.
    if (safeOffset >= this.#doubtfulTo) this.#doubtfulTo = 0;
    this.waiters.callTouched();
  }

  /** What comes before `to` in the log cannot be fed: of the entries that lead there, those are taken that the files have already. */
  passOver(to: number, places: readonly QueuePlace[]): void {
    this.#doubtfulTo = to;
    for (const { topic, queueId, queueOffset, physicalOffset, recordBytes, tagsCode } of places) {
      const queue = this.#table.at(this.#options.registry.slotOf(topic, queueId));
      if (queueOffset !== queue.max && !this.#moveTo(queue, queueOffset)) continue;
      this.waiters.touch(queue.slot);
      const at = this.#room(queue);
      writeQueueEntry(at.bytes, at.tail, physicalOffset, recordBytes, tagsCode);
      this.#added(queue, at);
    }
    this.waiters.callTouched();
  }

  /** What the files hold now, whatever a state says of it. */
  async inFiles(): Promise<FiledQueues> {
    const { registry, files } = this.#options;
    return await FiledQueues.of(registry, this.#reader, this.#scan, async () => await files.breathe());
  }

  accept(facts: RecordFacts, from: number, to: number): void {
    const { waiters } = this;
    for (let row = from; row < to; row += 1) {
      const slot = facts.slot[row] ?? -1;
      if (slot < 0) continue;
      const queue = this.#table.at(slot);
      const queueOffset = facts.queueOffset[row] ?? 0;
      // Also for entries that the files have already: only now may readers see what they lead to.
      waiters.touch(slot);
      if (queueOffset !== queue.max && !this.#moveTo(queue, queueOffset)) continue;
      const at = this.#room(queue);
      writeQueueEntry(at.bytes, at.tail, facts.physicalOffset[row] ?? 0, facts.recordBytes[row] ?? 0, facts.tagsCode[row] ?? 0);
      this.#added(queue, at);
    }
    waiters.callTouched();
  }

  bounds(slot: number): { readonly min: number; readonly max: number } {
    const queue = this.#table.states[slot];
    if (queue === undefined) return { min: 0, max: 0 };
    if (this.#isClosed) return { min: queue.min, max: queue.max };
    this.#settleMin(queue);
    const { min, max } = queue;
    const visible = this.#options.visible();
    return { min, max: visible >= this.#surelyBelow || min === max ? max : this.#endBelow(queue, visible) };
  }

  readEntries(slot: number, from: number, into: Buffer, count: number): number {
    const queue = this.#table.states[slot];
    return queue === undefined ? 0 : this.#reader.read(queue, from, into, count);
  }

  firstHeld(slot: number, from: number): number {
    const queue = this.#table.states[slot];
    return queue === undefined ? from : this.#scan.firstHeld(queue, from);
  }

  isTrimmedTo(slot: number, physicalOffset: number): boolean {
    return (this.#minCheckedAt[slot] ?? 0) >= physicalOffset;
  }

  /** That happens beside the files, and shows when it is done. */
  rebuilding(): undefined {
    return undefined;
  }

  /**
   * The log has lost its beginning: the first entry is the first whose record is still there. What cannot be read now may be read the next
   * time, and `min` never goes back: it stays where that would leave out a message that is there.
   */
  #settleMin(queue: QueueState): void {
    const logMin = this.#options.logMin();
    if (queue.min === queue.max || (this.#minCheckedAt[queue.slot] ?? 0) >= logMin) return;
    try {
      if (physicalOffsetAt(this.#entries, queue.slot, queue.min) < logMin) this.#raiseMin(queue, this.#firstInLog(queue, logMin));
      const isKnown = queue.min === queue.max || physicalOffsetAt(this.#entries, queue.slot, queue.min) >= 0;
      if (isKnown) this.#minCheckedAt[queue.slot] = logMin;
    } catch (error) {
      throwUnlessOfDisk(error);
    }
  }

  #firstInLog(queue: QueueState, logMin: number): number {
    const { slot, min, max, written } = queue;
    // Files in front are gone when all of their records are. The last one stays in any case.
    const held = this.#scan.firstHeld(queue, min);
    return pastLastBelow(this.#entries, slot, held < written ? held : min, max, logMin);
  }

  #raiseMin(queue: QueueState, min: number): void {
    if (min <= queue.min) return;
    queue.min = min;
    if (min > queue.written) this.#table.dropFirst(queue, min - queue.written);
  }

  /** Where the entries of records below `offset` end. Those of which nothing can be read count as such. */
  #endBelow(queue: QueueState, offset: number): number {
    const { slot, min, max } = queue;
    try {
      const last = physicalOffsetAt(this.#entries, slot, max - 1);
      if (last >= 0 && last < offset) return max;
      const end = pastLastBelow(this.#entries, slot, min, max, offset);
      return firstEntry(this.#entries, slot, end, max) < max ? end : max;
    } catch (error) {
      throwUnlessOfDisk(error);
      return max;
    }
  }

  /**
   * A row that is not the next one of its queue; false: it came before. Numbers can be missing where the log is damaged: these are looked for in
   * the files, or, if later ones are in memory, said to be missing.
   */
  #moveTo(queue: QueueState, queueOffset: number): boolean {
    if (queueOffset < queue.max || queueOffset > queueOffsetMax) return false;
    if (queue.min < queue.max && queueOffset - queue.max <= GAP_COUNT_MAX) {
      while (queue.max < queueOffset) {
        const at = this.#room(queue);
        at.bytes.fill(0, at.tail, at.tail + queueEntryBytes);
        this.#added(queue, at);
      }
      return true;
    }
    this.#table.dropFrom(queue, queue.written);
    if (!this.isDoubtful) queue.min = queueOffset;
    queue.max = queueOffset;
    queue.written = queueOffset;
    return true;
  }

  #room(queue: QueueState): { bytes: Buffer; tail: number; makeRoom(): void } {
    queue.pending ??= this.#table.pool.take();
    if (queue.pending.tail === queue.pending.bytes.length) queue.pending.makeRoom();
    return queue.pending;
  }

  #added(queue: QueueState, at: { tail: number }): void {
    at.tail += queueEntryBytes;
    queue.max += 1;
    this.#table.pendingBytes += queueEntryBytes;
  }
}

/** What the disk does not let us read is told by the reads that need it. */
function throwUnlessOfDisk(error: unknown): void {
  if (!StoreError.is(error) && systemErrorCode(error) === undefined) throw error;
}
