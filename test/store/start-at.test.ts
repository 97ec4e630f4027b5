import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openStore, type Platform, type Store, type StoreReader } from '../../src/index.js';
import { encodeFiller } from '../../src/format/repair-records.js';
import { flipBit, readFile, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { settableClock } from '../contract/harness.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { traceCalls } from '../../src/testing/trace-calls.js';

const directory = '/store';
const segmentBytes = 2048;

function open(platform: Platform): Promise<Store> {
  return openStore(directory, {
    platform,
    segmentBytes,
    queueEntriesPerFile: 8,
    keyIndex: false,
    freeBytesMin: 0,
    flush: 'async',
    readOnly: false,
  });
}

/** What a scan from the oldest message on finds: the first one stored at or after the time, and all behind it. */
async function scanned(store: StoreReader, time: number): Promise<number[]> {
  const all: { readonly place: number; readonly storedAt: number }[] = [];
  for await (const message of store.tailAll({ from: 'earliest', until: 'end' }))
    all.push({ place: message.physicalOffset, storedAt: message.storedAt });
  const first = all.findIndex(({ storedAt }) => storedAt >= time);
  return first < 0 ? [] : all.slice(first).map(({ place }) => place);
}

async function found(store: StoreReader, time: number): Promise<number[]> {
  const places: number[] = [];
  for await (const message of store.tailAll({ from: { time }, until: 'end' })) places.push(message.physicalOffset);
  return places;
}

/** Bytes that were read of the log, by the calls as `traceCalls` shows them. */
function readsOfLog(lines: readonly string[]): number {
  let bytes = 0;
  for (const line of lines) bytes += Number(/read(?:Sync)? (?:commitlog|stratalog\/tmp)\/\d+ @\d+ \+(\d+) = /.exec(line)?.[1] ?? 0);
  return bytes;
}

const message = fc.record({ queue: fc.nat(5), stepMs: fc.constantFrom(0, 0, 0, 1, 1, 5, 40, -30), bodyBytes: fc.constantFrom(0, 10, 200) });

describe('a tail of the whole log from a time on', () => {
  test('begins where a scan of the log finds the first message stored at or after it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 80, size: 'max' }),
        fc.array(fc.nat(99), { maxLength: 2 }),
        fc.nat(9),
        async (messages, cleaned, later) => {
          const clock = settableClock(1_000_000);
          const platform = memoryPlatform({ clock });
          const store = await open(platform);
          const times = [0, 999_999];
          const ends: number[] = [];
          for (const { queue, stepMs, bodyBytes } of messages) {
            clock.set(clock.nowMs() + stepMs);
            // Queue 3 of A has messages at the beginning only: retention empties it.
            const isOld = ends.length < 8;
            const { physicalOffset, storedAt } = await store.append({
              topic: queue < 3 ? 'A' : 'B',
              queueId: isOld ? 3 : queue,
              body: Buffer.alloc(bodyBytes),
            });
            ends.push(physicalOffset);
            times.push(storedAt - 1, storedAt, storedAt + 1);
          }
          for (const percent of cleaned) await store.clean({ before: ends[Math.floor((ends.length * percent) / 100)] ?? 0 });
          const asked = [...new Set(times.filter((_, i) => i % 10 === later)), (times.at(-1) ?? 0) + 10];
          const expected: number[][] = [];
          for (const time of asked) {
            expected.push(await scanned(store, time));
            expect(await found(store, time)).toEqual(expected.at(-1));
          }
          await store.close();
          const reader = await openStore(directory, { platform, readOnly: true });
          for (const [i, time] of asked.entries()) expect(await found(reader, time)).toEqual(expected[i]);
          await reader.close();
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);

  test('waits for a time to come, and for what is appended while it looks', async () => {
    const clock = settableClock(1_000_000);
    const store = await open(memoryPlatform({ clock }));
    for (let i = 0; i < 20; i += 1) await store.append({ topic: 'T', queueId: i % 4, body: 'early' });
    const heard: string[] = [];
    const tail = store.tailAll({ from: { time: 1_000_500 } });
    const listening = (async () => {
      for await (const { body } of tail) heard.push(body.toString());
    })();
    await store.append({ topic: 'T', body: 'early' });
    clock.set(1_000_500);
    await store.append({ topic: 'T', body: 'late' });
    await store.append({ topic: 'new', body: 'later' });
    while (heard.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await tail.close();
    await listening;
    expect(heard).toEqual(['late', 'later']);
    await store.close();
  });

  test('reads a few records, not the segment', async () => {
    const clock = settableClock(1_000_000);
    const lines: string[] = [];
    const platform = traceCalls(memoryPlatform({ clock }), (line) => lines.push(line), directory);
    const store = await openStore(directory, {
      platform,
      segmentBytes: 32 * 1024 * 1024,
      keyIndex: false,
      freeBytesMin: 0,
      flush: 'async',
      readOnly: false,
    });
    for (let i = 0; i < 400; i += 1) {
      clock.set(1_000_000 + i);
      await store.append({ topic: 'T', queueId: i % 20, body: Buffer.alloc(32 * 1024) });
    }
    lines.length = 0;
    for await (const { storedAt } of store.tailAll({ from: { time: 1_000_395 }, until: 'end' }))
      expect(storedAt).toBeGreaterThanOrEqual(1_000_395);
    const bytes = readsOfLog(lines);
    expect(bytes).toBeGreaterThan(5 * 32 * 1024);
    expect(bytes).toBeLessThan(400 * 32 * 1024 * 0.1);
    await store.close();
  });

  test.each([
    ['zeros', Buffer.alloc(20)],
    ['an offset beyond the log', Buffer.from('00000000ffffffff000000700000000000000000', 'hex')],
    ['an offset before its own', Buffer.from('0000000000000001000000700000000000000000', 'hex')],
  ])('begins with the segment where a queue has a damaged entry: %s', async (_, bytes) => {
    const clock = settableClock(1_000_000);
    const platform = memoryPlatform({ clock });
    const store = await open(platform);
    for (let i = 0; i < 30; i += 1) {
      clock.set(1_000_000 + i);
      await store.append({ topic: 'T', queueId: i % 2, body: 'm' });
    }
    await store.close();
    for (let entry = 0; entry < 15; entry += 1) {
      const name = platform.fs.list(`${directory}/consumequeue/T/1`)[Math.floor(entry / 8)] ?? '';
      const file = platform.fs.open(`${directory}/consumequeue/T/1/${name}`, 'read-write');
      const before = Buffer.alloc(20);
      file.readSync(before, (entry % 8) * 20);
      const again = await open(platform);
      file.writeSync([bytes], (entry % 8) * 20);
      for (const time of [1_000_003, 1_000_019, 1_000_020, 1_000_021, 1_000_023, 1_000_029]) {
        const expected = await scanned(again, time);
        expect(expected).toHaveLength(1_000_030 - time);
        expect(await found(again, time)).toEqual(expected);
      }
      file.writeSync([before], (entry % 8) * 20);
      await file.close();
      await again.close();
    }
  });

  test('finds the first one also where store times go back, in a segment that is not ours', async () => {
    const clock = settableClock(1_000_000);
    const platform = memoryPlatform({ clock });
    const options = { platform, segmentBytes: 16_384, keyIndex: false, freeBytesMin: 0, recordChecksum: false, readOnly: false } as const;
    const store = await openStore(directory, options);
    const times = [100, 200, 300, 50, 60, 150, 250, 260];
    const receipts = await store.appendBatch(times.map((_, i) => ({ topic: 'T', queueId: i % 2, body: 'm' })));
    await store.close();
    const file = platform.fs.open(`${directory}/commitlog/${'0'.repeat(20)}`, 'read-write');
    for (const [i, { physicalOffset }] of receipts.entries()) {
      const storedAt = Buffer.alloc(8);
      storedAt.writeBigInt64BE(BigInt(times[i] ?? 0));
      file.writeSync([storedAt], physicalOffset + 56);
    }
    await file.close();
    const again = await openStore(directory, options);
    const places = receipts.map(({ physicalOffset }) => physicalOffset);
    expect(await scanned(again, 150)).toEqual(places.slice(1));
    for (const time of [100, 101, 150, 240, 290, 301]) expect(await found(again, time)).toEqual(await scanned(again, time));
    await again.close();
  });

  test('leaves nothing out where a block of queue entries is damaged', async () => {
    const clock = settableClock(1_000_000);
    const options = {
      platform: memoryPlatform({ clock }),
      segmentBytes: 16_384,
      queueEntriesPerFile: 2000,
      keyIndex: false,
      freeBytesMin: 0,
    };
    const store = await openStore(directory, options);
    const countPerMs = 10;
    for (let i = 0; i < 1000; i += countPerMs) {
      clock.set(1_000_000 + i / countPerMs);
      await store.appendAll(Array.from({ length: countPerMs }, () => ({ topic: 'T', queueId: 0, body: Buffer.alloc(30) })));
    }
    await store.snapshot('/copy');
    const path = `${directory}/consumequeue/T/0/${'0'.repeat(20)}`;
    const bytes = await readFile(options.platform, path);
    for (let at = 4096; at <= 12_288; at += 1024) {
      // A write that went to the wrong place.
      await writeInto(options.platform, path, bytes.subarray(512, 512 + 4096), at);
      for (let ms = 0; ms < 100; ms += 7)
        expect([at, ms, (await found(store, 1_000_000 + ms)).length]).toEqual([at, ms, 1000 - ms * countPerMs]);
      await writeInto(options.platform, path, bytes, 0);
    }
    await store.close();
  });

  test.each([2, 3, 4])('leaves nothing out where a repair of %i messages crosses into a segment', async (lostCount) => {
    const clock = settableClock(1_000_000);
    const platform = memoryPlatform({ clock });
    const store = await open(platform);
    for (let i = 0; i < 60; i += 1) {
      clock.set(1_000_000 + 10 * i);
      await store.append({ topic: i % 3 === 0 ? 'B' : 'A', body: Buffer.alloc(200) });
    }
    await store.flush();
    const places = await scanned(store, 0);
    const behind = places.indexOf(2 * segmentBytes) + 1;
    expect(behind).toBeGreaterThan(lostCount);
    for (const place of places.slice(behind - lostCount, behind)) {
      const { path, at } = segmentOf(directory, segmentBytes, place);
      await flipBit(platform, path, at + 5);
    }
    await store.repair();
    // What fills the place tells others, who go by its time, when at the latest the messages in front of it were stored.
    const filler = (await readFile(platform, segmentOf(directory, segmentBytes, 2 * segmentBytes).path)).subarray(0, 64);
    expect(Number(filler.readBigInt64BE(56))).toBe(1_000_000 + 10 * (behind - lostCount - 1));
    for (let i = 0; i < 60; i += 1) {
      const time = 1_000_000 + 10 * i;
      expect(await found(store, time)).toEqual(await scanned(store, time));
    }
    await store.close();
  });

  test('does not take the time of a filler, which an older release has set to zero, for that of a message', async () => {
    const clock = settableClock(1_000_000);
    const platform = memoryPlatform({ clock });
    const store = await open(platform);
    for (let i = 0; i < 60; i += 1) {
      clock.set(1_000_000 + 10 * i);
      await store.append({ topic: 'T', body: Buffer.alloc(100) });
    }
    const places = await scanned(store, 0);
    for (const base of [2048, 4096, 8192]) {
      const first = places.indexOf(base);
      const filler = Buffer.alloc((places[first + 2] ?? 0) - base);
      encodeFiller(filler, 0, filler.length, base, 0, { storeHost: { address: '127.0.0.1', port: 1 }, recordChecksum: true });
      const { path, at } = segmentOf(directory, segmentBytes, base);
      await writeInto(platform, path, filler, at);
    }
    for (let i = 0; i < 60; i += 1) {
      const time = 1_000_000 + 10 * i;
      expect(await found(store, time)).toEqual(await scanned(store, time));
    }
    await store.close();
  });
});
