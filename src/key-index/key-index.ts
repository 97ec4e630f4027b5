import { assert, defined } from '../base/assert.js';
import { ioError, StoreError, systemErrorCode } from '../base/errors.js';
import { indexEntryAt, indexFileName, indexKeyHash, indexSeconds } from '../format/index-layout.js';
import type { FactsTarget, RecordFacts } from '../format/record-facts.js';
import type { FileSystem } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import { ChainWalk, fileMayHold } from './chain-walk.js';
import type { KeyWish } from './chain-walk.js';
import { cutIndex } from './cut-index.js';
import type { IndexFaultSink } from './file-check.js';
import { IndexCheck } from './index-check.js';
import { IndexFile } from './index-file.js';
import type { IndexFileState } from './index-file.js';
import { IndexStorage } from './index-storage.js';
import { IndexWriter } from './index-writer.js';
import { isIndexFileName, openIndexFiles } from './open-index-files.js';
import { PendingEntries } from './pending-entries.js';
import { isDiskFull } from './safe-point.js';
import { setAside } from './set-aside.js';
import { pageOf, SlotTable } from './slot-table.js';

export interface KeyIndexOptions {
  /** `<root>/index`, absolute. */
  readonly directory: string;
  /** Where files go that are not believed. */
  readonly asideDirectory: string;
  /** RocketMQ's maxHashSlotNum. */
  readonly slotCount: number;
  /** RocketMQ's maxIndexNum: one more than the entries that fit in a file. */
  readonly entryCount: number;
  readonly fs: FileSystem;
  readonly files: OpenFiles;
  /** For file names, which are in local time. */
  readonly nowMs: () => number;
  /** Lets the event loop go on during long work. Default: it does not. */
  readonly nextTurn?: (callback: () => void) => void;
}

const entriesPerTurn = 256;
const firstStepEntries = 8;

/**
 * Finds records by key: for every key of a record one entry, in files of fixed size, each a hash table with chains (see the index layout).
 *
 * Invariants: entries come in log order, never one of a lower physical offset than the last; the row that came last may come again, and
 * of its keys only those beyond the ones it has already are taken. Only the newest file grows. Entries go to disk in order, and only of
 * records that are durable. Slots and header on disk never speak of entries above the last safe point's. Among the asynchronous calls one
 * runs at a time. Derived: whatever goes wrong here ends in `isDamaged`, and then in building the index anew from the log.
 */
export class KeyIndex implements FactsTarget {
  readonly name: string = 'key-index';
  readonly #options: KeyIndexOptions;
  readonly #pending: PendingEntries = new PendingEntries();
  readonly #storage: IndexStorage;
  /** Oldest first. */
  readonly #files: IndexFile[] = [];
  readonly #writer: IndexWriter;
  /** The highest file name so far; names never go back, also when the local time does. */
  #lastName = '0';
  #lastPhysicalOffset = -1;
  /** How many of the last entries are of that record; undefined: to be counted in the files. */
  #lastRowKeyCount: number | undefined = 0;
  #damage: unknown;
  /** A row was taken without knowing what the file holds, or a write or sync has failed: memory and file may differ, until the index is made anew. */
  #isUnsure = false;
  #isClosed = false;
  #resetCount = 0;
  /** The end of the last asynchronous call. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: KeyIndexOptions) {
    assert(options.slotCount >= 1 && options.entryCount >= 2, 'an index file has slots and entries');
    this.#options = options;
    this.#storage = new IndexStorage(options.directory, options.fs, options.files, this.#pending, options.slotCount, options.entryCount);
    this.#writer = new IndexWriter(this.#storage, this.#files, () => this.#nextTurn());
  }

  /**
   * Opens over existing files. `clean`: nobody but this store can have touched them since `states`; if they are not as it says
   * they are taken as after a crash. Otherwise the entries that `states` counts are taken and the newest file's slots made
   * anew. `minPhysicalOffset`: leading files of `states` that end below it may be gone, `trim` may have removed them since.
   * Returns from where the log is to be fed again (undefined: from the state's safe offset; 0: all of it), and how many files
   * were set aside.
   */
  open(
    states: readonly IndexFileState[],
    clean: boolean,
    minPhysicalOffset: number = 0,
  ): Promise<{ readonly refeedFrom: number | undefined; readonly asideCount: number }> {
    return this.#alone('opening the index', async () => {
      const { fs, directory } = this.#options;
      await fs.makeDirectory(directory);
      const names = fs.list(directory);
      const firstHeld = states.findIndex((state) => names.includes(state.name) || state.endPhysicalOffset >= minPhysicalOffset);
      const expected = firstHeld < 0 ? [] : states.slice(firstHeld);
      const opened = await openIndexFiles(this.#storage, this.#options.asideDirectory, expected, clean);
      this.#files.splice(0, this.#files.length, ...opened.files);
      // Also above the names of files that were lost: a new one under such a name would be taken for it after the next crash.
      for (const { name } of states) if (/^\d{17}$/.test(name) && name > this.#lastName) this.#lastName = name;
      this.#continueAfterNewest();
      return { refeedFrom: opened.refeedFrom, asideCount: opened.asideCount };
    });
  }

