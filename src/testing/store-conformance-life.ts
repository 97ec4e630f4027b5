import assert from 'node:assert/strict';
import type { StoreCheckTable } from './store-conformance.js';
import { bodiesOf, collect, fill } from './store-conformance-messages.js';

const queue = { topic: 'T', queueId: 1 } as const;

/** Checks over opening, closing, keeping and deleting. */
export const lifeChecks: StoreCheckTable = {
  async 'what was closed is there when it is opened again, with everything that leads to it'({ open }) {
    const first = await open();
    await fill(first, 70);
    await first.close();
    await first.close();
    assert.equal(first.status, 'closed');
    const again = await open();
    assert.equal(again.recovery.cleanShutdown, true);
    assert.equal((await bodiesOf(again, queue)).length, 70);
    assert.equal((await collect(again.findByKey({ topic: 'T', key: 'third-0' }))).length, 24);
    assert.equal(await again.offsetAt(queue, 0), 0);
    assert.equal((await again.append({ ...queue, body: 'next' })).queueOffset, 70);
  },

  async 'a store is opened once at a time'({ open }) {
    const store = await open();
    await assert.rejects(open(), { code: 'STORE_LOCKED' });
    await store.close();
    await open();
  },

  async 'a closed store refuses everything with its code'({ open }) {
    const store = await open();
    await store.append({ ...queue, body: 'x' });
    await store.close();
    await assert.rejects(store.append({ ...queue, body: 'y' }), { code: 'STORE_CLOSED' });
    await assert.rejects(store.read(queue, { from: 0 }), { code: 'STORE_CLOSED' });
    await assert.rejects(store.flush(), { code: 'STORE_CLOSED' });
    assert.throws(() => store.appendSync({ ...queue, body: 'y' }), { code: 'STORE_CLOSED' });
    assert.throws(() => store.bounds(queue), { code: 'STORE_CLOSED' });
  },

  async 'closing ends what waits, and finishes what was accepted'({ open }) {
    const store = await open();
    const tail = collect(store.tail(queue, { from: 'latest' }));
    const appended = Promise.all(Array.from({ length: 20 }, (_, i) => store.append({ ...queue, body: `m-${i}` })));
    await store.close();
    assert.equal((await appended).length, 20);
    await tail;
    assert.equal((await bodiesOf(await open(), queue)).length, 20);
  },

  async 'a flush makes durable what an asynchronous store was given'({ open }) {
    const store = await open({ flush: 'async', flushIntervalMs: 60_000 });
    const receipt = await store.append({ ...queue, body: 'x' });
    assert.equal(receipt.durable, false);
    const { flushedOffset, writtenOffset } = await store.flush();
    assert.equal(flushedOffset, receipt.physicalOffset + receipt.recordBytes);
    assert.equal(writtenOffset, flushedOffset);
    assert.equal((await store.append({ ...queue, body: 'y' }, { flush: 'sync' })).durable, true);
  },

  async 'deleting takes whole segments off the beginning, and nothing that is held'({ open }) {
    const store = await open();
    await fill(store, 70);
    const held = store.hold(4096);
    await store.clean({ before: 8192 });
    assert.equal(store.stats().minOffset, 4096);
    held.release();
    const { deletedSegmentCount, freedBytes } = await store.clean({ before: 8192 });
    assert.deepEqual([deletedSegmentCount, freedBytes, store.stats().minOffset], [1, 4096, 8192]);
    assert.equal(await store.get(0), undefined);
    const left = await collect(store.tail(queue, { from: 'earliest', until: 'end' }));
    assert.deepEqual(store.bounds(queue), { min: left[0]?.queueOffset, max: 70 });
    assert.equal(left.at(-1)?.queueOffset, 69);
    await assert.rejects(store.read(queue, { from: 0 }), { code: 'OFFSET_OUT_OF_RANGE' });
  },

  async 'a snapshot opens by itself and has what was there'({ open, otherDirectory }) {
    const store = await open();
    await fill(store, 40);
    const { flushedOffset } = await store.snapshot(otherDirectory);
    assert.equal(flushedOffset, store.stats().flushedOffset);
    await store.append({ ...queue, body: 'after it' });
    await store.close();
    const copy = await open({}, otherDirectory);
    assert.equal((await bodiesOf(copy, queue)).length, 40);
    assert.equal((await collect(copy.findByKey({ topic: 'T', key: 'key-39' }))).length, 1);
    assert.equal((await copy.verify()).ok, true);
  },

  async 'verifying an undamaged store finds nothing, and has seen all of it'({ open }) {
    const store = await open();
    await fill(store, 40);
    const report = await store.verify();
    assert.deepEqual([report.ok, report.recordCount, report.faultCount], [true, 40, 0]);
    assert.deepEqual((await store.repair()).damage, []);
  },

  async 'figures and watermarks agree with what was done'({ open }) {
    const store = await open();
    await fill(store, 30);
    await store.flush();
    const { flushedOffset, writtenOffset, appendedCount, topicCount, queueCount, segmentCount, pendingBytes } = store.stats();
    assert.equal(flushedOffset, writtenOffset);
    assert.deepEqual([appendedCount, topicCount, queueCount, pendingBytes], [30, 1, 1, 0]);
    assert.equal(segmentCount, Math.ceil(writtenOffset / 4096));
    assert.equal(store.writeError, undefined);
  },

  async 'sizes that are kept with a store are not changed by opening it'({ open }) {
    await (await open()).close();
    await assert.rejects(open({ segmentBytes: 8192 }), { code: 'OPTIONS_INCOMPATIBLE' });
  },
};
