import { expect, it } from 'vitest';
import type { Message, Store } from '../../src/index.js';
import { contents, createFile, flipBit, readFile, removeTree, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readLog, readQueue, refusal, root, texts, turns } from '../contract/harness.js';
import { freeze } from '../recovery/frozen-store.js';
import {
  bodies,
  expectReopened,
  expectStored,
  filesIn,
  lazy,
  leave,
  powerCutAtEachCall,
  queue,
  queueEntryBytes,
  rig,
  safePoint,
  safePointWithoutState,
  segmentBytes,
  segments,
  write,
} from './fixtures.js';

it('apache/rocketmq#467: once damage has cut the log, queues and index are those that the log alone gives', async () => {
  const { disk, platform } = rig();
  const store = await openTiny(platform);
  await write(store, 60);
  const damaged = (await readLog(store))[50]!.physicalOffset;
  await safePointWithoutState(store, platform);
  const frozen = await freeze(disk);
  await leave(store);
  const kept: Map<string, string>[] = [];
  for (const derived of ['kept', 'deleted']) {
    const copy = frozen.copy();
    const { path, at } = segmentOf(root, segmentBytes, damaged);
    await flipBit(copy, path, at + 90);
    if (derived === 'deleted') for (const folder of ['consumequeue', 'index']) await removeTree(copy, `${root}/${folder}`);
    const again = await openTiny(copy, { recovery: 'truncate' });
    await expectStored(again, bodies(50));
    await again.close();
    kept.push(await contents(copy, `${root}/consumequeue`));
  }
  expect(kept[0]).toEqual(kept[1]);
  expect(kept[0]?.size).toBe(4);
});

it('apache/rocketmq#405: messages whose queue entries a crash took can be consumed', async () => {
  for (const keep of ['synced', 'all'] as const) {
    const { disk } = rig();
    const store = await openTiny(disk);
    await write(store, 5);
    await safePoint(store);
    await write(store, 20, 5);
    const after = disk.crash(keep);
    await leave(store);
    await expectReopened(after, bodies(20));
  }
});

it('apache/rocketmq#1434: messages of a lost tail that began several segments before the last one can be consumed', async () => {
  const { disk } = rig();
  const first = await openTiny(disk);
  await write(first, 5);
  await first.close();
  const store = await openTiny(disk);
  await write(store, 120, 5);
  expect(segments(disk).length).toBeGreaterThan(3);
  const after = disk.crash('synced');
  await leave(store);
  const again = await openTiny(after);
  expect(again.recovery.redispatchedCount).toBeGreaterThanOrEqual(115);
  await expectStored(again, bodies(120));
  await again.close();
});

it('apache/rocketmq#678: a crash between the flush of the index and that of the queues loses entries of neither', async () => {
  const callCount = await powerCutAtEachCall(
    async ({ disk, platform }) => {
      const first = await openTiny(disk);
      await write(first, 5);
      await first.close();
      const store = await openTiny(platform);
      await write(store, 20, 5);
      return store;
    },
    async (store) => await store.close(),
    async (after) => await expectReopened(after, bodies(20)),
  );
  expect(callCount).toBeGreaterThan(30);
});

it('ROCKETMQ-320: a close that could not write all entries of the queues does not pass for a clean one', async () => {
  const { disk, platform } = rig();
  const store = await openTiny(platform);
  await write(store, 40);
  const remove = platform.add({
    ops: ['open', 'write', 'writeSync'],
    // Where queues are made anew, too: a close that can still do that is a clean one.
    path: /\/(consumequeue|rebuild)\//,
    count: Number.POSITIVE_INFINITY,
    fault: { kind: 'error', code: 'EIO' },
  });
  expect(await refusal(() => store.close())).not.toBe('none');
  remove();
  expect(disk.fs.exists(`${root}/abort`)).toBe(true);
  const again = await openTiny(disk);
  expect(again.recovery.cleanShutdown).toBe(false);
  await expectStored(again, bodies(40));
  await again.close();
});