  /** Two million keys a second and more: nothing is allocated for an entry. Reads the slots (once) or the last row's entries if need be. */
  accept(facts: RecordFacts, from: number, to: number): void {
    for (let row = from; row < to; row += 1) {
      const keyEnd = facts.keyEnd[row] as number;
      let key = facts.keyStart(row);
      if (key === keyEnd) continue;
      const physicalOffset = facts.physicalOffset[row] as number;
      if (physicalOffset > this.#lastPhysicalOffset) {
        this.#lastPhysicalOffset = physicalOffset;
        this.#lastRowKeyCount = keyEnd - key;
      } else {
        if (physicalOffset < this.#lastPhysicalOffset) continue;
        const known = this.#countLastRowKeys();
        this.#lastRowKeyCount = Math.max(known, keyEnd - key);
        key += known;
      }
      const storedAt = facts.storedAt[row] as number;
      for (; key < keyEnd; key += 1) this.#put(facts.keyHashes[key] as number, physicalOffset, storedAt);
    }
  }

  /** Of all files: header, slots and the entries there are. */
  get usedBytes(): number {
    return this.#files.reduce((bytes, file) => bytes + indexEntryAt(this.#options.slotCount, file.entryCount + 1), 0);
  }

  get pendingBytes(): number {
    return this.#pending.byteCount;
  }

  /** What is pending because the disk does not take it; 0 while it does. */
  get failedBytes(): number {
    return this.#writer.hasFailed ? this.#pending.byteCount : 0;
  }

  /** Something in the files is not as it must be: `reset`, and feed the log again. */
  get damaged(): boolean {
    return this.#damage !== undefined;
  }

  /** What was found first. */
  get damage(): unknown {
    return this.#damage;
  }

  /** How often it has been emptied: a walk that began before that has nothing left to go through. */
  get resetCount(): number {
    return this.#resetCount;
  }

  markDamaged(cause: unknown = new StoreError('CORRUPT', `${this.#options.directory}: marked as damaged`)): void {
    this.#damage ??= cause;
  }

  /** Of the files as the last safe point (or opening) left them. */
  states(): readonly IndexFileState[] {
    return this.#files.filter((file) => file.synced.entryCount > 0).map((file) => file.state);
  }

  /**
   * Writes entries of records below `durableBefore`, oldest first, at most `bytesMax` bytes. A full disk leaves them pending for
   * another try (`failedBytes`); any other failure is damage.
   */
  writePending(durableBefore: number, bytesMax: number): void {
    if (this.#isClosed) return;
    try {
      this.#writer.writePending(durableBefore, bytesMax);
    } catch (error) {
      this.#noteWriteFailure(error);
    }
  }

  /** Finds out whether somebody else has added or removed files: then it is damaged, and can be made anew before a safe point. */
  async look(): Promise<void> {
    // A list that cannot be had says nothing; the safe point asks for it again.
    await this.#alone('looking for the files of the index', async () => this.#checkDirectory()).catch(() => undefined);
  }

  /**
   * The index's part of a safe point: entries of records below `durableBefore` (at least), slots and headers are durable. Resolves with the
   * states for the state file; undefined: damaged, no safe point. Rejects with DISK_FULL: no safe point this time.
   */
  sync(durableBefore: number): Promise<readonly IndexFileState[] | undefined> {
    return this.#alone('a safe point of the index', async () => {
      if (this.damaged) return undefined;
      try {
        await this.#writer.writeAllBelow(durableBefore);
        await this.#writer.makeDurable();
        this.#checkDirectory();
        return this.damaged ? undefined : this.states();
      } catch (error) {
        this.#noteWriteFailure(error);
        if (isDiskFull(error)) throw error;
        return undefined;
      }
    });
  }

