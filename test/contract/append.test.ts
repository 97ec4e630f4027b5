import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { appendMany, collect, openTiny, readLog, readQueue, settableClock, text, texts, turns, until } from './harness.js';

describe('append', () => {
  it('gives receipts in the order of the calls, with dense queue offsets and rising places in the log', async () => {
    const store = await openTiny(memoryPlatform());
    const order: number[] = [];
    const receipts = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const receipt = await store.append({ topic: 'T', queueId: i % 3, body: `m-${i}` });
        order.push(i);
        return receipt;
      }),
    );
    expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i));
    receipts.forEach((receipt, i) => {
      expect(receipt.queueOffset).toBe(Math.floor(i / 3));
      expect(receipt.topic).toBe('T');
      expect(receipt.queueId).toBe(i % 3);
      if (i > 0) expect(receipt.physicalOffset).toBeGreaterThanOrEqual(receipts[i - 1]!.physicalOffset + receipts[i - 1]!.recordBytes);
    });
    expect(texts(await readLog(store))).toEqual(receipts.map((_, i) => `m-${i}`));
    await store.close();
  });

  it('keeps every field of a message', async () => {
    const store = await openTiny(memoryPlatform());
    const sent = {
      topic: 'Some_topic-1|%',
      queueId: 7,
      body: Buffer.from([0, 1, 2, 255]),
      tag: 'tag ü',
      keys: ['k1', 'k2', 'ключ'],
      properties: { colour: 'blau', empty_not: ' ', 'with space': 'Ω' },
      flag: -5,
      bornAt: new Date(1_600_000_000_123),
    };
    const receipt = await store.append(sent);
    const message = (await store.get(receipt.physicalOffset))!;
    expect(message.body.equals(sent.body)).toBe(true);
    expect(message).toMatchObject({
      topic: sent.topic,
      queueId: 7,
      tag: sent.tag,
      keys: sent.keys,
      properties: sent.properties,
      flag: -5,
      bornAt: 1_600_000_000_123,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      queueOffset: 0,
      physicalOffset: receipt.physicalOffset,
      recordBytes: receipt.recordBytes,
      storedAt: receipt.storedAt,
      durable: true,
      messageId: receipt.messageId,
    });
    await store.close();
  });

  it('what was read may be appended again and is the same', async () => {
    const store = await openTiny(memoryPlatform());
    const first = await store.append({ topic: 'T', body: 'again', tag: 'x', keys: ['a', 'b'], properties: { p: 'q' } });
    const read = (await store.get(first.physicalOffset))!;
    const second = await store.append({ topic: read.topic, body: read.body, tag: read.tag, keys: read.keys, properties: read.properties });
    const again = (await store.get(second.physicalOffset))!;
    expect(again).toMatchObject({ tag: 'x', keys: ['a', 'b'], properties: { p: 'q' }, queueOffset: 1 });
    expect(text(again)).toBe('again');
    await store.close();
  });

  it('copies the buffer before it returns', async () => {
    const store = await openTiny(memoryPlatform());
    const body = Buffer.from('mine');
    const bytes = new Uint8Array(body.buffer, body.byteOffset, body.length);
    const appended = [store.append({ topic: 'T', body }), store.append({ topic: 'T', body: bytes })];
    body.fill(0x58);
    const batch = Buffer.from('batch');
    const batched = store.appendBatch([{ topic: 'T', body: batch }]);
    batch.fill(0x58);
    await Promise.all([...appended, batched]);
    expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(['mine', 'mine', 'batch']);
    await store.close();
  });

  it('copies properties and keys before it returns', async () => {
    const store = await openTiny(memoryPlatform());
    const properties: Record<string, string> = { a: '1' };
    const keys = ['k'];
    const appended = store.append({ topic: 'T', body: 'x', properties, keys });
    properties['a'] = '2';
    keys[0] = 'other';
    const message = (await store.get((await appended).physicalOffset))!;
    expect(message.properties).toEqual({ a: '1' });
    expect(message.keys).toEqual(['k']);
    await store.close();
  });

  it('hands out bodies that no later call changes', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 20);
    const read = await readQueue(store, { topic: 'T' });
    const before = texts(read);
    for (const message of read) message.body.fill(0x2a);
    expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(before);
    await appendMany(store, 20, {}, 'n');
    expect(read.every((message) => message.body.every((byte) => byte === 0x2a))).toBe(true);
    await store.close();
  });

  it('says durable in a sync store, not in an async one, and as asked for where asked', async () => {
    const sync = await openTiny(memoryPlatform(), { flush: 'sync' });
    expect((await sync.append({ topic: 'T', body: '1' })).durable).toBe(true);
    expect((await sync.append({ topic: 'T', body: '2' }, { flush: 'sync' })).durable).toBe(true);
    expect((await sync.append({ topic: 'T', body: '3' }, { flush: 'async' })).durable).toBe(false);
    await sync.close();
    const async = await openTiny(memoryPlatform(), { flush: 'async', flushIntervalMs: 60_000 });
    expect((await async.append({ topic: 'T', body: '1' })).durable).toBe(false);
    expect((await async.append({ topic: 'T', body: '2' }, { flush: 'sync' })).durable).toBe(true);
    await async.close();
  });

  it('a message read tells whether it is durable by now', async () => {
    const store = await openTiny(memoryPlatform(), { flush: 'async', flushIntervalMs: 60_000 });
    const receipt = await store.append({ topic: 'T', body: 'x' });
    await store.flush();
    expect((await store.get(receipt.physicalOffset))!.durable).toBe(true);
    await store.close();
  });

  it('shows a message by offset, by key and by time as soon as its receipt is given', async () => {
    for (const flush of ['sync', 'async'] as const) {
      const store = await openTiny(memoryPlatform(), { flush });
      for (let i = 0; i < 30; i += 1) {
        const receipt = await store.append({ topic: 'T', body: `m-${i}`, keys: [`k-${i}`] });
        expect(store.bounds({ topic: 'T' }).max).toBe(i + 1);
        expect(text((await store.get(receipt.physicalOffset))!)).toBe(`m-${i}`);
        expect(texts(await collect(store.findByKey({ topic: 'T', key: `k-${i}` })))).toEqual([`m-${i}`]);
        expect(texts((await store.read(receipt, { from: receipt.queueOffset })).messages)).toEqual([`m-${i}`]);
        expect(await store.offsetAt({ topic: 'T' }, receipt.storedAt)).toBeLessThanOrEqual(i);
      }
      await store.close();
    }
  });

  it('storedAt never steps back when the clock does, also over a reopening', async () => {
    const clock = settableClock(1_700_000_000_000);
    const platform = memoryPlatform({ clock });
    let store = await openTiny(platform);
    const seen = [(await store.append({ topic: 'T', body: '0' })).storedAt];
    clock.set(1_699_996_400_000);
    seen.push((await store.append({ topic: 'T', body: '1' })).storedAt);
    await store.close();
    clock.set(1_600_000_000_000);
    store = await openTiny(platform);
    seen.push((await store.append({ topic: 'T', body: '2' })).storedAt);
    clock.set(1_700_000_005_000);
    seen.push((await store.append({ topic: 'T', body: '3' })).storedAt);
    expect(seen).toEqual([1_700_000_000_000, 1_700_000_000_000, 1_700_000_000_000, 1_700_000_005_000]);
    await store.close();
  });

  it('a clock ten years ahead and back again changes nothing but times', async () => {
    const clock = settableClock(1_700_000_000_000);
    const platform = memoryPlatform({ clock });
    let store = await openTiny(platform);
    await appendMany(store, 60, {}, 'a');
    clock.set(1_700_000_000_000 + 10 * 365 * 86_400_000);
    await appendMany(store, 60, {}, 'b');
    clock.set(1_400_000_000_000);
    await appendMany(store, 60, {}, 'c');
    const after = platform.crash('synced');
    store = await openTiny(after);
    await appendMany(store, 10, {}, 'd');
    const expected = ['a', 'b', 'c'].flatMap((name) => Array.from({ length: 60 }, (_, i) => `${name}-${i}`));
    expect(texts(await readQueue(store, { topic: 'T' })).slice(0, 180)).toEqual(expected);
    expect(store.bounds({ topic: 'T' })).toEqual({ min: 0, max: 190 });
    await store.close();
  });

  it('messageId is the store host, its port and the place in the log, in upper-case hex', async () => {
    const store = await openTiny(memoryPlatform(), { storeHost: { address: '192.168.1.10', port: 10911 } });
    await appendMany(store, 5);
    const receipt = await store.append({ topic: 'T', body: 'x' });
    expect(receipt.messageId).toBe(`C0A8010A00002A9F${receipt.physicalOffset.toString(16).toUpperCase().padStart(16, '0')}`);
    expect(text((await store.get(receipt.messageId))!)).toBe('x');
    await store.close();
  });

  it('the default store host is 127.0.0.1:10911', async () => {
    const store = await openTiny(memoryPlatform());
    expect((await store.append({ topic: 'T', body: 'x' })).messageId).toBe('7F00000100002A9F0000000000000000');
    await store.close();
  });

  it('a receipt is plain data: JSON shows the message id, a spread drops it', async () => {
    const store = await openTiny(memoryPlatform());
    const receipt = await store.append({ topic: 'T', body: 'x' });
    const fields = ['topic', 'queueId', 'queueOffset', 'physicalOffset', 'recordBytes', 'storedAt', 'durable'].sort();
    expect(Object.keys({ ...receipt }).sort()).toEqual(fields);
    expect(Object.keys(JSON.parse(JSON.stringify(receipt)) as object).sort()).toEqual([...fields, 'messageId'].sort());
    expect((JSON.parse(JSON.stringify(receipt)) as { messageId: string }).messageId).toBe(receipt.messageId);
    await store.close();
  });

  it('a message is plain data: JSON shows the message id, a spread drops it', async () => {
    const store = await openTiny(memoryPlatform());
    const message = (await store.get((await store.append({ topic: 'T', body: 'x' })).physicalOffset))!;
    const spread = { ...message };
    expect(Object.keys(spread)).toEqual(expect.arrayContaining(['topic', 'body', 'tag', 'keys', 'properties', 'storedAt', 'bornAt']));
    expect(Object.keys(spread)).not.toContain('messageId');
    const parsed = JSON.parse(JSON.stringify(message)) as Record<string, unknown>;
    expect(parsed['messageId']).toBe(message.messageId);
    expect(parsed['body']).toEqual({ type: 'Buffer', data: [120] });
    await store.close();
  });

  it('takes empty bodies, strings of any script and a body whose checksum is zero', async () => {
    const store = await openTiny(memoryPlatform());
    const zero = Buffer.from('9d0ad96d', 'hex');
    expect(crc32(zero)).toBe(0);
    const bodies = ['', 'grüße 👋 مرحبا', zero, Buffer.alloc(0)];
    for (const body of bodies) await store.append({ topic: 'T', body });
    const read = await readQueue(store, { topic: 'T' });
    expect(read.map((message) => message.body)).toEqual(bodies.map((body) => Buffer.from(body as string)));
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('takes a body of any view: DataView-free typed arrays with an offset', async () => {
    const store = await openTiny(memoryPlatform());
    const whole = Uint8Array.from([9, 9, 1, 2, 3, 9]);
    const receipt = await store.append({ topic: 'T', body: whole.subarray(2, 5) });
    expect([...(await store.get(receipt.physicalOffset))!.body]).toEqual([1, 2, 3]);
    await store.close();
  });

  it('an async append in a sync store becomes readable by itself', async () => {
    const store = await openTiny(memoryPlatform(), { flush: 'sync', flushIntervalMs: 10 });
    const receipt = await store.append({ topic: 'T', body: 'x' }, { flush: 'async' });
    await until(() => store.bounds({ topic: 'T' }).max === 1);
    expect(text((await store.get(receipt.physicalOffset))!)).toBe('x');
    await store.close();
  });

  it('an idle async store becomes durable by itself', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 10 });
    const receipt = await store.append({ topic: 'T', body: 'x' });
    await until(() => store.stats().flushedOffset >= receipt.physicalOffset + receipt.recordBytes);
    const after = await openTiny(platform.crash('synced'));
    expect(texts(await readLog(after))).toEqual(['x']);
    await after.close();
  });

  it('appends that mix flush modes are stored in the order of the calls', async () => {
    const store = await openTiny(memoryPlatform());
    const pending = Array.from({ length: 60 }, (_, i) =>
      i % 7 === 3
        ? Promise.resolve(store.appendSync({ topic: 'T', body: `m-${i}` }))
        : store.append({ topic: 'T', body: `m-${i}` }, { flush: i % 2 === 0 ? 'sync' : 'async' }),
    );
    const receipts = await Promise.all(pending);
    await store.flush();
    expect(receipts.map((receipt) => receipt.queueOffset)).toEqual(receipts.map((_, i) => i));
    expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(receipts.map((_, i) => `m-${i}`));
    await store.close();
  });

  it('an aborted signal does not refuse an append that has room', async () => {
    const store = await openTiny(memoryPlatform());
    const receipt = await store.append({ topic: 'T', body: 'x' }, { signal: AbortSignal.abort(new Error('no')) });
    expect(receipt.queueOffset).toBe(0);
    await store.close();
  });

  it('appends called before close are finished by it', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async' });
    const pending = Promise.all(Array.from({ length: 100 }, (_, i) => store.append({ topic: 'T', body: `m-${i}` })));
    await store.close();
    expect(await pending).toHaveLength(100);
    await turns(1);
    const after = await openTiny(platform.crash('synced'));
    expect(texts(await readLog(after))).toEqual(Array.from({ length: 100 }, (_, i) => `m-${i}`));
    await after.close();
  });

  it('a store of default sizes works', async () => {
    const platform = memoryPlatform();
    const { openStore } = await import('../../src/index.js');
    const store = await openStore('/default', { platform });
    const receipt = await store.append({ topic: 'T', body: 'x', keys: ['k'] });
    expect(text((await store.get(receipt.physicalOffset))!)).toBe('x');
    await store.close();
    const again = await openStore('/default', { platform });
    expect(texts(await collect(again.findByKey({ topic: 'T', key: 'k' })))).toEqual(['x']);
    await again.close();
  });
});
