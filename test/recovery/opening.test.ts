import { describe, expect, it } from 'vitest';
import type { DirectoryLock } from '../../src/platform/platform.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { contents, createFile, filesBelow, readFile, removeTree, truncateFile, writeInto } from '../contract/disk-surgery.js';
import { failure, openTiny, readQueue, root, texts } from '../contract/harness.js';
import { frozenStore, placeOf, walkLog } from './frozen-store.js';
import { linesOf, survivorsByKey, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

describe('opening', () => {
  it('where there is nothing makes an empty store, and says that it was clean', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    expect(store.recovery).toMatchObject({
      cleanShutdown: true,
      scannedBytes: 0,
      truncatedBytes: 0,
      skippedBytes: 0,
      damage: [],
      redispatchedCount: 0,
      brokersRefused: true,
    });
    expect(store.topics()).toEqual([]);
    expect(store.stats()).toMatchObject({ minOffset: 0, writtenOffset: 0, segmentCount: 0 });
    await store.close();
    expect(platform.fs.list(`${root}/commitlog`)).toEqual([]);
  });

  it('says where the lock of the machine does not refuse a broker', async () => {
    const base = traceCalls(memoryPlatform(), () => undefined, root);
    const lockDirectory = (path: string): DirectoryLock | undefined => {
      const lock = base.fs.lockDirectory(path);
      return lock === undefined ? undefined : { release: () => lock.release(), refusesBrokers: false };
    };
    const store = await openTiny({ ...base, fs: { ...base.fs, lockDirectory } });
    expect(store.recovery.brokersRefused).toBe(false);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('an empty store twice, closed or killed, is an empty store', async () => {
    let platform = memoryPlatform();
    for (const ending of ['close', 'all', 'synced', 'close', 'random'] as const) {
      const store = await openTiny(platform);
      expect(store.stats().writtenOffset).toBe(0);
      if (ending === 'close') await store.close();
      else platform = platform.crash(ending);
    }
    const store = await openTiny(platform);
    expect((await store.append({ topic: 'T', body: 'first' })).physicalOffset).toBe(0);
    await store.close();
  });

  it('after a clean close reads nothing of the log again and changes nothing in it', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const before = await contents(disk, `${root}/commitlog`);
    const store = await openTiny(disk);
    expect(store.recovery).toMatchObject({ cleanShutdown: true, scannedBytes: 0, redispatchedCount: 0, damage: [] });
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    await store.close();
    expect(await contents(disk, `${root}/commitlog`)).toEqual(before);
  });

  it('after a kill reads the log from the last safe point', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const killed = await openTiny(disk);
    const receipt = await killed.append({ topic: 'U', body: 'after the safe point' });
    const store = await openTiny(disk.crash('all'));
    expect(store.recovery).toMatchObject({ cleanShutdown: false, scannedBytes: receipt.recordBytes, redispatchedCount: 1 });
    expect(await survivorsOf(store)).toHaveLength(91);
    await store.close();
  });

  it('only our own state tells a clean close: with abort gone after a kill, recovery still runs', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    await removeTree(disk, `${root}/abort`);
    const store = await openTiny(disk);
    expect(store.recovery.cleanShutdown).toBe(false);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    await store.close();
  });

  it('abort is there while the store is open, with the process id, and gone after a clean close', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    expect((await readFile(platform, `${root}/abort`)).toString()).toBe(String(process.pid));
    expect(platform.crash('synced').fs.exists(`${root}/abort`)).toBe(true);
    const second = memoryPlatform();
    await (await openTiny(second)).close();
    expect(second.fs.exists(`${root}/abort`)).toBe(false);
    expect(second.crash('synced').fs.exists(`${root}/abort`)).toBe(false);
    await store.close().catch(() => undefined);
  });

  it('abort beside a clean state: somebody else ran or crashed, so it is not believed', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    await createFile(disk, `${root}/abort`, Buffer.from('1'));
    const store = await openTiny(disk);
    expect(store.recovery.cleanShutdown).toBe(false);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    await store.close();
  });

  it('a valid record behind the end that the state names: the state is old, the record counts', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const old = frozen.copy();
    const state = await readFile(old, `${root}/stratalog/state`);
    const disk = frozen.copy();
    const store = await openTiny(disk);
    await store.append({ topic: 'U', body: 'more' });
    await store.close();
    await removeTree(disk, `${root}/stratalog/state`);
    await createFile(disk, `${root}/stratalog/state`, state);
    await writeInto(disk, `${root}/checkpoint`, await readFile(old, `${root}/checkpoint`), 0);
    const again = await openTiny(disk);
    expect(again.recovery.cleanShutdown).toBe(false);
    expect(await survivorsOf(again)).toHaveLength(91);
    await again.close();
  });

  it('an old state in place of the newest loses nothing, wherever it stood', async () => {
    const platform = memoryPlatform();
    let disk = platform;
    const states: Buffer[] = [];
    for (let run = 0; run < 4; run += 1) {
      const store = await openTiny(disk);
      await storeOfThreeQueues(store);
      await store.close();
      states.push(await readFile(disk, `${root}/stratalog/state`));
    }
    const copies = states.map(() => disk.crash('synced'));
    for (const [i, state] of states.entries()) {
      disk = copies[i]!;
      await removeTree(disk, `${root}/stratalog/state`);
      await createFile(disk, `${root}/stratalog/state`, state);
      const store = await openTiny(disk);
      expect(await survivorsOf(store)).toHaveLength(4 * 90);
      expect(await survivorsByKey(store, ['T', 'U'], 'all')).toHaveLength(4 * 90);
      expect((await store.verify()).ok).toBe(true);
      await store.close();
    }
  });

  for (const gone of [undefined, 'stratalog', 'stratalog/state', 'consumequeue', 'consumequeue/Old']) {
    it(`queues of which nothing is left in the log keep their numbers ${gone === undefined ? 'over a clean close' : `without ${gone}`}`, async () => {
      const platform = memoryPlatform();
      const store = await openTiny(platform);
      for (let i = 0; i < 5; i += 1) await store.append({ topic: 'Old', body: 'x' });
      for (let i = 0; i < 60; i += 1) await store.append({ topic: 'T', body: `m-${i}`.padEnd(80, '.') });
      await store.clean({ before: 8192 });
      await store.close();
      if (gone !== undefined) await removeTree(platform, `${root}/${gone}`);
      const again = await openTiny(platform);
      expect(again.bounds({ topic: 'Old' })).toEqual({ min: 5, max: 5 });
      expect((await again.append({ topic: 'Old', body: 'y' })).queueOffset).toBe(5);
      await again.close();
    });
  }

  it('without a key index recovery is the same', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues, { keyIndex: false });
    const disk = frozen.copy();
    const store = await openTiny(disk, { keyIndex: false });
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    expect(store.recovery.redispatchedCount).toBe(90);
    await store.close();
    expect(disk.fs.list(`${root}/index`)).toEqual([]);
  });

  it('with the whole log gone, queues begin behind what their files had come to', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    await removeTree(disk, `${root}/commitlog`);
    await removeTree(disk, `${root}/stratalog`);
    const store = await openTiny(disk);
    expect(store.stats().writtenOffset).toBe(0);
    expect(store.bounds({ topic: 'U' })).toEqual({ min: 30, max: 30 });
    expect(await store.append({ topic: 'U', body: 'new' })).toMatchObject({ queueOffset: 30, physicalOffset: 0 });
    expect(texts(await readQueue(store, { topic: 'U' }))).toEqual(['new']);
    await store.close();
  });

  it('an index switched off for a run is fed all that it missed', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues, { keyIndex: false });
    const disk = frozen.copy();
    const store = await openTiny(disk);
    expect(await survivorsByKey(store, ['T', 'U'], 'all')).toEqual(linesOf(frozen.records));
    await store.close();
  });
});

