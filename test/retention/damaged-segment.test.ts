import { describe, expect, it } from 'vitest';
import type { Message, Store } from '../../src/index.js';
import { encodeFiller } from '../../src/format/repair-records.js';
import { manualClock, type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { segmentOf, writeInto } from '../contract/disk-surgery.js';
import { collect, letting, openTiny, root } from '../contract/harness.js';
import { storeHost } from '../store/read-fixture.js';

const maxAgeMs = 600_000;
const segmentBytes = 4096;

interface Running {
  readonly store: Store;
  readonly clock: ReturnType<typeof manualClock>;
  readonly platform: MemoryPlatform;
  /** Lets what needs the clock happen while `call` runs. */
  during<T>(call: Promise<T>): Promise<T>;
  /** Segments of messages of about 200 bytes, three of them, the third not full. */
  fill(): Promise<void>;
  /** A wrong byte in the magic of the record there. */
  damage(offset: number): Promise<void>;
  close(): Promise<unknown>;
}

async function open(): Promise<Running> {
  const clock = manualClock();
  const platform = memoryPlatform({ clock });
  const during = async <T>(call: Promise<T>): Promise<T> => await letting(clock, call);
  const store = await during(openTiny(platform, { retention: { maxAgeMs } }));
  return {
    store,
    clock,
    platform,
    during,
    fill: async () => {
      await during(Promise.all(Array.from({ length: 45 }, (_, i) => store.append({ topic: 'T', body: `m-${i}`.padEnd(100) }))));
    },
    damage: async (offset) => {
      const { path, at } = segmentOf(root, segmentBytes, offset);
      await during(writeInto(platform, path, Buffer.of(0), at + 4));
    },
    close: () => during(store.close().catch(() => undefined)),
  };
}

const readLogFrom = (store: Store, from: number): Promise<Message[]> => collect(store.tailAll({ from, until: 'end' }), 1);

describe('retention by age, of a damaged segment', () => {
  it('does not take a young one for old because its first record is damaged', async () => {
    const { store, clock, fill, damage, close } = await open();
    await fill();
    await damage(0);
    await clock.advance(maxAgeMs / 2);
    expect(store.stats().minOffset).toBe(0);
    await close();
  });

  it('nor because young ones are hidden behind an old one', async () => {
    const { store, clock, fill, damage, during, close } = await open();
    const old = await during(store.append({ topic: 'T', body: 'old' }));
    await clock.advance(maxAgeMs - 100_000);
    await fill();
    await damage(old.recordBytes);
    await clock.advance(200_000);
    expect(store.stats().minOffset).toBe(0);
    await close();
  });

  it('deletes it once the next segment that can be read begins with an old one', async () => {
    const { store, clock, fill, damage, close } = await open();
    await fill();
    await damage(0);
    await damage(segmentBytes);
    await clock.advance(maxAgeMs);
    expect(store.stats().minOffset).toBe(0);
    await clock.advance(60_000);
    expect(store.stats().minOffset).toBe(2 * segmentBytes);
    await close();
  });

  it('deletes none of which nothing behind it tells the age', async () => {
    const { store, clock, fill, damage, close } = await open();
    await fill();
    for (const base of [0, segmentBytes, 2 * segmentBytes]) await damage(base);
    await clock.advance(3 * maxAgeMs);
    expect(store.stats().minOffset).toBe(0);
    await close();
  });

  it('does not believe the time of what a repair has put where the next one begins', async () => {
    const { store, clock, platform, fill, damage, during, close } = await open();
    await fill();
    await damage(0);
    const [first] = await during(readLogFrom(store, segmentBytes));
    const filler = Buffer.alloc(first?.recordBytes ?? 0);
    encodeFiller(filler, 0, filler.length, segmentBytes, 0, { storeHost, recordChecksum: true });
    const { path, at } = segmentOf(root, segmentBytes, segmentBytes);
    await during(writeInto(platform, path, filler, at));
    await clock.advance(maxAgeMs / 2);
    expect(store.stats().minOffset).toBe(0);
    await close();
  });

  it('knows its age again once it is repaired', async () => {
    const { store, clock, fill, damage, during, close } = await open();
    const old = await during(store.append({ topic: 'T', body: 'old' }));
    await clock.advance(maxAgeMs);
    await fill();
    await damage(old.recordBytes);
    await clock.advance(200_000);
    await during(store.repair());
    await clock.advance(maxAgeMs - 300_000);
    expect(store.stats().minOffset).toBe(0);
    await clock.advance(200_000);
    expect(store.stats().minOffset).toBe(2 * segmentBytes);
    await close();
  });
});
