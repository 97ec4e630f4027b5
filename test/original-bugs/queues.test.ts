import { expect, it } from 'vitest';
import type { AppendReceipt, Message, QueueRef, Store } from '../../src/index.js';
import { removeTree, writeInto } from '../contract/disk-surgery.js';
import { openTiny, randomFrom, readLog, readQueue, refusal, root, text, texts, turns } from '../contract/harness.js';
import { freeze, placeOf } from '../recovery/frozen-store.js';
import {
  bodies,
  expectStored,
  filesIn,
  leave,
  logFiles,
  queue,
  rig,
  safePointWithoutState,
  segmentBytes,
  segments,
  write,
} from './fixtures.js';

/** The messages of one queue are numbered without a gap or a double from its minimum to its maximum. */
async function expectDense(store: Store, ref: QueueRef): Promise<Message[]> {
  const messages = await readQueue(store, ref);
  const { min, max } = store.bounds(ref);
  expect(messages.map((message) => message.queueOffset)).toEqual(Array.from({ length: max - min }, (_, i) => min + i));
  return messages;
}

it('apache/rocketmq#6570: puts that fail take no number, so that a queue is dense and goes on', async () => {
  const { disk, platform } = rig();
  const store = await openTiny(platform);
  const random = randomFrom(6570);
  const stored = new Map<number, string[]>([0, 1, 2].map((queueId) => [queueId, []]));
  let refusedCount = 0;
  const put = async (body: string): Promise<void> => {
    const queueId = random(3);
    const outcome = await refusal(() => store.append({ ...queue, queueId, body }));
    if (outcome === 'none') stored.get(queueId)?.push(body);
    else refusedCount += outcome === 'DISK_FULL' ? 1 : Number.NaN;
  };
  for (let round = 0; round < 60; round += 1) {
    const remove = platform.add({ ops: ['writeSync'], path: logFiles, from: 1 + random(2), fault: { kind: 'short-write' } });
    await Promise.all(
      Array.from({ length: 6 }, async (_, i) => await put(`${round}-${i}`.padEnd(random(round % 5 === 0 ? 600 : 60), '.'))),
    );
    remove();
    await turns(2);
    await put(`${round}-after`);
  }
  expect(refusedCount).toBeGreaterThan(60);
  const check = async (each: Store): Promise<void> => {
    for (const [queueId, expected] of stored) expect(texts(await expectDense(each, { ...queue, queueId }))).toEqual(expected);
  };
  await check(store);
  const after = disk.crash('synced');
  await leave(store);
  const again = await openTiny(after);
  await check(again);
  await again.close();
});

it('apache/rocketmq#7511: concurrent appends to many queues, single and in batches, all find their own place', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  const calls: Promise<readonly AppendReceipt[]>[] = [];
  const expected = new Map<string, string[]>();
  const message = (i: number): { topic: string; queueId: number; body: string } => {
    const made = { topic: `T${i % 3}`, queueId: (i * 7) % 5, body: `m-${i}` };
    const name = `${made.topic}/${made.queueId}`;
    expected.set(name, [...(expected.get(name) ?? []), made.body]);
    return made;
  };
  for (let i = 0; i < 300; i += 6) {
    calls.push(store.append(message(i)).then((receipt) => [receipt]));
    calls.push(store.appendBatch([message(i + 1), message(i + 2), message(i + 3), message(i + 4)]));
    calls.push(Promise.resolve([store.appendSync(message(i + 5))]));
  }
  const places = (await Promise.all(calls)).flat().map(({ topic, queueId, queueOffset }) => `${topic}/${queueId}/${queueOffset}`);
  expect(new Set(places).size).toBe(300);
  await store.close();
  const again = await openTiny(disk);
  for (const [name, all] of expected) {
    const [topic = '', queueId] = name.split('/');
    expect(texts(await expectDense(again, { topic, queueId: Number(queueId) }))).toEqual(all);
  }
  await again.close();
});

it('apache/rocketmq#7689: after a crash with the log ahead of its queues no number is given twice', async () => {
  const { disk } = rig();
  const first = await openTiny(disk);
  await write(first, 20);
  await first.close();
  const store = await openTiny(disk);
  await write(store, 50, 20);
  const after = disk.crash('synced');
  await leave(store);
  expect(filesIn(after, 'consumequeue')).toHaveLength(2);
  const again = await openTiny(after);
  await write(again, 70, 50);
  expect((await readLog(again)).map((message) => message.queueOffset)).toEqual(Array.from({ length: 70 }, (_, i) => i));
  await expectStored(again, bodies(70));
  await again.close();
});

