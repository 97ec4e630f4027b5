import type { FactsTarget, RecordFacts } from '../../format/record-facts.js';

const CAPACITY_MIN = 1024;

/**
 * Keys of records that no index file holds yet: entries in columns, each linked to the one before it in its slot, 20 bytes each.
 *
 * Invariants: physical offsets never descend; `heads` has twice as many slots as there is room for entries, a power of two; links go to
 * lower numbers, so that every walk ends. Entry numbers begin with 1; 0 is none.
 */
export class FollowedKeys implements FactsTarget {
  readonly name: string = 'keys of a follower';
  #count = 0;
  #hashes = new Int32Array(CAPACITY_MIN + 1);
  #offsets = new Float64Array(CAPACITY_MIN + 1);
  #previous = new Int32Array(CAPACITY_MIN + 1);
  #heads = new Int32Array(2 * CAPACITY_MIN);

  get count(): number {
    return this.#count;
  }

  accept(facts: RecordFacts, from: number, to: number): void {
    for (let row = from; row < to; row += 1) {
      const end = facts.keyEnd[row] ?? 0;
      const offset = facts.physicalOffset[row] ?? 0;
      for (let key = facts.keyStart(row); key < end; key += 1) this.#add(facts.keyHashes[key] ?? 0, offset);
    }
  }

  /** Offsets of records below `before` that have a key with that hash, newest first. */
  find(keyHash: number, before: number): number[] {
    const found: number[] = [];
    for (let entry = this.#heads[this.#slotOf(keyHash)] ?? 0; entry > 0; entry = this.#previous[entry] ?? 0) {
      const offset = this.#offsets[entry] ?? 0;
      if (this.#hashes[entry] === keyHash && offset < before) found.push(offset);
    }
    return found;
  }

  /** Forgets the keys of records below `offset`. */
  dropBelow(offset: number): void {
    let kept = 1;
    while (kept <= this.#count && (this.#offsets[kept] ?? 0) < offset) kept += 1;
    if (kept === 1) return;
    const hashes = this.#hashes.slice(kept, this.#count + 1);
    const offsets = this.#offsets.slice(kept, this.#count + 1);
    this.#resize(Math.max(CAPACITY_MIN, powerOfTwo(hashes.length)));
    this.#count = 0;
    for (let i = 0; i < hashes.length; i += 1) this.#add(hashes[i] ?? 0, offsets[i] ?? 0);
  }

  #add(keyHash: number, offset: number): void {
    if (this.#count + 1 >= this.#hashes.length) this.#grow();
    this.#count += 1;
    const entry = this.#count;
    const slot = this.#slotOf(keyHash);
    this.#hashes[entry] = keyHash;
    this.#offsets[entry] = offset;
    this.#previous[entry] = this.#heads[slot] ?? 0;
    this.#heads[slot] = entry;
  }

  #slotOf(keyHash: number): number {
    // The upper bits of the product depend on all bits of the hash.
    return Math.imul(keyHash, 0x9e3779b1) >>> (Math.clz32(this.#heads.length) + 1);
  }

  #grow(): void {
    const { hashes, offsets, count } = { hashes: this.#hashes, offsets: this.#offsets, count: this.#count };
    this.#resize(2 * (hashes.length - 1));
    this.#count = 0;
    for (let entry = 1; entry <= count; entry += 1) this.#add(hashes[entry] ?? 0, offsets[entry] ?? 0);
  }

  #resize(capacity: number): void {
    this.#hashes = new Int32Array(capacity + 1);
    this.#offsets = new Float64Array(capacity + 1);
    this.#previous = new Int32Array(capacity + 1);
    this.#heads = new Int32Array(2 * capacity);
  }
}

function powerOfTwo(atLeast: number): number {
  let power = 1;
  while (power < atLeast) power *= 2;
  return power;
}