describe('segments that cannot be', () => {
  it('one that begins at no multiple of the segment size is refused in every mode, and nothing is touched', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    for (const recovery of ['strict', 'skip', 'truncate'] as const) {
      const disk = frozen.copy();
      await createFile(disk, `${root}/commitlog/${'5000'.padStart(20, '0')}`, Buffer.alloc(4096));
      const before = await contents(disk, root);
      expect(await failure(() => openTiny(disk, { recovery }))).toMatchObject({
        code: 'CORRUPT',
        path: `${root}/commitlog/${'5000'.padStart(20, '0')}`,
        offset: 0,
      });
      expect(await contents(disk, root)).toEqual(before);
    }
  });

  for (const [what, sizeBytes] of Object.entries({ longer: 5000, shorter: 3000 })) {
    it(`one that is ${what} than a segment is refused by strict, and mended by the others`, async () => {
      const frozen = await frozenStore('closed', storeOfThreeQueues);
      const { path } = placeOf(4096);
      const strict = frozen.copy();
      await truncateFile(strict, path, sizeBytes);
      const before = await contents(strict, root);
      const refused = await failure(() => openTiny(strict));
      expect(refused).toMatchObject({ code: 'CORRUPT', path, what: `the segment has ${sizeBytes} bytes instead of 4096` });
      expect(await contents(strict, root)).toEqual(before);
      for (const recovery of ['skip', 'truncate'] as const) {
        const disk = frozen.copy();
        await truncateFile(disk, path, sizeBytes);
        const store = await openTiny(disk, { recovery });
        const whole = linesOf(
          frozen.records.filter((record) => sizeBytes > 4096 || record.offset < 4096 || (recovery === 'skip' && record.offset >= 8192)),
        );
        expect(await survivorsOf(store)).toEqual(expect.arrayContaining([...whole]));
        expect(store.recovery.damage.length).toBe(1);
        await store.close();
        for (const each of filesBelow(disk, `${root}/commitlog`)) expect((await readFile(disk, each)).length).toBe(4096);
        const again = await openTiny(disk);
        expect(again.recovery).toMatchObject({ cleanShutdown: true, damage: [] });
        expect((await again.verify()).ok).toBe(true);
        await again.close();
      }
    });
  }

  it('what stood behind a segment is put aside before it is cut off', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    const { path } = placeOf(4096);
    await writeInto(disk, path, Buffer.from('too much'), 4096);
    const store = await openTiny(disk, { recovery: 'skip' });
    const { damage } = store.recovery;
    expect(damage).toMatchObject([{ path, offset: 4096, bytes: 8 }]);
    expect((await readFile(disk, damage[0]!.quarantinePath!)).toString()).toBe('too much');
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    await store.close();
  });

  for (const ending of ['closed', 'killed'] as const) {
    it(`a missing one in the middle of a ${ending} store is damage: strict names it, skip keeps what follows, truncate cuts`, async () => {
      const frozen = await frozenStore(ending, storeOfThreeQueues);
      const { path } = placeOf(8192);
      const strict = frozen.copy();
      await removeTree(strict, path);
      const before = await contents(strict, root);
      expect(await failure(() => openTiny(strict))).toMatchObject({
        code: 'CORRUPT',
        path,
        offset: 0,
        what: expect.stringContaining('missing'),
      });
      expect(await contents(strict, root)).toEqual(before);
      for (const recovery of ['skip', 'truncate'] as const) {
        const disk = frozen.copy();
        await removeTree(disk, path);
        const store = await openTiny(disk, { recovery });
        const left = frozen.records.filter((record) => record.offset < 8192 || (recovery === 'skip' && record.offset >= 12_288));
        expect(await survivorsOf(store)).toEqual(linesOf(left));
        expect((await store.verify()).ok).toBe(true);
        await store.close();
        const walked = (await walkLog(disk)).filter((record) => record.flag !== 0x4c4f5354);
        expect(walked).toEqual(left);
      }
    });

    it(`a missing last one of a ${ending} store was durable once: strict refuses, the others go on before it`, async () => {
      const frozen = await frozenStore(ending, storeOfThreeQueues);
      const { path } = placeOf(16_384);
      const strict = frozen.copy();
      await removeTree(strict, path);
      expect(await failure(() => openTiny(strict))).toMatchObject({ code: 'CORRUPT', path });
      for (const recovery of ['skip', 'truncate'] as const) {
        const disk = frozen.copy();
        await removeTree(disk, path);
        const store = await openTiny(disk, { recovery });
        expect(await survivorsOf(store)).toEqual(linesOf(frozen.records.filter((record) => record.offset < 16_384)));
        for (let i = 0; i < 40; i += 1) await store.append({ topic: 'U', body: 'more'.repeat(20) });
        expect((await store.verify()).ok).toBe(true);
        await store.close();
      }
    });

    it(`missing first ones of a ${ending} store are as if retention had deleted them`, async () => {
      const frozen = await frozenStore(ending, storeOfThreeQueues);
      const disk = frozen.copy();
      await removeTree(disk, placeOf(0).path);
      await removeTree(disk, placeOf(4096).path);
      const store = await openTiny(disk);
      const left = frozen.records.filter((record) => record.offset >= 8192);
      expect(await survivorsOf(store)).toEqual(linesOf(left));
      for (const { topic, queueId } of left) {
        const own = left.filter((record) => record.topic === topic && record.queueId === queueId);
        expect(store.bounds({ topic, queueId })).toEqual({ min: own[0]!.queueOffset, max: 30 });
      }
      expect((await store.verify()).ok).toBe(true);
      await store.close();
    });
  }

  it('a folder or a link-like name in commitlog is no segment', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    await disk.fs.makeDirectory(`${root}/commitlog/${'20480'.padStart(20, '0')}`);
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    await store.close();
  });
});

