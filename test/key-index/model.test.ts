import fc from 'fast-check';
import { expect, test } from 'vitest';
import { indexKeyHash } from '../../src/format/index-layout.js';
import type { IndexFileState } from '../../src/key-index/index-file.js';
import type { KeyIndex } from '../../src/key-index/key-index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/memory-platform.js';
import { accept, expectedRows, foundRows, makeIndex, makeRoot, type Row, tiny, topic } from './index-harness.js';

/** Equal hashes ("Aa", "BB"), the hash that has no absolute value, and enough others to share 7 slots. */
const keys = ['Aa', 'BB', 'aXA4ptp', 'order-1', 'order-2', 'order-3', 'x'];

type Step =
  | { readonly do: 'accept'; readonly rows: readonly (readonly string[])[]; readonly stepMs: number }
  | { readonly do: 'replay'; readonly back: number }
  | { readonly do: 'write'; readonly behind: number; readonly bytesMax: number }
  | { readonly do: 'sync'; readonly behind: number }
  | { readonly do: 'busy sync'; readonly behind: number; readonly rows: readonly (readonly string[])[] }
  | { readonly do: 'crash' | 'kill' | 'close' | 'reset' }
  | { readonly do: 'trim'; readonly share: number }
  | { readonly do: 'cut'; readonly share: number };

