import { describe, expect, it } from 'vitest';
import { blankBytes, magicBlank } from '../../src/format/record-layout.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { gatesOver } from './gates.js';
import {
  bytesOf,
  closeLog,
  codeOf,
  logDirectory,
  makingDirectory,
  message,
  messages,
  namesOf,
  openLog,
  preparedPlatform,
  recordsOn,
  root,
  segmentPath,
  systemError,
  turns,
  watch,
} from './log-harness.js';

const segmentBytes = 4096;

describe('going over to the next segment', () => {
  it('ends the segment before with a blank of just what is left of it', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform, { segmentBytes });
    const receipts = await Promise.all(messages(40, 100).map((each) => harness.log.append(each, 'async', undefined)));
    await closeLog(harness);
    const last = receipts.filter((receipt) => receipt.physicalOffset < segmentBytes).at(-1);
    const end = (last?.physicalOffset ?? 0) + (last?.recordBytes ?? 0);
    const rest = bytesOf(platform, segmentPath(0), end, segmentBytes);
    expect([rest.readInt32BE(0), rest.readInt32BE(4)]).toEqual([segmentBytes - end, magicBlank]);
    expect(rest.subarray(8).every((byte) => byte === 0)).toBe(true);
    expect(namesOf(await recordsOn(platform, segmentBytes))).toHaveLength(40);
    expect(receipts.find((receipt) => receipt.physicalOffset >= segmentBytes)?.physicalOffset).toBe(segmentBytes);
  });

  it('fills a segment up to the eight bytes of its blank, and not further', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform, { segmentBytes });
    const { recordBytes } = await harness.log.append(message('m', 100), 'async', undefined);
    const room = segmentBytes - recordBytes - blankBytes;
    const fits = await harness.log.append(message('fits', room - (recordBytes - 100)), 'async', undefined);
    const next = await harness.log.append(message('next'), 'async', undefined);
    expect([fits.physicalOffset + fits.recordBytes, next.physicalOffset]).toEqual([segmentBytes - blankBytes, segmentBytes]);
    await closeLog(harness);
    expect(namesOf(await recordsOn(platform, segmentBytes))).toEqual(['m', 'fits', 'next']);
    const other = await openLog(await preparedPlatform(), { segmentBytes });
    await other.log.append(message('m', 100), 'async', undefined);
    const larger = await other.log.append(message('larger', room - (recordBytes - 100) + 1), 'async', undefined);
    expect(larger.physicalOffset).toBe(segmentBytes);
    await closeLog(other);
  });

  it('refuses a record that no segment can hold, saying how much one holds', async () => {
    const harness = await openLog(await preparedPlatform(), { segmentBytes });
    await harness.log.append(message('m'), 'async', undefined);
    const refused = harness.log.append(message('m', 5000), 'async', undefined);
    await expect(refused).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      limit: segmentBytes - blankBytes,
      actual: expect.any(Number),
    });
    expect(harness.segments.bases).toEqual([0]);
    await closeLog(harness);
  });

  it('never shows an empty segment in commitlog/, whatever call is being made', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const platform = await preparedPlatform(seed);
      const look = (): void => {
        for (const name of platform.fs.list(logDirectory)) {
          const head = bytesOf(platform, `${logDirectory}/${name}`, 0, 2 * segmentBytes);
          expect([name, head.length, head.readInt32BE(4) !== 0]).toEqual([name, segmentBytes, true]);
        }
      };
      const gates = gatesOver(platform);
      gates.fail(() => {
        look();
        return undefined;
      });
      const harness = await openLog(gates, { segmentBytes });
      await Promise.all(messages(200, 100).map((each, i) => harness.log.append(each, i % 3 === 0 ? 'sync' : 'async', undefined)));
      for (const each of messages(100, 100)) await harness.log.append(each, 'async', undefined);
      await closeLog(harness);
      look();
      expect(platform.fs.list(logDirectory).length).toBeGreaterThan(10);
    }
  });

  it('makes, fills, syncs, renames and makes the name durable, in this order, before a receipt', async () => {
    const lines: string[] = [];
    const platform = traceCalls(await preparedPlatform(), (line) => lines.push(line), root);
    const harness = await openLog(platform, { segmentBytes });
    await harness.log.append(message('m', 3000), 'sync', undefined);
    await turns();
    lines.length = 0;
    await harness.log.append(message('n', 3000), 'async', undefined);
    lines.push('receipt');
    await turns();
    expect(lines).toEqual([
      'writeSync stratalog/tmp/00000000000000004096 @4095 +1',
      // The one after it is made ahead.
      'open stratalog/tmp/00000000000000008192 create',
      'writeSync stratalog/tmp/00000000000000008192 @4095 +1',
      'writeSync stratalog/tmp/00000000000000000000 @3112 +8',
      'writeSync stratalog/tmp/00000000000000004096 @0 +3112',
      'sync stratalog/tmp/00000000000000004096 all',
      'rename stratalog/tmp/00000000000000004096 commitlog/00000000000000004096',
      'syncDirectory commitlog',
      'receipt',
    ]);
    await closeLog(harness);
  });

  it('acknowledges nothing in a new segment before its name is durable, to nobody', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes });
    await harness.log.append(message('first', 3000), 'sync', undefined);
    for (const op of ['sync', 'rename', 'syncDirectory']) {
      gates.hold((call) => call.op === op && (op !== 'sync' || call.path.includes('tmp')));
      const calls = (['async', 'sync'] as const).map((flush) => watch(harness.log.append(message(`m-${op}`, 1500), flush, undefined)));
      const reached = watch(harness.log.reach(harness.log.assigned, 'async'));
      await turns();
      expect([op, calls[0]?.settled, calls[1]?.settled, reached.settled]).toEqual([op, false, false, false]);
      gates.open();
      await turns();
      expect([op, calls[0]?.settled, calls[1]?.settled, reached.settled]).toEqual([op, true, true, true]);
      await harness.log.append(message('fill', 3000), 'sync', undefined);
    }
    await closeLog(harness);
  });

  it('keeps what was acknowledged, and what came before it, whenever the power fails', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const platform = await preparedPlatform(seed);
      const harness = await openLog(platform, { segmentBytes });
      const acknowledged: string[] = [];
      for (const [i, each] of messages(80, 100).entries()) {
        harness.log.append(each, 'sync', undefined).then(
          () => acknowledged.push(`m${i}`),
          () => undefined,
        );
        if (i % 7 === 0) await turns(seed % 5);
      }
      await turns(seed % 13);
      const promised = acknowledged.length;
      const found = namesOf(await recordsOn(platform.crash('random'), segmentBytes));
      expect(found).toEqual(Array.from({ length: found.length }, (_, i) => `m${i}`));
      expect(found.length).toBeGreaterThanOrEqual(promised);
    }
  });

  it('tells of a new segment only when it lies in the log, and whoever hears of it may append', async () => {
    const platform = await preparedPlatform();
    const inner: Promise<unknown>[] = [];
    const harness = await openLog(platform, {
      segmentBytes,
      onRolled: ({ log, rolled }) => {
        expect(platform.fs.list(logDirectory)).toHaveLength(rolled.length);
        if (inner.length < 3) inner.push(log.append(message(`inner${inner.length}`), 'async', undefined));
      },
    });
    await Promise.all(messages(60, 100).map((each) => harness.log.append(each, 'async', undefined)));
    await Promise.all(inner);
    await closeLog(harness);
    expect(harness.rolled).toEqual(harness.segments.bases);
    expect(namesOf(await recordsOn(platform, segmentBytes)).filter((name) => name.startsWith('inner'))).toEqual([
      'inner0',
      'inner1',
      'inner2',
    ]);
  });

  it('leaves nothing in the making when it is closed', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform, { segmentBytes });
    for (const each of messages(60, 100)) await harness.log.append(each, 'async', undefined);
    await closeLog(harness);
    expect(platform.fs.list(makingDirectory)).toEqual([]);
  });
});

