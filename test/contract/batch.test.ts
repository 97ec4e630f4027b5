import { describe, expect, it } from 'vitest';
import type { NewMessage } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { collect, failure, openTiny, randomFrom, readLog, readQueue, refusal, seeds, texts } from './harness.js';

const batchOf = (count: number, name: string, more: Partial<NewMessage> = {}): NewMessage[] =>
  Array.from({ length: count }, (_, i) => ({ topic: 'T', body: `${name}-${i}`, ...more }));

describe('appendBatch', () => {
  it('gives one receipt for each message, adjacent in the log', async () => {
    const store = await openTiny(memoryPlatform());
    const receipts = await store.appendBatch(batchOf(10, 'b'));
    expect(receipts).toHaveLength(10);
    receipts.forEach((receipt, i) => {
      expect(receipt).toMatchObject({ topic: 'T', queueId: 0, queueOffset: i, durable: true });
      if (i > 0) expect(receipt.physicalOffset).toBe(receipts[i - 1]!.physicalOffset + receipts[i - 1]!.recordBytes);
    });
    expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(receipts.map((_, i) => `b-${i}`));
    await store.close();
  });

  it('may mix topics and queues', async () => {
    const store = await openTiny(memoryPlatform());
    const receipts = await store.appendBatch([
      { topic: 'A', body: '1', keys: ['k'] },
      { topic: 'B', body: '2', queueId: 3 },
      { topic: 'A', body: '3', tag: 't' },
      { topic: 'B', body: '4', queueId: 3 },
    ]);
    expect(receipts.map((receipt) => [receipt.topic, receipt.queueId, receipt.queueOffset])).toEqual([
      ['A', 0, 0],
      ['B', 3, 0],
      ['A', 0, 1],
      ['B', 3, 1],
    ]);
    expect(texts(await readQueue(store, { topic: 'B', queueId: 3 }))).toEqual(['2', '4']);
    expect(texts(await collect(store.findByKey({ topic: 'A', key: 'k' })))).toEqual(['1']);
    await store.close();
  });

  it('shows nothing of its bookkeeping in the properties', async () => {
    const store = await openTiny(memoryPlatform());
    const receipts = await store.appendBatch(batchOf(3, 'b', { properties: { a: '1' } }));
    for (const receipt of receipts) expect((await store.get(receipt.physicalOffset))!.properties).toEqual({ a: '1' });
    await store.close();
  });

  it('an empty batch stores nothing', async () => {
    const store = await openTiny(memoryPlatform());
    const outcome = await refusal(() => store.appendBatch([]));
    expect(outcome === 'none' || outcome.startsWith('RangeError') || outcome.startsWith('TypeError')).toBe(true);
    expect(store.stats().writtenOffset).toBe(0);
    await store.close();
  });

  it('what is no array is a wrong call', async () => {
    const store = await openTiny(memoryPlatform());
    expect(await failure(() => store.appendBatch('abc' as unknown as NewMessage[]))).toBeInstanceOf(TypeError);
    expect(await failure(() => store.appendBatch(undefined as unknown as NewMessage[]))).toBeInstanceOf(TypeError);
    await store.close();
  });

  it('a batch larger than a segment is MESSAGE_TOO_LARGE and stores nothing', async () => {
    const store = await openTiny(memoryPlatform());
    const error = await failure(() => store.appendBatch(batchOf(40, 'b', { body: Buffer.alloc(200) })));
    expect(error).toMatchObject({ code: 'MESSAGE_TOO_LARGE', stored: 'no' });
    expect((await store.append({ topic: 'T', body: 'x' })).queueOffset).toBe(0);
    await store.close();
  });

  it('lies in one segment, however full the last one is', async () => {
    const store = await openTiny(memoryPlatform());
    for (let round = 0; round < 40; round += 1) {
      await store.append({ topic: 'T', body: Buffer.alloc(37 * round) });
      const receipts = await store.appendBatch(batchOf(5, `r${round}`));
      expect(new Set(receipts.map((receipt) => Math.floor(receipt.physicalOffset / 4096))).size).toBe(1);
    }
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('keeps its place between appends that were not awaited', async () => {
    const store = await openTiny(memoryPlatform());
    const pending = [store.append({ topic: 'T', body: 'a' }), store.appendBatch(batchOf(3, 'b')), store.append({ topic: 'T', body: 'c' })];
    await Promise.all(pending);
    expect(texts(await readLog(store))).toEqual(['a', 'b-0', 'b-1', 'b-2', 'c']);
    await store.close();
  });

  it('one bad message refuses the batch and nobody else', async () => {
    const store = await openTiny(memoryPlatform());
    const before = store.append({ topic: 'T', body: 'a' });
    const batch = refusal(() => store.appendBatch([...batchOf(2, 'b'), { topic: 'T', body: 'x', keys: ['a b'] }]));
    const after = store.append({ topic: 'T', body: 'c' });
    expect(await batch).toBe('MESSAGE_INVALID');
    expect([(await before).queueOffset, (await after).queueOffset]).toEqual([0, 1]);
    await store.close();
  });

  for (const seed of seeds(40)) {
    it(`is there whole or not at all after a power cut at any moment (seed ${seed})`, async () => {
      const random = randomFrom(seed);
      const platform = memoryPlatform({ seed });
      const store = await openTiny(platform, { flush: seed % 2 === 0 ? 'sync' : 'async' });
      const sizes: number[] = [];
      const pending: Promise<unknown>[] = [];
      for (let batch = 0; batch < 12; batch += 1) {
        const count = 1 + random(9);
        sizes.push(count);
        pending.push(store.appendBatch(batchOf(count, `batch${batch}`, { properties: { pad: 'x'.repeat(random(200) + 1) } })));
        for (let turn = random(4); turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve));
      }
      const after = platform.crash('random');
      await Promise.allSettled(pending);
      const again = await openTiny(after);
      const counts = new Map<string, number>();
      for (const body of texts(await readLog(again))) counts.set(body.split('-')[0]!, (counts.get(body.split('-')[0]!) ?? 0) + 1);
      expect([...counts.values()]).toEqual(sizes.slice(0, counts.size));
      expect([...counts.keys()]).toEqual(sizes.slice(0, counts.size).map((_, i) => `batch${i}`));
      await again.close();
      await refusal(() => store.close());
    });
  }
});
