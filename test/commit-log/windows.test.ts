import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import type { Receipt } from '../../src/format/receipt.js';
import { gatesOver } from './gates.js';
import {
  closeLog,
  codeOf,
  KIB,
  message,
  messages,
  MIB,
  namesOf,
  openLog,
  preparedPlatform,
  recordsOn,
  turns,
  watch,
} from './log-harness.js';

const isWrite = (call: { readonly op: string }): boolean => call.op === 'write';

describe('writing by windows', () => {
  it('writes what a turn brings in one call at its end, with receipts that say where each record is', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates);
    const receipts = await Promise.all(messages(100).map((each) => harness.log.append(each, 'async', undefined)));
    expect(gates.calls.filter((call) => call.path.endsWith('0') && call.op.startsWith('write') && call.bytes > 1)).toHaveLength(1);
    await closeLog(harness);
    const found = await recordsOn(gates);
    expect(found.map((record) => [record.offset, record.recordBytes, record.queueOffset, record.storedAt])).toEqual(
      receipts.map((receipt) => [receipt.physicalOffset, receipt.recordBytes, receipt.queueOffset, receipt.storedAt]),
    );
    expect(receipts[3]).toMatchObject({ topic: 'T', queueId: 0, queueOffset: 3, durable: false });
  });

  it('writes up to 256 KiB at once, and more of it by the pool', async () => {
    for (const [bytes, op] of [
      [255 * KIB, 'writeSync'],
      [257 * KIB, 'write'],
    ] as const) {
      const gates = gatesOver(await preparedPlatform());
      const harness = await openLog(gates);
      gates.calls.length = 0;
      await harness.log.append(message('m', bytes), 'async', undefined);
      expect(gates.calls.filter((call) => call.bytes > 1).map((call) => call.op)).toEqual([op]);
      await closeLog(harness);
    }
  });

  it('writes nothing directly while a window is in flight: it might overtake it', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates);
    gates.hold(isWrite);
    const large = watch(harness.log.append(message('large', 300 * KIB), 'async', undefined));
    await turns(2);
    gates.calls.length = 0;
    const small = watch(harness.log.append(message('small'), 'async', undefined));
    await turns(2);
    expect(gates.calls.map((call) => call.op)).toEqual(['write']);
    await gates.held[1]?.release();
    await turns(2);
    expect([large.settled, small.settled, harness.log.written]).toEqual([false, false, 0]);
    await gates.held[0]?.release();
    await turns();
    expect([large.settled, small.settled, harness.log.written]).toEqual([true, true, harness.log.assigned]);
    gates.open();
    await closeLog(harness);
  });

  it('has four windows in flight at most, and writes the next as soon as one has settled', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates);
    gates.hold(isWrite);
    const calls = messages(20, 500 * KIB).map((each) => harness.log.append(each, 'async', undefined));
    await turns(2);
    expect(gates.held).toHaveLength(4);
    await gates.held[2]?.release();
    await turns(2);
    expect(gates.held).toHaveLength(4);
    expect(harness.log.written).toBe(0);
    gates.open();
    await Promise.all(calls);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates))).toHaveLength(20);
  });

  it('counts as written what has no gap before it, and gives receipts in log order, in whatever order windows settle', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const platform = await preparedPlatform(seed);
      const harness = await openLog(platform);
      const settled: number[] = [];
      const each = async (receipt: Promise<Receipt>): Promise<void> => {
        const { physicalOffset, recordBytes } = await receipt;
        expect(harness.log.written).toBeGreaterThanOrEqual(physicalOffset + recordBytes);
        settled.push(physicalOffset);
      };
      await Promise.all(messages(40, 120 * KIB).map((one) => each(harness.log.append(one, 'async', undefined))));
      expect(settled).toEqual([...settled].sort((a, b) => a - b));
      expect(harness.handed.map((row) => row.physicalOffset)).toEqual(settled);
      await closeLog(harness);
    }
  });

  it('advances over windows that settled early once the gap before them is closed', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates);
    gates.hold(isWrite);
    const calls = messages(8, 500 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
    await turns(2);
    const ends = gates.held.map((call) => call.at + call.bytes);
    for (const index of [3, 1, 1]) {
      await gates.held[index]?.release();
      await turns(2);
      expect(harness.log.written).toBe(0);
    }
    await gates.held[0]?.release();
    await turns(2);
    expect(harness.log.written).toBe(ends[3]);
    await turns();
    expect(calls.every((call) => call.settled)).toBe(true);
    gates.open();
    await closeLog(harness);
  });

  it('writes a record that is larger than a window in one piece of its own', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates);
    const calls = [message('a'), message('huge', 3 * MIB), message('b')].map((each) => harness.log.append(each, 'async', undefined));
    const receipts = await Promise.all(calls);
    expect(gates.calls.filter(isWrite).map((call) => [call.at, call.bytes > 3 * MIB])).toContainEqual([receipts[1]?.physicalOffset, true]);
    await harness.log.append(message('c', KIB), 'async', undefined);
    await harness.log.append(message('d', 2 * MIB), 'async', undefined);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates))).toEqual(['a', 'huge', 'b', 'c', 'd']);
  });

  it('gives receipts to those who wait for the system and those who wait for the disk, each at its time', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates);
    gates.hold((call) => call.op === 'sync');
    const first = watch(harness.log.append(message('a'), 'async', undefined));
    const second = watch(harness.log.append(message('b'), 'sync', undefined));
    const third = watch(harness.log.append(message('c'), 'async', undefined));
    await turns();
    // The first segment is synced before it is moved into the log.
    await gates.held[0]?.release();
    await turns();
    expect([first.settled, second.settled, third.settled]).toEqual([true, false, true]);
    gates.open();
    await turns();
    expect([first.value?.durable, second.value?.durable]).toEqual([false, true]);
    await closeLog(harness);
  });

  it('never holds more than pendingBytesMax in an un-awaited loop of 100,000 appends', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { pendingBytesMax: 2 * MIB, segmentBytes: 64 * MIB });
    const outcomes = { taken: 0, overloaded: 0 };
    let highest = 0;
    const calls = Array.from({ length: 100_000 }, (_, i) => {
      const call = harness.log.append(message(`m${i}`, 100), 'async', undefined).then(
        () => (outcomes.taken += 1),
        (error: unknown) => {
          if (StoreError.is(error, 'OVERLOADED')) outcomes.overloaded += 1;
        },
      );
      highest = Math.max(highest, harness.log.pendingBytes);
      return call;
    });
    await Promise.all(calls);
    expect(highest).toBeLessThanOrEqual(2 * MIB);
    expect(highest).toBeGreaterThan(MIB);
    expect(outcomes.taken + outcomes.overloaded).toBe(100_000);
    expect(outcomes.taken).toBe(harness.log.appendedCount);
    await closeLog(harness);
    const names = namesOf(await recordsOn(gates, 64 * MIB));
    expect(names).toEqual(Array.from({ length: outcomes.taken }, (_, i) => `m${i}`));
  });

  it('takes any message when nothing is pending, however small the bound', async () => {
    const harness = await openLog(await preparedPlatform(), { pendingBytesMax: 1 });
    const calls = messages(5, 300 * KIB).map((each) => harness.log.append(each, 'async', undefined));
    expect((await Promise.all(calls)).map((receipt) => receipt.queueOffset)).toEqual([0, 1, 2, 3, 4]);
    expect(await harness.log.appendBatch(messages(3, 10), 'async', undefined)).toHaveLength(3);
    await closeLog(harness);
  });

  it('begins a sync at once where more is unflushed than may be, and does not wait for the interval', async () => {
    const harness = await openLog(await preparedPlatform(), { unflushedBytesMax: MIB });
    const calls = messages(40, 100 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
    expect(harness.log.assigned).toBeLessThanOrEqual(MIB + 101 * KIB);
    await turns(400);
    expect(calls.every((call) => call.settled)).toBe(true);
    await closeLog(harness);
  });
});

