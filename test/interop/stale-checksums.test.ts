import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { segmentName } from '../../src/format/segment-name.js';
import { type Message, type NewMessage, openStore } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import { checkVerified } from './check-by-ours.js';
import { Stock, smallSizes } from './stock.js';
import { until } from './until.js';

const retried = 'retried';
const copied = 'copied';
const group = 'stale-group';
const copies = 5;

/**
 * A broker that has the property checksum off copies the properties of a record when it delivers a delayed message, ends a transaction, or sends a
 * message around again: our checksum too, which fits no more, and not always at the end.
 */
const beside = await besideJava({ smoke: false, dialects: ['v5'] });
describe.skipIf(beside.leftOut)(`copies that a broker makes of our records, v5${beside.note}`, () => {
  it('they carry our checksum, stale, and verify clean', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'stratalog-stale-'));
    await using stock = await Stock.start('v5');
    const options = { ...smallSizes, storeHost: stock.storeHost, systemMessages: true };
    const store = await openStore(directory, options);
    for (const message of originals()) await store.append(message);
    await store.close();

    const broker = await stock.startBroker(directory, smallSizes, { transactionTimeOut: 1_000, transactionCheckInterval: 1_000 });
    for (const topic of [retried, copied]) await stock.routed(topic);
    // Makes the producer group known that is asked how the half messages have ended.
    await stock.sendHalf([{ topic: copied, body: Buffer.from('of the client'), properties: { ends: 'well' } }], 'COMMIT_MESSAGE');
    await stock.consume({ topic: retried, group, count: copies * 3, timeoutMs: 60_000, failTimes: 9, retryMax: 2, quietMs: 3_000 });
    await until(async () => {
      const bounds = await Promise.all([0, 1].map((queueId) => stock.bounds(copied, queueId)));
      return bounds.reduce((sum, { max }) => sum + max, 0) >= 2 + 1 + 2 * copies;
    }, 'the delayed messages and the half ones have arrived');
    await broker.stop();

    const again = await openStore(directory, options);
    await checkVerified(again);
    const stale = new Map<string, number>();
    for await (const message of again.tailAll({ from: 'earliest', until: 'end' })) {
      if (hasStaleChecksum(directory, message)) stale.set(message.topic, (stale.get(message.topic) ?? 0) + 1);
      expect(Object.keys(message.properties)).not.toContain('__CRC32#');
    }
    console.log('records with a stale checksum:', Object.fromEntries(stale));
    // A half message that is asked about again before the answer has come is ended twice.
    expect(stale.get(copied)).toBeGreaterThanOrEqual(2 * copies);
    expect(stale.get(`%RETRY%${group}`)).toBe(2 * copies);
    expect(stale.get(`%DLQ%${group}`)).toBe(copies);
    await again.close();
    rmSync(directory, { recursive: true });
  });
});

function* originals(): Generator<NewMessage> {
  for (const queueId of [0, 1]) yield { topic: copied, queueId, body: 'makes the topic' };
  for (let number = 0; number < copies; number += 1) {
    yield { topic: retried, queueId: number % 2, body: `to be retried ${number}`, keys: [`r-${number}`], properties: { some: 'property' } };
    // As a broker stores a message of delay level 1, and a half message.
    yield {
      topic: 'SCHEDULE_TOPIC_XXXX',
      queueId: 0,
      body: `delayed ${number}`,
      keys: [`d-${number}`],
      properties: {
        DELAY: '1',
        REAL_TOPIC: copied,
        REAL_QID: '0',
        UNIQ_KEY: `7F00000100010000000000000000D${String(number).padStart(3, '0')}`,
      },
    };
    yield {
      topic: 'RMQ_SYS_TRANS_HALF_TOPIC',
      queueId: 0,
      body: `half ${number}`,
      keys: [`h-${number}`],
      properties: {
        REAL_TOPIC: copied,
        REAL_QID: '1',
        TRAN_MSG: 'true',
        PGROUP: 'driver-half-producer',
        UNIQ_KEY: `7F00000100010000000000000000E${String(number).padStart(3, '0')}`,
        ends: 'well',
      },
    };
  }
}

/** Whether the record's bytes name a checksum although it does not end with the one that fits. */
function hasStaleChecksum(directory: string, message: Message): boolean {
  const base = Math.floor(message.physicalOffset / smallSizes.segmentBytes) * smallSizes.segmentBytes;
  const segment = readFileSync(join(directory, 'commitlog', segmentName(base)));
  const record = segment.subarray(message.physicalOffset - base, message.physicalOffset - base + message.recordBytes);
  if (!record.includes('__CRC32#')) return false;
  const tail = record.subarray(-20).toString('latin1');
  return tail !== checksumText(record);
}

function checksumText(record: Buffer): string {
  const digits = String(crc32(record.subarray(0, -20)) & 0x7fffffff);
  return `__CRC32#\u0001${[...digits].reverse().join('').padEnd(10, '0')}\u0002`;
}
