import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import { type Gates, gatesOver } from './gates.js';
import {
  closeLog,
  codeOf,
  KIB,
  type LogHarness,
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

async function prepared(
  options: Parameters<typeof openLog>[1] = {},
): Promise<{ gates: Gates; harness: LogHarness; platform: Awaited<ReturnType<typeof preparedPlatform>> }> {
  const platform = await preparedPlatform();
  const gates = gatesOver(platform);
  const harness = await openLog(gates, options);
  await harness.log.append(message('first'), 'sync', undefined);
  return { gates, harness, platform };
}

/** Nothing is acknowledged any more, whatever is asked. */
async function expectOver({ log, failures }: LogHarness): Promise<void> {
  expect(failures).toHaveLength(1);
  expect(log.failure).toMatchObject({ code: 'STORE_FAILED', stored: 'no' });
  const { assigned } = log;
  await expect(log.append(message('more'), 'async', undefined)).rejects.toBe(log.failure);
  await expect(log.appendBatch(messages(2), 'sync', undefined)).rejects.toBe(log.failure);
  expect(() => log.appendSync(message('more'))).toThrow(log.failure);
  await expect(log.waitForRoom(undefined)).rejects.toBe(log.failure);
  if (log.flushed < assigned) {
    await expect(log.flush()).rejects.toBe(log.failure);
    await expect(log.drain()).rejects.toBe(log.failure);
    await expect(log.reach(assigned, 'sync')).rejects.toBe(log.failure);
  }
  expect(log.assigned).toBe(assigned);
  await log.end();
}

describe('a failure of the log that is final', () => {
  it('is a failed sync, whichever it is: nothing that it covered is acknowledged, and no sync is tried again', async () => {
    for (let failing = 1; failing <= 6; failing += 1) {
      const platform = await preparedPlatform(failing);
      const gates = gatesOver(platform);
      const harness = await openLog(gates, { segmentBytes: 4096, flush: 'sync' });
      let syncs = 0;
      gates.fail((call) => (call.op === 'sync' && (syncs += 1) === failing ? systemError('EIO') : undefined));
      const acknowledged: string[] = [];
      const errors: unknown[] = [];
      for (let i = 0; i < 40 && errors.length === 0; i += 1) {
        const name = `m${i}`;
        await harness.log.append(message(name, 700), 'sync', undefined).then(
          (receipt) => acknowledged.push(receipt.durable ? name : 'not durable'),
          (error: unknown) => errors.push(error),
        );
      }
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatchObject({ code: 'STORE_FAILED', stored: 'unknown', cause: { code: 'EIO' } });
      const syncsThen = syncs;
      await expectOver(harness);
      await turns();
      expect(syncs).toBe(syncsThen);
      expect(namesOf(await recordsOn(platform.crash('synced'), 4096)).slice(0, acknowledged.length)).toEqual(acknowledged);
    }
  });

  it('rejects all who waited with `unknown`, in both modes, and those who come later with `no`', async () => {
    const { gates, harness } = await prepared({ pendingBytesMax: MIB, flush: 'sync' });
    gates.hold((call) => call.op === 'write' || call.op === 'sync');
    const written = watch(harness.log.append(message('written'), 'sync', undefined));
    await turns(2);
    const pending = [
      watch(harness.log.append(message('pending', 700 * KIB), 'async', undefined)),
      watch(harness.log.append(message('waits', 700 * KIB), 'sync', undefined)),
    ];
    await turns(2);
    gates.held.find((call) => call.op === 'sync')?.fail(systemError('EIO'));
    await turns(2);
    expect([written.error, pending[0]?.error]).toEqual([harness.failures[0], harness.failures[0]]);
    expect(harness.failures[0]).toMatchObject({ stored: 'unknown' });
    expect(pending[1]?.error).toBe(harness.log.failure);
    gates.open();
    await turns();
    await expectOver(harness);
  });

  it('stays so while what was on its way comes to its end', async () => {
    const { gates, harness } = await prepared({ segmentBytes: MIB });
    gates.hold((call) => call.op === 'write' || call.op === 'rename');
    const calls = messages(4, 500 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
    await turns(2);
    harness.log.fail(new Error('pulled out'), 'a test');
    harness.log.fail(new Error('again'), 'a test');
    gates.open();
    await turns(100);
    expect(calls.map((call) => call.error)).toEqual(calls.map(() => harness.failures[0]));
    expect(gates.calls.filter((call) => call.op === 'rename')).toHaveLength(1);
    expect(String(harness.log.failure)).toContain('a test (pulled out)');
    await expectOver(harness);
  });

  it('is a write that fails for another reason than want of room, alone or beside one that does', async () => {
    for (const codes of [['EIO'], ['ENOSPC', 'EIO'], ['EIO', 'ENOSPC'], ['EROFS']]) {
      const { gates, harness } = await prepared();
      gates.hold((call) => call.op === 'write');
      const calls = messages(4, 700 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
      await turns(2);
      for (const code of codes) gates.held[0]?.fail(systemError(code));
      gates.open();
      await turns(100);
      expect(calls.map((call) => codeOf(call.error))).toEqual(calls.map(() => 'STORE_FAILED'));
      await expectOver(harness);
    }
  });

  it('is a failed write that came while the log failed already: it changes nothing', async () => {
    const { gates, harness } = await prepared();
    gates.hold((call) => call.op === 'write');
    const call = watch(harness.log.append(message('m', 700 * KIB), 'async', undefined));
    await turns(2);
    gates.held[0]?.fail(systemError('ENOSPC'));
    harness.log.fail('pulled out', 'a test');
    gates.open();
    await turns(100);
    expect(call.error).toMatchObject({ stored: 'unknown' });
    expect(String(harness.log.failure)).toContain('pulled out');
    await expectOver(harness);
  });

  for (const op of ['read', 'write', 'sync'] as const) {
    it(`is a ${op} that fails while a failed write is undone`, async () => {
      const { gates, harness } = await prepared();
      gates.fail((call) => (call.op === 'writeSync' ? systemError('ENOSPC') : undefined));
      const ahead = watch(harness.log.append(message('on the disk', 300 * KIB), 'async', undefined));
      await turns();
      expect(ahead.settled).toBe(true);
      gates.hold((call) => call.op === 'write');
      const calls = messages(2, 700 * KIB).map((each) => watch(harness.log.append(each, 'async', undefined)));
      await turns(2);
      const [lower, upper] = gates.held;
      await upper?.release();
      gates.hold(() => false);
      gates.fail((call) => (call.op === op ? systemError('EIO') : undefined));
      lower?.fail(systemError('ENOSPC'));
      await turns(600);
      expect(calls.map((call) => codeOf(call.error))).toEqual(['STORE_FAILED', 'STORE_FAILED']);
      gates.fail(() => undefined);
      await expectOver(harness);
    });
  }

  for (const op of ['sync', 'rename', 'syncDirectory'] as const) {
    it(`is a new segment for which ${op} fails`, async () => {
      const gates = gatesOver(await preparedPlatform());
      const harness = await openLog(gates);
      gates.fail((call) => (call.op === op ? systemError('EIO') : undefined));
      const calls = (['async', 'sync'] as const).map((flush) => watch(harness.log.append(message('m'), flush, undefined)));
      await turns();
      expect(calls.map((call) => call.error)).toEqual([harness.failures[0], harness.failures[0]]);
      const reached = watch(harness.log.reach(harness.log.assigned, 'async'));
      await turns();
      expect(reached.error).toBe(harness.log.failure);
      await expectOver(harness);
    });
  }

  it('is a segment that somebody has deleted', async () => {
    const { harness, platform } = await prepared();
    await platform.fs.remove(segmentPath(0));
    await expect(harness.log.append(message('m'), 'sync', undefined)).rejects.toMatchObject({ code: 'STORE_FAILED', stored: 'unknown' });
    expect(String(harness.log.failure)).toContain('deleted by somebody else');
    await expectOver(harness);
  });

  it('does not take back what was durable before', async () => {
    const { harness } = await prepared();
    harness.log.fail(new Error('x'), 'a test');
    await harness.log.flush();
    await harness.log.reach(harness.log.flushed, 'sync');
    await expectOver(harness);
  });
});

describe('syncs of the log', () => {
  it('go through the segments in ascending order, and leave out those that were synced', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes: 4096 });
    for (const each of messages(30, 700)) await harness.log.append(each, 'async', undefined);
    await harness.log.flush();
    gates.calls.length = 0;
    for (const each of messages(30, 700)) await harness.log.append(each, 'async', undefined);
    await turns();
    gates.calls.length = 0;
    await harness.log.flush();
    const paths = gates.calls.filter((call) => call.op === 'sync').map((call) => call.path);
    expect(paths.length).toBeGreaterThan(3);
    expect(paths).toEqual([...paths].sort());
    expect(new Set(paths).size).toBe(paths.length);
    await closeLog(harness);
  });

  it('begin with the first segment there is, wherever the log begins', async () => {
    const platform = await preparedPlatform();
    const first = await openLog(platform, { segmentBytes: 4096 });
    for (const each of messages(20, 700)) await first.log.append(each, 'sync', undefined);
    await closeLog(first);
    await platform.fs.remove(segmentPath(0));
    await platform.fs.remove(segmentPath(4096));
    const second = await openLog(platform, { segmentBytes: 4096 });
    const { flushed } = second.log;
    const receipt = await second.log.append(message('m'), 'sync', undefined);
    expect([receipt.durable, second.log.flushed > flushed, flushed > 8192]).toEqual([true, true, true]);
    await closeLog(second);
  });

  it('name a record that is wholly on the disk', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform, { segmentBytes: 4096 });
    for (const each of messages(40, 300)) {
      const { physicalOffset, recordBytes } = await harness.log.append(each, 'sync', undefined);
      const named = harness.log.lastSyncedRecord;
      expect(named).toBeDefined();
      expect(named?.end).toBeLessThanOrEqual(harness.log.flushed);
      expect(named?.start).toBeLessThanOrEqual(physicalOffset);
      expect(physicalOffset + recordBytes).toBeLessThanOrEqual(harness.log.flushed);
    }
    await closeLog(harness);
  });

  it('show a sync store what is durable, and an async store what is written', async () => {
    for (const flush of ['sync', 'async'] as const) {
      const gates = gatesOver(await preparedPlatform());
      const harness = await openLog(gates, { flush });
      await harness.log.append(message('first'), 'sync', undefined);
      gates.hold((call) => call.op === 'sync');
      const call = watch(harness.log.append(message('m'), 'async', undefined));
      const durable = watch(harness.log.append(message('n'), 'sync', undefined));
      await turns();
      expect([call.settled, durable.settled, harness.handed.length]).toEqual([true, false, flush === 'sync' ? 1 : 3]);
      expect(harness.log.visible).toBe(flush === 'sync' ? harness.log.flushed : harness.log.written);
      gates.open();
      await turns();
      expect([durable.settled, harness.handed.length, harness.flushes.length]).toEqual([true, 3, harness.log.flushCount]);
      await closeLog(harness);
    }
  });

  it('feed derived structures before any receipt', async () => {
    for (const flush of ['sync', 'async'] as const) {
      const order: string[] = [];
      const harness = await openLog(await preparedPlatform(), { flush, onVisible: ({ handed }) => order.push(`fed ${handed.length}`) });
      await harness.log.append(message('m'), flush, undefined).then(() => order.push('receipt'));
      await closeLog(harness);
      expect(order.indexOf('fed 1')).toBeLessThan(order.indexOf('receipt'));
      expect(order).toContain('fed 1');
    }
  });

  it('take a failure of those who hear of them for a failure of the log', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, {
      flush: 'sync',
      onVisible: () => {
        throw new StoreError('IO', 'side file');
      },
    });
    await expect(harness.log.append(message('m'), 'sync', undefined)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await harness.log.end();
  });
});
