import { indexHeaderBytes, indexSlotBytes } from '../format/index-layout.js';

const pageBytes = 4096;
const slotsPerPage = pageBytes / indexSlotBytes;
/** The slots start behind the header, in the middle of page 0. */
const headerSlots = indexHeaderBytes / indexSlotBytes;

/**
 * The hash slots of one index file in memory: by slot, the number of the newest entry (0: none), and which 4 KiB pages of the file
 * are behind. A slot is written with its page and not by itself: at a million keys a safe point the pages are all touched anyway, and in
 * file order they make one sequential write.
 *
 *   file page p holds slots [1024 p - 10, 1024 (p + 1) - 10)
 */
export class SlotTable {
  readonly slots: Int32Array;
  readonly #dirtyPages: Uint8Array;

  constructor(slotCount: number) {
    this.slots = new Int32Array(slotCount);
    this.#dirtyPages = new Uint8Array(pageOf(slotCount - 1) + 1);
  }

  /** By page, 1: behind. For the hot path, which marks `pageOf(slot)` itself. */
  get dirtyPages(): Uint8Array {
    return this.#dirtyPages;
  }

  get isDirty(): boolean {
    return this.#dirtyPages.includes(1);
  }

  set(slot: number, entryNumber: number): void {
    this.slots[slot] = entryNumber;
    this.#dirtyPages[pageOf(slot)] = 1;
  }

  markAllDirty(): void {
    this.#dirtyPages.fill(1);
  }

  /** The next run of dirty pages at or after `page`, at most `pagesMax` long, as slots; undefined: none. */
  nextDirtyRun(page: number, pagesMax: number): { readonly fromPage: number; readonly toPage: number } | undefined {
    const fromPage = this.#dirtyPages.indexOf(1, page);
    if (fromPage < 0) return undefined;
    let toPage = fromPage + 1;
    while (toPage < this.#dirtyPages.length && toPage - fromPage < pagesMax && this.#dirtyPages[toPage] === 1) toPage += 1;
    return { fromPage, toPage };
  }

  /** First slot on a page, and one past the last of the page before. */
  firstSlotOf(page: number): number {
    return Math.min(this.slots.length, Math.max(0, page * slotsPerPage - headerSlots));
  }

  /**
   * Puts the slots of pages [fromPage, toPage) into `into` as they lie in the file and marks the pages clean. A slot above `countMax` names
   * an entry that must not be on disk yet: `previousOf` goes back along its chain, and the page stays dirty.
   */
  encode(fromPage: number, toPage: number, into: Buffer, countMax: number, previousOf: (entryNumber: number) => number): Buffer {
    const fromSlot = this.firstSlotOf(fromPage);
    const toSlot = this.firstSlotOf(toPage);
    this.#dirtyPages.fill(0, fromPage, toPage);
    for (let slot = fromSlot; slot < toSlot; slot += 1) {
      let entryNumber = this.slots[slot] as number;
      if (entryNumber > countMax) {
        this.#dirtyPages[pageOf(slot)] = 1;
        while (entryNumber > countMax) entryNumber = previousOf(entryNumber);
      }
      into.writeInt32BE(entryNumber, (slot - fromSlot) * 4);
    }
    return into.subarray(0, (toSlot - fromSlot) * 4);
  }

  /** Takes slots from the bytes of a file; false if one names an entry that does not exist. The pages are clean. */
  decode(bytes: Buffer, fromSlot: number, entryCount: number): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < bytes.length; i += 4) {
      const entryNumber = view.getInt32(i);
      if (entryNumber < 0 || entryNumber > entryCount) return false;
      this.slots[fromSlot + i / 4] = entryNumber;
    }
    return true;
  }
}

export function pageOf(slot: number): number {
  return Math.floor((slot + headerSlots) / slotsPerPage);
}
