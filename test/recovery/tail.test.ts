import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import {
  contents,
  createFile,
  filesBelow,
  flipBit,
  readFile,
  removeTree,
  segmentOf,
  truncateFile,
  writeInto,
} from '../contract/disk-surgery.js';
import { openTiny, readQueue, root, texts } from '../contract/harness.js';
import { freeze, frozenStore, placeOf, walkLog } from './frozen-store.js';
import { linesOf, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

/** Nothing is synced but by `flush()`. */
const lazy = { flush: 'async', flushIntervalMs: 1_000_000 } as const;
const queue = { topic: 'T' };

async function append(store: Store, name: string, count: number, bytes = 60): Promise<void> {
  for (let i = 0; i < count; i += 1) await store.append({ ...queue, body: `${name}-${i}`.padEnd(bytes, '.') });
}

/** The names, without what fills the bodies up. */
async function names(store: Store): Promise<string[]> {
  return texts(await readQueue(store, queue)).map((body) => body.replace(/\.+$/, ''));
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i}`);
}

describe('the tail of the log after a crash', () => {
  it('is kept as far as it is whole, whatever was synced', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, lazy);
    await append(store, 'durable', 10);
    await store.flush();
    await append(store, 'written', 50);
    const again = await openTiny(platform.crash('all'), lazy);
    expect(await names(again)).toEqual([...numbered('durable', 10), ...numbered('written', 50)]);
    expect(again.recovery).toMatchObject({ cleanShutdown: false, truncatedBytes: 0, redispatchedCount: 60 });
    await again.close();
  });

  it('of a segment of mostly holes is not read to its end, and yet nothing stays behind the cut', async () => {
    const segmentBytes = 512 * 1024 * 1024;
    const far = 400 * 1024 * 1024;
    const platform = memoryPlatform();
    const store = await openTiny(platform, { ...lazy, segmentBytes });
    await append(store, 'durable', 10);
    await store.flush();
    const disk = platform.crash('all');
    const path = segmentOf(root, segmentBytes, 0).path;
    await writeInto(disk, path, Buffer.from('left behind'), far);
    let readCount = 0;
    const counting = traceCalls(disk, (line) => (readCount += line.startsWith('read commitlog') ? 1 : 0), root);
    const again = await openTiny(counting, { ...lazy, segmentBytes });
    expect(readCount).toBeGreaterThan(0);
    expect(readCount).toBeLessThan(100);
    expect(await names(again)).toEqual(numbered('durable', 10));
    await append(again, 'new', 1);
    await again.close();
    const file = disk.fs.open(path, 'read');
    const left = Buffer.alloc(64);
    expect(file.readSync(left, far)).toBe(64);
    expect(left.every((byte) => byte === 0)).toBe(true);
    expect(file.sizeBytes()).toBe(segmentBytes);
    await file.close();
  });

  it('what was cut once never comes back, also when less is appended and the store crashes again', async () => {
    for (const tornAt of [0, 1, 7]) {
      const platform = memoryPlatform();
      const store = await openTiny(platform, lazy);
      await append(store, 'durable', 10);
      const end = (await store.flush()).flushedOffset;
      // All of one size, so that a record of the second run ends where one of the first began.
      await append(store, 'lost', 40);
      const recordBytes = (await readQueue(store, queue)).at(-1)!.recordBytes;
      let disk = platform.crash('all');
      const { path, at } = placeOf(end + tornAt * recordBytes);
      await flipBit(disk, path, at + 95);
      const second = await openTiny(disk, lazy);
      const kept = [...numbered('durable', 10), ...numbered('lost', tornAt)];
      expect(await names(second)).toEqual(kept);
      expect(second.recovery.truncatedBytes).toBeGreaterThan(30 * recordBytes);
      await append(second, 'new', 2);
      for (const keep of ['all', 'synced'] as const) {
        disk = (keep === 'all' ? disk : disk).crash(keep);
        const third = await openTiny(disk, lazy);
        const found = await names(third);
        expect(found.slice(0, kept.length)).toEqual(kept);
        expect(['', 'new-0', 'new-0,new-1']).toContain(found.slice(kept.length).join());
        expect((await walkLog(disk)).length).toBe(found.length);
      }
    }
  });

  it('a number that a reader may have seen is never given again: the log counts, not the queue files', async () => {
    let disk = memoryPlatform();
    let expected = 0;
    for (let run = 0; run < 6; run += 1) {
      const store = await openTiny(disk);
      expect(store.bounds(queue)).toEqual({ min: 0, max: expected });
      await append(store, `run${run}`, 21);
      expected += 21;
      disk = disk.crash(run % 2 === 0 ? 'all' : 'random');
    }
    const store = await openTiny(disk);
    expect((await readQueue(store, queue)).map((message) => message.queueOffset)).toEqual([...Array(expected).keys()]);
    await store.close();
  });

  it('in the segment before the last is found as well as in the last', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, lazy);
    await append(store, 'written', 70);
    expect(store.stats().segmentCount).toBeGreaterThan(2);
    const disk = platform.crash('all');
    await flipBit(disk, placeOf(4096).path, 2000);
    const again = await openTiny(disk, lazy);
    const found = await names(again);
    expect(found).toEqual(numbered('written', found.length));
    expect(again.stats().segmentCount).toBe(2);
    expect(again.recovery.damage.length).toBeGreaterThan(1);
    for (const note of again.recovery.damage) expect(disk.fs.exists(note.quarantinePath!)).toBe(true);
    await append(again, 'more', 60);
    expect(await names(again)).toEqual([...found, ...numbered('more', 60)]);
    await again.close();
  });

  it('that ends exactly with its segment goes on in the next', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    const first = await store.append({ ...queue, body: 'x' });
    // A body that leaves room for the blank alone.
    const rest = 4096 - first.recordBytes - 8;
    await store.append({ ...queue, body: 'y'.repeat(1 + rest - first.recordBytes) });
    expect(store.stats().writtenOffset).toBe(4088);
    const again = await openTiny(platform.crash('all'));
    const receipt = await again.append({ ...queue, body: 'z' });
    expect(receipt).toMatchObject({ physicalOffset: 4096, queueOffset: 2 });
    await again.close();
  });
});

describe('a batch at the end of the log', () => {
  const batch = Array.from({ length: 6 }, (_, i) => ({ ...queue, body: `batch-${i}` }));

  for (let torn = 0; torn < 6; torn += 1) {
    it(`torn in record ${torn} goes as a whole`, async () => {
      const platform = memoryPlatform();
      const store = await openTiny(platform, lazy);
      await append(store, 'before', 4);
      await store.appendBatch(batch);
      const [...receipts] = await store.appendBatch(batch.map((each) => ({ ...each, body: `second-${each.body}` })));
      const disk = platform.crash('all');
      const { path, at } = placeOf(receipts[torn]!.physicalOffset);
      await flipBit(disk, path, at + 90);
      const again = await openTiny(disk, lazy);
      expect(await names(again)).toEqual([...numbered('before', 4), ...numbered('batch', 6)]);
      expect(again.stats().writtenOffset).toBe(receipts[0]!.physicalOffset);
      await append(again, 'after', 1);
      const last = await openTiny(disk.crash('all'), lazy);
      expect(await names(last)).toEqual([...numbered('before', 4), ...numbered('batch', 6), 'after-0']);
      await last.close();
    });
  }

  it('that is whole stays whole', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, lazy);
    await store.appendBatch(batch);
    const again = await openTiny(platform.crash('all'), lazy);
    expect(await names(again)).toEqual(numbered('batch', 6));
    await again.close();
  });
});

describe('a kill in the middle of a roll', () => {
  async function killedInRoll(count: number): Promise<{ disk: MemoryPlatform; receipts: { physicalOffset: number }[] }> {
    const platform = memoryPlatform();
    const store = await openTiny(platform, lazy);
    const receipts = Array.from({ length: count }, (_, i) => store.appendSync({ ...queue, body: `sync-${i}`.padEnd(300, '.') }));
    return { disk: platform.crash('all'), receipts };
  }

  for (const count of [10, 20, 40]) {
    it(`segments still in stratalog/tmp, written by ${count} appendSync, belong to the log`, async () => {
      const { disk } = await killedInRoll(count);
      expect(filesBelow(disk, `${root}/stratalog/tmp`).length).toBeGreaterThan(0);
      const store = await openTiny(disk, lazy);
      expect(await names(store)).toEqual(numbered('sync', count));
      expect(filesBelow(disk, `${root}/stratalog/tmp`)).toEqual([]);
      await store.close();
      expect(await walkLog(disk)).toHaveLength(count);
    });
  }

  const spoils: Record<string, (disk: MemoryPlatform, path: string) => Promise<void>> = {
    'holds nothing': async (disk, path) => await writeInto(disk, path, Buffer.alloc(4096), 0),
    'begins with a record that does not verify': async (disk, path) => await flipBit(disk, path, 100),
    'is not of full length': async (disk, path) => await truncateFile(disk, path, 2000),
    'does not begin where the log ends': async (disk, path) => await disk.fs.rename(path, path.replace('4096', '8192')),
    'says it belongs elsewhere': async (disk, path) => await writeInto(disk, path, Buffer.from([0, 0, 0, 0, 0, 0, 0x20, 0]), 28),
  };
  for (const [what, spoil] of Object.entries(spoils)) {
    it(`a segment there that ${what} does not, and is cleared away`, async () => {
      const { disk, receipts } = await killedInRoll(12);
      const made = filesBelow(disk, `${root}/stratalog/tmp`).find((path) => path.endsWith('4096'))!;
      await spoil(disk, made);
      const store = await openTiny(disk, lazy);
      const first = receipts.filter((receipt) => receipt.physicalOffset < 4096).length;
      expect(await names(store)).toEqual(numbered('sync', first));
      expect(filesBelow(disk, `${root}/stratalog/tmp`)).toEqual([]);
      await append(store, 'after', 30);
      expect(await names(store)).toEqual([...numbered('sync', first), ...numbered('after', 30)]);
      await store.close();
    });
  }

  it('a segment of a window that was taken back is never adopted', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, lazy);
    await append(store, 'durable', 5);
    await store.flush();
    const disk = platform.crash('all');
    // As the last run left it: records of its own, at a place where the log does not end.
    const whole = await frozenStore('killed', storeOfThreeQueues);
    await writeInto(disk, `${root}/stratalog/tmp/${'4096'.padStart(20, '0')}`, await readFile(whole.copy(), placeOf(4096).path), 0);
    const again = await openTiny(disk, lazy);
    expect(await names(again)).toEqual(numbered('durable', 5));
    await again.close();
  });
});

describe('the last segment', () => {
  it('of no length is a kill between making and lengthening it: removed', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    const path = placeOf(20_480).path;
    await createFile(disk, path);
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    expect(store.stats().segmentCount).toBe(5);
    for (let i = 0; i < 60; i += 1) await store.append({ topic: 'U', body: 'more'.repeat(10) });
    expect((await store.verify()).ok).toBe(true);
    await store.close();
    expect((await walkLog(disk)).length).toBe(frozen.records.length + 60);
  });

  it('that is short is given its length again', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const last = frozen.records.at(-1)!;
    for (const bytes of [last.offset + last.bytes - 16_384, last.offset + last.bytes - 16_384 + 100]) {
      const disk = frozen.copy();
      await truncateFile(disk, placeOf(16_384).path, bytes);
      const store = await openTiny(disk);
      expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
      await store.close();
      expect((await readFile(disk, placeOf(16_384).path)).length).toBe(4096);
    }
  });

  it('empty behind the end of the log is removed, as a stock broker leaves one', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    await createFile(disk, placeOf(20_480).path, Buffer.alloc(4096));
    await createFile(disk, placeOf(24_576).path, Buffer.alloc(4096));
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    expect(store.recovery.damage).toEqual([]);
    await store.close();
    expect(disk.fs.list(`${root}/commitlog`)).toHaveLength(5);
  });
});

describe('segments behind the end that hold no record', () => {
  it('are removed; their bytes are counted, and what cannot have been a record is not kept', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    await createFile(disk, placeOf(20_480).path, Buffer.alloc(4096, 'no record'));
    const store = await openTiny(disk);
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    expect(store.recovery).toMatchObject({ truncatedBytes: 4096, damage: [] });
    await store.close();
    expect(disk.fs.list(`${root}/commitlog`)).toHaveLength(5);
  });
});

describe('before anything is served', () => {
  async function opening(disk: MemoryPlatform): Promise<string[]> {
    const lines: string[] = [];
    const store = await openTiny(
      traceCalls(disk, (line) => lines.push(line), root),
      lazy,
    );
    const served = [...lines];
    await store.close();
    return served;
  }

  function logCalls(lines: readonly string[]): string[] {
    const calls = lines.filter((line) => /^(write|truncate|sync) commitlog\//.test(line));
    return calls.map((line) => line.replace(/commitlog\/0*(\d+)/, (_, base: string) => base.padStart(1, '0')));
  }

  it('all from the watermark on, rounded down to a page, is written once more and synced', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { ...lazy, segmentBytes: 16_384 });
    await append(store, 'durable', 40);
    const { flushedOffset } = await store.flush();
    await append(store, 'written', 20);
    const { writtenOffset } = store.stats();
    const disk = platform.crash('all');
    const lines: string[] = [];
    const again = await openTiny(
      traceCalls(disk, (line) => lines.push(line), root),
      { ...lazy, segmentBytes: 16_384 },
    );
    const from = flushedOffset - (flushedOffset % 4096);
    expect(from).toBeGreaterThan(0);
    expect(logCalls(lines).slice(0, 2)).toEqual([`write 0 @${from} +${writtenOffset - from}`, 'sync 0 data']);
    const synced = lines.findIndex((line) => line.startsWith('sync commitlog/'));
    expect(lines.slice(0, synced).filter((line) => /^(write|writeSync) (consumequeue|index)/.test(line))).toEqual([]);
    expect(lines.slice(0, synced).filter((line) => line.startsWith('sync abort'))).toHaveLength(1);
    expect(await names(again)).toHaveLength(60);
    await again.close();
  });

  it('without a watermark all from the second last segment on is', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    await removeTree(disk, `${root}/stratalog/watermark`);
    const last = frozen.records.at(-1)!;
    expect(logCalls(await opening(disk))).toEqual([
      'write 12288 @0 +4096',
      'sync 12288 data',
      `write 16384 @0 +${last.offset + last.bytes - 16_384}`,
      'sync 16384 data',
    ]);
  });

  it('the rewritten bytes are the same bytes', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    for (const gone of [[], ['stratalog/watermark']]) {
      const disk = frozen.copy();
      for (const name of gone) await removeTree(disk, `${root}/${name}`);
      const before = await contents(disk, `${root}/commitlog`);
      const store = await openTiny(disk);
      expect(await contents(disk, `${root}/commitlog`)).toEqual(before);
      await store.close();
      expect(await contents(disk, `${root}/commitlog`)).toEqual(before);
    }
  });

  it('a clean opening changes nothing of the log', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    expect(logCalls(await opening(frozen.copy()))).toEqual([]);
  });

  it('an opening that crashes at once has lost nothing, whatever the power cut takes', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    for (let i = 0; i < 10; i += 1) {
      const disk = frozen.copy();
      await openTiny(disk);
      const again = await freeze(disk.crash('random'));
      expect(linesOf(again.records)).toEqual(linesOf(frozen.records));
    }
  });
});