  /**
   * Physical offsets of the records that may have that key, newest first: those whose key has the same hash and whose store time
   * may lie in [since, until); `before` is exclusive. One that has the key and time is never missed; the caller compares both
   * with the record. An offset comes once per entry: twice in a row for a record that has the key twice. A broken chain ends the
   * walk in its file and is damage; a file that cannot be read throws IO.
   */
  async *find(topic: string, key: string, since: number, until: number, before: number): AsyncGenerator<number, void, undefined> {
    const wish: KeyWish = { keyHash: indexKeyHash(topic, key), since, until, before };
    const files = [...this.#files].reverse();
    const found: number[] = [];
    let seenCount = 0;
    let stepEntries = firstStepEntries;
    for (const file of files) {
      if (file.isGone || !fileMayHold(file, wish)) continue;
      const walk = new ChainWalk(this.#storage, file, wish);
      let isEnded = false;
      while (!isEnded) {
        isEnded = this.#step(walk, file, stepEntries, found);
        seenCount += stepEntries;
        for (const physicalOffset of found.splice(0)) yield physicalOffset;
        if (!isEnded) stepEntries = Math.min(entriesPerTurn, stepEntries * 2);
        if (seenCount >= entriesPerTurn) {
          seenCount = 0;
          await this.#nextTurn();
        }
      }
    }
  }

  /** To hold the index against the log with, as far as it has come; `report` is told what is wrong. Changes nothing. */
  checker(report: IndexFaultSink): IndexCheck {
    const resetCount = this.#resetCount;
    const index = {
      storage: this.#storage,
      files: this.#files,
      isRemade: resetCount > 0,
      isVoid: () => this.#isClosed || this.#isUnsure || this.#resetCount !== resetCount,
      nextTurn: async () => await this.#nextTurn(),
      alone: async (work: () => Promise<void>) => await this.#alone('checking the index', work),
    };
    return new IndexCheck(index, report);
  }

  /** Removes leading files that end below `minPhysicalOffset`, never the last one; returns how many. */
  trim(minPhysicalOffset: number): Promise<number> {
    return this.#alone('removing old index files', async () => {
      let count = 0;
      for (let oldest = this.#files[0]; oldest !== undefined && this.#files.length > 1; oldest = this.#files[0]) {
        if (oldest.endPhysicalOffset >= minPhysicalOffset || oldest.written.entryCount < oldest.entryCount) break;
        this.#files.shift();
        oldest.isGone = true;
        await this.#options.files.forget(oldest.path);
        await this.#options.fs.remove(oldest.path);
        count += 1;
      }
      if (count > 0) await this.#options.fs.syncDirectory(this.#options.directory);
      return count;
    });
  }