describe('calls that wait for room', () => {
  const options = { pendingBytesMax: 600 * KIB };

  it('are served in order, also a small one behind a large one', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, options);
    gates.hold(isWrite);
    const sizes = [500, 500, 10, 300, 10];
    const calls = sizes.map((size, i) => watch(harness.log.append(message(`m${i}`, size * KIB), 'async', undefined)));
    await turns();
    expect(harness.log.appendedCount).toBe(1);
    gates.open();
    await turns(300);
    expect(calls.map((call) => call.value?.queueOffset)).toEqual([0, 1, 2, 3, 4]);
    await closeLog(harness);
  });

  it('keep what they were given: their caller may use its buffers again', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, options);
    gates.hold(isWrite);
    const body = Buffer.from('before');
    const calls = [message('first', 500 * KIB), message('second', 500 * KIB), { topic: 'T', body }].map((each) =>
      harness.log.append(each, 'async', undefined),
    );
    body.write('after!');
    gates.open();
    await Promise.all(calls);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates))).toEqual(['first', 'second', 'before']);
  });

  it('are refused at once where the message cannot be stored, and others are not', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, options);
    gates.hold(isWrite);
    const calls = [message('a', 500 * KIB), message('b', 500 * KIB)].map((each) => watch(harness.log.append(each, 'async', undefined)));
    await expect(harness.log.append({ topic: '', body: '' }, 'async', undefined)).rejects.toMatchObject({ code: 'TOPIC_INVALID' });
    await expect(harness.log.appendBatch([message('ok'), { topic: '', body: '' }], 'async', undefined)).rejects.toMatchObject({
      code: 'TOPIC_INVALID',
    });
    gates.open();
    await turns(200);
    expect(calls.map((call) => call.value?.queueOffset)).toEqual([0, 1]);
    await closeLog(harness);
  });

  it('are refused in their turn where no segment could hold them, and those behind them are not', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes: MIB, pendingBytesMax: 600 * KIB });
    gates.hold(isWrite);
    const first = watch(harness.log.append(message('a', 500 * KIB), 'async', undefined));
    const batch = watch(harness.log.appendBatch(messages(4, 400 * KIB), 'async', undefined));
    const last = watch(harness.log.append(message('b', 500 * KIB), 'async', undefined));
    gates.open();
    await turns(300);
    expect([codeOf(batch.error), first.value?.queueOffset, last.value?.queueOffset]).toEqual(['MESSAGE_TOO_LARGE', 0, 1]);
    await closeLog(harness);
  });

  it('leave when their signal says so, with its reason, and are never stored', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, options);
    gates.hold(isWrite);
    const abort = new AbortController();
    const calls = [message('a', 500 * KIB), message('b', 500 * KIB), message('c')].map((each, i) =>
      watch(harness.log.append(each, 'async', i === 1 ? abort.signal : undefined)),
    );
    abort.abort(new Error('too slow'));
    await turns(2);
    expect(calls[1]?.error).toEqual(new Error('too slow'));
    await expect(harness.log.append(message('d'), 'async', abort.signal)).rejects.toThrow('too slow');
    gates.open();
    await turns(200);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates))).toEqual(['a', 'c']);
  });

  it('make appendSync and encodeNow refuse: they cannot wait', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, options);
    gates.hold(isWrite);
    const calls = messages(2, 500 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
    await turns(2);
    expect(() => harness.log.appendSync(message('now'))).toThrow(expect.objectContaining({ code: 'OVERLOADED', retryable: true }));
    expect(harness.log.encodeNow(message('now'))).toBeUndefined();
    expect(() => harness.log.encodeNow({ topic: '', body: '' })).toThrow('topic');
    gates.open();
    await turns(200);
    expect(calls.every((call) => call.settled)).toBe(true);
    expect(harness.log.appendSync(message('now')).queueOffset).toBe(2);
    await closeLog(harness);
  });

  it('are 65,536 at most; and then flush and drain still wait for them and no longer', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { pendingBytesMax: 2 * MIB });
    gates.hold(isWrite);
    const overloaded: unknown[] = [];
    let taken = 0;
    const calls = Array.from({ length: 65_537 }, (_, i) =>
      harness.log.append(message(`m${i}`, i === 0 ? 2 * MIB : 10), 'async', undefined).then(() => (taken += 1)),
    );
    await turns(2);
    await harness.log.append(message('one too many'), 'async', undefined).catch((error: unknown) => overloaded.push(codeOf(error)));
    expect(overloaded).toEqual(['OVERLOADED']);
    const flushed = watch(harness.log.flush());
    await turns(2);
    expect(flushed.settled).toBe(false);
    gates.open();
    await Promise.all(calls);
    await turns();
    expect([flushed.settled, flushed.error, taken]).toEqual([true, undefined, 65_537]);
    await closeLog(harness);
  });

  it('let an import on only when something has been written: it would find no more room than before', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { pendingBytesMax: 2 * MIB });
    gates.hold(isWrite);
    let count = 0;
    while (harness.log.encodeNow(message('m', 300 * KIB)) !== undefined) count += 1;
    expect(count).toBe(6);
    const room = watch(harness.log.waitForRoom(undefined));
    await turns(4);
    expect(room.settled).toBe(false);
    gates.open();
    await turns(200);
    expect(room.settled).toBe(true);
    await harness.log.waitForRoom(undefined);
    await closeLog(harness);
  });

  it('let an import leave by its signal', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, options);
    gates.hold(isWrite);
    const call = watch(harness.log.append(message('m', 500 * KIB), 'async', undefined));
    const abort = new AbortController();
    const room = watch(harness.log.waitForRoom(abort.signal));
    abort.abort(new Error('enough'));
    gates.open();
    await turns(100);
    expect([room.error, call.settled]).toEqual([new Error('enough'), true]);
    await closeLog(harness);
  });
});

