import { describe, expect, it } from 'vitest';
import { read } from '../../src/store/read.js';
import { tailQueue } from '../../src/store/tail.js';
import { withFaults } from '../../src/testing/with-faults.js';
import { collect, ReadFixture } from './read-fixture.js';

const orders = { topic: 'orders' };

/** A store that counts reads of the log. */
async function counting(segmentBytes: number): Promise<{ readonly fixture: ReadFixture; readonly readCount: () => number }> {
  let count = 0;
  const fixture = await ReadFixture.open({
    segmentBytes,
    entriesPerFile: 100,
    platform: (base) =>
      withFaults(base, (call) => {
        if ((call.op === 'read' || call.op === 'readSync') && call.path.includes('/commitlog/')) count += 1;
        return undefined;
      }),
  });
  return { fixture, readCount: () => count };
}

describe('records near each other in the log are read together', () => {
  it('one read for many messages, also where other queues lie in between', async () => {
    const { fixture, readCount } = await counting(2 ** 21);
    for (let i = 0; i < 200; i += 1) {
      fixture.append({ topic: 'orders', body: Buffer.alloc(100) });
      fixture.append({ topic: 'other', body: Buffer.alloc(1000) });
    }
    expect((await read(fixture.view, orders, { from: 0, countMax: 200 })).messages).toHaveLength(200);
    expect(readCount()).toBe(1);
  });

  it('what lies far apart is read apart, and no span is larger than 1 MiB', async () => {
    const { fixture, readCount } = await counting(2 ** 22);
    for (let i = 0; i < 3; i += 1) {
      fixture.append({ topic: 'orders', body: '' });
      fixture.append({ topic: 'other', body: Buffer.alloc(70 * 1024) });
    }
    await read(fixture.view, orders, { from: 0 });
    expect(readCount()).toBe(3);
    const large = await counting(2 ** 22);
    for (let i = 0; i < 40; i += 1) large.fixture.append({ topic: 'orders', body: Buffer.alloc(60 * 1024) });
    const { messages } = await read(large.fixture.view, orders, { from: 0, countMax: 100, bytesMax: Number.POSITIVE_INFINITY });
    expect(messages).toHaveLength(40);
    expect(large.readCount()).toBe(3);
  });

  it('only what is wanted is read: records that the filter leaves out at the ends are not', async () => {
    const { fixture, readCount } = await counting(2 ** 21);
    for (let i = 0; i < 3000; i += 1) fixture.append({ topic: 'orders', body: '', tag: i === 2500 ? 'red' : 'blue' });
    const { messages, next } = await read(fixture.view, orders, { from: 0, tags: ['red'] });
    expect(messages.map((message) => message.queueOffset)).toEqual([2500]);
    expect(next).toBe(3000);
    expect(readCount()).toBe(1);
  });

  it('records of two segments are never one span', async () => {
    const { fixture } = await counting(1024);
    for (let i = 0; i < 30; i += 1) fixture.append({ topic: 'orders', body: Buffer.alloc(100, i) });
    const { messages } = await read(fixture.view, orders, { from: 0, countMax: 30 });
    expect(messages.map((message) => message.body[0])).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(await collect(tailQueue(fixture.view, orders, { from: 0, until: 'end' }))).toHaveLength(30);
  });
});

describe('readers beside each other', () => {
  it('share buffers without seeing the bytes of one another', async () => {
    const { fixture } = await counting(2 ** 21);
    for (let i = 0; i < 400; i += 1) fixture.append({ topic: 'orders', queueId: i % 8, body: Buffer.alloc(200, i) });
    const found = await Promise.all(
      Array.from(
        { length: 8 },
        async (_, queueId) => await collect(tailQueue(fixture.view, { topic: 'orders', queueId }, { from: 0, until: 'end' })),
      ),
    );
    found.forEach((messages, queueId) => {
      expect(messages.map((message) => message.body)).toEqual(Array.from({ length: 50 }, (_, i) => Buffer.alloc(200, i * 8 + queueId)));
    });
  });
});
