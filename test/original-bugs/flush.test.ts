import { expect, it } from 'vitest';
import type { AppendReceipt, NewMessage } from '../../src/index.js';
import { manualClock } from '../../src/testing/index.js';
import { readFile } from '../contract/disk-surgery.js';
import { collect, failure, openReader, openTiny, readLog, readQueue, refusal, root, texts, turns, until } from '../contract/harness.js';
import {
  bodies,
  expectReopened,
  expectStored,
  filesIn,
  lazy,
  leave,
  logFiles,
  queue,
  queueEntryBytes,
  rig,
  safePoint,
  write,
} from './fixtures.js';

const large = 'x'.repeat(500);

it('apache/rocketmq#9713: no append succeeds over a sync that failed, whichever sync it is', async () => {
  for (let failing = 1; failing <= 24; failing += 1) {
    const { disk, platform } = rig({ seed: failing });
    const store = await openTiny(platform);
    platform.add({ path: logFiles, from: failing, fault: { kind: 'lost-sync' } });
    const acknowledged: string[] = [];
    for (const body of bodies(40)) {
      const outcome = await refusal(() => store.append({ ...queue, body: body.padEnd(500, '.') }));
      if (outcome === 'none') acknowledged.push(body.padEnd(500, '.'));
      else expect(outcome).toBe('STORE_FAILED');
    }
    expect(platform.struckCount).toBe(1);
    expect(store.status).toBe('failed');
    const again = await openTiny(disk.crash('synced'));
    expect([failing, texts(await readLog(again)).slice(0, acknowledged.length)]).toEqual([failing, acknowledged]);
    await Promise.all([again.close(), leave(store)]);
  }
});

it('apache/rocketmq@8fc57f1, DefaultMappedFile.flush: the flushed offset stays where a segment disappears during its flush', async () => {
  const clock = manualClock();
  const { disk, platform } = rig({ clock });
  const store = await openTiny(platform);
  await write(store, 3);
  const { flushedOffset } = store.stats();
  platform.add({ ops: ['sync'], path: logFiles, fault: { kind: 'delay', ms: 1000 } });
  const appended = refusal(() => store.append({ ...queue, body: 'gone' }));
  await turns(20);
  for (const name of disk.fs.list(`${root}/commitlog`)) await disk.fs.remove(`${root}/commitlog/${name}`);
  await clock.advance(1000);
  expect(await appended).toBe('STORE_FAILED');
  expect(store.stats().flushedOffset).toBe(flushedOffset);
  await leave(store);
});

it('apache/rocketmq#8403: a queue entry whose write failed is written to its own place, and no hole is left', async () => {
  for (const fault of [{ kind: 'short-write' }, { kind: 'error', code: 'ENOSPC' }, { kind: 'error', code: 'EIO' }] as const) {
    const { disk, platform } = rig();
    const store = await openTiny(platform);
    await write(store, 3);
    await safePoint(store);
    await write(store, 10, 3);
    platform.add({ ops: ['write', 'writeSync'], path: /\/consumequeue\//, fault });
    await refusal(() => safePoint(store));
    expect(platform.struckCount).toBe(1);
    await write(store, 30, 10);
    await safePoint(store);
    const entries = Buffer.concat(await Promise.all(filesIn(disk, 'consumequeue').map(async (path) => await readFile(disk, path))));
    const places = Array.from({ length: 30 }, (_, i) => Number(entries.readBigInt64BE(i * queueEntryBytes)));
    expect(places).toEqual((await readLog(store)).map((message) => message.physicalOffset));
    await expectStored(store, bodies(30));
    await store.close();
  }
});

it('apache/rocketmq#8239: what a power cut could still take back has been shown to no reader', async () => {
  const { disk } = rig();
  const store = await openTiny(disk, { flushIntervalMs: lazy.flushIntervalMs });
  await write(store, 3);
  const seen = collect(store.tail(queue, { from: 'earliest' })).catch(() => []);
  const { physicalOffset, durable } = await store.append({ ...queue, body: 'lost', keys: ['lost'] }, { flush: 'async' });
  expect(durable).toBe(false);
  const reader = await openReader(disk);
  for (const each of [store, reader]) {
    expect(each.bounds(queue)).toEqual({ min: 0, max: 3 });
    expect(texts(await readQueue(each, queue))).toEqual(bodies(3));
    expect(texts(await readLog(each))).toEqual(bodies(3));
    expect(await collect(each.findByKey({ ...queue, key: 'lost' }))).toEqual([]);
    expect(await each.get(physicalOffset)).toBeUndefined();
  }
  const after = disk.crash('synced');
  await Promise.all([leave(store), leave(reader)]);
  expect(texts(await seen)).not.toContain('lost');
  const again = await openTiny(after);
  expect((await again.append({ ...queue, body: 'next' })).queueOffset).toBe(3);
  await again.close();
});

it('apache/rocketmq#6283: an idle store with buffered writes becomes durable within its interval, to the last byte', async () => {
  for (const bytes of [0, 1, 511, 512, 3000]) {
    const clock = manualClock();
    const { disk, platform } = rig({ clock });
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 500 });
    await store.append({ ...queue, body: 'y'.repeat(bytes) });
    const { writtenOffset } = store.stats();
    await clock.advance(500);
    expect(store.stats().flushedOffset).toBe(writtenOffset);
    const after = disk.crash('synced');
    await leave(store);
    const again = await openTiny(after);
    expect((await readQueue(again, queue)).map((message) => message.body.length)).toEqual([bytes]);
    await again.close();
  }
});