describe('appendSync', () => {
  it('has its record, and all before it, in the hands of the system when it returns', async () => {
    const platform = await preparedPlatform();
    const gates = gatesOver(platform);
    const harness = await openLog(gates);
    gates.hold(isWrite);
    const large = watch(harness.log.append(message('large', 900 * KIB), 'async', undefined));
    const ready = messages(3, 500 * KIB, 'ready').map((each) => watch(harness.log.append(each, 'async', undefined)));
    await turns(2);
    const receipt = harness.log.appendSync(message('now'));
    expect(receipt.durable).toBe(false);
    expect(namesOf(await recordsOn(gates)).at(-1)).toBe('now');
    expect(harness.log.written).toBe(harness.log.assigned);
    // What the pool says of those windows later changes nothing.
    gates.held[0]?.fail(new Error('EIO'));
    gates.open();
    await turns();
    expect([large, ...ready].map((call) => call.value?.queueOffset)).toEqual([0, 1, 2, 3]);
    expect(harness.failures).toEqual([]);
    await closeLog(harness);
  });

  it('in a sync store is followed by a sync at once, and readable after it', async () => {
    const harness = await openLog(await preparedPlatform(), { flush: 'sync' });
    const receipt = harness.log.appendSync(message('m'));
    expect(harness.log.visible).toBe(0);
    await turns();
    expect(harness.log.visible).toBe(receipt.recordBytes);
    await closeLog(harness);
  });

  it('in an async store is readable at once, and durable within the interval', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform, { flushIntervalMs: 500 });
    harness.log.appendSync(message('first'));
    await turns();
    harness.log.appendSync(message('m'));
    expect([harness.log.visible, harness.handed.length]).toEqual([harness.log.assigned, 2]);
    expect(harness.log.flushed).toBeLessThan(harness.log.assigned);
    await platform.advance(501);
    expect(harness.log.flushed).toBe(harness.log.assigned);
    await closeLog(harness);
  });

  it('lets no segment be closed while the pool still writes to it', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes: MIB });
    await harness.log.append(message('first'), 'async', undefined);
    gates.hold(isWrite);
    const large = watch(harness.log.append(message('large', 900 * KIB), 'async', undefined));
    await turns(2);
    expect(gates.held).toHaveLength(1);
    harness.log.appendSync(message('next', 300 * KIB));
    await harness.log.flush();
    const fill = (): void => {
      for (let i = 0; i < 100; i += 1) {
        const path = `/store/f${i}-${gates.calls.length}`;
        harness.files.adopt(gates.fs.open(path, 'create'), path, false);
      }
    };
    const closedSegments = (): unknown[] => gates.calls.filter((call) => call.op === 'close' && call.path.includes('tmp'));
    fill();
    await turns();
    expect([large.settled, closedSegments()]).toEqual([true, []]);
    gates.open();
    await turns();
    harness.log.appendSync(message('more'));
    await harness.log.flush();
    fill();
    await turns();
    expect(closedSegments()).toHaveLength(1);
    await closeLog(harness);
  });
});

