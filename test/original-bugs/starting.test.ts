import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { createFile, readFile, removeTree, segmentOf, truncateFile, writeInto } from '../contract/disk-surgery.js';
import { collect, failure, openTiny, readLog, readQueue, root, settableClock, texts } from '../contract/harness.js';
import { freeze, type FrozenStore } from '../recovery/frozen-store.js';
import { bodies, expectReopened, expectStored, filesIn, lazy, leave, queue, rig, safePoint, segmentBytes, write } from './fixtures.js';

const endings = ['closed', 'killed'] as const;

/** A safe point behind the first half; then closed or killed. */
async function storeOf(count: number, ending: (typeof endings)[number]): Promise<FrozenStore> {
  const { disk } = rig();
  const store = await openTiny(disk);
  await write(store, count / 2);
  await safePoint(store);
  await write(store, count, count / 2);
  if (ending === 'closed') await store.close();
  const frozen = await freeze(disk);
  await leave(store);
  return frozen;
}

/** The newest file of the index. */
function newestIndexFile(disk: MemoryPlatform): string {
  return filesIn(disk, 'index').at(-1)!;
}

it('apache/rocketmq#3257: names that do not belong into a folder of the store keep nobody from starting, and are left alone', async () => {
  for (const ending of endings) {
    const disk = (await storeOf(40, ending)).copy();
    for (const folder of ['', '/commitlog', '/consumequeue', '/consumequeue/T', '/consumequeue/T/0', '/index', '/config']) {
      for (const name of ['.DS_Store', 'x.tmp', '0000']) await createFile(disk, `${root}${folder}/${name}`, Buffer.from('foreign'));
      await disk.fs.makeDirectory(`${root}${folder}/lost+found`);
    }
    const store = await openTiny(disk);
    await write(store, 60, 40);
    await expectStored(store, bodies(60));
    await store.close();
    await expectReopened(disk, bodies(60));
    expect((await readFile(disk, `${root}/commitlog/x.tmp`)).toString()).toBe('foreign');
  }
});

it('apache/rocketmq#2141: a segment missing in the middle is named at the start, and can be passed over without losing what follows', async () => {
  for (const ending of endings) {
    const frozen = await storeOf(120, ending);
    const missing = `${root}/commitlog/${String(segmentBytes).padStart(20, '0')}`;
    const left = frozen.records.filter(({ offset }) => offset < segmentBytes || offset >= 2 * segmentBytes).map(({ body }) => body);
    expect(left.length).toBeLessThan(110);
    const strict = frozen.copy();
    await removeTree(strict, missing);
    expect(await failure(() => openTiny(strict))).toMatchObject({ code: 'CORRUPT', path: missing, offset: 0 });
    const disk = frozen.copy();
    await removeTree(disk, missing);
    const store = await openTiny(disk, { recovery: 'skip' });
    expect(store.recovery.damage.map(({ path }) => path)).toContain(missing);
    expect(texts(await readQueue(store, queue))).toEqual(left);
    expect((await store.append({ ...queue, body: 'next' })).queueOffset).toBe(120);
    await store.close();
  }
});

it('apache/rocketmq#9030: an index file that is damaged anywhere keeps nobody from starting, and no key is lost', async () => {
  const frozen = await storeOf(50, 'killed');
  const size = (await readFile(frozen.copy(), newestIndexFile(frozen.copy()))).length;
  const harms: ((disk: MemoryPlatform, path: string) => Promise<void>)[] = [0, 1, 39, 100].map(
    (bytes) => async (disk, path) => await truncateFile(disk, path, bytes),
  );
  for (let at = 0; at < size; at += 20) {
    for (const byte of [0x00, 0x5a, 0xff]) harms.push(async (disk, path) => await writeInto(disk, path, Buffer.alloc(20, byte), at));
  }
  for (const harm of harms) {
    const disk = frozen.copy();
    await harm(disk, newestIndexFile(disk));
    const store = await openTiny(disk);
    expect(texts(await collect(store.findByKey({ ...queue, key: 'all' })))).toEqual(bodies(50).reverse());
    await store.close();
  }
});

it('apache/rocketmq#8007: however often it crashes, a store finds every message by its key', async () => {
  let disk = memoryPlatform();
  for (let crashes = 1; crashes <= 12; crashes += 1) {
    const store = await openTiny(disk);
    await write(store, crashes * 9, crashes * 9 - 9);
    if (crashes % 3 === 0) await safePoint(store);
    const after = disk.crash((['synced', 'all', 'random'] as const)[crashes % 3]);
    await leave(store);
    disk = after;
    const reopened = await openTiny(disk);
    await expectStored(reopened, bodies(crashes * 9));
    for (const key of bodies(crashes * 9)) expect(texts(await collect(reopened.findByKey({ ...queue, key })))).toEqual([key]);
    const again = disk.crash('synced');
    await leave(reopened);
    disk = again;
  }
});

it('apache/rocketmq#4463: a normal close leaves the newest index file on the disk, so that a power cut takes no key', async () => {
  const { disk } = rig();
  const store = await openTiny(disk, lazy);
  await write(store, 30);
  await store.close();
  const after = disk.crash('synced');
  const again = await openTiny(after);
  expect(again.recovery).toMatchObject({ cleanShutdown: true, redispatchedCount: 0 });
  await expectStored(again, bodies(30));
  await again.close();
});

