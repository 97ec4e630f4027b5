import { describe, expect, it } from 'vitest';
import type { Platform } from '../../src/index.js';
import { openStore } from '../../src/index.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { createFile, readFile } from './disk-surgery.js';
import {
  appendMany,
  collect,
  openReader,
  openTiny,
  readLog,
  readQueue,
  refusal,
  root,
  seeds,
  systemError,
  texts,
  tiny,
  turns,
} from './harness.js';

const queue = { topic: 'T' };
const all = (count: number): string[] => Array.from({ length: count }, (_, i) => `m-${i}`);
const openCopy = (platform: Platform) => openStore('/copy', { ...tiny, platform });

describe('snapshot', () => {
  for (const links of [false, true]) {
    it(`is a whole store that opens by itself and goes its own way (links: ${links})`, async () => {
      const platform = memoryPlatform();
      const store = await openTiny(platform);
      for (let i = 0; i < 100; i += 1) await store.append({ topic: 'T', body: `m-${i}`, keys: [`k-${i}`] });
      const marks = await store.snapshot('/copy', { links });
      expect(marks.flushedOffset).toBeGreaterThan(0);
      for (let i = 0; i < 100; i += 1) await store.append({ topic: 'T', body: `original-${i}` });
      const copy = await openCopy(platform);
      expect(texts(await readQueue(copy, queue))).toEqual(all(100));
      expect(texts(await collect(copy.findByKey({ topic: 'T', key: 'k-42' })))).toEqual(['m-42']);
      for (let i = 0; i < 100; i += 1) await copy.append({ topic: 'T', body: `copy-${i}` });
      expect(texts(await readLog(store))).toEqual([...all(100), ...Array.from({ length: 100 }, (_, i) => `original-${i}`)]);
      expect(texts(await readLog(copy))).toEqual([...all(100), ...Array.from({ length: 100 }, (_, i) => `copy-${i}`)]);
      expect((await store.verify()).faults).toEqual([]);
      expect((await copy.verify()).faults).toEqual([]);
      await copy.close();
      await store.close();
    });

    it(`of a store that is closed unclean and mended afterwards stays what it was (links: ${links})`, async () => {
      let platform = memoryPlatform();
      const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 600_000 });
      await appendMany(store, 60);
      await store.snapshot('/copy', { links });
      await appendMany(store, 20, {}, 'lost');
      platform = platform.crash('random');
      await refusal(() => store.close());
      const again = await openTiny(platform);
      await again.close();
      const copy = await openCopy(platform);
      expect(texts(await readLog(copy))).toEqual(all(60));
      expect((await copy.verify()).faults).toEqual([]);
      await copy.close();
    });
  }

  it('refuses a directory that is there, and leaves it alone', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    await appendMany(store, 10);
    await createFile(platform, '/file', Buffer.from('x'));
    await platform.fs.makeDirectory('/empty');
    for (const target of ['/file', '/empty', root, `${root}/inside`]) {
      const outcome = await refusal(() => store.snapshot(target));
      expect([target, outcome]).not.toEqual([target, 'none']);
      expect(outcome).toMatch(/^(?:IO|TypeError|RangeError)/);
    }
    expect((await readFile(platform, '/file')).toString()).toBe('x');
    expect(platform.fs.list('/empty')).toEqual([]);
    await store.close();
  });

  it('beside appends, cleaning and other snapshots is a prefix of the log', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    await appendMany(store, 50);
    const appending = (async () => {
      for (let i = 50; i < 250; i += 1) await store.append({ topic: 'T', body: `m-${i}` });
    })();
    await turns(20);
    const marks = await Promise.all([store.snapshot('/copy'), store.snapshot('/second'), store.clean({ before: 4096 })]);
    await appending;
    for (const directory of ['/copy', '/second']) {
      const copy = await openStore(directory, { ...tiny, platform });
      const messages = await readLog(copy);
      const from = messages[0]!.queueOffset;
      expect(texts(messages)).toEqual(all(250).slice(from, from + messages.length));
      expect(from + messages.length).toBeGreaterThanOrEqual(50);
      expect((await copy.verify()).faults).toEqual([]);
      await copy.close();
    }
    expect(marks[0].flushedOffset).toBeGreaterThan(0);
    await store.close();
  });

  it('to the same place twice at once: one wins, the other is refused', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    await appendMany(store, 50);
    const outcomes = await Promise.all([refusal(() => store.snapshot('/copy')), refusal(() => store.snapshot('/copy'))]);
    expect(outcomes.filter((outcome) => outcome === 'none')).toHaveLength(1);
    const copy = await openCopy(platform);
    expect(texts(await readLog(copy))).toEqual(all(50));
    await copy.close();
    await store.close();
  });

  it('by a read-only store works too', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 60);
    const reader = await openReader(platform);
    await reader.snapshot('/copy');
    const copy = await openCopy(platform);
    expect(texts(await readLog(copy))).toEqual(all(60));
    expect((await copy.verify()).faults).toEqual([]);
    await copy.close();
    await reader.close();
    await writer.close();
  });

  it('appears whole or not at all, whatever call fails', { timeout: 120_000 }, async () => {
    for (let number = 1; number < 400; number += 3) {
      const disk = memoryPlatform();
      let armed = false;
      let count = 0;
      const platform = withFaults(disk, () =>
        armed && (count += 1) === number ? systemError(number % 2 === 0 ? 'EIO' : 'ENOSPC') : undefined,
      );
      const store = await openTiny(platform);
      await appendMany(store, 40);
      armed = true;
      const outcome = await refusal(() => store.snapshot('/copy'));
      armed = false;
      expect(['none', 'IO', 'DISK_FULL', 'STORE_FAILED']).toContain(outcome);
      if (outcome === 'none') expect(disk.fs.exists('/copy')).toBe(true);
      if (disk.fs.exists('/copy')) {
        const copy = await openCopy(disk);
        expect(texts(await readLog(copy))).toEqual(all(40));
        await copy.close();
      } else await store.snapshot('/copy').catch((error: unknown) => expect(store.status === 'failed' ? 'failed' : error).toBe('failed'));
      await refusal(() => store.close());
      if (count < number) break;
    }
  });

  it('appears whole or not at all after a power cut', { timeout: 120_000 }, async () => {
    for (const seed of seeds(25)) {
      const platform = memoryPlatform({ seed });
      const store = await openTiny(platform);
      await appendMany(store, 40);
      const copying = refusal(() => store.snapshot('/copy', { links: seed % 2 === 0 }));
      await turns(seed * 7);
      const after = platform.crash(seed % 3 === 0 ? 'synced' : 'random');
      const outcome = await copying;
      await refusal(() => store.close());
      if (outcome === 'none') expect(after.fs.exists('/copy')).toBe(true);
      if (after.fs.exists('/copy')) {
        const copy = await openCopy(after);
        expect(texts(await readLog(copy))).toEqual(all(40));
        await copy.close();
      }
      const again = await openTiny(after);
      expect(texts(await readLog(again))).toEqual(all(40));
      await again.close();
    }
  });
});

describe('verify', () => {
  it('counts what there is and tells how far it is', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 100);
    const told: number[] = [];
    const report = await store.verify({
      onProgress: ({ bytes, totalBytes }) => {
        told.push(bytes);
        expect(bytes).toBeLessThanOrEqual(totalBytes);
      },
    });
    expect(report).toMatchObject({ ok: true, recordCount: 100, faultCount: 0, faults: [] });
    expect(report.bytes).toBeGreaterThan(0);
    expect([...told].sort((a, b) => a - b)).toEqual(told);
    await store.close();
  });

  it('beside appends and cleaning finds no fault where there is none', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 100);
    const work = { isDone: false };
    const busy = (async () => {
      for (let i = 0; !work.isDone; i += 1) {
        await store.append({ topic: `T${i % 3}`, body: `busy-${i}`, keys: ['k'] });
        if (i % 25 === 24) await store.clean({ before: Math.max(0, store.stats().flushedOffset - 12_288) });
      }
    })();
    for (let i = 0; i < 15; i += 1) expect((await store.verify()).faults).toEqual([]);
    work.isDone = true;
    await busy;
    await store.close();
  });
});