describe('time and refusals', () => {
  it('never lets storedAt step back, not behind what the log holds already either', async () => {
    const platform = await preparedPlatform();
    const ahead = platform.clock.nowMs() + 5000;
    const harness = await openLog(platform, { lastStoredAt: ahead });
    const first = await harness.log.append(message('a'), 'async', undefined);
    await platform.advance(6000);
    const second = await harness.log.append(message('b'), 'async', undefined);
    expect([first.storedAt, second.storedAt]).toEqual([ahead, ahead + 1000]);
    await closeLog(harness);
  });

  it('refuses every append for the reason that the store gives, and takes them again without it', async () => {
    const harness = await openLog(await preparedPlatform());
    harness.refusal = new StoreError('DISK_FULL', 'too little space');
    await expect(harness.log.append(message('m'), 'async', undefined)).rejects.toBe(harness.refusal);
    await expect(harness.log.appendBatch(messages(2), 'async', undefined)).rejects.toBe(harness.refusal);
    expect(() => harness.log.appendSync(message('m'))).toThrow(harness.refusal);
    harness.refusal = undefined;
    expect((await harness.log.append(message('m'), 'async', undefined)).queueOffset).toBe(0);
    await closeLog(harness);
  });

  it('takes the next append after one that threw at any step', async () => {
    const harness = await openLog(await preparedPlatform());
    await expect(harness.log.append({ topic: 'T', body: 5 as never }, 'async', undefined)).rejects.toThrow(TypeError);
    await expect(harness.log.append(undefined as never, 'async', undefined)).rejects.toThrow(TypeError);
    expect(() => harness.log.appendSync({ topic: 'T', body: '', queueId: -1 })).toThrow(RangeError);
    expect((await harness.log.append(message('m'), 'sync', undefined)).physicalOffset).toBe(0);
    await closeLog(harness);
  });

  it('gives a record without a place in a queue no number', async () => {
    const harness = await openLog(await preparedPlatform(), { systemMessages: true });
    await harness.log.append(message('a'), 'async', undefined);
    await harness.log.append({ topic: 'T', body: 'prepared', system: { sysFlag: 4 } }, 'async', undefined);
    const after = await harness.log.append(message('b'), 'async', undefined);
    expect(after.queueOffset).toBe(1);
    expect(harness.handed.map((row) => row.slot)).toEqual([0, -1, 0]);
    await closeLog(harness);
  });

  it('goes on at the end of an existing log', async () => {
    const platform = await preparedPlatform();
    const first = await openLog(platform);
    await Promise.all(messages(5).map((each) => first.log.append(each, 'async', undefined)));
    await closeLog(first);
    const second = await openLog(platform);
    expect((await second.log.append(message('more'), 'sync', undefined)).queueOffset).toBe(5);
    await closeLog(second);
    expect(namesOf(await recordsOn(platform))).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'more']);
  });
});
