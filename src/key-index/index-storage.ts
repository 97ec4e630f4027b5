import { corrupt } from '../base/errors.js';
import {
  indexEntryAt,
  indexEntryBytes,
  indexEntryPhysicalOffset,
  indexEntryPrevious,
  indexFileBytes,
  indexHeaderBytes,
  indexSlotAt,
  readIndexHeader,
  writeIndexHeader,
} from '../format/index-layout.js';
import type { IndexHeader } from '../format/index-layout.js';
import type { FileSystem } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import type { IndexFile, IndexMark } from './index-file.js';
import type { PendingEntries } from './pending-entries.js';
import { SlotTable } from './slot-table.js';

const oneZero = Buffer.alloc(1);
const pieceBytes = 1024 * 1024;
/** Whole entries in a piece. */
export const entriesPerPiece: number = Math.floor(pieceBytes / indexEntryBytes);

/**
 * Bytes of index files: where things lie, and how they are read and written. Nothing that is read is believed further than its bounds.
 *
 * An index file is made synchronously, as its first entries are written, so it cannot be made elsewhere and renamed in. It stands
 * under its own name from the first moment and gets its length by one byte written at its end (it stays sparse). The order is therefore:
 * create, one byte at the end, entries, and at the safe point sync, slots, header, sync, the directory. A crash in between leaves
 * a file that no state names: opening removes it while its header is still zero. When the disk is full after `create`, the same file is
 * used again by the next try, so there is never more than one of them.
 */
export class IndexStorage {
  readonly directory: string;
  readonly fs: FileSystem;
  readonly files: OpenFiles;
  readonly pending: PendingEntries;
  readonly slotCount: number;
  /** Entry number 0 is never used. */
  readonly usableEntryCount: number;
  readonly fileBytes: number;
  readonly #entryScratch: Buffer = Buffer.alloc(indexEntryBytes);
  readonly #slotScratch: Buffer = Buffer.alloc(4);

  constructor(directory: string, fs: FileSystem, files: OpenFiles, pending: PendingEntries, slotCount: number, entryCount: number) {
    this.directory = directory;
    this.fs = fs;
    this.files = files;
    this.pending = pending;
    this.slotCount = slotCount;
    this.usableEntryCount = entryCount - 1;
    this.fileBytes = indexFileBytes(slotCount, entryCount);
  }

  entryPosition(entryNumber: number): number {
    return indexEntryAt(this.slotCount, entryNumber);
  }

  /** The 20 bytes of an entry that exists, from memory or disk; valid until the next call. */
  entryBytes(file: IndexFile, entryNumber: number): Buffer {
    const sequence = file.sequenceOf(entryNumber);
    if (sequence >= this.pending.first) return this.pending.bytesAt(sequence);
    this.#readWhole(file, this.#entryScratch, this.entryPosition(entryNumber));
    return this.#entryScratch;
  }

  previousOf(file: IndexFile, entryNumber: number): number {
    const previous = indexEntryPrevious(this.entryBytes(file, entryNumber), 0);
    if (previous < 0 || previous >= entryNumber) throw this.damage(file, entryNumber, 'a chain that does not descend');
    return previous;
  }

  physicalOffsetOf(file: IndexFile, entryNumber: number): number {
    return indexEntryPhysicalOffset(this.entryBytes(file, entryNumber), 0);
  }

  /** The newest entry of a slot, 0 if there is none; not checked against the entries. */
  slotValue(file: IndexFile, slot: number): number {
    if (file.slots !== undefined) return file.slots.slots[slot] as number;
    this.#readWhole(file, this.#slotScratch, indexSlotAt(slot));
    return this.#slotScratch.readInt32BE(0);
  }

  /** The header as it stands on disk, or undefined: its counts or offsets cannot be those of an index file with entries. */
  readHeader(file: IndexFile): IndexHeader | undefined {
    const bytes = Buffer.alloc(indexHeaderBytes);
    this.#readWhole(file, bytes, 0);
    const header = readIndexHeader(bytes, 0);
    const entryCount = header.nextEntry - 1;
    const isSane =
      entryCount >= 1 &&
      entryCount <= this.usableEntryCount &&
      header.slotsUsed >= 1 &&
      header.slotsUsed <= Math.min(entryCount, this.slotCount) &&
      header.beginOffset >= 0 &&
      header.beginOffset <= header.endOffset &&
      [header.endOffset, header.beginTime, header.endTime].every(Number.isSafeInteger);
    return isSane ? header : undefined;
  }

  encodeHeader(file: IndexFile, mark: IndexMark): Buffer {
    const bytes = Buffer.alloc(indexHeaderBytes);
    writeIndexHeader(bytes, 0, {
      beginTime: file.beginTime,
      endTime: mark.endTime,
      beginOffset: file.beginPhysicalOffset,
      endOffset: mark.endPhysicalOffset,
      slotsUsed: mark.slotsUsed,
      nextEntry: mark.entryCount + 1,
    });
    return bytes;
  }

  /** See the head. Throws what the file system throws. */
  create(file: IndexFile): void {
    if (file.onDisk === 'no') {
      const made = this.fs.open(file.path, 'create');
      file.onDisk = 'short';
      this.files.adopt(made, file.path, false);
    }
    this.files.use(file.path, 'read-write').writeSync([oneZero], this.fileBytes - 1);
    file.onDisk = 'yes';
  }

  /** The slots from disk, 5 ms at RocketMQ's size. */
  loadSlots(file: IndexFile): SlotTable {
    const table = new SlotTable(this.slotCount);
    const piece = Buffer.alloc(Math.min(pieceBytes, this.slotCount * 4));
    for (let slot = 0; slot < this.slotCount; slot += piece.length / 4) {
      const bytes = piece.subarray(0, Math.min(piece.length, (this.slotCount - slot) * 4));
      this.#readWhole(file, bytes, indexSlotAt(slot));
      if (!table.decode(bytes, slot, file.written.entryCount)) throw this.damage(file, 0, 'a slot that names no entry');
    }
    return table;
  }

  damage(file: IndexFile, entryNumber: number, what: string): Error {
    return corrupt(file.path, this.entryPosition(entryNumber), what);
  }

  #readWhole(file: IndexFile, into: Buffer, at: number): void {
    const count = this.files.use(file.path, 'read').readSync(into, at);
    if (count < into.length) throw corrupt(file.path, at + count, 'the file is shorter than an index file');
  }
}