const someRows = fc.array(fc.array(fc.constantFrom(...keys), { maxLength: 9 }), { maxLength: 4 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('accept' as const),
      rows: someRows,
      stepMs: fc.constantFrom(0, 1, 999, 1000, 61_500),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replay' as const), back: fc.nat(6) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('write' as const), behind: fc.nat(2), bytesMax: fc.constantFrom(20, 60, 1_000_000) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('sync' as const), behind: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('busy sync' as const), behind: fc.nat(2), rows: someRows }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'kill' as const, 'close' as const, 'reset' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
);

/** A log of rows that never loses any, an index over it, and the state file of the last safe point. */
class World {
  platform: MemoryPlatform;
  index: KeyIndex;
  rows: Row[] = [];
  minOffset = 0;
  #storedAt = 1_700_000_000_123;
  #nextOffset = 1000;
  #states: readonly IndexFileState[] = [];
  #safeOffset = 0;
  #hasCut = false;

  constructor(seed: number) {
    this.platform = memoryPlatform({ seed });
    this.index = makeIndex(this.platform.fs);
  }

  async run(one: Step): Promise<void> {
    if (one.do === 'accept') this.#accept(one.rows, one.stepMs);
    else if (one.do === 'replay') accept(this.index, this.rows.slice(-1 - one.back));
    else if (one.do === 'write') this.index.writePending(this.#durableBefore(one.behind), one.bytesMax);
    else if (one.do === 'sync') await this.#safePoint(this.#durableBefore(one.behind));
    else if (one.do === 'busy sync') await this.#busySync(one.behind, one.rows);
    else if (one.do === 'trim') await this.#trim(one.share);
    else if (one.do === 'cut') await this.#cut(one.share);
    else if (one.do === 'reset') await this.#reset();
    else await this.#reopen(one.do);
  }

  async check(): Promise<void> {
    expect(this.index.damaged).toBe(false);
    const times = this.rows.map((row) => row.storedAt);
    const since = times[Math.floor(times.length / 3)] ?? 0;
    const until = times[Math.floor((times.length * 2) / 3)] ?? 0;
    const before = this.rows[Math.floor(this.rows.length / 2)]?.physicalOffset ?? 0;
    const held = this.rows.filter((row) => row.physicalOffset >= this.minOffset);
    for (const key of keys) {
      expect(await foundRows(this.index, held, key)).toEqual(expectedRows(held, key));
      expect(await foundRows(this.index, held, key, since, until)).toEqual(expectedRows(held, key, since, until));
      expect(await foundRows(this.index, held, key, since, Infinity, before)).toEqual(expectedRows(held, key, since, Infinity, before));
    }
  }

  /** Once per key that a row has, not once more: what is twice in the index is found twice. */
  async checkCounts(): Promise<void> {
    for (const key of keys) {
      let count = 0;
      for await (const offset of this.index.find(topic, key, -Infinity, Infinity, Infinity)) if (offset >= this.minOffset) count += 1;
      const hash = indexKeyHash(topic, key);
      const held = this.rows.filter((row) => row.physicalOffset >= this.minOffset);
      expect(count).toBe(held.flatMap((row) => row.keys).filter((other) => indexKeyHash(topic, other) === hash).length);
    }
  }

  #accept(rowsOfKeys: readonly (readonly string[])[], stepMs: number): void {
    const added = rowsOfKeys.map((rowKeys) => {
      this.#storedAt += stepMs;
      this.#nextOffset += 100;
      return { physicalOffset: this.#nextOffset, storedAt: this.#storedAt, keys: rowKeys };
    });
    this.rows.push(...added);
    accept(this.index, added);
  }

  #durableBefore(behind: number): number {
    return this.rows.at(-1 - behind)?.physicalOffset ?? 0;
  }

  async #safePoint(durableBefore: number): Promise<void> {
    const states = await this.index.sync(durableBefore);
    expect(states).toBeDefined();
    this.#states = states ?? [];
    this.#hasCut = false;
    this.#safeOffset = durableBefore;
  }

  /** Rows come in, and are written, while the safe point is under way. */
  async #busySync(behind: number, rowsOfKeys: readonly (readonly string[])[]): Promise<void> {
    const safePoint = this.#safePoint(this.#durableBefore(behind));
    for (const rowKeys of rowsOfKeys) {
      this.#accept([rowKeys], 500);
      this.index.writePending(this.#durableBefore(0), 60);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await safePoint;
  }

  async #trim(share: number): Promise<void> {
    const last = this.rows.at(-1)?.physicalOffset ?? 0;
    this.minOffset = Math.max(this.minOffset, Math.floor(last * share));
    await this.index.trim(this.minOffset);
  }

  /** The state on disk still names what was cut: until the next safe point an opening may have to feed again from further back. */
  async #cut(share: number): Promise<void> {
    const end = this.rows[Math.floor(this.rows.length * share)]?.physicalOffset ?? 0;
    if (end <= this.minOffset) return;
    this.rows = this.rows.filter((row) => row.physicalOffset < end);
    await this.index.cut(end);
    this.#hasCut = true;
    this.#safeOffset = Math.min(this.#safeOffset, end);
  }

  async #reset(): Promise<void> {
    await this.index.reset();
    this.#states = [];
    this.#safeOffset = 0;
    accept(this.index, this.rows);
  }

  async #reopen(how: 'crash' | 'kill' | 'close'): Promise<void> {
    if (how === 'close') {
      await this.#safePoint(this.#nextOffset + 1);
      await this.index.close();
    } else {
      this.platform = this.platform.crash(how === 'crash' ? 'random' : 'all');
    }
    this.index = makeIndex(this.platform.fs);
    const { refeedFrom } = await this.index.open(this.#states, how === 'close', this.minOffset);
    if (!this.#hasCut) expect(refeedFrom).toBeUndefined();
    const from = Math.min(this.#safeOffset, refeedFrom ?? this.#safeOffset);
    if (how !== 'close')
      accept(
        this.index,
        this.rows.filter((row) => row.physicalOffset >= from),
      );
  }
}

test('whatever happens to it, the index finds what a plain list of all rows finds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.array(step, { maxLength: 40, size: 'max' }), async (seed, steps) => {
      const world = new World(seed);
      await makeRoot(world.platform.fs);
      await world.index.open([], false);
      for (const one of steps) await world.run(one);
      await world.check();
      await world.checkCounts();
    }),
    { numRuns: 400 },
  );
}, 120_000);

test('the shape of the model rolls files and makes slots collide', () => {
  expect(tiny.slotCount).toBeLessThanOrEqual(keys.length);
  expect(new Set(keys.map((key) => indexKeyHash(topic, key))).size).toBe(keys.length - 1);
});
