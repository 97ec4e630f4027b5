/**
 * The bytes of one file: as a process sees them, and as the disk holds them.
 *
 *   durable   what the last completed sync covered
 *   syncing   changes that a sync covers which is under way, oldest first
 *   changes   what was changed since the last sync was issued
 *   current   all of it together; what reads return
 *
 * Invariants: a page that is not in `changes` is never written in place, so that the images (and the disks made by a crash) may
 * share it. A page absent from a map is all zeros. No page at or above an image's size holds anything.
 */
import { type MemorySpace, pageBytes } from './memory-space.js';
import type { SeededRandom } from './seeded-random.js';

/** Of the times a sector is overwritten that was not synced, how often the disk may also be left with what it held in between. */
const earlierChance = 0.25;

type Pages = Map<number, Uint8Array>;

interface ChangedPage {
  readonly bytes: Uint8Array;
  /** One bit for each block that was written, of as many bytes as the disk writes at once. */
  sectors: number;
  /** What a sector held between two writes: the kernel may have written it then. */
  earlier: Map<number, Uint8Array> | undefined;
}

interface Changes {
  readonly number: number;
  readonly pages: Map<number, ChangedPage>;
  /** The sizes that the file had, in order; growth by writes is one entry. */
  readonly sizes: number[];
  lastGrewByWrite: boolean;
  smallestBytes: number;
}

export class MemoryContent {
  sizeBytes = 0;
  #current: Pages = new Map();
  #durable: Pages = new Map();
  #durableBytes = 0;
  readonly #syncing: Changes[] = [];
  #changes: Changes = noChanges(1);
  readonly #space: MemorySpace;
  readonly #blockBytes: number;
  readonly #random: SeededRandom;

  constructor(space: MemorySpace, random: SeededRandom) {
    this.#space = space;
    this.#blockBytes = space.blockBytes;
    this.#random = random;
  }

  read(into: Uint8Array, at: number): number {
    const count = Math.max(0, Math.min(into.byteLength, this.sizeBytes - at));
    for (let done = 0; done < count; ) {
      const within = (at + done) % pageBytes;
      const step = Math.min(pageBytes - within, count - done);
      const page = this.#current.get((at + done - within) / pageBytes);
      if (page === undefined) into.fill(0, done, done + step);
      else into.set(page.subarray(within, within + step), done);
      done += step;
    }
    return count;
  }

  /** Like a kernel, a full disk takes what fits before it says so. */
  write(bytes: Uint8Array, at: number): void {
    let done = 0;
    try {
      while (done < bytes.byteLength) {
        const within = (at + done) % pageBytes;
        const step = Math.min(pageBytes - within, bytes.byteLength - done);
        const page = this.#changedPage((at + done - within) / pageBytes);
        this.#mark(page, within, within + step);
        page.bytes.set(bytes.subarray(done, done + step), within);
        done += step;
      }
    } finally {
      if (at + done > this.sizeBytes && done > 0) this.#grewTo(at + done);
    }
  }

  truncate(bytes: number): void {
    if (bytes < this.sizeBytes) this.#cutCurrent(bytes);
    this.sizeBytes = bytes;
    this.#changes.sizes.push(bytes);
    this.#changes.lastGrewByWrite = false;
    this.#changes.smallestBytes = Math.min(this.#changes.smallestBytes, bytes);
  }

  /** The first `bytes` of another, holes left out. */
  copyFrom(source: MemoryContent, bytes: number): void {
    for (const [index, page] of source.#current) {
      const wanted = Math.min(pageBytes, bytes - index * pageBytes);
      if (wanted > 0) this.write(page.subarray(0, wanted), index * pageBytes);
    }
    if (this.sizeBytes !== bytes) this.truncate(bytes);
  }

  /** A sync is issued: it covers the changes made until now. The returned function is its completion. */
  beginSync(): () => void {
    const covered = this.#changes;
    this.#syncing.push(covered);
    this.#changes = noChanges(covered.number + 1);
    return () => {
      for (let oldest = this.#syncing[0]; oldest !== undefined && oldest.number <= covered.number; oldest = this.#syncing[0]) {
        this.#makeDurable(oldest);
        this.#syncing.shift();
      }
    };
  }

