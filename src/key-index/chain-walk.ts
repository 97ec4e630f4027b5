import { indexEntryHash, indexEntryPhysicalOffset, indexEntryPrevious, indexEntrySeconds } from '../format/index-layout.js';
import type { IndexFile } from './index-file.js';
import type { IndexStorage } from './index-storage.js';

/** What a query by key wants; times in ms, `until` and `before` exclusive. */
export interface KeyWish {
  readonly keyHash: number;
  readonly since: number;
  readonly until: number;
  /** Physical offset. */
  readonly before: number;
}

/**
 * Store times ascend in what this store writes. A stock broker takes them from its wall clock, which may be set back: a walk
 * therefore ends, and a file is passed over, only when it is out of the window by more than an hour.
 */
const clockStepMsMax = 3_600_000;
const timeDiffMax = 0x7fff_ffff;

/** Whether an entry of the file can lie in the window. */
export function fileMayHold(file: IndexFile, wish: KeyWish): boolean {
  if (file.entryCount === 0 || file.beginPhysicalOffset >= wish.before) return false;
  if (file.beginTime <= 0) return true;
  const earliest = Math.min(file.beginTime, file.endTime) - clockStepMsMax;
  const latest = Math.max(file.beginTime, file.endTime) + clockStepMsMax;
  return earliest < wish.until && latest >= wish.since;
}

/**
 * Goes along the chain of one slot of one file, newest entry first, a few entries at a time. Numbers must descend strictly, so it ends
 * whatever the file holds; a chain that is not one throws CORRUPT.
 */
export class ChainWalk {
  readonly #storage: IndexStorage;
  readonly #file: IndexFile;
  readonly #wish: KeyWish;
  readonly #slot: number;
  #next: number | undefined;
  /** The next entry's number is below it. */
  #numberEnd: number;
  /** The next entry's physical offset is at most that. */
  #offsetMax: number;

  constructor(storage: IndexStorage, file: IndexFile, wish: KeyWish) {
    this.#storage = storage;
    this.#file = file;
    this.#wish = wish;
    this.#slot = wish.keyHash % storage.slotCount;
    this.#numberEnd = file.entryCount + 1;
    this.#offsetMax = file.endPhysicalOffset;
  }

  get isDone(): boolean {
    return this.#next === 0 || this.#file.isGone;
  }

  /** Looks at up to `entriesMax` entries and appends the physical offsets of those that may be meant. */
  step(entriesMax: number, found: number[]): void {
    this.#next ??= this.#storage.slotValue(this.#file, this.#slot);
    for (let i = 0; i < entriesMax && this.#next !== 0; i += 1) this.#next = this.#visit(this.#next, found);
  }

  #visit(entryNumber: number, found: number[]): number {
    if (entryNumber < 0 || entryNumber >= this.#numberEnd) throw this.#broken(entryNumber, 'a number out of order');
    const bytes = this.#storage.entryBytes(this.#file, entryNumber);
    const keyHash = indexEntryHash(bytes, 0);
    const physicalOffset = indexEntryPhysicalOffset(bytes, 0);
    const seconds = indexEntrySeconds(bytes, 0);
    const previous = indexEntryPrevious(bytes, 0);
    if (keyHash < 0 || keyHash % this.#storage.slotCount !== this.#slot) throw this.#broken(entryNumber, 'an entry of another slot');
    if (physicalOffset < this.#file.beginPhysicalOffset || physicalOffset > this.#offsetMax) {
      throw this.#broken(entryNumber, 'a physical offset out of order');
    }
    if (seconds < 0) throw this.#broken(entryNumber, 'a negative time');
    this.#numberEnd = entryNumber;
    this.#offsetMax = physicalOffset;
    const latest = latestTime(this.#file.beginTime, entryNumber, seconds);
    if (keyHash === this.#wish.keyHash && physicalOffset < this.#wish.before && latest >= this.#wish.since) {
      if (earliestTime(this.#file.beginTime, entryNumber, seconds) < this.#wish.until) found.push(physicalOffset);
    }
    return latest + clockStepMsMax < this.#wish.since ? 0 : previous;
  }

  #broken(entryNumber: number, what: string): Error {
    const inFile = entryNumber > 0 && entryNumber <= this.#storage.usableEntryCount;
    return this.#storage.damage(this.#file, inFile ? entryNumber : 0, `chain of slot ${this.#slot}: ${what}`);
  }
}

/**
 * A time difference is in whole seconds, rounded down: the message was stored up to 999 ms later. That of entry 1 is not looked at:
 * in a stock broker's rolled file it counts from the end of the file before, while the header's begin time is exactly that of entry 1.
 * Difference 0 also stands for whatever came before the begin time; a begin time of 0 or less makes every difference 0.
 */
function latestTime(beginTime: number, entryNumber: number, seconds: number): number {
  if (beginTime <= 0 || seconds === timeDiffMax) return Number.POSITIVE_INFINITY;
  return entryNumber === 1 ? beginTime : beginTime + seconds * 1000 + 999;
}

function earliestTime(beginTime: number, entryNumber: number, seconds: number): number {
  if (entryNumber === 1) return beginTime;
  return seconds === 0 ? Number.NEGATIVE_INFINITY : beginTime + seconds * 1000;
}
