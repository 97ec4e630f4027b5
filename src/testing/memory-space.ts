import { systemError } from '../platform/system-error.js';

export const pageBytes = 4096;
/** Disks promise no more than their sector; most write 4 KiB at once. */
export type BlockBytes = 512 | 4096;

/** The blocks of a disk in memory: how many there are and how many are taken. */
export class MemorySpace {
  readonly capacityBytes: number;
  /** What the disk writes as a whole or not at all. */
  readonly blockBytes: BlockBytes;
  readonly #pageCountMax: number;
  #pageCount = 0;

  constructor(capacityBytes: number, blockBytes: BlockBytes) {
    this.capacityBytes = capacityBytes;
    this.blockBytes = blockBytes;
    this.#pageCountMax = Math.floor(capacityBytes / pageBytes);
  }

  get usedBytes(): number {
    return this.#pageCount * pageBytes;
  }

  /** Takes a page, or throws ENOSPC. */
  take(): void {
    if (this.#pageCount >= this.#pageCountMax) throw systemError('ENOSPC', 'write');
    this.#pageCount += 1;
  }

  /** Counts pages that are there already, on a disk that is made of another. */
  add(pageCount: number): void {
    this.#pageCount += pageCount;
  }

  giveBack(pageCount: number): void {
    this.#pageCount -= pageCount;
  }
}
