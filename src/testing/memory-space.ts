import { systemError } from '../platform/system-error.js';

export const pageBytes = 4096;

/** The blocks of a disk in memory: how many there are and how many are taken. */
export class MemorySpace {
  readonly capacityBytes: number;
  readonly #pageCountMax: number;
  #pageCount = 0;

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
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
