import { describe, expect, it } from 'vitest';
import { faultyPlatform, memoryPlatform } from '../../src/testing/index.js';
import { appendMany, failure, openTiny, readLog, readQueue, refusal, texts, until } from './harness.js';

describe('appendSync', () => {
  it('gives its receipt at once, in the order of all appends', async () => {
    const store = await openTiny(memoryPlatform());
    const first = store.append({ topic: 'T', body: '0' });
    const second = store.appendSync({ topic: 'T', body: '1' });
    const third = store.append({ topic: 'T', body: '2' });
    expect(second).toMatchObject({ topic: 'T', queueId: 0, queueOffset: 1, durable: false });
    expect([(await first).queueOffset, (await third).queueOffset]).toEqual([0, 2]);
    expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(['0', '1', '2']);
    await store.close();
  });

  it('survives the process in both modes, also in a loop that never gives up its turn', async () => {
    for (const flush of ['sync', 'async'] as const) {
      const platform = memoryPlatform();
      const store = await openTiny(platform, { flush });
      const pending = appendMany(store, 10, {}, 'p');
      for (let i = 0; i < 300; i += 1) store.appendSync({ topic: 'T', body: `s-${i}` });
      const after = platform.crash('all');
      await pending.catch(() => undefined);
      const again = await openTiny(after);
      const expected = [...Array.from({ length: 10 }, (_, i) => `p-${i}`), ...Array.from({ length: 300 }, (_, i) => `s-${i}`)];
      expect(texts(await readLog(again))).toEqual(expected);
      await again.close();
      await refusal(() => store.close());
    }
  });

  it('is not readable in a sync store before it is durable, and then is', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'sync' });
    const receipt = store.appendSync({ topic: 'T', body: 'x', keys: ['k'] });
    expect(store.bounds({ topic: 'T' })).toEqual({ min: 0, max: 0 });
    await until(() => store.bounds({ topic: 'T' }).max === 1);
    expect(store.stats().flushedOffset).toBeGreaterThanOrEqual(receipt.physicalOffset + receipt.recordBytes);
    const again = await openTiny(platform.crash('synced'));
    expect(texts(await readLog(again))).toEqual(['x']);
    await again.close();
  });

  it('is durable after flush', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 60_000 });
    for (let i = 0; i < 50; i += 1) store.appendSync({ topic: 'T', body: `s-${i}` });
    await store.flush();
    const again = await openTiny(platform.crash('synced'));
    expect(await readLog(again)).toHaveLength(50);
    await again.close();
  });

  it('in a tight loop an async store syncs all the same', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 1, segmentBytes: 65_536 });
    const end = Date.now() + 100;
    while (Date.now() < end) store.appendSync({ topic: 'T', body: 'x' });
    await until(() => store.stats().flushedOffset === store.stats().writtenOffset);
    expect(store.stats().flushCount).toBeGreaterThan(0);
    await store.close();
  });

  it('that fails says what it knows: a full disk has not stored it, after any other failure nobody can tell', async () => {
    for (const [code, expected] of [
      ['ENOSPC', { code: 'DISK_FULL', stored: 'no' }],
      ['EDQUOT', { code: 'DISK_FULL', stored: 'no' }],
      ['EIO', { code: 'STORE_FAILED', stored: 'unknown' }],
      ['EROFS', { code: 'STORE_FAILED', stored: 'unknown' }],
    ] as const) {
      const disk = memoryPlatform();
      const failing = faultyPlatform(disk);
      const store = await openTiny(failing);
      await appendMany(store, 3);
      // The disk may have taken all of it and fail all the same.
      failing.add({ ops: ['writeSync'], path: /commitlog|tmp/, fault: { kind: 'error', code, done: expected.stored === 'unknown' } });
      expect(await failure(() => store.appendSync({ topic: 'T', body: 'x' }))).toMatchObject(expected);
      await store.close().catch(() => undefined);
      const again = await openTiny(disk.crash('all'));
      expect(texts(await readLog(again)).includes('x')).toBe(expected.stored === 'unknown');
      await again.close();
    }
  });
});
