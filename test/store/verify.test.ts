import { describe, expect, it } from 'vitest';
import { entryPhysicalOffset } from '../../src/format/queue-entry.js';
import type { Store, VerifyReport } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { contents, filesBelow, flipBit, readFile, removeTree, writeInto } from '../contract/disk-surgery.js';
import { appendMany, failure, openTiny, root, systemError, turns } from '../contract/harness.js';
import { type FrozenStore, frozenStore, placeOf } from '../recovery/frozen-store.js';
import { storeOfThreeQueues } from '../recovery/three-queues.js';

/** A cleanly closed store, damaged and opened: nothing of it has been read yet. */
async function opened(
  damage: (disk: MemoryPlatform, frozen: FrozenStore) => Promise<void>,
): Promise<{ store: Store; disk: MemoryPlatform; frozen: FrozenStore }> {
  const frozen = await frozenStore('closed', storeOfThreeQueues);
  const disk = frozen.copy();
  await damage(disk, frozen);
  return { store: await openTiny(disk), disk, frozen };
}

describe('verify', () => {
  it('of a whole store counts every record and every byte, and changes nothing', async () => {
    const { store, disk, frozen } = await opened(async () => await Promise.resolve());
    const before = await contents(disk, root);
    const last = frozen.records.at(-1)!;
    expect(await store.verify()).toEqual({ ok: true, recordCount: 90, bytes: last.offset + last.bytes, faultCount: 0, faults: [] });
    expect(await contents(disk, root)).toEqual(before);
    await store.close();
  });

  it('of an empty store is fine', async () => {
    const frozen = await frozenStore('closed', async () => await Promise.resolve());
    const store = await openTiny(frozen.copy());
    expect(await store.verify()).toEqual({ ok: true, recordCount: 0, bytes: 0, faultCount: 0, faults: [] });
    await store.close();
  });

  it('finds every damaged record, also several, also in one segment, and names the place', async () => {
    const victims = [4, 5, 30, 31, 70];
    const { store, frozen } = await opened(async (disk, { records }) => {
      for (const i of victims) await flipBit(disk, placeOf(records[i]!.offset).path, placeOf(records[i]!.offset).at + 90);
    });
    const report = await store.verify();
    expect(report.ok).toBe(false);
    const inLog = report.faults.filter((fault) => fault.where.startsWith(`${root}/commitlog/`));
    const starts = inLog.map((fault) => Number(fault.where.slice(-20)) + fault.offset);
    expect(starts).toEqual(expect.arrayContaining([frozen.records[4]!.offset, frozen.records[30]!.offset, frozen.records[70]!.offset]));
    expect(starts.every((start) => victims.some((i) => frozen.records[i]!.offset === start))).toBe(true);
    expect(report.faultCount).toBe(report.faults.length);
    await store.close().catch(() => undefined);
  });

  it('finds a missing segment, and reads on behind it', async () => {
    const { store, disk, frozen } = await opened(async () => await Promise.resolve());
    await removeTree(disk, placeOf(4096).path);
    const report = await store.verify();
    expect(report.faults[0]).toMatchObject({ where: placeOf(4096).path, offset: 0, what: expect.stringContaining('missing') });
    expect(report.recordCount).toBe(frozen.records.filter((record) => record.offset < 4096 || record.offset >= 8192).length);
    await store.close().catch(() => undefined);
  });

  for (const [what, at] of Object.entries({ place: 3, size: 11, 'tag hash': 15 })) {
    it(`finds a queue entry whose ${what} is not that of its record`, async () => {
      const { store } = await opened(async (disk) => await flipBit(disk, `${root}/consumequeue/T/1/${'0'.repeat(20)}`, 5 * 20 + at));
      const report = await store.verify();
      expect(report.faults).toEqual([{ where: 'T/1', offset: 5, what: expect.stringContaining('does not fit') }]);
      await store.close().catch(() => undefined);
    });
  }

  it('finds an entry that leads to a good record of another queue', async () => {
    const { store } = await opened(async (disk) => {
      const other = await readFile(disk, `${root}/consumequeue/U/0/${'0'.repeat(20)}`);
      await writeInto(disk, `${root}/consumequeue/T/1/${'0'.repeat(20)}`, other.subarray(40, 60), 40);
    });
    expect((await store.verify()).faults).toMatchObject([{ where: 'T/1', offset: 2 }]);
    await store.close().catch(() => undefined);
  });

  it('finds entries that stand for no record, and queue files that are gone', async () => {
    const { store, disk } = await opened(async () => await Promise.resolve());
    await removeTree(disk, `${root}/consumequeue/T/1/${'320'.padStart(20, '0')}`);
    const report = await store.verify();
    expect(report.ok).toBe(false);
    expect(report.faults.every((fault) => fault.where === 'T/1')).toBe(true);
    await store.close().catch(() => undefined);
  });

  it('tells of a thousand faults at most, and counts them all', async () => {
    const frozen = await frozenStore('closed', async (store) => {
      await Promise.all(Array.from({ length: 1100 }, () => store.append({ topic: 'T', body: '' })));
    });
    const disk = frozen.copy();
    for (const path of filesBelow(disk, `${root}/consumequeue`)) {
      const bytes = await readFile(disk, path);
      for (let at = 0; at < bytes.length; at += 20)
        if (entryPhysicalOffset(bytes, at) < 2 ** 40) bytes[at + 11] = (bytes[at + 11] ?? 0) ^ 1;
      await writeInto(disk, path, bytes, 0);
    }
    const store = await openTiny(disk);
    const report = await store.verify();
    expect(report.faultCount).toBeGreaterThanOrEqual(1100);
    expect(report.faults).toHaveLength(1000);
    await store.close().catch(() => undefined);
  });

  it('goes on beside appends and deletions, and finds no fault with them', async () => {
    const { store } = await opened(async () => await Promise.resolve());
    const verifying = store.verify();
    const appending = Promise.all(Array.from({ length: 200 }, (_, i) => store.append({ topic: 'T', body: `m-${i}` })));
    await store.clean({ before: 8192 });
    expect(await verifying).toMatchObject({ ok: true });
    await appending;
    expect(await store.verify()).toMatchObject({ ok: true });
    await store.close();
  });

  for (const { what, count, before, moments } of [
    { what: 'one segment', count: 80, before: 4096, moments: [40, 100, 3] },
    { what: 'several, with records that it has read and that are gone', count: 120, before: 20_480, moments: [60, 160, 1] },
  ] as const) {
    it(`begun at any moment of a deletion finds no fault with it: ${what}`, async () => {
      for (let moment: number = moments[0]; moment < moments[1]; moment += moments[2]) {
        const store = await openTiny(memoryPlatform({ seed: moment }), { openFilesMax: 4 });
        await Promise.all(Array.from({ length: count }, (_, i) => store.append({ topic: `T-${i % 8}`, body: Buffer.alloc(200) })));
        const cleaning = store.clean({ before });
        await turns(moment);
        expect([moment, await store.verify()]).toMatchObject([moment, { ok: true }]);
        await cleaning;
        await store.close();
      }
    });
  }

  it('tells its progress up to the whole, ends by its signal, and by close', async () => {
    const { store } = await opened(async () => await Promise.resolve());
    const told: { bytes: number; totalBytes: number }[] = [];
    const { bytes } = await store.verify({ onProgress: (done) => told.push(done) });
    expect(told.at(-1)).toEqual({ bytes, totalBytes: bytes });
    expect(told.map((each) => each.bytes)).toEqual([...told].map((each) => each.bytes).sort((a, b) => a - b));
    const reason = new Error('enough');
    expect(await failure(() => store.verify({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    const controller = new AbortController();
    expect(await failure(() => store.verify({ signal: controller.signal, onProgress: () => controller.abort(reason) }))).toBe(reason);
    const verifying = failure(() => store.verify());
    await store.close();
    expect(await verifying).toMatchObject({ code: 'STORE_CLOSED' });
  });

  it('refuses options that are none', async () => {
    const { store } = await opened(async () => await Promise.resolve());
    for (const options of [null, 5, { onprogress: 1 }])
      expect(await failure(() => store.verify(options as never))).toBeInstanceOf(TypeError);
    await store.close();
  });
});

it('names messages of the log that lie below the beginning of their queue: a number in front of them has been changed', async () => {
  const platform = memoryPlatform();
  const store = await openTiny(platform, { recordChecksum: false });
  await appendMany(store, 3);
  await store.close();
  await removeTree(platform, `${root}/stratalog`);
  await removeTree(platform, `${root}/consumequeue`);
  await flipBit(platform, `${root}/commitlog/${'0'.repeat(20)}`, 20 + 6, 5);
  const again = await openTiny(platform, { recordChecksum: false });
  const { faults } = await again.verify();
  expect(faults.map(({ where, offset }) => `${where} ${offset}`)).toEqual(['T/0 1', 'T/0 2']);
  await again.close();
});

it('begun while a deletion is failing finds no fault with what that puts back', async () => {
  let verifying: Promise<VerifyReport> | undefined;
  const platform = aroundCalls(memoryPlatform(), (op, path, call) => {
    if (op !== 'remove' || !path.includes('commitlog')) return call();
    verifying = store.verify();
    return Promise.reject(systemError('ENOSPC'));
  });
  const store = await openTiny(platform);
  await appendMany(store, 100);
  await failure(() => store.clean({ before: 4096 }));
  expect(store.stats().minOffset).toBe(0);
  expect(await verifying).toMatchObject({ ok: true });
  await store.close();
});
