import { describe, expect, it } from 'vitest';
import { type Gates, gatesOver } from './gates.js';
import {
  bytesOf,
  closeLog,
  codeOf,
  KIB,
  type LogHarness,
  makingDirectory,
  message,
  messages,
  MIB,
  namesOf,
  openLog,
  preparedPlatform,
  recordsOn,
  segmentPath,
  systemError,
  turns,
  watch,
} from './log-harness.js';

const full = systemError('ENOSPC');
const isWrite = (call: { readonly op: string; readonly bytes: number }): boolean => call.op.startsWith('write') && call.bytes > 1;

interface Prepared {
  readonly platform: Awaited<ReturnType<typeof preparedPlatform>>;
  readonly gates: Gates;
  readonly harness: LogHarness;
}

/** A log with one record, `first`, that is durable. */
async function prepared(seed: number = 1, options: Parameters<typeof openLog>[1] = {}): Promise<Prepared> {
  const platform = await preparedPlatform(seed);
  const gates = gatesOver(platform);
  const harness = await openLog(gates, options);
  await harness.log.append(message('first'), 'sync', undefined);
  return { platform, gates, harness };
}

async function allZeroFrom(gates: Gates, from: number, to: number): Promise<boolean> {
  return bytesOf(gates, segmentPath(0), from, to).every((byte) => byte === 0);
}

