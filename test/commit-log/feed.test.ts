import { describe, expect, it } from 'vitest';
import { QueueRegistry } from '../../src/base/queue-registry.js';
import { feed } from '../../src/commit-log/feed.js';
import type { RecordFacts } from '../../src/format/record-facts.js';
import { closeLog, type LogHarness, message, messages, openLog, preparedPlatform } from './log-harness.js';

interface Fed {
  readonly rows: {
    offset: number;
    recordBytes: number;
    queue: string;
    queueOffset: number;
    tagsCode: number;
    storedAt: number;
    keys: number[];
  }[];
  readonly count: number;
  readonly batches: number;
}

async function fed({ segments }: LogHarness, from: number, to: number, signal?: AbortSignal): Promise<Fed> {
  const registry = new QueueRegistry();
  const rows: Fed['rows'] = [];
  let batches = 0;
  const target = {
    name: 'rows',
    accept(facts: RecordFacts, first: number, end: number) {
      for (let i = first; i < end; i += 1) {
        const slot = facts.slot[i] ?? -1;
        rows.push({
          offset: facts.physicalOffset[i] ?? -1,
          recordBytes: facts.recordBytes[i] ?? -1,
          queue: slot < 0 ? 'none' : `${registry.topicOf(slot)}/${registry.queueIdOf(slot)}`,
          queueOffset: facts.queueOffset[i] ?? -1,
          tagsCode: facts.tagsCode[i] ?? -1,
          storedAt: facts.storedAt[i] ?? -1,
          keys: [...facts.keyHashes.subarray(facts.keyStart(i), facts.keyEnd[i])],
        });
      }
    },
  };
  const count = await feed({ segments, registry, targets: [target], from, to, signal, afterBatch: () => (batches += 1) });
  return { rows, count, batches };
}

describe('feed', () => {
  it('reads from the log just what the appender knew of each record', async () => {
    const harness = await openLog(await preparedPlatform(), { segmentBytes: 4096, systemMessages: true });
    const appended: Fed['rows'] = [];
    for (let i = 0; i < 40; i += 1) {
      const { log } = harness;
      await log.append(
        { topic: 'T', queueId: i % 3, body: `m${i}`, tag: 'tag', keys: i % 2 === 0 ? ['k1', `k${i}`] : [] },
        'async',
        undefined,
      );
    }
    await harness.log.append({ topic: 'T', body: 'prepared', system: { sysFlag: 4 } }, 'async', undefined);
    harness.handed.forEach((row) => appended.push({ ...row, offset: row.physicalOffset } as never));
    const { rows, count } = await fed(harness, 0, harness.log.written);
    expect(count).toBe(41);
    expect(rows.map((row) => [row.offset, row.recordBytes, row.queueOffset])).toEqual(
      harness.handed.map((row) => [row.physicalOffset, row.recordBytes, row.queueOffset]),
    );
    expect(rows.at(-1)?.queue).toBe('none');
    expect(rows[4]).toMatchObject({
      queue: 'T/1',
      queueOffset: 1,
      tagsCode: 114_586,
      storedAt: harness.log.lastStoredAt,
      keys: [expect.any(Number), expect.any(Number)],
    });
    expect(rows[5]?.keys).toEqual([]);
    await closeLog(harness);
  });

  it('reads the part of the log that it is told to, a batch of rows at a time', async () => {
    const harness = await openLog(await preparedPlatform());
    const receipts = await Promise.all(messages(9000).map((each) => harness.log.append(each, 'async', undefined)));
    const [from, to] = [receipts[100]?.physicalOffset ?? 0, receipts[8900]?.physicalOffset ?? 0];
    const { rows, count, batches } = await fed(harness, from, to);
    expect([count, rows.length, rows[0]?.offset, rows.at(-1)?.offset, batches]).toEqual([
      8800,
      8800,
      from,
      receipts[8899]?.physicalOffset,
      3,
    ]);
    await closeLog(harness);
  });

  it('goes on with the next segment where one does not verify', async () => {
    const harness = await openLog(await preparedPlatform(), { segmentBytes: 4096 });
    for (const each of messages(60, 100)) await harness.log.append(each, 'async', undefined);
    await harness.log.flush();
    const starts = harness.handed.map((row) => row.physicalOffset);
    const damaged = starts.find((offset) => offset > 4096 + 1000) ?? 0;
    harness.segments.activeAt(damaged)?.file.writeSync([Buffer.alloc(8, 0xff)], damaged - 4096);
    const file = harness.platform.fs.open(harness.segments.pathOf(4096), 'read-write');
    file.writeSync([Buffer.alloc(8, 0xff)], damaged - 4096);
    await file.close();
    const { rows } = await fed(harness, 0, harness.log.written);
    expect(rows.map((row) => row.offset)).toEqual(starts.filter((offset) => offset < damaged || offset >= 8192));
    await closeLog(harness);
  });

  it('can be broken off', async () => {
    const harness = await openLog(await preparedPlatform());
    await harness.log.append(message('m'), 'async', undefined);
    await expect(fed(harness, 0, harness.log.written, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    await closeLog(harness);
  });
});
