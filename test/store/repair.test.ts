import { describe, expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { flipBit, readFile, removeTree, writeInto } from '../contract/disk-surgery.js';
import { appendMany, failure, openTiny, readQueue, root, turns } from '../contract/harness.js';
import { type FrozenStore, frozenStore, type LogRecord, placeOf, walkLog } from '../recovery/frozen-store.js';
import { linesOf, survivorsByKey, survivorsInLog, survivorsOf } from '../recovery/survey.js';
import { storeOfThreeQueues } from '../recovery/three-queues.js';

async function damage(disk: MemoryPlatform, ...records: readonly LogRecord[]): Promise<void> {
  for (const record of records) await flipBit(disk, placeOf(record.offset).path, placeOf(record.offset).at + 90);
}

function without(frozen: FrozenStore, lost: readonly LogRecord[]): readonly string[] {
  return linesOf(frozen.records.filter((record) => !lost.includes(record)));
}

describe('repair', () => {
  it('of a store without damage finds nothing and changes nothing', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const store = await openTiny(disk);
    const report = await store.repair();
    expect(report).toMatchObject({ damage: [], skippedBytes: 0, truncatedBytes: 0, scannedBytes: store.stats().flushedOffset });
    await store.close();
    expect(await walkLog(disk)).toEqual(frozen.records);
  });

  it('keeps what it reads: retention beside it deletes nothing until it has ended', async () => {
    for (let turnsBefore = 0; turnsBefore < 40; turnsBefore += 1) {
      const frozen = await frozenStore('closed', storeOfThreeQueues);
      const disk = frozen.copy();
      const store = await openTiny(disk);
      await damage(disk, frozen.records[40]!);
      const repairing = store.repair();
      await turns(turnsBefore);
      const isWhole = store.stats().minOffset === 0;
      const cleaned = await store.clean({ before: store.stats().flushedOffset });
      const report = await repairing;
      if (isWhole && cleaned.deletedSegmentCount === 0) expect(report.damage.length).toBeGreaterThan(0);
      expect((await store.verify()).ok).toBe(true);
      await store.clean({ before: store.stats().flushedOffset });
      expect(store.stats().minOffset).toBeGreaterThan(0);
      await store.close();
    }
  });

  it('makes a store readable again that was found damaged while it was open, and keeps the bytes', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const store = await openTiny(disk);
    const lost = [5, 6, 40].map((i) => frozen.records[i]!);
    await damage(disk, ...lost);
    const original = (await readFile(disk, placeOf(lost[2]!.offset).path))
      .subarray(placeOf(lost[2]!.offset).at)
      .subarray(0, lost[2]!.bytes);
    expect((await store.verify()).ok).toBe(false);
    expect(await failure(() => readQueue(store, lost[2]!))).toMatchObject({ code: 'CORRUPT' });
    const report = await store.repair();
    expect(report.skippedBytes).toBe(lost.reduce((sum, record) => sum + record.bytes, 0));
    expect(report.damage.map((note) => note.path)).toEqual(
      [placeOf(0).path, placeOf(0).path, placeOf(lost[2]!.offset).path].slice(-report.damage.length),
    );
    expect((await readFile(disk, report.damage.at(-1)!.quarantinePath!)).equals(original)).toBe(true);
    expect(await survivorsOf(store)).toEqual(without(frozen, lost));
    expect(await survivorsInLog(store)).toEqual(without(frozen, lost));
    expect(await survivorsByKey(store, ['T', 'U'], 'all')).toEqual(without(frozen, lost));
    expect((await store.verify()).ok).toBe(true);
    expect((await store.append({ topic: 'T', body: 'after' })).queueOffset).toBe(30);
    await store.close();
    const again = await openTiny(disk);
    expect(again.recovery.cleanShutdown).toBe(true);
    expect((await again.verify()).ok).toBe(true);
    await again.close();
  });

  it('is what a close asks for that cannot vouch for a queue whose last records are damaged', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const victim = frozen.records.filter((record) => record.topic === 'U').at(-1)!;
    const lost = [frozen.records[frozen.records.indexOf(victim) - 1]!, victim];
    for (const record of lost) await writeInto(disk, placeOf(record.offset).path, Buffer.alloc(88), placeOf(record.offset).at);
    // With its entry as it was, the queue would be good.
    await writeInto(disk, `${root}/consumequeue/U/0/${'320'.padStart(20, '0')}`, Buffer.alloc(20), (victim.queueOffset - 16) * 20);
    let store = await openTiny(disk);
    expect(await failure(() => store.read(victim, { from: victim.queueOffset }))).toMatchObject({ code: 'CORRUPT' });
    const refused = await failure(() => store.close());
    expect(refused).toMatchObject({ code: 'CORRUPT' });
    expect((refused as Error).message).toContain('repair()');
    store = await openTiny(disk);
    await failure(() => store.read(victim, { from: victim.queueOffset }));
    await store.repair();
    await store.close();
    store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(without(frozen, lost));
    await store.close();
  });

  it('goes on beside appends and reads', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const store = await openTiny(disk);
    await damage(disk, frozen.records[10]!);
    const repairing = store.repair();
    const receipts = await Promise.all(Array.from({ length: 50 }, (_, i) => store.append({ topic: 'T', body: `beside-${i}` })));
    expect((await repairing).damage).toHaveLength(1);
    expect(receipts.map((receipt) => receipt.queueOffset)).toEqual(Array.from({ length: 50 }, (_, i) => 30 + i));
    expect(await survivorsOf(store)).toHaveLength(90 - 1 + 50);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('brings a segment back that somebody has deleted under the open store', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const store = await openTiny(disk);
    await removeTree(disk, placeOf(4096).path);
    const { damage: notes } = await store.repair();
    expect(notes).toMatchObject([{ path: placeOf(4096).path, bytes: 4096 }]);
    expect(store.stats().segmentCount).toBe(5);
    expect(await survivorsOf(store)).toEqual(
      without(
        frozen,
        frozen.records.filter((record) => record.offset >= 4096 && record.offset < 8192),
      ),
    );
    expect((await store.verify()).ok).toBe(true);
    expect(await store.clean({ before: 8192 })).toEqual({ deletedSegmentCount: 2, freedBytes: 8192 });
    await store.close();
  });

  it('the last record of all, and the number of its queue is not given again', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    const store = await openTiny(disk);
    const last = frozen.records.at(-1)!;
    await damage(disk, last);
    await store.repair();
    expect((await store.append({ topic: last.topic, queueId: last.queueId, body: 'after' })).queueOffset).toBe(last.queueOffset + 1);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('is seen also where somebody reads the segment in the moment in which it is replaced', async () => {
    const base = memoryPlatform();
    let isArmed = false;
    const platform = aroundCalls(base, (op, path, call) => {
      if (!isArmed || op !== 'rename' || !path.endsWith('.own')) return call();
      isArmed = false;
      return failure(() => store.get(0)).then(async () => await turns(3).then(call));
    });
    const store = await openTiny(platform);
    await appendMany(store, 100);
    const { messages } = await store.read({ topic: 'T' }, { from: 3, countMax: 1 });
    await store.snapshot('/copy', { links: true });
    await flipBit(base, placeOf(0).path, messages[0]!.physicalOffset + 90);
    isArmed = true;
    expect((await store.repair()).damage).toHaveLength(1);
    expect(isArmed).toBe(false);
    expect(await store.verify()).toMatchObject({ ok: true });
    await store.close();
  });

  it('and another one at the same time wait for each other', async () => {
    for (let delay = 0; delay < 60; delay += 3) {
      const base = memoryPlatform({ seed: delay + 1 });
      const store = await openTiny(base);
      await appendMany(store, 60);
      await store.snapshot('/copy', { links: true });
      const { messages } = await store.read({ topic: 'T' }, { from: 3, countMax: 1 });
      await flipBit(base, placeOf(0).path, messages[0]!.physicalOffset + 90);
      const repairs = [store.repair(), turns(delay).then(async () => await store.repair())];
      expect((await Promise.all(repairs)).map((report) => report.damage.length)).toEqual([1, 0]);
      expect(await readQueue(store, { topic: 'T' })).toHaveLength(59);
      expect((await store.verify()).ok).toBe(true);
      await store.close();
    }
  });

  it('ends by its signal with the reason', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const store = await openTiny(frozen.copy());
    const reason = new Error('enough');
    expect(await failure(() => store.repair({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    await store.close();
  });

  it('refuses options that are none', async () => {
    const store = await openTiny((await frozenStore('closed', storeOfThreeQueues)).copy());
    expect(await failure(() => store.repair({ sgnal: 1 } as never))).toBeInstanceOf(TypeError);
    await store.close();
  });

  it('of damage that was there before a clean opening, which does not look for it', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    const disk = frozen.copy();
    await damage(disk, frozen.records[70]!);
    await writeInto(disk, placeOf(0).path, Buffer.alloc(4096), 0);
    const store = await openTiny(disk);
    expect(store.recovery.cleanShutdown).toBe(true);
    const report = await store.repair();
    expect(report.damage.length).toBe(2);
    expect(await survivorsOf(store)).toEqual(
      without(frozen, [...frozen.records.filter((record) => record.offset < 4096), frozen.records[70]!]),
    );
    expect((await store.verify()).ok).toBe(true);
    await store.close();
    expect((await walkLog(disk, root)).length).toBeGreaterThan(85);
  });
});
