import { assert, defined } from '../base/assert.js';
import {
  indexEntryBytes as entryBytes,
  indexEntryHash,
  indexEntryPhysicalOffset,
  indexEntryPrevious,
  writeIndexEntry,
} from '../format/index-layout.js';

/** 13,107 entries: 256 KiB, one good write. */
const chunkEntryCount = Math.floor((256 * 1024) / entryBytes);
const spareCountMax = 8;

interface Chunk {
  readonly bytes: Buffer;
  /** Not in the entry, but the header's end time is exact to the millisecond. */
  readonly storedAt: Float64Array;
}

/**
 * The index entries that are not on disk yet, oldest first, in the bytes they will have there. Each has a *sequence* number that counts
 * up over all files, so that a roll costs nothing here; which file an entry belongs to is for `IndexFile.firstSequence` to say.
 *
 * Invariants: sequences [first, end) are held; chunk i holds [base + i * 13,107, base + (i + 1) * 13,107), and base <= first;
 * physical offsets never descend from one sequence to the next (which is what lets `lowerBound` search by halves).
 */
export class PendingEntries {
  readonly #chunks: Chunk[] = [];
  readonly #spares: Chunk[] = [];
  #base = 0;
  #first = 0;
  #end = 0;
  #tail: Chunk | undefined;
  #tailUsedCount: number = chunkEntryCount;

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  get byteCount(): number {
    return (this.#end - this.#first) * entryBytes;
  }

  push(keyHash: number, physicalOffset: number, seconds: number, previous: number, storedAt: number): void {
    if (this.#tailUsedCount === chunkEntryCount) this.#grow();
    const chunk = this.#tail as Chunk;
    const index = this.#tailUsedCount;
    writeIndexEntry(chunk.bytes, index * entryBytes, keyHash, physicalOffset, seconds, previous);
    chunk.storedAt[index] = storedAt;
    this.#tailUsedCount = index + 1;
    this.#end += 1;
  }

  keyHashAt(sequence: number): number {
    return indexEntryHash(this.#chunkOf(sequence).bytes, this.#position(sequence));
  }

  physicalOffsetAt(sequence: number): number {
    return indexEntryPhysicalOffset(this.#chunkOf(sequence).bytes, this.#position(sequence));
  }

  previousAt(sequence: number): number {
    return indexEntryPrevious(this.#chunkOf(sequence).bytes, this.#position(sequence));
  }

  storedAtAt(sequence: number): number {
    return defined(this.#chunkOf(sequence).storedAt[this.#position(sequence) / entryBytes], 'store time of a pending entry');
  }

  /** The bytes of one entry; valid until the next change. */
  bytesAt(sequence: number): Buffer {
    const at = this.#position(sequence);
    return this.#chunkOf(sequence).bytes.subarray(at, at + entryBytes);
  }

  /** The bytes of [from, to) as views over the chunks. */
  slices(from: number, to: number): readonly Buffer[] {
    assert(from >= this.#first && to <= this.#end, 'a slice lies within the pending entries');
    const parts: Buffer[] = [];
    for (let sequence = from; sequence < to; ) {
      const at = this.#position(sequence);
      const count = Math.min(to - sequence, chunkEntryCount - at / entryBytes);
      parts.push(this.#chunkOf(sequence).bytes.subarray(at, at + count * entryBytes));
      sequence += count;
    }
    return parts;
  }

  /** How many of [from, to) are the first of their slot. */
  countChainEnds(from: number, to: number): number {
    let count = 0;
    for (const part of this.slices(from, to)) {
      for (let at = 0; at < part.length; at += entryBytes) if (indexEntryPrevious(part, at) === 0) count += 1;
    }
    return count;
  }

  /** The sequence of the first entry whose record starts at or above `physicalOffset`. */
  lowerBound(physicalOffset: number): number {
    let low = this.#first;
    let high = this.#end;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.physicalOffsetAt(middle) < physicalOffset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets what is below `sequence`: it is on disk. */
  dropBelow(sequence: number): void {
    assert(sequence >= this.#first && sequence <= this.#end, 'only pending entries are dropped');
    this.#first = sequence;
    while (this.#chunks.length > 1 && this.#first - this.#base >= chunkEntryCount) {
      this.#recycle(defined(this.#chunks.shift(), 'chunk of what is dropped'));
      this.#base += chunkEntryCount;
    }
    if (this.#first === this.#end) this.#rewind();
  }

  /** Forgets what is at or above `sequence`: it was taken back. */
  cutTo(sequence: number): void {
    assert(sequence >= this.#first && sequence <= this.#end, 'only pending entries are cut');
    this.#end = sequence;
    if (sequence === this.#first) {
      this.#rewind();
      return;
    }
    const lastIndex = Math.floor((sequence - 1 - this.#base) / chunkEntryCount);
    this.#recycleFrom(lastIndex + 1);
    this.#tail = this.#chunks[lastIndex];
    this.#tailUsedCount = sequence - this.#base - lastIndex * chunkEntryCount;
  }

  /** Empty: the next entry starts a chunk, so that writes stay whole. */
  #rewind(): void {
    this.#recycleFrom(0);
    this.#base = this.#first;
    this.#tail = undefined;
    this.#tailUsedCount = chunkEntryCount;
  }

  #grow(): void {
    const chunk = this.#spares.pop() ?? makeChunk();
    this.#chunks.push(chunk);
    this.#tail = chunk;
    this.#tailUsedCount = 0;
  }

  #recycleFrom(index: number): void {
    for (const chunk of this.#chunks.splice(index)) this.#recycle(chunk);
  }

  #recycle(chunk: Chunk): void {
    if (this.#spares.length < spareCountMax) this.#spares.push(chunk);
  }

  #chunkOf(sequence: number): Chunk {
    return defined(this.#chunks[Math.floor((sequence - this.#base) / chunkEntryCount)], 'chunk of a pending entry');
  }

  #position(sequence: number): number {
    return ((sequence - this.#base) % chunkEntryCount) * entryBytes;
  }
}

function makeChunk(): Chunk {
  return { bytes: Buffer.alloc(chunkEntryCount * entryBytes), storedAt: new Float64Array(chunkEntryCount) };
}
