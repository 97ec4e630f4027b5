import { describe, expect, it } from 'vitest';
import type { LogSegments } from '../../src/commit-log/log-segments.js';
import { SmallReads } from '../../src/store/small-reads.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { appendMany, openTiny } from '../contract/harness.js';

/** Segments in which a read takes as long as `tookMs` says, and which note how they were read. */
function slowSegments(): { readonly reads: SmallReads; readonly how: string[]; tookMs: number } {
  let nowMs = 0;
  const setup = {
    how: [] as string[],
    tookMs: 0,
    reads: new SmallReads(
      {
        read: async (into: Uint8Array) => {
          setup.how.push('pool');
          return await Promise.resolve(into.length);
        },
        readSync: (into: Uint8Array) => {
          setup.how.push('in place');
          nowMs += setup.tookMs;
          return into.length;
        },
      } as unknown as LogSegments,
      { monotonicMs: () => nowMs },
    ),
  };
  return setup;
}

const small = new Uint8Array(1000);

describe('SmallReads', () => {
  it('reads in place, and lets the event loop have its turn after every 64 reads', async () => {
    const { reads, how } = slowSegments();
    for (let i = 0; i < 200; i += 1) expect(await reads.read(small, i)).toBe(1000);
    expect(how.flatMap((each, i) => (each === 'pool' ? [i] : []))).toEqual([64, 129, 194]);
  });

  it('reads more than 64 KiB through the pool', async () => {
    const { reads, how } = slowSegments();
    expect(await reads.read(new Uint8Array(65_536), 0)).toBe(65_536);
    expect(await reads.read(new Uint8Array(65_537), 0)).toBe(65_537);
    expect(how).toEqual(['in place', 'pool']);
  });

  it('goes to the pool for a while after a read that was slow, and tries again then', async () => {
    const setup = slowSegments();
    setup.tookMs = 4;
    for (let i = 0; i < 66; i += 1) await setup.reads.read(small, i);
    expect(setup.how).toEqual(['in place', ...Array.from({ length: 64 }, () => 'pool'), 'in place']);
  });

  it('hands on what a read fails with, in place too', () => {
    const reads = new SmallReads(
      {
        readSync: () => {
          throw new Error('EIO');
        },
      } as unknown as LogSegments,
      { monotonicMs: () => 0 },
    );
    expect(() => reads.read(small, 0)).toThrow('EIO');
  });

  it('a loop that awaits one message after the other holds up nobody', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 20);
    let turnCount = 0;
    const count = (): void => {
      turnCount += 1;
      if (turnCount < 1e6) pending = setImmediate(count);
    };
    let pending = setImmediate(count);
    for (let i = 0; i < 1000; i += 1) await store.get(0);
    clearImmediate(pending);
    expect(turnCount).toBeGreaterThanOrEqual(10);
    await store.close();
  });
});
