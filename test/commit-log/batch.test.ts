import { describe, expect, it } from 'vitest';
import { RecordView } from '../../src/format/record-view.js';
import { gatesOver } from './gates.js';
import {
  bytesOf,
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
  segmentPath,
  turns,
  watch,
} from './log-harness.js';

const segmentBytes = 4096;

describe('appendBatch', () => {
  it('stores its messages side by side, the first with their count and bytes', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform);
    await harness.log.append(message('before'), 'async', undefined);
    const receipts = await harness.log.appendBatch([message('a', 10), message('b', 20, 1), message('c', 30)], 'sync', undefined);
    expect(receipts.map((receipt) => [receipt.queueId, receipt.queueOffset, receipt.durable])).toEqual([
      [0, 1, true],
      [1, 0, true],
      [0, 2, true],
    ]);
    const from = receipts[0]?.physicalOffset ?? 0;
    const to = (receipts[2]?.physicalOffset ?? 0) + (receipts[2]?.recordBytes ?? 0);
    await closeLog(harness);
    const view = new RecordView();
    const marks: unknown[] = [];
    for (const receipt of receipts) {
      const bytes = bytesOf(platform, segmentPath(0), receipt.physicalOffset, receipt.physicalOffset + receipt.recordBytes);
      expect(view.read(bytes, 0, bytes.length)).toBe('record');
      expect(view.verify(true)).toBe(true);
      marks.push(view.batchMark());
    }
    expect(marks).toEqual([{ recordCount: 3, bytes: to - from }, undefined, undefined]);
  });

  it('marks a batch of one not at all', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform);
    const [batch] = await harness.log.appendBatch([message('m')], 'async', undefined);
    const single = await harness.log.append(message('m'), 'async', undefined);
    expect(batch?.recordBytes).toBe(single.recordBytes);
    await closeLog(harness);
  });

  it('goes whole into the next segment where it does not fit into this one', async () => {
    for (const beforeBytes of [1000, 2500, 3500]) {
      const platform = await preparedPlatform();
      const harness = await openLog(platform, { segmentBytes });
      await harness.log.append(message('before', beforeBytes), 'async', undefined);
      const receipts = await harness.log.appendBatch(messages(5, 550), 'async', undefined);
      expect(receipts.map((receipt) => receipt.queueOffset)).toEqual([1, 2, 3, 4, 5]);
      expect(receipts[0]?.physicalOffset).toBe(segmentBytes);
      await closeLog(harness);
      expect((await recordsOn(platform, segmentBytes)).map((record) => record.queueOffset)).toEqual([0, 1, 2, 3, 4, 5]);
    }
  });

  it('larger than a segment is refused with the limit, and leaves no trace', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform, { segmentBytes });
    await harness.log.append(message('before'), 'async', undefined);
    const { assigned } = harness.log;
    await expect(harness.log.appendBatch(messages(10, 500), 'async', undefined)).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      limit: segmentBytes - 8,
    });
    expect([harness.log.assigned, harness.registry.next, harness.segments.bases]).toEqual([assigned, [1], [0]]);
    await closeLog(harness);
    expect(namesOf(await recordsOn(platform, segmentBytes))).toEqual(['before']);
  });

  it('leaves no trace of the messages before one that is refused: no bytes, numbers or time', async () => {
    const platform = await preparedPlatform();
    const harness = await openLog(platform, { segmentBytes: 16 * MIB });
    await harness.log.append(message('before', 900 * KIB), 'async', undefined);
    const { assigned, lastStoredAt, pendingBytes } = harness.log;
    await platform.advance(1000);
    // Over three windows, then one that is none.
    const batch = [...messages(5, 500 * KIB), { topic: 'T', body: 7 as never }];
    await expect(harness.log.appendBatch(batch, 'async', undefined)).rejects.toThrow(TypeError);
    expect([harness.log.assigned, harness.log.lastStoredAt, harness.log.pendingBytes, harness.registry.next]).toEqual([
      assigned,
      lastStoredAt,
      pendingBytes,
      [1],
    ]);
    const after = await harness.log.append(message('after'), 'async', undefined);
    expect([after.physicalOffset, after.queueOffset]).toEqual([assigned, 1]);
    await closeLog(harness);
    expect(namesOf(await recordsOn(platform))).toEqual(['before', 'after']);
    expect(harness.handed.map((row) => row.queueOffset)).toEqual([0, 1]);
  });

  it('over several windows is complete at once, or not at all', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates);
    gates.hold((call) => call.op === 'write');
    const before = watch(harness.log.append(message('before', 300 * KIB), 'async', undefined));
    const batch = watch(harness.log.appendBatch(messages(6, 500 * KIB), 'async', undefined));
    const after = watch(harness.log.append(message('after'), 'async', undefined));
    await turns(2);
    expect(gates.held.length).toBeGreaterThan(2);
    for (let last = gates.held.length; last > 1; last = gates.held.length) {
      await gates.held[0]?.release();
      await turns();
      expect([harness.handed.length, batch.settled]).toEqual([1, false]);
    }
    expect(before.settled).toBe(true);
    gates.open();
    await turns(100);
    expect([batch.value?.length, after.value?.queueOffset, harness.handed.length]).toEqual([6, 7, 8]);
    await closeLog(harness);
  });

  it('waits as a whole where it would bring too much before the disk', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { pendingBytesMax: MIB });
    gates.hold((call) => call.op === 'write');
    const first = watch(harness.log.append(message('first', 600 * KIB), 'async', undefined));
    const { assigned, pendingBytes } = harness.log;
    const batch = watch(harness.log.appendBatch(messages(4, 200 * KIB), 'async', undefined));
    expect([harness.log.assigned, harness.log.pendingBytes, harness.registry.next]).toEqual([assigned, pendingBytes, [1]]);
    gates.open();
    await turns(200);
    expect([first.value?.queueOffset, batch.value?.map((receipt) => receipt.queueOffset)]).toEqual([0, [1, 2, 3, 4]]);
    await closeLog(harness);
  });

  it('that must roll and then finds too much pending waits in front of the new segment', async () => {
    const gates = gatesOver(await preparedPlatform());
    const harness = await openLog(gates, { segmentBytes: 2 * MIB, pendingBytesMax: 1800 * KIB });
    gates.hold((call) => call.op === 'write');
    const first = watch(harness.log.append(message('first', 900 * KIB), 'async', undefined));
    const batch = watch(harness.log.appendBatch(messages(3, 400 * KIB), 'async', undefined));
    await turns(2);
    expect([batch.settled, harness.log.assigned]).toEqual([false, 2 * MIB]);
    gates.open();
    await turns(200);
    expect([first.value?.queueOffset, batch.value?.[0]?.physicalOffset]).toEqual([0, 2 * MIB]);
    await closeLog(harness);
    expect(namesOf(await recordsOn(gates, 2 * MIB))).toEqual(['first', 'm0', 'm1', 'm2']);
  });

  it('refuses nothing else when one batch is refused', async () => {
    const harness = await openLog(await preparedPlatform(), { segmentBytes });
    const calls = [
      watch(harness.log.append(message('a'), 'async', undefined)),
      watch(harness.log.appendBatch([message('x'), { topic: '', body: '' }], 'async', undefined)),
      watch(harness.log.append(message('b'), 'async', undefined)),
    ];
    await turns();
    expect(calls.map((call) => codeOf(call.error))).toEqual([undefined, 'TOPIC_INVALID', undefined]);
    await closeLog(harness);
  });
});