it('apache/rocketmq#7233: after a crash only what follows the safe point is read, whatever the times in the checkpoint say', async () => {
  for (const firstMs of [0, 1, 5_000_000_000_000]) {
    const clock = settableClock(firstMs);
    const { disk } = rig({ clock });
    const first = await openTiny(disk);
    await write(first, 800);
    await first.close();
    // The checkpoint is now as old as can be, or of the far future.
    clock.set(1_700_000_000_000);
    const store = await openTiny(disk);
    await write(store, 810, 800);
    const { writtenOffset } = store.stats();
    const after = disk.crash('all');
    await leave(store);
    const again = await openTiny(after);
    expect(writtenOffset).toBeGreaterThan(15 * segmentBytes);
    expect(again.recovery.scannedBytes).toBeLessThan(segmentBytes);
    expect(again.recovery.redispatchedCount).toBe(10);
    await expectStored(again, bodies(810));
    await again.close();
  }
});

it('apache/rocketmq#7355: the end of a queue is the end of the log, not what a crash has left of the files of the queue', async () => {
  const frozen = await storeOf(40, 'killed');
  for (const harm of [
    async (disk: MemoryPlatform, path: string): Promise<void> => await writeInto(disk, path, Buffer.alloc(80), 0),
    async (disk: MemoryPlatform, path: string): Promise<void> => await truncateFile(disk, path, 30),
    async (disk: MemoryPlatform, path: string): Promise<void> => await removeTree(disk, path),
  ]) {
    const disk = frozen.copy();
    await harm(disk, filesIn(disk, 'consumequeue').at(-1)!);
    const store = await openTiny(disk);
    expect(store.bounds(queue)).toEqual({ min: 0, max: 40 });
    expect(texts(await readQueue(store, queue))).toEqual(bodies(40));
    await expectStored(store, bodies(40));
    await store.close();
  }
});

it('apache/rocketmq#6609: no offset that the store tells is beyond what recovery has found', async () => {
  const { disk } = rig();
  const store = await openTiny(disk, lazy);
  await write(store, 10);
  await safePoint(store);
  const frozen = await freeze(disk);
  await leave(store);
  // An older copy of the log under side files and queues that speak of more.
  const newer = frozen.copy();
  const more = await openTiny(newer, lazy);
  await write(more, 30, 10);
  await more.flush();
  const killed = newer.crash('all');
  await leave(more);
  const { path } = segmentOf(root, segmentBytes, 0);
  await writeInto(killed, path, await readFile(frozen.copy(), path), 0);
  const again = await openTiny(killed, { recovery: 'truncate' });
  const last = (await readLog(again)).at(-1)!;
  const { flushedOffset, writtenOffset, dispatchedOffset } = again.stats();
  const end = last.physicalOffset + last.recordBytes;
  expect([flushedOffset, writtenOffset, dispatchedOffset]).toEqual([end, end, end]);
  expect(again.bounds(queue)).toEqual({ min: 0, max: 10 });
  await expectStored(again, bodies(10));
  await again.close();
});

it('ROCKETMQ-281: of all who open one directory at once, here and in another process, one gets it', { timeout: 120_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'stratalog-one-'));
  try {
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, async () => await openStore(directory, { freeBytesMin: 0 })));
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'STORE_LOCKED' });
    expect(await lockInAnotherProcess(directory)).toBe('refused\n');
    await winners[0]?.value.close();
    expect(await lockInAnotherProcess(directory)).toBe('locked\n');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** What a process of its own is told that wants the lock; it is ended before this returns. */
async function lockInAnotherProcess(directory: string): Promise<string> {
  const child = spawn(process.execPath, [
    '--import',
    'tsx',
    join(import.meta.dirname, '..', 'platform', 'lock-child.ts'),
    'range',
    directory,
  ]);
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
  });
  const told = await new Promise<string>((resolve) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString()));
  });
  child.kill('SIGKILL');
  await ended;
  return told;
}

it('apache/rocketmq#9728: an empty last file of a queue keeps nobody from starting', async () => {
  const { disk: first } = rig();
  const before = await openTiny(first);
  await write(before, 16, 0, { topic: 'Expired' });
  await write(before, 80);
  await before.clean({ before: 2 * segmentBytes });
  const { min } = before.bounds(queue);
  const frozen = await freeze(first);
  await leave(before);
  for (const bytes of [0, 320]) {
    for (const isOursKnown of [true, false]) {
      const disk = frozen.copy();
      if (!isOursKnown) await removeTree(disk, `${root}/stratalog`);
      await createFile(disk, `${root}/consumequeue/Expired/0/${String(320).padStart(20, '0')}`, Buffer.alloc(bytes));
      await createFile(disk, `${root}/consumequeue/T/0/${String(5 * 320).padStart(20, '0')}`, Buffer.alloc(bytes));
      const store = await openTiny(disk);
      expect(store.bounds({ topic: 'Expired' })).toEqual({ min: 16, max: 16 });
      await write(store, 120, 80);
      await expectStored(store, bodies(120, min));
      await store.append({ topic: 'Expired', body: 'next' });
      expect(texts(await readQueue(store, { topic: 'Expired' }))).toEqual(['next']);
      expect((await store.verify()).faults).toEqual([]);
      await store.close();
    }
  }
});