it('ROCKETMQ-265: entries that were on the disk before the crash, and are dispatched again, stand there once', async () => {
  const { disk, platform } = rig();
  const store = await openTiny(platform);
  await write(store, 20);
  await write(store, 20, 0, { topic: 'U' });
  await safePoint(store);
  await write(store, 40, 20);
  await safePointWithoutState(store, platform);
  const after = disk.crash('all');
  await leave(store);
  // For the sake of one queue all of the log is dispatched again, to the others too.
  await removeTree(after, `${root}/consumequeue/U`);
  const again = await openTiny(after);
  expect(again.recovery.redispatchedCount).toBe(60);
  expect([again.bounds(queue), again.bounds({ topic: 'U' })]).toEqual([
    { min: 0, max: 40 },
    { min: 0, max: 20 },
  ]);
  expect((await again.verify()).faults).toEqual([]);
  expect(texts(await readQueue(again, queue))).toEqual(bodies(40));
  await again.close();
  for (const [topic, count] of [
    ['T', 40],
    ['U', 20],
  ] as const) {
    const files = await Promise.all(filesIn(after, `consumequeue/${topic}`).map(async (path) => await readFile(after, path)));
    const entries = Buffer.concat(files);
    const sizes = Array.from({ length: entries.length / queueEntryBytes }, (_, i) => entries.readInt32BE(i * queueEntryBytes + 8));
    expect(sizes.filter((size) => size !== 0)).toHaveLength(count);
  }
});

it('apache/rocketmq#10666: records that a first crash has cut off do not come back after a second one', async () => {
  const { disk } = rig();
  const store = await openTiny(disk, lazy);
  await write(store, 5);
  await store.flush();
  const durableEnd = store.stats().flushedOffset;
  await write(store, 25, 5);
  const torn = disk.crash('all');
  await leave(store);
  // One sector did not make it: the log ends there, and good records stand behind it.
  const { path, at } = segmentOf(root, segmentBytes, durableEnd);
  await writeInto(torn, path, Buffer.alloc(16), at);
  const second = await openTiny(torn, lazy);
  expect(texts(await readLog(second))).toEqual(bodies(5));
  const shorter = await second.append({ ...queue, body: 'm-5', keys: ['all', 'm-5'] });
  expect(shorter.physicalOffset).toBe(durableEnd);
  const after = torn.crash('all');
  await leave(second);
  expect((await readFile(after, path)).subarray(at + shorter.recordBytes).every((byte) => byte === 0)).toBe(true);
  expect(segments(after)).toHaveLength(1);
  await expectReopened(after, bodies(6));
});

it('apache/rocketmq#10668: a structure of one’s own that knows a place which the log has lost goes on with what comes next', async () => {
  const { disk } = rig();
  const seen: string[] = [];
  let position: number | undefined;
  const target = {
    name: 'timers',
    from: () => position,
    dispatch: ({ body, physicalOffset, recordBytes }: Message): void => {
      seen.push(body.toString());
      position = physicalOffset + recordBytes;
    },
    sync: async (): Promise<void> => {},
  };
  const options = { ...lazy, targets: [target] };
  const store = await openTiny(disk, options);
  await write(store, 5);
  await store.flush();
  await write(store, 40, 5);
  await turns(20);
  expect(seen).toEqual(bodies(40));
  const after = disk.crash('synced');
  await leave(store);
  const again = await openTiny(after, options);
  expect(position).toBeGreaterThan(again.stats().writtenOffset);
  seen.length = 0;
  await again.append({ ...queue, body: 'next' });
  await turns(20);
  expect(seen).toEqual(['next']);
  await again.close();
});

it('apache/rocketmq#6904: a last segment of length zero keeps nobody from starting, and the log goes on past its place', async () => {
  for (const ending of ['closed', 'killed'] as const) {
    const { disk } = rig();
    const store = await openTiny(disk);
    await write(store, 60);
    const next = Number(segments(disk).at(-1)) + segmentBytes;
    if (ending === 'closed') await store.close();
    const after = disk.crash('all');
    await leave(store);
    await createFile(after, `${root}/commitlog/${String(next).padStart(20, '0')}`);
    const again = await openTiny(after);
    await write(again, 120, 60);
    await expectStored(again, bodies(120));
    await again.close();
    await expectReopened(after, bodies(120));
  }
});

it('apache/rocketmq#6904: a power cut at any call of a change of segment keeps nobody from starting', async () => {
  const fill = async (store: Store): Promise<void> => {
    await store.append({ ...queue, body: 'next', keys: ['all'], properties: { filler: 'x'.repeat(2500) } });
  };
  const callCount = await powerCutAtEachCall(
    async ({ platform }) => {
      const store = await openTiny(platform);
      await write(store, 10);
      await fill(store);
      return store;
    },
    fill,
    async (after) => {
      const again = await openTiny(after);
      expect(texts(await readQueue(again, queue)).slice(0, 11)).toEqual([...bodies(10), 'next']);
      await fill(again);
      expect(new Set(texts(await readQueue(again, queue)).slice(11))).toEqual(new Set(['next']));
      await again.close();
    },
    'random',
  );
  expect(callCount).toBeGreaterThan(8);
});