  /**
   * A sync has failed, and the kernel takes the pages for written all the same: reads return them, no later sync takes them along
   * unless they are written again, and a power cut brings back what was there before. Sizes are the journal's and stay to be synced.
   */
  loseUnsynced(): void {
    for (const changes of [...this.#syncing, this.#changes]) changes.pages.clear();
  }

  /** Nobody can reach it any more. */
  free(): void {
    this.#space.giveBack(this.#current.size);
    this.#current = new Map();
  }

  /** What the disk holds of it after the power failed, as a file of another disk. */
  afterPowerCut(keep: 'synced' | 'random', space: MemorySpace, random: SeededRandom): MemoryContent {
    const [pages, bytes] = keep === 'random' ? this.#chosen() : [this.#durable, this.#durableBytes];
    const after = new MemoryContent(space, random);
    after.#durable = cut(new Map(pages), bytes);
    after.#durableBytes = bytes;
    after.#current = new Map(after.#durable);
    after.sizeBytes = bytes;
    space.add(after.#current.size);
    return after;
  }

  #changedPage(index: number): ChangedPage {
    const known = this.#changes.pages.get(index);
    if (known !== undefined) return known;
    const before = this.#current.get(index);
    if (before === undefined) this.#space.take();
    const page = { bytes: before === undefined ? new Uint8Array(pageBytes) : before.slice(), sectors: 0, earlier: undefined };
    this.#current.set(index, page.bytes);
    this.#changes.pages.set(index, page);
    return page;
  }

  #mark(page: ChangedPage, from: number, to: number): void {
    const sectorBytes = this.#blockBytes;
    for (let sector = Math.floor(from / sectorBytes); sector * sectorBytes < to; sector += 1) {
      const bit = 1 << sector;
      if ((page.sectors & bit) === 0) {
        page.sectors |= bit;
      } else if (this.#random.chance(earlierChance)) {
        page.earlier ??= new Map();
        page.earlier.set(sector, page.bytes.slice(sector * sectorBytes, (sector + 1) * sectorBytes));
      }
    }
  }

  #grewTo(bytes: number): void {
    const changes = this.#changes;
    this.sizeBytes = bytes;
    if (changes.lastGrewByWrite) changes.sizes.pop();
    changes.sizes.push(bytes);
    changes.lastGrewByWrite = true;
  }

  #cutCurrent(bytes: number): void {
    const pagesBefore = this.#current.size;
    for (const index of this.#current.keys()) {
      if (index * pageBytes < bytes) continue;
      this.#current.delete(index);
      this.#changes.pages.delete(index);
    }
    this.#space.giveBack(pagesBefore - this.#current.size);
    const within = bytes % pageBytes;
    if (within === 0 || !this.#current.has((bytes - within) / pageBytes)) return;
    const page = this.#changedPage((bytes - within) / pageBytes);
    page.bytes.fill(0, within);
    // Sectors that are cut off whole were not written: whether they are zeros hangs on the size alone.
    page.sectors &= (1 << Math.ceil(within / this.#blockBytes)) - 1;
  }

  #makeDurable(changes: Changes): void {
    if (changes.smallestBytes < this.#durableBytes) cut(this.#durable, changes.smallestBytes);
    for (const [index, page] of changes.pages) this.#durable.set(index, page.bytes);
    this.#durableBytes = changes.sizes.at(-1) ?? this.#durableBytes;
  }

  /**
   * A choice among what a disk may hold. Sizes come back in the order of the journal: up to some change, none after it. Of each
   * sector either image may be there, or one it had in between, whatever became of its neighbours.
   */
  #chosen(): [pages: Pages, bytes: number] {
    const random = this.#random;
    const share = random.share();
    const pages = new Map(this.#durable);
    let bytes = this.#durableBytes;
    let sizesGoOn = true;
    for (const changes of [...this.#syncing, this.#changes]) {
      for (const size of changes.sizes) {
        if (!sizesGoOn) break;
        sizesGoOn = random.chance(share);
        if (sizesGoOn) {
          if (size < bytes) cut(pages, size);
          bytes = size;
        } else if (size > bytes) {
          // Part of the growth: the pages that the kernel had written back by then.
          bytes += Math.floor(random.below(size - bytes) / this.#blockBytes) * this.#blockBytes;
        }
      }
      for (const [index, page] of changes.pages) this.#chooseSectors(pages, index, page, share);
    }
    return [pages, bytes];
  }

  #chooseSectors(pages: Pages, index: number, page: ChangedPage, share: number): void {
    const sectorBytes = this.#blockBytes;
    let chosen: Uint8Array | undefined;
    for (let sector = 0; sector * sectorBytes < pageBytes; sector += 1) {
      if ((page.sectors & (1 << sector)) === 0 || !this.#random.chance(share)) continue;
      chosen ??= pages.get(index)?.slice() ?? new Uint8Array(pageBytes);
      const from = sector * sectorBytes;
      const earlier = page.earlier?.get(sector);
      if (earlier !== undefined && this.#random.chance(0.5)) chosen.set(earlier, from);
      else chosen.set(page.bytes.subarray(from, from + sectorBytes), from);
    }
    if (chosen !== undefined) pages.set(index, chosen);
  }
}

function noChanges(number: number): Changes {
  return { number, pages: new Map(), sizes: [], lastGrewByWrite: false, smallestBytes: Number.MAX_SAFE_INTEGER };
}

/** Nothing at or above `bytes` is left. Pages are replaced, not written: others may hold them. */
function cut(pages: Pages, bytes: number): Pages {
  for (const [index, page] of pages) {
    const from = index * pageBytes;
    if (from >= bytes) {
      pages.delete(index);
    } else if (from + pageBytes > bytes) {
      const kept = new Uint8Array(pageBytes);
      kept.set(page.subarray(0, bytes - from));
      pages.set(index, kept);
    }
  }
  return pages;
}
