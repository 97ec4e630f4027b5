import { describe, expect, it } from 'vitest';
import type { AppendReceipt, Message, Store } from '../../src/index.js';
import { firstReadable } from '../../src/store/bounds.js';
import { offsetAt } from '../../src/store/offset-at.js';
import { read } from '../../src/store/read.js';
import { tailQueue } from '../../src/store/tail.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { filesBelow, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { collect, failure, openTiny, root, turns, until } from '../contract/harness.js';
import { ReadFixture } from './read-fixture.js';

const queue = { topic: 'T' };
const segmentBytes = 262_144;
const count = 1000;
const damaged = 700;

interface Running {
  readonly store: Store;
  readonly base: MemoryPlatform;
  readonly receipts: readonly AppendReceipt[];
  /** Resolves when the queue is being made anew, which goes on with `finishRebuild`. */
  beginRebuild(): Promise<void>;
  finishRebuild(): Promise<void>;
  /** What is read of the first segment waits from now on until `releaseLog`. */
  holdLog(): void;
  isLogHeld(): boolean;
  releaseLog(): void;
}

/** A store with one queue, of messages of about 1,100 bytes in several segments. */
async function open(): Promise<Running> {
  const base = memoryPlatform();
  const options = { segmentBytes, queueEntriesPerFile: 2 * count };
  let finish: (() => void) | undefined;
  let release: (() => void) | undefined;
  let isHolding = false;
  let isArmed = false;
  let reading: Promise<unknown> = Promise.resolve();
  const platform = aroundCalls(base, (op, path, call) => {
    if (isArmed && op === 'makeDirectory' && path.includes('stratalog/rebuild/queue-')) {
      return new Promise<void>((resolve) => (finish = resolve)).then(call);
    }
    if (isHolding && op === 'read' && path === segmentOf(root, segmentBytes, 0).path) {
      isHolding = false;
      return new Promise<void>((resolve) => (release = resolve)).then(call);
    }
    return call();
  });
  const filled = await openTiny(base, options);
  const receipts = await Promise.all(Array.from({ length: count }, (_, i) => filled.append({ ...queue, body: `m-${i}`.padEnd(1000) })));
  await filled.close();
  const store = await openTiny(platform, options);
  return {
    store,
    base,
    receipts,
    beginRebuild: async () => {
      isArmed = true;
      await damageEntry(base, damaged);
      reading = failure(() => store.read(queue, { from: damaged, countMax: 1 }));
      await until(() => finish !== undefined);
    },
    finishRebuild: async () => {
      finish?.();
      await reading;
    },
    holdLog: () => {
      isHolding = true;
    },
    isLogHeld: () => release !== undefined,
    releaseLog: () => release?.(),
  };
}

async function damageEntry(base: MemoryPlatform, queueOffset: number): Promise<void> {
  await writeInto(base, filesBelow(base, `${root}/consumequeue/T`)[0] ?? '', Buffer.alloc(20), queueOffset * 20);
}

async function damageLog({ base, receipts }: Running, queueOffset: number): Promise<void> {
  const { path, at } = segmentOf(root, segmentBytes, receipts[queueOffset]?.physicalOffset ?? 0);
  await writeInto(base, path, Buffer.alloc(8, 0xff), at);
}

function numbers(messages: readonly Message[]): number[] {
  return messages.map((message) => message.queueOffset);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function firstAtOrAbove(receipts: readonly AppendReceipt[], offset: number): number {
  return receipts.findIndex((receipt) => receipt.physicalOffset >= offset);
}

describe('while a queue is being made anew', () => {
  it('a tail whose next message is deleted goes on with the oldest that is left', async () => {
    const running = await open();
    const { store, receipts } = running;
    running.holdLog();
    const tailing = collect(store.tail(queue, { from: 'earliest', until: 'end', onExpired: 'skip' }));
    await until(() => running.isLogHeld());
    const cleaning = store.clean({ before: segmentBytes });
    await turns(100);
    await running.beginRebuild();
    running.releaseLog();
    await turns(100);
    await running.finishRebuild();
    await cleaning;
    const first = firstAtOrAbove(receipts, segmentBytes);
    expect(numbers(await tailing)).toEqual(range(first, count));
    await store.close();
  });

  it('a tail over the log that passes over damage leaves out no more than what is damaged', async () => {
    const running = await open();
    const { store } = running;
    await damageLog(running, 10);
    await running.beginRebuild();
    const tailing = collect(store.tailAll({ from: 'earliest', until: 'end', onCorrupt: 'skip' }));
    await turns(100);
    await running.finishRebuild();
    expect(numbers(await tailing)).toEqual([...range(0, 10), ...range(11, count)]);
    await failure(() => store.close());
  });

  it('verify waits for it, finds what it finds at other times, and can be aborted', async () => {
    for (const damagesLog of [false, true]) {
      const running = await open();
      const { store } = running;
      if (damagesLog) await damageLog(running, 10);
      await running.beginRebuild();
      const reason = new Error('enough');
      const controller = new AbortController();
      const aborted = failure(() => store.verify({ signal: controller.signal }));
      const verifying = store.verify();
      await turns(100);
      controller.abort(reason);
      expect(await aborted).toBe(reason);
      await running.finishRebuild();
      const report = await verifying;
      expect(report).toMatchObject({ ok: !damagesLog, recordCount: damagesLog ? count - 1 : count });
      expect(await store.verify()).toEqual(report);
      await failure(() => store.close());
    }
  });
});

describe('where the halving meets a damaged entry', () => {
  it('a read of the oldest message finds it while the bounds of the queue are behind', async () => {
    const fixture = await ReadFixture.open({ entriesPerFile: 100 });
    for (let i = 0; i < 60; i += 1) fixture.append({ ...queue, body: Buffer.alloc(300) });
    await fixture.writeQueues();
    await fixture.expireFirst(false);
    const first = fixture.stored.findIndex((stored) => stored.physicalOffset >= fixture.segments.minOffset);
    for (const queueOffset of [15, 30, first, first + 1]) fixture.pokeFile(fixture.queuePath('T', 0), queueOffset * 20, Buffer.alloc(20));
    expect(await firstReadable(fixture.view, fixture.slotOf('T'))).toBe(first);
    expect((await read(fixture.view, queue, { from: 'earliest', countMax: 1 })).messages[0]).toMatchObject({ queueOffset: first });
    expect(numbers(await collect(tailQueue(fixture.view, queue, { from: 'earliest', until: 'end' })))).toEqual(range(first, 60));
    expect(await offsetAt(fixture.view, queue, 0)).toBe(first);
  });

  it('a tail over the log that passes over damage leaves out no more than what is damaged', async () => {
    const running = await open();
    const { store, base } = running;
    await damageLog(running, 10);
    for (const queueOffset of [count / 2, 11, 12]) await damageEntry(base, queueOffset);
    const found = await collect(store.tailAll({ from: 'earliest', until: 'end', onCorrupt: 'skip' }));
    expect(numbers(found)).toEqual([...range(0, 10), ...range(13, count)]);
    await failure(() => store.close());
  });
});
