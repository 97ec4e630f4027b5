import assert from 'node:assert/strict';
import type { Message, QueueRef, Store, StoreReader } from '../index.js';
import type { StoreCheckTable } from './store-conformance.js';

const queue = { topic: 'T', queueId: 1 } as const;

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function bodiesOf(store: StoreReader, of: QueueRef): Promise<string[]> {
  return textsOf(await collect(store.tail(of, { from: 'earliest', until: 'end' })));
}

function textsOf(messages: readonly Message[]): string[] {
  return messages.map(({ body }) => body.toString());
}

/** `count` messages `m-0`, `m-1`, ... of one queue, with keys and tags. */
export async function fill(store: Store, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      store.append({ ...queue, body: `m-${i}`.padEnd(100, '.'), tag: `tag-${i % 3}`, keys: [`key-${i}`, `third-${i % 3}`] }),
    ),
  );
}

/** Checks over what is stored and how it is found. */
export const messageChecks: StoreCheckTable = {
  async 'a message comes back as it was given, by every way of reading'({ open }) {
    const store = await open();
    const given = { ...queue, body: Buffer.from([0, 1, 255]), tag: 'red', keys: ['a', 'b'], properties: { 'p q': 'v w' }, flag: 7 };
    const receipt = await store.append({ ...given, bornAt: 1_700_000_000_000 });
    assert.deepEqual([receipt.topic, receipt.queueId, receipt.queueOffset, receipt.durable], ['T', 1, 0, true]);
    const [byKey] = await collect(store.findByKey({ topic: 'T', key: 'b' }));
    const { messages } = await store.read(queue, { from: 'earliest' });
    const [inLog] = await collect(store.tailAll({ from: 'earliest', until: 'end' }));
    for (const message of [await store.get(receipt.physicalOffset), await store.get(receipt.messageId), byKey, messages[0], inLog]) {
      assert.ok(message !== undefined);
      assert.deepEqual([...message.body], [0, 1, 255]);
      const { tag, keys, properties, flag, bornAt, queueOffset, physicalOffset, storedAt, messageId } = message;
      assert.deepEqual({ tag, keys, properties, flag }, { tag: 'red', keys: ['a', 'b'], properties: { 'p q': 'v w' }, flag: 7 });
      assert.equal(bornAt, 1_700_000_000_000);
      const { queueOffset: wantedOffset, physicalOffset: place, storedAt: time, messageId: id } = receipt;
      assert.deepEqual([queueOffset, physicalOffset, storedAt, messageId], [wantedOffset, place, time, id]);
    }
  },

  async 'messages are stored in the order of the calls, awaited or not'({ open }) {
    const store = await open();
    const pending: Promise<unknown>[] = [];
    for (let i = 0; i < 60; i += 3) {
      pending.push(store.append({ ...queue, body: `m-${i}` }));
      pending.push(store.appendBatch([{ ...queue, body: `m-${i + 1}` }]));
      store.appendSync({ ...queue, body: `m-${i + 2}` });
    }
    await Promise.all(pending);
    await store.flush();
    const wanted = Array.from({ length: 60 }, (_, i) => `m-${i}`);
    assert.deepEqual(await bodiesOf(store, queue), wanted);
    assert.deepEqual(textsOf(await collect(store.tailAll({ from: 'earliest', until: 'end' }))), wanted);
  },

  async 'queue offsets are dense in each queue, bounds tell them, and an unknown queue is empty'({ open }) {
    const store = await open();
    for (let i = 0; i < 40; i += 1) {
      const receipt = await store.append({ topic: 'T', queueId: i % 2, body: 'x' });
      assert.equal(receipt.queueOffset, Math.floor(i / 2));
    }
    assert.deepEqual(store.bounds({ topic: 'T', queueId: 1 }), { min: 0, max: 20 });
    assert.deepEqual(store.bounds({ topic: 'nobody' }), { min: 0, max: 0 });
    assert.deepEqual(store.topics(), [{ topic: 'T', queueIds: [0, 1] }]);
  },

  async 'a read goes on where the last one ended, also past what a filter leaves out'({ open }) {
    const store = await open();
    await fill(store, 50);
    const seen: string[] = [];
    for (let from: number | 'earliest' = 'earliest'; ; ) {
      const result = await store.read(queue, { from, countMax: 7, tags: ['tag-1'] });
      seen.push(...textsOf(result.messages));
      assert.deepEqual([result.min, result.max], [0, 50]);
      if (result.next === result.max) break;
      assert.ok(from === 'earliest' || result.next > from, 'a read moves on');
      from = result.next;
    }
    const wanted = Array.from({ length: 50 }, (_, i) => i).filter((i) => i % 3 === 1);
    assert.deepEqual(
      seen,
      wanted.map((i) => `m-${i}`.padEnd(100, '.')),
    );
    await assert.rejects(store.read(queue, { from: 51 }), { code: 'OFFSET_OUT_OF_RANGE', min: 0, max: 50 });
  },

  async 'keys are found newest first, each message once, in pages too'({ open }) {
    const store = await open();
    await fill(store, 30);
    const all = await collect(store.findByKey({ topic: 'T', key: 'third-2' }));
    assert.deepEqual(
      all.map(({ queueOffset }) => queueOffset),
      [29, 26, 23, 20, 17, 14, 11, 8, 5, 2],
    );
    const first = await collect(store.findByKey({ topic: 'T', key: 'third-2', countMax: 4 }));
    const rest = await collect(store.findByKey({ topic: 'T', key: 'third-2', before: first.at(-1)?.physicalOffset }));
    assert.deepEqual(
      [...first, ...rest].map(({ queueOffset }) => queueOffset),
      all.map(({ queueOffset }) => queueOffset),
    );
    assert.deepEqual(await collect(store.findByKey({ topic: 'other', key: 'third-2' })), []);
  },

  async 'keys with the same hash are not mistaken for each other'({ open }) {
    const store = await open();
    await store.append({ ...queue, body: 'first', keys: ['Aa'] });
    await store.append({ ...queue, body: 'second', keys: ['BB'] });
    assert.deepEqual(textsOf(await collect(store.findByKey({ topic: 'T', key: 'Aa' }))), ['first']);
    assert.deepEqual(textsOf(await collect(store.findByKey({ topic: 'T', key: 'BB' }))), ['second']);
  },

  async 'a time leads to the first message stored at or after it'({ open }) {
    const store = await open();
    await fill(store, 20);
    const messages = await collect(store.tail(queue, { from: 'earliest', until: 'end' }));
    for (const { storedAt } of messages) {
      const wanted = messages.find((message) => message.storedAt >= storedAt)?.queueOffset;
      assert.equal(await store.offsetAt(queue, storedAt), wanted);
      assert.equal(await store.offsetAt(queue, new Date(storedAt)), wanted);
    }
    assert.equal(await store.offsetAt(queue, Number.POSITIVE_INFINITY), 20);
    assert.equal(await store.offsetAt(queue, 0), 0);
  },

  async 'a tail waits for more, and what it has handed out is its position'({ open }) {
    const store = await open();
    const tail = store.tail(queue, { from: 'latest' });
    const iterator = tail[Symbol.asyncIterator]();
    const next = iterator.next();
    await store.append({ ...queue, body: 'later' });
    const { value } = await next;
    assert.equal((value as Message).body.toString(), 'later');
    assert.equal(tail.position, 1);
    await tail.close();
    assert.equal((await iterator.next()).done, true);
  },

  async 'a batch is adjacent in the log and has a receipt for each message'({ open }) {
    const store = await open();
    const receipts = await store.appendBatch([
      { topic: 'A', body: '1' },
      { topic: 'B', body: '2' },
      { topic: 'A', body: '3' },
    ]);
    assert.deepEqual(
      receipts.map(({ topic, queueOffset }) => [topic, queueOffset]),
      [
        ['A', 0],
        ['B', 0],
        ['A', 1],
      ],
    );
    const [first, second, third] = receipts;
    assert.equal(first.physicalOffset + first.recordBytes, second.physicalOffset);
    assert.equal(second.physicalOffset + second.recordBytes, third.physicalOffset);
  },

  async 'an import stores everything in its order'({ open }) {
    const store = await open();
    const source = Array.from({ length: 100 }, (_, i) => ({ ...queue, body: `m-${i}` }));
    assert.deepEqual(await store.appendAll(source), { count: 100 });
    assert.deepEqual(
      await bodiesOf(store, queue),
      source.map(({ body }) => body),
    );
  },

  async 'what is refused is refused with a code, and takes nothing with it'({ open }) {
    const store = await open();
    await assert.rejects(store.append({ topic: '../T', body: 'x' }), { code: 'TOPIC_INVALID' });
    await assert.rejects(store.append({ ...queue, body: Buffer.alloc(5000) }), { code: 'MESSAGE_TOO_LARGE', stored: 'no' });
    await assert.rejects(store.append({ ...queue, body: 'x', properties: { k: 'v'.repeat(33_000) } }), { code: 'PROPERTIES_TOO_LARGE' });
    await store.append({ ...queue, body: 'good' });
    assert.deepEqual(await bodiesOf(store, queue), ['good']);
  },

  async 'the bytes of a message are taken when it is given'({ open }) {
    const store = await open();
    const body = Buffer.from('before');
    const appended = store.append({ ...queue, body });
    body.write('AFTER!');
    await appended;
    assert.deepEqual(await bodiesOf(store, queue), ['before']);
  },
};
