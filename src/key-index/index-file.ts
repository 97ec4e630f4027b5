import type { SlotTable } from './slot-table.js';

/** What the state file keeps of each index file. */
export interface IndexFileState {
  readonly name: string;
  /** Entries in use: the header's indexCount - 1. */
  readonly entryCount: number;
  /** Where the record of the last entry starts. */
  readonly endPhysicalOffset: number;
}

/** How far a file has come, at its last entry. */
export interface IndexMark {
  readonly entryCount: number;
  readonly slotsUsed: number;
  readonly endTime: number;
  readonly endPhysicalOffset: number;
}

const emptyMark: IndexMark = { entryCount: 0, slotsUsed: 0, endTime: 0, endPhysicalOffset: 0 };

/**
 * One index file, as far as memory knows it.
 *
 * Invariants: synced.entryCount <= written.entryCount <= entryCount <= usable entries; entry k has sequence firstSequence + k - 1, and the
 * entries above `written` are the pending ones; `slots` is there from the first entry that this run adds until the file is sealed, and
 * then they are the truth; without it the slots on disk are.
 */
export class IndexFile {
  readonly name: string;
  readonly path: string;
  /** The sequence in `PendingEntries` that entry 1 has, or would have if it had come in this run. */
  firstSequence: number;
  /** In memory and on disk. */
  entryCount = 0;
  beginTime = 0;
  beginPhysicalOffset = 0;
  endTime = 0;
  endPhysicalOffset = 0;
  /** What the entries on disk (in the page cache) amount to. */
  written: IndexMark = emptyMark;
  /** What survives a power cut. */
  synced: IndexMark = emptyMark;
  /** `short`: made, but not at its full length yet, for the disk is full. */
  onDisk: 'no' | 'short' | 'yes' = 'no';
  slots: SlotTable | undefined;
  /** Full, and durable with slots and header: never written again. */
  isSealed = false;
  /** Taken away under those who may still walk through it. */
  isGone = false;

  constructor(directory: string, name: string, firstSequence: number) {
    this.name = name;
    this.path = `${directory}/${name}`;
    this.firstSequence = firstSequence;
  }

  sequenceOf(entryNumber: number): number {
    return this.firstSequence + entryNumber - 1;
  }

  get state(): IndexFileState {
    return { name: this.name, entryCount: this.synced.entryCount, endPhysicalOffset: this.synced.endPhysicalOffset };
  }

  /** For a file whose entries are all on disk and durable. */
  restore(mark: IndexMark, nextSequence: number): void {
    this.entryCount = mark.entryCount;
    this.endTime = mark.endTime;
    this.endPhysicalOffset = mark.endPhysicalOffset;
    this.written = mark;
    this.synced = mark;
    this.onDisk = 'yes';
    this.isSealed = false;
    this.firstSequence = nextSequence - mark.entryCount;
  }
}