it('apache/rocketmq#10417: a queue of which a cut of the log leaves nothing has no minimum above its maximum', async () => {
  const { disk, platform } = rig();
  const store = await openTiny(platform);
  await write(store, 10, 0, { topic: 'U' });
  await write(store, 60);
  await store.clean({ before: segmentBytes });
  expect(store.bounds({ topic: 'U' })).toEqual({ min: 10, max: 10 });
  const { min: firstLeft } = store.bounds(queue);
  // Behind the safe point that the deletion has taken.
  await write(store, 70, 60);
  await write(store, 40, 10, { topic: 'U' });
  const damaged = (await readQueue(store, queue))[65 - firstLeft]!.physicalOffset;
  await safePointWithoutState(store, platform);
  const frozen = await freeze(disk);
  await leave(store);
  for (const isOursKnown of [true, false]) {
    const after = frozen.copy();
    const { path, at } = placeOf(damaged);
    await writeInto(after, path, Buffer.alloc(8), at);
    if (!isOursKnown) await removeTree(after, `${root}/stratalog`);
    const again = await openTiny(after, { recovery: 'truncate' });
    const { min, max } = again.bounds({ topic: 'U' });
    expect([min, max >= 10]).toEqual([max, true]);
    const { queueOffset } = await again.append({ topic: 'U', body: 'first' });
    expect(queueOffset).toBe(max);
    expect(texts(await expectDense(again, { topic: 'U' }))).toEqual(['first']);
    expect(texts(await expectDense(again, queue))).toEqual(bodies(65, firstLeft));
    await again.close();
  }
});

it('apache/rocketmq#8753: a queue whose messages have all expired is empty at its maximum, and goes on from there', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  await write(store, 30, 0, { topic: 'Expired' });
  await write(store, 100);
  await store.clean({ before: store.stats().writtenOffset });
  expect(segments(disk)).toHaveLength(1);
  const check = async (each: Store): Promise<void> => {
    expect(each.bounds({ topic: 'Expired' })).toEqual({ min: 30, max: 30 });
    expect((await each.read({ topic: 'Expired' }, { from: 'earliest' })).next).toBe(30);
  };
  await check(store);
  const after = disk.crash('synced');
  await leave(store);
  const killed = await openTiny(after);
  await check(killed);
  await killed.close();
  const closed = await openTiny(after);
  await check(closed);
  expect((await closed.append({ topic: 'Expired', body: 'next' })).queueOffset).toBe(30);
  expect(texts(await expectDense(closed, { topic: 'Expired' }))).toEqual(['next']);
  await closed.close();
});

it('apache/rocketmq#3708: as soon as a segment has expired, the minimum of every queue is its first message that is left', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  const random = randomFrom(3708);
  const receipts: AppendReceipt[] = [];
  for (let i = 0; i < 300; i += 1) receipts.push(await store.append({ ...queue, queueId: random(9) % 4, body: `m-${i}` }));
  while (segments(disk).length > 1) {
    const minOffset = Number(segments(disk)[1]);
    await store.clean({ before: minOffset });
    for (const queueId of [0, 1, 2, 3]) {
      const own = receipts.filter((receipt) => receipt.queueId === queueId);
      const left = own.filter((receipt) => receipt.physicalOffset >= minOffset);
      expect(store.bounds({ ...queue, queueId })).toEqual({ min: left[0]?.queueOffset ?? own.length, max: own.length });
    }
  }
  await store.close();
});

it('ROCKETMQ-321: where the oldest segment cannot be deleted, none behind it is', async () => {
  const { disk, platform } = rig();
  const store = await openTiny(platform);
  await write(store, 200);
  const names = segments(disk);
  expect(names.length).toBeGreaterThan(4);
  for (const refused of [names[0]!, names[2]!]) {
    platform.add({ ops: ['remove'], path: new RegExp(refused), count: 4, fault: { kind: 'error', code: 'EACCES' } });
    await refusal(() => store.clean({ before: store.stats().writtenOffset }));
    expect(segments(disk)).toEqual(names.slice(names.indexOf(refused)));
    platform.clear();
    const first = names.indexOf(refused) * segmentBytes;
    expect((await readLog(store)).at(0)?.physicalOffset).toBe(first);
  }
  await leave(store);
});

it('apache/rocketmq#9811: a structure of one’s own that asks for what has expired is fed from the oldest message, once', async () => {
  const { disk } = rig();
  const first = await openTiny(disk);
  await write(first, 120);
  await first.clean({ before: 2 * segmentBytes });
  const left = texts(await readLog(first));
  await first.close();
  for (const from of [0, undefined, 17]) {
    const seen: string[] = [];
    const target = {
      name: 'own',
      from: () => from,
      dispatch: (message: Message) => void seen.push(text(message)),
      sync: async (): Promise<void> => {},
    };
    const store = await openTiny(disk, { targets: [target] });
    await turns(60);
    expect(seen).toEqual(left);
    left.push(`after ${from}`);
    await store.append({ ...queue, body: `after ${from}` });
    await store.close();
    expect(seen).toEqual(left);
  }
});

it('apache/rocketmq#7902: what a listener or a structure of one’s own throws is told, and dispatch goes on for everybody else', async () => {
  const notEvenAnError = { what: 'thrown' };
  const { disk } = rig();
  let thrownCount = 0;
  const fail = (thrown: unknown) => (): never => {
    thrownCount += 1;
    throw thrown;
  };
  const seen: string[] = [];
  const sync = async (): Promise<void> => {};
  const store = await openTiny(disk, {
    listener: { onFlushed: fail(notEvenAnError), onSegmentRolled: fail(new RangeError('listener')) },
    targets: [
      { name: 'broken', from: () => 0, dispatch: fail(notEvenAnError), sync },
      { name: 'whole', from: () => 0, dispatch: (message) => void seen.push(text(message)), sync },
    ],
  });
  await write(store, 60);
  await turns(60);
  expect(thrownCount).toBeGreaterThan(2);
  expect(store.status).toBe('open');
  expect(seen).toEqual(bodies(60));
  await expectStored(store, bodies(60));
  await store.close();
});