  /** Recovery: forgets the entries of records at or above `end`. */
  cut(end: number): Promise<void> {
    return this.#alone('cutting the index', async () => {
      try {
        await cutIndex(this.#storage, this.#files, end);
      } catch (error) {
        this.markDamaged(error);
      }
      this.#continueAfterNewest();
    });
  }

  /** Sets all files aside and starts empty, undamaged. */
  reset(): Promise<void> {
    this.#resetCount += 1;
    return this.#alone('setting the index aside', async () => {
      const { fs, files, directory, asideDirectory } = this.#options;
      for (const file of this.#files.splice(0)) file.isGone = true;
      this.#pending.cutTo(this.#pending.first);
      this.#continueAfterNewest();
      this.#damage = undefined;
      this.#isUnsure = false;
      this.#writer.restart();
      await fs.makeDirectory(directory);
      await setAside(fs, files, directory, fs.list(directory).filter(isIndexFileName), asideDirectory);
    });
  }

  /** After the last safe point. Removes a file that was made but got no entry. */
  close(): Promise<void> {
    return this.#alone('closing the index', async () => {
      this.#isClosed = true;
      const empty = this.#files.find((file) => file.onDisk !== 'no' && file.written.entryCount === 0);
      if (empty === undefined) return;
      await this.#options.files.forget(empty.path);
      await this.#options.fs.remove(empty.path);
      await this.#options.fs.syncDirectory(this.#options.directory);
    });
  }

  #put(keyHash: number, physicalOffset: number, storedAt: number): void {
    const last = this.#files[this.#files.length - 1];
    const file = last === undefined || last.entryCount >= this.#storage.usableEntryCount ? this.#roll() : last;
    const table = file.slots ?? this.#slotsOf(file);
    const entryNumber = file.entryCount + 1;
    if (entryNumber === 1) {
      file.beginTime = storedAt;
      file.beginPhysicalOffset = physicalOffset;
    }
    // Relative to the file's own first entry, also in a rolled file: a query with the true time then finds entry 1 at any reader.
    const seconds = indexSeconds(storedAt, file.beginTime);
    const slot = keyHash % table.slots.length;
    this.#pending.push(keyHash, physicalOffset, seconds, table.slots[slot] as number, storedAt);
    table.slots[slot] = entryNumber;
    table.dirtyPages[pageOf(slot)] = 1;
    file.entryCount = entryNumber;
    file.endTime = storedAt;
    file.endPhysicalOffset = physicalOffset;
  }

  #roll(): IndexFile {
    const now = indexFileName(this.#options.nowMs());
    const next = String(BigInt(this.#lastName) + 1n).padStart(now.length, '0');
    this.#lastName = now > next ? now : next;
    const file = new IndexFile(this.#options.directory, this.#lastName, this.#pending.end);
    file.slots = new SlotTable(this.#options.slotCount);
    this.#files.push(file);
    return file;
  }

  #slotsOf(file: IndexFile): SlotTable {
    try {
      file.slots = this.#storage.loadSlots(file);
    } catch (error) {
      this.markDamaged(error);
      this.#isUnsure = true;
      file.slots = new SlotTable(this.#options.slotCount);
    }
    return file.slots;
  }

  /** A row may lie across a roll, and a crash may have kept some of its keys only. */
  #countLastRowKeys(): number {
    if (this.#lastRowKeyCount !== undefined) return this.#lastRowKeyCount;
    let count = 0;
    try {
      for (let i = this.#files.length - 1; i >= 0; i -= 1) {
        const file = defined(this.#files[i], 'index file');
        let entryNumber = file.entryCount;
        while (entryNumber > 0 && this.#storage.physicalOffsetOf(file, entryNumber) === this.#lastPhysicalOffset) entryNumber -= 1;
        count += file.entryCount - entryNumber;
        if (entryNumber > 0) break;
      }
    } catch (error) {
      this.markDamaged(error);
      this.#isUnsure = true;
    }
    this.#lastRowKeyCount = count;
    return count;
  }

  #continueAfterNewest(): void {
    this.#lastPhysicalOffset = this.#files.at(-1)?.endPhysicalOffset ?? -1;
    this.#lastRowKeyCount = undefined;
  }

  /** A stock broker that was started beside us deletes index files, or makes some, before it asks for the lock. */
  #checkDirectory(): void {
    const names = this.#options.fs.list(this.#options.directory).filter(isIndexFileName);
    const ours = this.#files.filter((file) => file.onDisk !== 'no').map((file) => file.name);
    if (names.length === ours.length && names.every((name, i) => name === ours[i])) return;
    this.markDamaged(new StoreError('CORRUPT', `${this.#options.directory}: somebody else has added or removed index files`));
  }

  #noteWriteFailure(error: unknown): void {
    this.#writer.noteFailure(error);
    if (isDiskFull(error)) return;
    this.markDamaged(error);
    this.#isUnsure = true;
  }

  /** One step of a walk; true: it has ended. */
  #step(walk: ChainWalk, file: IndexFile, entriesMax: number, found: number[]): boolean {
    if (file.isGone) return true;
    try {
      if (!walk.isDone) walk.step(entriesMax, found);
      return walk.isDone;
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'EMFILE' || code === 'ENFILE') throw ioError(`reading ${file.path}`, error);
      this.markDamaged(error);
      if (code === 'CORRUPT' || code === 'ENOENT') return true;
      throw ioError(`reading ${file.path}`, error);
    }
  }

  #nextTurn(): Promise<void> {
    const nextTurn = this.#options.nextTurn;
    return nextTurn === undefined ? Promise.resolve() : new Promise((resolve) => nextTurn(resolve));
  }

  #alone<T>(doing: string, work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work).catch((error: unknown) => {
      throw ioError(doing, error);
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