describe('a write that fails for want of room', () => {
  it('is taken out of the counts again, with all above it', async () => {
    const { gates, harness } = await prepared();
    const { log } = harness;
    const before = [log.appendedCount, log.appendedBytes];
    expect(before).toEqual([1, log.written]);
    let isFull = true;
    gates.fail((call) => (isFull && isWrite(call) ? full : undefined));
    const calls = messages(5, 100).map((each) => watch(log.append(each, 'async', undefined)));
    await turns(20);
    expect(calls.map((call) => codeOf(call.error))).toEqual(Array.from({ length: 5 }, () => 'DISK_FULL'));
    expect([log.appendedCount, log.appendedBytes]).toEqual(before);
    isFull = false;
    await log.append(message('next'), 'async', undefined);
    expect([log.appendedCount, log.appendedBytes]).toEqual([2, log.written]);
    await closeLog(harness);
  });

  for (const keep of ['synced', 'random', 'all'] as const) {
    for (let failing = 0; failing < 4; failing += 1) {
      it(`is undone with all above it when it is window ${failing} of four, and nothing rejected comes back (crash: ${keep})`, async () => {
        for (let seed = 1; seed <= 5; seed += 1) {
          const { platform, gates, harness } = await prepared(seed);
          gates.hold((call) => call.op === 'write');
          const calls = messages(12, 500 * KIB).map((each, i) =>
            watch(harness.log.append(each, i % 2 === 0 ? 'sync' : 'async', undefined)),
          );
          await turns(2);
          expect(gates.held).toHaveLength(4);
          const issuedEnd = Math.max(...gates.held.map((call) => call.at + call.bytes));
          const failed = gates.held[failing];
          // The others reach the disk, those above it first.
          for (const call of [...gates.held].reverse()) {
            if (call !== failed) await call.release();
          }
          failed?.fail(full);
          gates.open();
          await turns(2500);
          expect(calls.every((call) => call.settled)).toBe(true);
          const taken = calls.filter((call) => call.value !== undefined);
          expect(taken).toHaveLength(failing * 2);
          expect(calls.slice(taken.length).every((call) => codeOf(call.error) === 'DISK_FULL')).toBe(true);
          const end = failed?.at ?? 0;
          expect([harness.log.assigned, harness.log.written, harness.registry.next]).toEqual([end, end, [1 + taken.length]]);
          expect(await allZeroFrom(gates, end, issuedEnd)).toBe(true);
          const found = namesOf(await recordsOn(platform.crash(keep)));
          expect(found).toEqual(['first', ...Array.from({ length: found.length - 1 }, (_, i) => `m${i}`)]);
          expect(found.length).toBeLessThanOrEqual(1 + taken.length);
          expect(found.length).toBeGreaterThanOrEqual(1 + taken.filter((call) => call.value?.durable).length);
        }
      });
    }
  }

  it('is followed by appends that succeed by themselves, in the place and with the numbers of what was undone', async () => {
    const { gates, harness } = await prepared();
    const { assigned } = harness.log;
    gates.fail((call) => (isWrite(call) ? full : undefined));
    const refused = await harness.log.append(message('refused'), 'sync', undefined).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'DISK_FULL', stored: 'no', retryable: true, cause: full });
    expect(harness.log.diskFull).toBe(refused);
    gates.fail(() => undefined);
    const next = await harness.log.append(message('next'), 'sync', undefined);
    expect(harness.log.diskFull).toBeUndefined();
    expect([next.physicalOffset, next.queueOffset, next.durable]).toEqual([assigned, 1, true]);
    expect(harness.handed.map((row) => row.queueOffset)).toEqual([0, 1]);
    expect(harness.failures).toEqual([]);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates))).toEqual(['first', 'next']);
  });

  it('leaves every number of every queue dense, whatever fails when', async () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const platform = await preparedPlatform(seed);
      const gates = gatesOver(platform);
      const harness = await openLog(gates, { segmentBytes: 4096, flush: seed % 2 === 0 ? 'sync' : 'async' });
      let count = 0;
      gates.fail((call) => (call.op.startsWith('write') && (count += 1) % (3 + (seed % 7)) === 0 ? full : undefined));
      const stored: string[] = [];
      for (let i = 0; i < 150; i += 1) {
        const call = harness.log.append(message(`m${i}`, 20 + ((i * 53) % 900), i % 3), i % 4 === 0 ? 'sync' : 'async', undefined).then(
          () => stored.push(`m${i}`),
          (error: unknown) => expect(codeOf(error)).toBe('DISK_FULL'),
        );
        if (i % 5 === seed % 5) await call;
        if (harness.log.failure !== undefined) break;
      }
      gates.fail(() => undefined);
      await turns(200);
      expect(harness.failures.map(String)).toEqual([]);
      await closeLog(harness);
      const found = await recordsOn(platform, 4096);
      // Who waits for the disk hears of it later than who does not.
      expect(namesOf(found)).toEqual(stored.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
      for (let queueId = 0; queueId < 3; queueId += 1) {
        const numbers = found.filter((record) => record.queueId === queueId).map((record) => record.queueOffset);
        expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i));
      }
    }
  });

  it('undoes a batch over several windows as a whole, and nothing before it', async () => {
    for (const failing of [0, 1, 2, 3]) {
      const { platform, gates, harness } = await prepared();
      gates.hold((call) => call.op === 'write');
      const before = watch(harness.log.append(message('before', 700 * KIB), 'async', undefined));
      const head = harness.log.assigned;
      const batch = watch(harness.log.appendBatch(messages(5, 400 * KIB), 'async', undefined));
      await turns(2);
      expect(gates.held).toHaveLength(4);
      const failed = gates.held[failing];
      for (const call of [...gates.held]) if (call !== failed) await call.release();
      failed?.fail(full);
      gates.open();
      await turns(2500);
      expect([failing, before.settled, codeOf(batch.error)]).toEqual([failing, true, 'DISK_FULL']);
      expect(before.error === undefined).toBe(failing > 0);
      expect(harness.log.assigned).toBe(failing === 0 ? failed?.at : head);
      await closeLog(harness);
      expect(namesOf(await recordsOn(platform.crash('random')))).toEqual(failing === 0 ? ['first'] : ['first', 'before']);
    }
  });

  it('takes back the segments that were made for what is undone, and makes them anew', async () => {
    const { platform, gates, harness } = await prepared(3, { segmentBytes: MIB });
    gates.hold((call) => call.op === 'write');
    const calls = messages(6, 500 * KIB).map((each) => watch(harness.log.append(each, 'sync', undefined)));
    await turns(2);
    expect(harness.segments.bases.length).toBeGreaterThan(2);
    const failed = gates.held[0];
    for (const call of [...gates.held].slice(1)) await call.release();
    failed?.fail(full);
    gates.open();
    await turns(2500);
    expect(calls.map((call) => codeOf(call.error))).toEqual(calls.map(() => 'DISK_FULL'));
    expect([harness.segments.bases, platform.fs.list(makingDirectory).length]).toEqual([[0], 1]);
    const receipts = await Promise.all(messages(6, 500 * KIB, 'n').map((each) => harness.log.append(each, 'sync', undefined)));
    expect(receipts.map((receipt) => receipt.queueOffset)).toEqual([1, 2, 3, 4, 5, 6]);
    await closeLog(harness);
    expect(namesOf(await recordsOn(platform, MIB))).toEqual(['first', 'n0', 'n1', 'n2', 'n3', 'n4', 'n5']);
  });

  it('in the first window of the first segment leaves a log with no segment, which goes on', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes: 4096 });
    gates.fail((call) => (isWrite(call) ? full : undefined));
    await expect(harness.log.append(message('m'), 'async', undefined)).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect([harness.segments.bases, harness.log.assigned]).toEqual([[], 0]);
    gates.fail(() => undefined);
    expect((await harness.log.append(message('m'), 'sync', undefined)).physicalOffset).toBe(0);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates, 4096))).toEqual(['m']);
  });

  it('rejects what is called while it is undone with the same error: what is stored of a pipeline is a prefix', async () => {
    const { gates, harness } = await prepared(1, { pendingBytesMax: MIB });
    gates.hold((call) => call.op === 'write');
    const calls = [message('a', 700 * KIB), message('waits', 700 * KIB), message('small')].map((each) =>
      watch(harness.log.append(each, 'async', undefined)),
    );
    await turns(2);
    gates.held[0]?.fail(full);
    await turns(1);
    calls.push(watch(harness.log.append(message('held'), 'async', undefined)));
    const batch = watch(harness.log.appendBatch(messages(2), 'sync', undefined));
    expect(() => harness.log.appendSync(message('now'))).toThrow();
    const room = watch(harness.log.waitForRoom(undefined));
    const flushed = watch(harness.log.flush());
    const drained = watch(harness.log.drain());
    gates.open();
    await turns(600);
    expect([...calls, batch, room].map((call) => codeOf(call.error))).toEqual(Array.from({ length: 6 }, () => 'DISK_FULL'));
    expect(new Set([...calls, batch, room].map((call) => call.error)).size).toBe(1);
    expect([flushed, drained].map((each) => [each.settled, each.error])).toEqual([
      [true, undefined],
      [true, undefined],
    ]);
    expect((await harness.log.append(message('after'), 'async', undefined)).queueOffset).toBe(1);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates))).toEqual(['first', 'after']);
  });

  it('rejects also those who wait for a place above it behind others who came later for a place below', async () => {
    const { gates, harness } = await prepared();
    gates.hold((call) => call.op === 'write');
    const below = harness.log.encodeNow(message('below', 900 * KIB));
    const above = watch(harness.log.append(message('above', 900 * KIB), 'async', undefined));
    const reached = watch(harness.log.reach((below?.physicalOffset ?? 0) + (below?.recordBytes ?? 0), 'async'));
    await turns(2);
    await gates.held[0]?.release();
    gates.held[0]?.fail(full);
    gates.open();
    await turns(1000);
    expect([codeOf(above.error), reached.settled, reached.error]).toEqual(['DISK_FULL', true, undefined]);
    await closeLog(harness);
  });

  it('is not undone before every write on its way has settled: one that lands later would stay', async () => {
    const { gates, harness } = await prepared();
    gates.hold((call) => call.op === 'write');
    const calls = messages(4, 700 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
    await turns(2);
    const [lowest, ...others] = [...gates.held];
    const issuedEnd = Math.max(...others.map((call) => call.at + call.bytes));
    gates.hold(() => false);
    lowest?.fail(full);
    await turns(600);
    expect(calls.map((call) => call.settled)).toEqual([false, false, false, false]);
    for (const call of others) await call.release();
    await turns(2500);
    expect(calls.map((call) => codeOf(call.error))).toEqual(calls.map(() => 'DISK_FULL'));
    expect(await allZeroFrom(gates, lowest?.at ?? 0, issuedEnd)).toBe(true);
    await closeLog(harness);
  });

  it('is not undone while a sync is under way, and none begins until it is', async () => {
    const { gates, harness } = await prepared();
    gates.hold((call) => call.op === 'sync');
    const before = watch(harness.log.append(message('before'), 'sync', undefined));
    await turns(5);
    gates.fail((call) => (isWrite(call) ? full : undefined));
    const refused = watch(harness.log.append(message('refused'), 'sync', undefined));
    await turns(5);
    gates.fail(() => undefined);
    await turns(20);
    expect([before.settled, refused.settled, gates.held.length]).toEqual([false, false, 1]);
    await gates.held[0]?.release();
    await turns(20);
    // Now what was to be written is cleared, and that is synced.
    expect([before.value?.durable, refused.settled, gates.held.length]).toEqual([true, false, 1]);
    gates.open();
    await turns(20);
    expect(codeOf(refused.error)).toBe('DISK_FULL');
    await closeLog(harness);
  });

  it('waits for the sync and the segment under way, and undoes neither', async () => {
    const { platform, gates, harness } = await prepared(1, { segmentBytes: MIB });
    gates.hold((call) => call.op === 'sync' || call.op === 'rename');
    const before = watch(harness.log.append(message('before'), 'sync', undefined));
    const rolled = watch(harness.log.append(message('rolled', 1000 * KIB), 'sync', undefined));
    await turns(20);
    gates.fail((call) => (call.op === 'writeSync' && call.bytes > 1 ? full : undefined));
    const refused = watch(harness.log.append(message('refused'), 'async', undefined));
    await turns(20);
    gates.fail(() => undefined);
    expect([before.settled, rolled.settled, refused.settled]).toEqual([false, false, false]);
    gates.open();
    await turns(600);
    expect([before.value?.durable, rolled.value?.durable, codeOf(refused.error)]).toEqual([true, true, 'DISK_FULL']);
    expect(harness.log.flushed).toBe(harness.log.assigned);
    await closeLog(harness);
    expect(namesOf(await recordsOn(platform, MIB))).toEqual(['first', 'before', 'rolled']);
  });

  it('is undone above what appendSync has promised, and never below', async () => {
    const { gates, harness } = await prepared();
    gates.hold((call) => call.op === 'write');
    const large = watch(harness.log.append(message('large', 900 * KIB), 'async', undefined));
    await turns(2);
    harness.log.appendSync(message('promised'));
    gates.open();
    await turns();
    expect(large.error).toBeUndefined();
    gates.fail((call) => (isWrite(call) ? full : undefined));
    await expect(harness.log.append(message('refused'), 'async', undefined)).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(() => harness.log.appendSync(message('refused'))).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
    await turns();
    expect(harness.log.failure).toBeUndefined();
    gates.fail(() => undefined);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates))).toEqual(['first', 'large', 'promised']);
  });

  it('twice over, by the pool and by appendSync, is undone once, also where the pool succeeds after all', async () => {
    for (const poolFails of [false, true]) {
      const { gates, harness } = await prepared();
      gates.hold((call) => call.op === 'write');
      const large = watch(harness.log.append(message('large', 600 * KIB), 'async', undefined));
      await turns(2);
      gates.fail((call) => (call.op === 'writeSync' ? full : undefined));
      expect(() => harness.log.appendSync(message('now'))).toThrow(expect.objectContaining({ code: 'DISK_FULL', stored: 'no' }));
      gates.fail(() => undefined);
      if (poolFails) gates.held[0]?.fail(full);
      gates.open();
      await turns(600);
      expect(codeOf(large.error)).toBe('DISK_FULL');
      expect(await harness.log.append(message('after'), 'sync', undefined)).toMatchObject({ queueOffset: 1, durable: true });
      await closeLog(harness);
      expect(namesOf(await recordsOn(gates))).toEqual(['first', 'after']);
    }
  });

  it('of which nothing came to the disk on a disk that is really full', async () => {
    const platform = await preparedPlatform(1, 2 * MIB);
    const harness = await openLog(platform);
    const calls = messages(30, 100 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
    await turns(2000);
    const taken = calls.filter((call) => call.value !== undefined).length;
    expect(calls.slice(taken).map((call) => codeOf(call.error))).toEqual(calls.slice(taken).map(() => 'DISK_FULL'));
    const small = messages(20, 1 * KIB, 's').map((each) => watch(harness.log.append(each, 'sync', undefined)));
    await turns(600);
    const stored = [...calls, ...small].filter((call) => call.value !== undefined).length;
    expect(stored).toBeGreaterThan(0);
    expect(harness.failures).toEqual([]);
    expect(await recordsOn(platform.crash('all'))).toHaveLength(stored);
  });
});
