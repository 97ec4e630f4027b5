import { assert, defined } from '../base/assert.js';
import { corrupt, ioError, StoreError, systemErrorCode } from '../base/errors.js';
import type { QueueRegistry } from '../base/queue-registry.js';
import { queueEntryBytes, writeQueueEntry } from '../format/queue-entry.js';
import type { FactsTarget, RecordFacts } from '../format/record-facts.js';
import type { FileSystem } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import { DeliveryTimes } from './delivery-times.js';
import { Exclusive } from './exclusive.js';
import { QueueFiles } from './queue-files.js';
import { QueueReader } from './queue-reader.js';
import { type FillQueue, QueueRebuilder } from './queue-rebuilder.js';
import { type QueueOnDisk, QueueScan } from './queue-scan.js';
import type { QueueState } from './queue-state.js';
import { QueueTable } from './queue-table.js';
import { type IsOf, QueueTrimmer } from './queue-trimmer.js';
import { QueueWaiters } from './queue-waiters.js';
import { QueueWriter } from './queue-writer.js';
import { RebuildFolder } from './rebuild-folder.js';
import { UnsyncedQueues } from './unsynced-queues.js';

export interface ConsumeQueuesOptions {
  /** `<root>/consumequeue`, absolute. */
  readonly directory: string;
  /** `<root>/stratalog/rebuild`, absolute, on the same file system. Nobody else puts anything there. */
  readonly rebuildDirectory: string;
  readonly entriesPerFile: number;
  readonly fs: FileSystem;
  readonly files: OpenFiles;
  readonly registry: QueueRegistry;
}

export interface QueueBounds {
  /** First entry whose record is in the log. */
  readonly min: number;
  /** One past the newest entry. */
  readonly max: number;
}

/** Bytes written between two turns of the event loop while a safe point is taken. */
const sliceBytes = 1024 * 1024;
/** No byte of a queue lies beyond what a number holds exactly. */
const queueOffsetMax = Math.floor(Number.MAX_SAFE_INTEGER / queueEntryBytes / 2);

/**
 * The consume queues: for every queue the places of its messages in the log, 20 bytes each, found by number in constant time.
 *
 * Invariants: the entries of a queue are dense, entry n is that of the message with queue offset n; what comes again after a
 * crash changes nothing; everything here can be rebuilt from the log, so a failure costs work and memory but never a message.
 * Trimming, cutting, safe points and the last step of a rebuild exclude each other; appends and reads go on beside them.
 */
export class ConsumeQueues implements FactsTarget {
  readonly name: string = 'consume queues';
  readonly waiters: QueueWaiters = new QueueWaiters();
  readonly #registry: QueueRegistry;
  readonly #files: QueueFiles;
  readonly #table: QueueTable;
  readonly #reader: QueueReader;
  readonly #deliveryTimes: DeliveryTimes;
  readonly #scan: QueueScan;
  readonly #unsynced: UnsyncedQueues;
  readonly #writer: QueueWriter;
  readonly #trimmer: QueueTrimmer;
  readonly #rebuilder: QueueRebuilder;
  readonly #exclusive: Exclusive = new Exclusive();
  /** Where the log began when trimming last began, and when all queues had last followed. */
  #trimmedTo = 0;
  #followedTo = 0;

  constructor(options: ConsumeQueuesOptions) {
    const { directory, entriesPerFile, fs, files: openFiles, registry } = options;
    assert(Number.isSafeInteger(entriesPerFile) && entriesPerFile > 0, 'entries per file are a positive integer');
    const folder = new RebuildFolder(fs, options.rebuildDirectory);
    const files = new QueueFiles(directory, entriesPerFile, registry);
    const table = new QueueTable(registry);
    this.#registry = registry;
    this.#files = files;
    this.#table = table;
    this.#reader = new QueueReader(files, openFiles);
    this.#deliveryTimes = new DeliveryTimes(files, openFiles, registry);
    this.#scan = new QueueScan(files, fs, openFiles);
    this.#unsynced = new UnsyncedQueues(table, files, fs, openFiles);
    this.#writer = new QueueWriter(table, files, fs, openFiles, folder, this.#unsynced);
    this.#trimmer = new QueueTrimmer(table, files, this.#reader, this.#scan, fs, openFiles, this.#unsynced);
    this.#rebuilder = new QueueRebuilder(table, files, this.#scan, fs, openFiles, folder, this.#unsynced, this.#exclusive);
  }

