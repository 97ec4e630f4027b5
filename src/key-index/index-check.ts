import { ioError, StoreError, systemErrorCode } from '../base/errors.js';
import { entriesPerLook, FileCheck, type IndexFaultSink } from './file-check.js';
import type { IndexFile } from './index-file.js';
import type { IndexStorage } from './index-storage.js';

/** What a check asks of the index that it goes through. */
export interface CheckedIndex {
  readonly storage: IndexStorage;
  /** Oldest first; the owner's list, which changes. */
  readonly files: readonly IndexFile[];
  /** It was made anew in this run, or is being: where it ends it may not have come further yet. */
  readonly isRemade: boolean;
  /** What was looked at is there no more. */
  isVoid(): boolean;
  nextTurn(): Promise<void>;
  /** While no safe point is being taken. */
  alone(work: () => Promise<void>): Promise<void>;
}

/** Keys without entry, or entries without key, one after the other. */
interface Run {
  readonly kind: 'missing' | 'surplus';
  readonly where: string;
  readonly offset: number;
  /** Of the first record that is concerned. */
  readonly physicalOffset: number;
  count: number;
}

/**
 * Holds the index against the log while somebody reads that: entries come in log order, so the keys of the records, one after the
 * other, say what each entry must be. The entries themselves say what links, slots and header must be.
 *
 * Where the two part, the physical offsets say how they go on together: an entry of an earlier record is surplus, one of a later record
 * means that one is missing, unless entries of earlier records follow it: then it is the entry that is wrong.
 * Files that retention removes meanwhile are left; if the index is made anew meanwhile, the check is void and finds nothing more.
 */
export class IndexCheck {
  readonly #index: CheckedIndex;
  readonly #report: IndexFaultSink;
  #current: FileCheck | undefined;
  /** Gone through, with slots and header still to be looked at. */
  readonly #finished: FileCheck[] = [];
  /** Entries of records below it concern nobody: the records are deleted, or the file before could not be read. */
  #floor = Number.NEGATIVE_INFINITY;
  /** Keys of records up to it cannot be looked for. */
  #blindUntil = Number.NEGATIVE_INFINITY;
  #run: Run | undefined;
  #isVoid = false;

  constructor(index: CheckedIndex, report: IndexFaultSink) {
    this.#index = index;
    this.#report = report;
  }

  /** Call `settle` soon, in a place where there may be an `await`; memory for a file's slots is held until then. */
  get hasWork(): boolean {
    return this.#finished.length > 0;
  }

  /** The next key in the order of the log, of the record at `physicalOffset`; keys of one record in the order of its entries. */
  expect(keyHash: number, physicalOffset: number, storedAt: number): void {
    if (physicalOffset <= this.#blindUntil) return;
    try {
      while (!this.#meet(keyHash, physicalOffset, storedAt)) {
        // The entry that was next is of no key in the log.
      }
    } catch (error) {
      this.#giveUp(this.#current, error);
    }
  }

  /** Entries of records in [from, to) may be there or not: nobody can tell what was there. All that lies below `from` has been expected. */
  passOver(from: number, to: number): void {
    while (!this.#passSome(from, to)) {
      // A piece is done, with more behind it.
    }
  }

  /** The same for what may be long; -Infinity: all below `to` is deleted. */
  async skip(from: number, to: number): Promise<void> {
    if (from === Number.NEGATIVE_INFINITY) this.#floor = Math.max(this.#floor, to);
    while (!this.#passSome(Math.max(0, from), to)) {
      await this.#index.nextTurn();
      await this.settle();
    }
  }

  /** Looks at slots and headers of the files that have been gone through. */
  async settle(): Promise<void> {
    for (let check = this.#finished.shift(); check !== undefined; check = this.#finished.shift()) await this.#settle(check);
  }

  /** All keys of records below `limit` have been expected. */
  async end(limit: number): Promise<void> {
    await this.skip(limit, limit);
    this.#endRun();
    await this.settle();
    const last = this.#current;
    if (last === undefined) return;
    // What came in while the log was read, a piece a turn, so that little is left for the one turn in which nothing may come in.
    while (last.number + entriesPerLook <= last.file.entryCount && this.#isCurrent(last)) {
      for (let i = 0; i < entriesPerLook && this.#look() === last; i += 1) last.take(last.keyHash);
      await this.#index.nextTurn();
    }
    await this.settle();
    if (this.#isCurrent(last)) await this.#settle(last);
  }

  /** Holds the next entry against a key; false: dropped it. */
  #meet(keyHash: number, physicalOffset: number, storedAt: number): boolean {
    const entry = this.#look();
    if (entry === undefined || (entry.physicalOffset > physicalOffset && !entry.isOutOfOrder())) {
      this.#miss(entry, physicalOffset);
      return true;
    }
    if (entry.physicalOffset === physicalOffset && entry.keyHash === keyHash) {
      if (this.#run !== undefined) this.#endRun();
      entry.accept(keyHash, storedAt);
      return true;
    }
    const isMeant = entry.physicalOffset === physicalOffset || entry.keyHash === keyHash;
    if (isMeant && !this.#isDeleted(entry) && !entry.isFollowedBy(keyHash, physicalOffset)) {
      this.#acceptWrong(entry, keyHash, physicalOffset, storedAt);
      return true;
    }
    this.#drop(entry);
    return false;
  }

  #isCurrent(check: FileCheck): boolean {
    return this.#current === check && !check.isBroken && !check.file.isGone && !this.#index.isVoid();
  }

  /** Drops what lies below `to`, a piece at most; true: nothing is left. */
  #passSome(from: number, to: number): boolean {
    for (let i = 0; i < entriesPerLook; i += 1) {
      const entry = this.#look();
      if (entry === undefined || entry.physicalOffset >= to) return true;
      if (entry.physicalOffset < from) this.#drop(entry);
      else entry.take(entry.keyHash);
    }
    return false;
  }

  /** The file with the next entry, after a look at that. */
  #look(): FileCheck | undefined {
    for (;;) {
      if (this.#isVoid || this.#index.isVoid()) {
        this.#becomeVoid();
        return undefined;
      }
      const current = this.#current ?? this.#begin(this.#index.files[0]);
      if (current === undefined) return undefined;
      try {
        if (current.look()) return current;
      } catch (error) {
        this.#giveUp(current, error);
      }
      const next = this.#fileAfter(current.file);
      if (next === undefined) return undefined;
      if (!current.isBroken && !current.file.isGone) this.#finished.push(current);
      this.#begin(next);
    }
  }

  #begin(file: IndexFile | undefined): FileCheck | undefined {
    this.#current = file === undefined ? undefined : new FileCheck(this.#index.storage, file, this.#report);
    return this.#current;
  }

