import { indexEntryBytes, indexHeaderBytes, indexSeconds, indexSlotAt, readIndexHeader, type IndexHeader } from '../format/index-layout.js';
import type { IndexFile } from './index-file.js';
import type { IndexStorage } from './index-storage.js';

/** Told of each thing that is wrong: the file, the byte in it, and what. */
export type IndexFaultSink = (where: string, offset: number, what: string) => void;

/** 256 KiB of entries. */
export const entriesPerLook: number = Math.floor((256 * 1024) / indexEntryBytes);
const slotsPerLook = (256 * 1024) / 4;
const two32 = 4_294_967_296;

const headerFields: readonly (readonly [keyof IndexHeader, number])[] = [
  ['beginTime', 0],
  ['endTime', 8],
  ['beginOffset', 16],
  ['endOffset', 24],
  ['slotsUsed', 32],
  ['nextEntry', 36],
];

/**
 * One index file as a check goes through it: its entries in order, a piece at a time, from memory or disk, and what the slots and the
 * header must be after them.
 *
 * Invariants: entries [1, number) have been taken, and `#heads` (by slot, the newest entry) and `#slotsUsed` follow from exactly those;
 * the piece holds entries [#pieceFirst, #pieceEnd). Changes nothing, on disk or in the index.
 */
export class FileCheck {
  readonly file: IndexFile;
  /** Of the next entry. */
  number = 1;
  /** Of the next entry, after `look`; whatever the bytes say. */
  keyHash = 0;
  physicalOffset = 0;
  /** Could not be read: nothing more comes from it. */
  isBroken = false;
  readonly #storage: IndexStorage;
  readonly #report: IndexFaultSink;
  readonly #heads: Int32Array;
  readonly #piece: Buffer;
  readonly #view: DataView;
  #pieceFirst = 1;
  #pieceEnd = 1;
  /** By entry of the piece, the lowest physical offset from there on; made when first asked for. */
  #lowest: Float64Array | undefined;
  #slotsUsed = 0;
  #firstPhysicalOffset = 0;
  #lastPhysicalOffset = 0;
  /** The records' own times, where there is a record. */
  #firstStoredAt: number | undefined;
  #lastStoredAt: number | undefined;
  #beginTime: number;
  #hasTimeFault = false;

  constructor(storage: IndexStorage, file: IndexFile, report: IndexFaultSink) {
    this.file = file;
    this.#storage = storage;
    this.#report = report;
    this.#heads = new Int32Array(storage.slotCount);
    this.#piece = Buffer.allocUnsafeSlow(Math.min(entriesPerLook, storage.usableEntryCount) * indexEntryBytes);
    this.#view = new DataView(this.#piece.buffer, this.#piece.byteOffset, this.#piece.byteLength);
    this.#beginTime = file.beginTime;
  }

  /** Where the next entry lies in the file. */
  get position(): number {
    return this.#storage.entryPosition(this.number);
  }