describe('a next segment that cannot be made', () => {
  for (const [op, system, code] of [
    ['open', 'ENOSPC', 'DISK_FULL'],
    ['open', 'EMFILE', 'IO'],
    ['writeSync', 'ENOSPC', 'DISK_FULL'],
  ] as const) {
    it(`refuses the message for ${system} of ${op}, and changes nothing`, async () => {
      const gates = gatesOver(await preparedPlatform());
      const harness = await openLog(gates, { segmentBytes });
      await harness.log.append(message('a', 3000), 'sync', undefined);
      await harness.segments.close();
      gates.fail((call) => (call.op === op && call.bytes <= 1 && call.path.includes('tmp') ? systemError(system) : undefined));
      const { assigned } = harness.log;
      await expect(harness.log.append(message('b', 3000), 'async', undefined)).rejects.toMatchObject({ code, stored: 'no' });
      await turns(2);
      expect(() => harness.log.appendSync(message('b', 3000))).toThrow(expect.objectContaining({ code }));
      await turns(2);
      await expect(harness.log.appendBatch(messages(2, 1500), 'async', undefined)).rejects.toMatchObject({ code });
      await turns(2);
      expect(harness.log.assigned).toBe(assigned);
      expect((await harness.log.append(message('small'), 'async', undefined)).queueOffset).toBe(1);
      gates.fail(() => undefined);
      expect((await harness.log.append(message('c', 3000), 'async', undefined)).queueOffset).toBe(2);
      await closeLog(harness);
      expect(namesOf(await recordsOn(gates, segmentBytes))).toEqual(['a', 'small', 'c']);
    });
  }

  it('refuses the rest of the pipeline as well, also what would have found room', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes });
    await harness.log.append(message('a', 3000), 'sync', undefined);
    await harness.segments.close();
    gates.fail((call) => (call.op === 'open' ? systemError('ENOSPC') : undefined));
    const calls = [message('fits'), message('too large', 3000), message('would fit')].map((each) =>
      watch(harness.log.append(each, 'async', undefined)),
    );
    expect(() => harness.log.appendSync(message('would fit'))).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
    expect(() => harness.log.encodeNow(message('would fit'))).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
    await turns();
    expect(calls.map((call) => codeOf(call.error))).toEqual([undefined, 'DISK_FULL', 'DISK_FULL']);
    gates.fail(() => undefined);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates, segmentBytes))).toEqual(['a', 'fits']);
  });

  it('refuses those that wait behind it, and flush and drain go on', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes, pendingBytesMax: 3500 });
    await harness.log.append(message('a', 3000), 'sync', undefined);
    await harness.segments.close();
    gates.fail((call) => (call.op === 'open' ? systemError('ENOSPC') : undefined));
    const calls = [message('b', 100), message('c', 3300), message('d')].map((each) => watch(harness.log.append(each, 'async', undefined)));
    expect(harness.log.appendedCount).toBe(2);
    const flushed = watch(harness.log.flush());
    const drained = watch(harness.log.drain());
    await turns();
    expect(calls.map((call) => codeOf(call.error))).toEqual([undefined, 'DISK_FULL', 'DISK_FULL']);
    expect([flushed, drained].map((each) => [each.settled, each.error])).toEqual([
      [true, undefined],
      [true, undefined],
    ]);
    gates.fail(() => undefined);
    await closeLog(harness);
  });
});