describe('stores of a shape that is not read', () => {
  const shapes: Record<string, string> = {
    'RocksDB queues by CURRENT': 'consumequeue/CURRENT',
    'RocksDB queues by MANIFEST': 'consumequeue/MANIFEST-000005',
    'a DLedger log': 'dledger-n0/00000000000000000000',
    'batch queues': 'batchconsumequeue/T/0/00000000000000000000',
    'extended queues': 'consumequeue_ext/T/0/00000000000000000000',
  };
  for (const [what, path] of Object.entries(shapes)) {
    it(`${what}: FORMAT_UNSUPPORTED, and nothing is touched`, async () => {
      const frozen = await frozenStore('killed', storeOfThreeQueues);
      const disk = frozen.copy();
      const folder = `${root}/${path.slice(0, path.lastIndexOf('/'))}`;
      await disk.fs.makeDirectory(folder);
      await createFile(disk, `${root}/${path}`, Buffer.from('x'));
      const before = await contents(disk, root);
      expect(await failure(() => openTiny(disk))).toMatchObject({ code: 'FORMAT_UNSUPPORTED' });
      expect(await contents(disk, root)).toEqual(before);
    });
  }

  it('empty folders of such names are nothing', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    await disk.fs.makeDirectory(`${root}/batchconsumequeue`);
    await disk.fs.makeDirectory(`${root}/consumequeue_ext`);
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    await store.close();
  });
});