  /** Takes a look at the next entry; false: there is none. Throws what the file system throws, and CORRUPT for a file that is too short. */
  look(): boolean {
    if (this.number >= this.#pieceEnd && !this.#fill()) return false;
    const at = (this.number - this.#pieceFirst) * indexEntryBytes;
    this.keyHash = this.#view.getInt32(at);
    this.physicalOffset = this.#offsetAt(at);
    return true;
  }

  /** Whether the entry after the next one is this. */
  isFollowedBy(keyHash: number, physicalOffset: number): boolean {
    if (this.number + 1 >= this.#pieceEnd) this.#fill();
    if (this.number + 1 >= this.#pieceEnd) return false;
    const at = (this.number + 1 - this.#pieceFirst) * indexEntryBytes;
    return this.#view.getInt32(at) === keyHash && this.#offsetAt(at) === physicalOffset;
  }

  /** Whether an entry behind the next one, as far as one piece shows, is of an earlier record; or the file ends below it. */
  isOutOfOrder(): boolean {
    if (this.physicalOffset > this.file.endPhysicalOffset) return true;
    if ((this.number - this.#pieceFirst) * 2 > this.#pieceEnd - this.#pieceFirst) this.#fill();
    this.#lowest ??= this.#lowestOfPiece();
    const lowest = this.#lowest[this.number + 1 - this.#pieceFirst];
    return lowest !== undefined && lowest < this.physicalOffset;
  }

  /** Takes the next entry as that of a record with that key. */
  accept(keyHash: number, storedAt: number): void {
    if (this.number === 1) {
      this.#firstStoredAt = storedAt;
      this.#beginTime = storedAt;
    }
    const seconds = this.#view.getInt32((this.number - this.#pieceFirst) * indexEntryBytes + 12);
    // Once a file: where its begin time is wrong, every entry's is.
    if (seconds !== indexSeconds(storedAt, this.#beginTime) && !this.#hasTimeFault) {
      this.#hasTimeFault = true;
      this.fault(
        `entry ${this.number} says that its record was stored ${seconds} s after the file's first one, at ${this.#beginTime}; it was at ${storedAt}`,
      );
    }
    this.take(keyHash);
    this.#lastStoredAt = storedAt;
  }

  /** Takes the next entry, with that hash: what its slot held before must be what it names as the one before it. */
  take(keyHash: number): void {
    const { number } = this;
    const at = (number - this.#pieceFirst) * indexEntryBytes;
    if (keyHash < 0) this.fault(`entry ${number} has a negative hash`);
    else {
      const heads = this.#heads;
      const slot = keyHash % heads.length;
      const head = heads[slot] as number;
      const previous = this.#view.getInt32(at + 16);
      if (previous !== head) this.fault(`entry ${number} names entry ${previous} as the one before it in its slot; that is ${head}`);
      if (head === 0) this.#slotsUsed += 1;
      heads[slot] = number;
    }
    this.#lastPhysicalOffset = this.#offsetAt(at);
    if (number === 1) this.#firstPhysicalOffset = this.#lastPhysicalOffset;
    this.#lastStoredAt = undefined;
    this.number = number + 1;
  }

  /** Something is wrong with the next entry. */
  fault(what: string): void {
    this.#report(this.file.path, this.position, what);
  }

  /**
   * Holds header and slots against the entries, of which those that are left are taken at once. Nobody else may write either of them
   * until it resolves; entries may come in.
   */
  async settle(): Promise<void> {
    while (this.look()) this.take(this.keyHash);
    this.#checkHeader();
    const { slots } = this.file;
    if (slots !== undefined) this.#compareSlots(0, slots.slots);
    else await this.#checkSlotsOnDisk();
  }

  #checkHeader(): void {
    const { file } = this;
    const { written, synced } = file;
    const mismatch = (at: number, what: string): void => this.#report(file.path, at, `header: ${what}`);
    const pendingFrom = file.sequenceOf(written.entryCount + 1);
    const pendingTo = file.sequenceOf(this.number);
    const slotsUsed = written.slotsUsed + (pendingFrom < pendingTo ? this.#storage.pending.countChainEnds(pendingFrom, pendingTo) : 0);
    if (slotsUsed !== this.#slotsUsed) mismatch(32, `${slotsUsed} slots in use; they are ${this.#slotsUsed}`);
    if (file.beginPhysicalOffset !== this.#firstPhysicalOffset)
      mismatch(16, `begins with the record at ${file.beginPhysicalOffset}; that is ${this.#firstPhysicalOffset}`);
    if (file.endPhysicalOffset !== this.#lastPhysicalOffset)
      mismatch(24, `ends with the record at ${file.endPhysicalOffset}; that is ${this.#lastPhysicalOffset}`);
    const first = this.#firstStoredAt;
    if (first !== undefined && file.beginTime !== first)
      mismatch(0, `the first record was stored at ${file.beginTime}; it was at ${first}`);
    const last = this.#lastStoredAt;
    // After a crash it is known to the second only.
    if (last !== undefined && (file.endTime < last || file.endTime > last + 999))
      mismatch(8, `the last record was stored at ${file.endTime}; it was at ${last}`);
    if (synced.entryCount === 0) return;
    const bytes = Buffer.alloc(indexHeaderBytes);
    this.#readWhole(bytes, 0);
    const found = readIndexHeader(bytes, 0);
    const meant = readIndexHeader(this.#storage.encodeHeader(file, synced), 0);
    for (const [name, at] of headerFields) {
      if (found[name] !== meant[name]) mismatch(at, `${name} on disk is ${found[name]} and must be ${meant[name]}`);
    }
  }

  /** They change only when a safe point is taken, so that what comes in meanwhile is not in them. */
  async #checkSlotsOnDisk(): Promise<void> {
    const { file } = this;
    const { slotCount, files } = this.#storage;
    const piece = Buffer.allocUnsafeSlow(Math.min(slotsPerLook, slotCount) * 4);
    const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let slot = 0; slot < slotCount && !file.isGone; slot += slotsPerLook) {
      const count = Math.min(slotsPerLook, slotCount - slot);
      const bytes = piece.subarray(0, count * 4);
      const readBytes = await files.with(file.path, 'read', async (handle) => await handle.read(bytes, indexSlotAt(slot)));
      if (readBytes < bytes.length) throw this.#storage.damage(file, 0, 'the slots are not all there');
      const slots = new Int32Array(count);
      for (let i = 0; i < count; i += 1) slots[i] = view.getInt32(4 * i);
      this.#compareSlots(slot, slots);
    }
  }

  #compareSlots(firstSlot: number, slots: Int32Array): void {
    const heads = this.#heads;
    for (let i = 0; i < slots.length; i += 1) {
      if (slots[i] === heads[firstSlot + i]) continue;
      const slot = firstSlot + i;
      this.#report(this.file.path, indexSlotAt(slot), `slot ${slot} names entry ${slots[i]}; its newest one is ${heads[slot]}`);
    }
  }

  /** Has the piece begin with the next entry. */
  #fill(): boolean {
    const { file, number } = this;
    if (number > file.entryCount || file.isGone || this.isBroken) return false;
    const end = Math.min(file.entryCount + 1, number + this.#piece.length / indexEntryBytes);
    const writtenEnd = Math.max(number, Math.min(end, file.written.entryCount + 1));
    const writtenBytes = (writtenEnd - number) * indexEntryBytes;
    if (writtenBytes > 0) this.#readWhole(this.#piece.subarray(0, writtenBytes), this.position);
    if (writtenEnd < end) {
      let at = writtenBytes;
      for (const part of this.#storage.pending.slices(file.sequenceOf(writtenEnd), file.sequenceOf(end))) at += part.copy(this.#piece, at);
    }
    this.#pieceFirst = number;
    this.#pieceEnd = end;
    this.#lowest = undefined;
    return true;
  }

  #lowestOfPiece(): Float64Array {
    const count = this.#pieceEnd - this.#pieceFirst;
    const lowest = new Float64Array(count);
    let least = Number.POSITIVE_INFINITY;
    for (let i = count - 1; i >= 0; i -= 1) {
      least = Math.min(least, this.#offsetAt(i * indexEntryBytes));
      lowest[i] = least;
    }
    return lowest;
  }

  #offsetAt(at: number): number {
    return this.#view.getInt32(at + 4) * two32 + this.#view.getUint32(at + 8);
  }

  #readWhole(into: Buffer, at: number): void {
    const count = this.#storage.files.use(this.file.path, 'read').readSync(into, at);
    if (count < into.length) throw this.#storage.damage(this.file, 0, `the file ends at byte ${at + count}`);
  }
}