it('ROCKETMQ-270: the flushed offset moves in a store whose first segment is not number 0', async () => {
  const { disk } = rig();
  const first = await openTiny(disk);
  await write(first, 120);
  await first.clean({ before: 8192 });
  await first.close();
  const store = await openTiny(disk);
  expect(store.stats().minOffset).toBe(8192);
  const { flushedOffset } = store.stats();
  const receipt = await store.append({ ...queue, body: 'on the disk' });
  expect(receipt.durable).toBe(true);
  expect(store.stats().flushedOffset).toBe(flushedOffset + receipt.recordBytes);
  const after = disk.crash('synced');
  await leave(store);
  const again = await openTiny(after);
  expect(texts(await readQueue(again, queue)).at(-1)).toBe('on the disk');
  await again.close();
});

it('ROCKETMQ-98: after an append that failed at any step the next one is stored', async () => {
  const { platform } = rig();
  const admit = (message: NewMessage): NewMessage => {
    if (message.flag === 1) throw new Error('not admitted');
    return message;
  };
  const store = await openTiny(platform, { admit });
  const refused: readonly (() => unknown)[] = [
    () => store.append({ ...queue, body: 'x', flag: 1 }),
    () => store.append({ topic: '..', body: 'x' }),
    () => store.append({ ...queue, body: Buffer.alloc(8000) }),
    () =>
      store.append({
        ...queue,
        get body(): string {
          throw new Error('thrown by a getter');
        },
      }),
    () => store.appendSync({ ...queue, body: 'x', flag: 1 }),
    () =>
      store.appendBatch([
        { ...queue, body: 'x' },
        { ...queue, body: 'x', flag: 1 },
      ]),
  ];
  const stored: string[] = [];
  const next = async (): Promise<void> => {
    stored.push(`next-${stored.length}`);
    await store.append({ ...queue, body: stored.at(-1) ?? '', keys: ['all'] });
  };
  for (const call of refused) {
    expect(await refusal(call)).not.toBe('none');
    await next();
  }
  for (const [op, from, count] of [
    ['open', 1, Number.POSITIVE_INFINITY],
    ['writeSync', 1, 1],
    ['writeSync', 5, 1],
    ['writeSync', 6, 1],
    ['writeSync', 7, 1],
  ] as const) {
    const struck = platform.struckCount;
    const remove = platform.add({ ops: [op], path: logFiles, from, count, fault: { kind: 'error', code: 'ENOSPC' } });
    const isMet = async (): Promise<boolean> => {
      const outcome = await refusal(() => store.append({ ...queue, body: large, keys: ['all'] }));
      if (outcome === 'none') stored.push(large);
      return count === 1 ? platform.struckCount > struck : outcome === 'DISK_FULL';
    };
    await until(isMet);
    remove();
    // What is called before anybody can have heard of it is refused with it.
    await turns(1);
    await next();
  }
  await expectStored(store, stored);
  await store.close();
});

it('apache/rocketmq#2709: a slow change of segment makes appends wait and refuses none; only a bound on memory refuses', async () => {
  const clock = manualClock();
  const { disk, platform } = rig({ clock });
  const store = await openTiny(platform, { ...lazy, unflushedBytesMax: 16_384 });
  await write(store, 3);
  platform.add({
    ops: ['rename', 'sync', 'syncDirectory'],
    path: /./,
    count: Number.POSITIVE_INFINITY,
    fault: { kind: 'delay', ms: 1000 },
  });
  const outcomes: Promise<AppendReceipt>[] = [];
  for (let i = 0; i < 200; i += 1) outcomes.push(store.append({ ...queue, body: `m-${3 + i}`, keys: ['all'], properties: { large } }));
  await turns(40);
  expect(texts((await store.read(queue, { from: 0, countMax: 3 })).messages)).toEqual(bodies(3));
  expect(await failure(() => store.appendSync({ ...queue, body: 'x' }))).toMatchObject({
    code: 'OVERLOADED',
    stored: 'no',
    retryable: true,
  });
  await clock.advance(200_000);
  const receipts = await Promise.all(outcomes);
  expect(receipts.map((receipt) => receipt.queueOffset)).toEqual(Array.from({ length: 200 }, (_, i) => 3 + i));
  platform.clear();
  await store.close();
  await expectReopened(disk, bodies(203));
});