  /** Bytes of entries that are in memory only. */
  get pendingBytes(): number {
    return this.#table.pendingBytes;
  }

  /** Of these, the ones that could not be written: all of them while the disk is full, else those of damaged queues. */
  get failedBytes(): number {
    if (this.#writer.fullError !== undefined) return this.#table.pendingBytes;
    let bytes = 0;
    for (const slot of this.#table.damaged) bytes += this.#table.states[slot]?.pending?.length ?? 0;
    return bytes;
  }

  get damagedSlots(): ReadonlySet<number> {
    return this.#table.damaged;
  }

  /**
   * Takes rows [from, to) into memory, where they can be read at once. A row below `max` came before and is ignored. A row
   * above `max` starts its queue there if the queue has no entries; otherwise entries are missing, which happens in foreign
   * stores only: the queue is marked as damaged, and goes on from the row.
   */
  accept(facts: RecordFacts, from: number, to: number): void {
    const { slot: slots, queueOffset: queueOffsets, physicalOffset, recordBytes, tagsCode } = facts;
    const table = this.#table;
    const { states } = table;
    const { next } = this.#registry;
    const { waiters } = this;
    const isWaited = waiters.queueCount > 0;
    let addedCount = 0;
    for (let row = from; row < to; row += 1) {
      const slot = slots[row] as number;
      if (slot < 0) continue;
      const queue = states[slot] ?? table.at(slot);
      const queueOffset = queueOffsets[row] as number;
      if (queueOffset !== queue.max && !this.#moveTo(queue, queueOffset)) continue;
      queue.pending ??= table.pool.take();
      const { pending } = queue;
      if (pending.tail === pending.bytes.length) pending.makeRoom();
      writeQueueEntry(pending.bytes, pending.tail, physicalOffset[row] as number, recordBytes[row] as number, tagsCode[row] as number);
      pending.tail += queueEntryBytes;
      const max = queueOffset + 1;
      queue.max = max;
      if ((next[slot] as number) < max) next[slot] = max;
      addedCount += 1;
      if (!queue.listed) this.#writer.enlist(queue);
      if (isWaited) waiters.touch(slot);
    }
    table.pendingBytes += addedCount * queueEntryBytes;
    if (isWaited) waiters.callTouched();
  }

  /** As `accept`, for rows that may have come before this run: the times at which delayed messages are due stay as they are on disk. */
  acceptAgain(facts: RecordFacts, from: number, to: number): void {
    this.#deliveryTimes.keep(facts, from, to);
    this.accept(facts, from, to);
  }

  /** What the entry of a record holds when it is made anew: `tagsCode`, or the time at which it is due as the entry on disk tells it. */
  keptTagsCode(slot: number, queueOffset: number, physicalOffset: number, recordBytes: number, storedAt: number, tagsCode: number): number {
    return this.#deliveryTimes.keptOf(slot, queueOffset, physicalOffset, recordBytes, storedAt, tagsCode);
  }

  /** { 0, 0 } for a queue without entries that nobody knows. */
  bounds(slot: number): QueueBounds {
    const queue = this.#table.states[slot];
    return queue === undefined ? { min: 0, max: 0 } : { min: queue.min, max: queue.max };
  }

  /** Whether it is known that the entries of a queue, from `min` on, lead to `physicalOffset` or above: one that does not is damaged. */
  isTrimmedTo(slot: number, physicalOffset: number): boolean {
    return (this.#table.states[slot]?.minPhysicalOffset ?? -1) >= physicalOffset;
  }

  /**
   * Declares a queue known from elsewhere: entries [min, max) are in its files, and lead to `minPhysicalOffset` or above. Raises the
   * registry's next offset to `max`.
   */
  restore(slot: number, min: number, max: number, minPhysicalOffset: number = -1): void {
    assert(min <= max, 'the first entry of a queue is not above its end');
    const queue = this.#table.at(slot);
    assert(queue.pending === undefined, 'a queue is restored before entries are added to it');
    queue.min = min;
    queue.max = max;
    queue.written = max;
    queue.durable = max;
    queue.minPhysicalOffset = min === max ? -1 : minPhysicalOffset;
    queue.wholeFileIndex = -1;
    this.#raiseNext(queue);
  }

  /** Recovery: as `restore`, of a queue whose files do not hold all of that: it is damaged. What has been added to it is forgotten. */
  async distrust(slot: number, min: number, max: number, minPhysicalOffset: number): Promise<void> {
    await this.#trimmer.forget(this.#table.at(slot));
    this.restore(slot, min, max, minPhysicalOffset);
    this.markDamaged(slot);
  }

  /**
   * Up to `count` entries from `from` on into `into`, 20 bytes each; returns how many, at least one if `from` lies in
   * [min, max), fewer at the end of a file. Throws CORRUPT, naming the file, if it is missing, short or being rebuilt.
   */
  readEntries(slot: number, from: number, into: Buffer, count: number): number {
    const queue = this.#table.states[slot];
    if (queue === undefined) return 0;
    if (queue.rebuilding !== undefined && from < queue.written) {
      throw corrupt(this.#files.pathOf(slot, this.#files.indexOf(from)), this.#files.positionOf(from), 'the queue is being rebuilt');
    }
    return this.#reader.read(queue, from, into, count);
  }

  /** As `readEntries`, also of a queue that is being rebuilt: what its old files say, damaged as they may be. */
  peekEntries(slot: number, from: number, into: Buffer, count: number): number {
    const queue = this.#table.states[slot];
    return queue === undefined ? 0 : this.#reader.read(queue, from, into, count);
  }

  /** As `QueueScan.firstHeld`. */
  firstHeld(slot: number, from: number): number {
    const queue = this.#table.states[slot];
    return queue === undefined ? from : this.#scan.firstHeld(queue, from);
  }

  /** First entry in [min, max) whose record starts at or above `physicalOffset`; `max` if there is none. Throws CORRUPT as reads do. */
  firstAtOrAbove(slot: number, physicalOffset: number): number {
    const queue = this.#table.states[slot];
    return queue === undefined ? 0 : this.#reader.firstAtOrAbove(queue, physicalOffset);
  }

  /**
   * Writes at most `bytesMax` bytes of pending entries, less where they belong to many queues; those with much to write first. When the disk is full, what could not be
   * written stays in memory for the next call; any other failure marks the queue as damaged. Entries whose file is not there
   * yet have it made in the background, and are written by that.
   */
  writePending(bytesMax: number): void {
    this.#writer.writePending(bytesMax, false);
  }

  /**
   * A safe point: what is pending when it is called is written, all files written since the last call are synced one after the
   * other, then the directory entries of what is new. Rejects if anything of that fails, or if a queue is damaged.
   */
  sync(): Promise<void> {
    return this.#exclusive.run(async () => {
      try {
        await this.#writeAll();
        await this.#unsynced.syncFiles();
        await this.#unsynced.syncFolders();
      } catch (error) {
        throw ioError('safe point of the consume queues', error);
      }
      const first = this.#table.damaged.values().next().value;
      if (first === undefined) return;
      const what = `${this.#table.damaged.size} consume queues wait to be rebuilt, one is ${this.#files.queueFolder(first)}`;
      throw new StoreError('IO', what, { cause: this.#table.damageCause });
    });
  }

  /** Of every queue, the entries that the last safe point made durable. */
  snapshotBounds(): readonly { slot: number; min: number; max: number }[] {
    const bounds: { slot: number; min: number; max: number }[] = [];
    for (const queue of this.#table.states) {
      // Retention can be ahead of the files; the end of a queue never goes back.
      if (queue !== undefined) bounds.push({ slot: queue.slot, min: queue.min, max: Math.max(queue.min, queue.durable) });
    }
    return bounds;
  }

  /** Where the log began, at least, when the queues got their `min`. A queue that was made anew meanwhile may have to follow still. */
  get trimmedTo(): number {
    let trimmedTo = this.#followedTo;
    for (const queue of this.#table.states) {
      if (queue !== undefined && queue.min < queue.max && queue.minPhysicalOffset >= 0)
        trimmedTo = Math.min(trimmedTo, queue.minPhysicalOffset);
    }
    return trimmedTo;
  }

  /** Before the log loses what lies below `end`: as `QueueTrimmer.checkBelow`, for all queues. */
  async checkBelow(end: number, isOf: IsOf): Promise<void> {
    for (const queue of this.#table.states) if (queue !== undefined) await this.#trimmer.checkBelow(queue, end, isOf);
  }

  /** Recovery: entries at or above `max` are cut, on the disk and durably; files from there on are removed. */
  cut(slot: number, max: number): Promise<void> {
    return this.#exclusive.run(() => this.#trimmer.cut(this.#table.at(slot), max));
  }

  /**
   * The log now starts at `minPhysicalOffset`: moves `min` of every queue to its first entry at or above that, and removes files
   * wholly below it, never the last one. Returns the number of files removed. A queue that turns out to be damaged is marked and left;
   * where a file cannot be removed or read otherwise, the other queues are done first, then it rejects.
   */
  async trim(minPhysicalOffset: number, signal?: AbortSignal): Promise<number> {
    this.#trimmedTo = Math.max(this.#trimmedTo, minPhysicalOffset);
    let removedCount = 0;
    let failure: unknown;
    for (let slot = 0; slot < this.#table.states.length; slot += 1) {
      const queue = this.#table.states[slot];
      if (queue === undefined || !this.#trimmer.isTrimDue(queue, minPhysicalOffset)) continue;
      signal?.throwIfAborted();
      try {
        removedCount += await this.#exclusive.run(() => this.#trimmer.trim(queue, minPhysicalOffset));
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw ioError('removing expired queue entries', failure);
    this.#followedTo = Math.max(this.#followedTo, minPhysicalOffset);
    return removedCount;
  }

  /** Recovery: removes files in front of a queue's first entry that a deletion has left behind, as far as they speak of records below that. */
  removeExpiredFiles(slot: number, minPhysicalOffset: number): Promise<void> {
    return this.#exclusive.run(() => this.#trimmer.removeExpiredFiles(this.#table.at(slot), minPhysicalOffset));
  }

  /** All queues that have a folder; paths that cannot belong to one are ignored and go to `onStray`. */
  listOnDisk(onStray?: (path: string) => void): readonly QueueOnDisk[] {
    return this.#scan.list(onStray);
  }

  /**
   * Recovery: whether the files of a queue seem to end where `max` says, by a look at what follows. Where they do not, entries of
   * messages that the log has lost are left, and `cut` is due. Much cheaper than `cut`, for the queues that nothing points to.
   */
  isCleanBehind(slot: number, max: number): boolean {
    try {
      return this.#scan.isCleanBehind(this.#files.queueFolder(slot), max);
    } catch (error) {
      if (systemErrorCode(error) !== 'EIO') throw error;
      // Made anew, nothing will stand there.
      this.#table.markDamaged(this.#table.at(slot), error);
      return true;
    }
  }

  /** What the files of a queue themselves say of its bounds, for when no state is believed. */
  scanFiles(topic: string, queueId: number): QueueBounds {
    return this.#scan.scan(topic, queueId);
  }

  /**
   * Replaces the files of a queue by what `fill` puts, in order: all its entries in the log, up to `max` at least as it stood
   * when the call was made. Appends to it go on in memory, reads of what is in files throw until it is done. A second call
   * while one is running joins it. Rejects, and leaves the queue marked as damaged, if `fill` or the disk fails or if entries
   * are missing at the end.
   */
  rebuild(slot: number, fill: FillQueue): Promise<void> {
    const queue = this.#table.at(slot);
    queue.rebuilding ??= this.#rebuild(queue, fill);
    return queue.rebuilding;
  }

  /** Settles when the rebuild of the queue has; `undefined` if there is none. */
  rebuilding(slot: number): Promise<void> | undefined {
    return this.#table.states[slot]?.rebuilding;
  }

  /** Its files are not to be trusted: nothing is written to them, and no safe point is taken, until it is rebuilt. */
  markDamaged(slot: number): void {
    this.#table.markDamaged(this.#table.at(slot), undefined);
  }

  /** When everything that runs has settled. Writes nothing; a safe point comes first if entries are to be kept. */
  async close(): Promise<void> {
    await this.#writer.creationsSettled();
    await this.#exclusive.idle();
  }

  /** A row that is not the next one of its queue: returns whether it is to be added. */
  #moveTo(queue: QueueState, queueOffset: number): boolean {
    if (queueOffset < queue.max || queueOffset > queueOffsetMax) return false;
    if (queue.min < queue.max) {
      const gap = `entries ${queue.max} to ${queueOffset - 1} are missing in the log`;
      this.#table.markDamaged(queue, corrupt(this.#files.queueFolder(queue.slot), queue.max * queueEntryBytes, gap));
    } else {
      queue.min = queueOffset;
    }
    // What is in memory has expired, or is in the log too and comes back with the rebuild.
    this.#table.dropFrom(queue, queue.written);
    queue.max = queueOffset;
    queue.written = queueOffset;
    return true;
  }

  #raiseNext(queue: QueueState): void {
    const { next } = this.#registry;
    next[queue.slot] = Math.max(defined(next[queue.slot], 'next offset of a queue'), queue.max);
  }

  async #writeAll(): Promise<void> {
    const targets: { readonly queue: QueueState; readonly max: number }[] = [];
    for (const queue of this.#table.states) if (queue?.pending !== undefined) targets.push({ queue, max: queue.max });
    this.#writer.fullError = undefined;
    let i = 0;
    for (;;) {
      for (let target = targets[i]; target !== undefined && this.#isSettled(target.queue, target.max); target = targets[i]) i += 1;
      if (i === targets.length) return;
      this.#writer.writePending(sliceBytes, true);
      const creation = this.#writer.nextCreation();
      const full = this.#writer.fullError;
      if (full !== undefined) {
        await this.#writer.creationsSettled();
        throw full;
      }
      // Syncs between slices: they have to be made anyway, and leave turns of the event loop to others.
      await (creation ?? this.#unsynced.syncFiles());
    }
  }

  #isSettled(queue: QueueState, max: number): boolean {
    return queue.written >= max || queue.pending === undefined || this.#table.damaged.has(queue.slot) || queue.rebuilding !== undefined;
  }

  async #rebuild(queue: QueueState, fill: FillQueue): Promise<void> {
    this.#table.damaged.add(queue.slot);
    try {
      await this.#rebuilder.rebuild(queue, fill);
      this.#table.damaged.delete(queue.slot);
    } catch (error) {
      throw ioError(`rebuilding ${this.#files.queueFolder(queue.slot)}`, error);
    } finally {
      queue.rebuilding = undefined;
      this.#raiseNext(queue);
      if (queue.pending !== undefined && !queue.listed) this.#writer.enlist(queue);
    }
    if (this.#trimmedTo > 0) await this.#exclusive.run(() => this.#trimmer.trim(queue, this.#trimmedTo));
  }
}