  #fileAfter(file: IndexFile): IndexFile | undefined {
    const { files } = this.#index;
    // Only the oldest are removed.
    return file.isGone ? files[0] : files[files.indexOf(file) + 1];
  }

  #miss(entry: FileCheck | undefined, physicalOffset: number): void {
    if (entry === undefined && this.#index.isRemade) this.#becomeVoid();
    // The newest file could not be read, or what it should hold is not there yet.
    if (this.#isVoid || physicalOffset <= this.#blindUntil) return;
    const at = entry ?? this.#current;
    this.#note('missing', at?.file.path ?? this.#index.storage.directory, at?.position ?? 0, physicalOffset);
  }

  #acceptWrong(entry: FileCheck, keyHash: number, physicalOffset: number, storedAt: number): void {
    this.#endRun();
    entry.fault(
      entry.keyHash === keyHash
        ? `entry ${entry.number} names the record at ${entry.physicalOffset} instead of that at ${physicalOffset}`
        : `entry ${entry.number} has hash ${entry.keyHash}; that of the key of the record at ${physicalOffset} is ${keyHash}`,
    );
    entry.accept(keyHash, storedAt);
  }

  /** An entry that no record accounts for. */
  #drop(entry: FileCheck): void {
    if (!this.#isDeleted(entry)) this.#note('surplus', entry.file.path, entry.position, entry.physicalOffset);
    entry.take(entry.keyHash);
  }

  #isDeleted(entry: FileCheck): boolean {
    return entry.physicalOffset >= 0 && entry.physicalOffset < this.#floor;
  }

  #note(kind: Run['kind'], where: string, offset: number, physicalOffset: number): void {
    if (this.#run?.kind !== kind) {
      this.#endRun();
      this.#run = { kind, where, offset, physicalOffset, count: 0 };
    }
    this.#run.count += 1;
  }

  #endRun(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    const what = run.kind === 'missing' ? 'keys without entry, the first one' : 'entries that are of no key in the log, the first one';
    this.#report(run.where, run.offset, `${run.count} ${what} of the record at ${run.physicalOffset}`);
  }

  #becomeVoid(): void {
    this.#isVoid = true;
    this.#run = undefined;
    this.#finished.length = 0;
  }

  /** What the file should hold is not looked for any more. */
  #giveUp(check: FileCheck | undefined, error: unknown): void {
    if (check === undefined || (!StoreError.is(error) && systemErrorCode(error) === undefined)) throw error;
    check.isBroken = true;
    const isNewest = this.#fileAfter(check.file) === undefined;
    this.#blindUntil = isNewest ? Number.POSITIVE_INFINITY : Math.max(this.#blindUntil, check.file.endPhysicalOffset);
    this.#floor = Math.max(this.#floor, this.#blindUntil + 1);
    this.#report(check.file.path, check.position, ioError('the file cannot be read', error).message);
  }

  async #settle(check: FileCheck): Promise<void> {
    await this.#index.alone(async () => {
      if (this.#isVoid || this.#index.isVoid() || check.file.isGone) return;
      try {
        await check.settle();
      } catch (error) {
        if (!this.#index.isVoid()) this.#giveUp(check, error);
      }
    });
  }
}
