import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import { checkKeysByOurs, checkQueuesByOurs, checkVerified } from './check-by-ours.js';
import type { Dialect } from './maven/class-path.js';
import { Stock, smallSizes } from './stock.js';
import { failingGroup, failingTopic, fillTheirSpecial, fillTheirs, readAllByStock } from './theirs.js';

const seed = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1_000_000));

const messageCount = 800;

interface Case {
  readonly name: string;
  readonly dialect: Dialect;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly killed: boolean;
  readonly smoke: boolean;
}
const ipv6 = { brokerIP1: '::1', bindAddress: '::1' };
const cases: readonly Case[] = [
  { name: '5.x, closed', dialect: 'v5', settings: {}, killed: false, smoke: false },
  { name: '5.x, killed, property checksum on', dialect: 'v5', settings: { enabledAppendPropCRC: true }, killed: true, smoke: true },
  {
    name: '5.x, closed, property checksum on and forced',
    dialect: 'v5',
    settings: { enabledAppendPropCRC: true, forceVerifyPropCRC: true },
    killed: false,
    smoke: false,
  },
  { name: '5.x, killed, synchronous flush', dialect: 'v5', settings: { flushDiskType: 'SYNC_FLUSH' }, killed: true, smoke: false },
  { name: '5.x, closed, IPv6 hosts', dialect: 'v5', settings: ipv6, killed: false, smoke: false },
  { name: '4.9, closed', dialect: 'v4', settings: {}, killed: false, smoke: false },
  { name: '4.9, killed', dialect: 'v4', settings: {}, killed: true, smoke: false },
];

for (const { name, dialect, settings, killed, smoke } of cases) {
  const beside = await besideJava({ smoke, dialects: [dialect] });

  describe.skipIf(beside.leftOut)(`theirs, then ours: ${name}, seed ${seed}${beside.note}`, () => {
    it('every message of every queue is the same to us as to the stock client, by offset and by key', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'stratalog-theirs-'));
      await using stock = await Stock.start(dialect);
      const broker = await stock.startBroker(directory, smallSizes, { transactionTimeOut: 3_600_000, ...settings });
      await fillTheirs(stock, { seed, count: messageCount, round: 0 });
      await fillTheirSpecial(stock, 0);
      const queues = await readAllByStock(stock, directory);
      if (killed) await broker.kill();
      else await broker.stop();

      const store = await openStore(directory, { ...smallSizes, systemMessages: true });
      expect(store.recovery.truncatedBytes).toBe(0);
      expect(store.recovery.damage).toEqual([]);
      expect(await checkQueuesByOurs(store, queues)).toBeGreaterThan(messageCount);
      expect(
        await checkKeysByOurs(
          store,
          queues.flatMap(({ facts }) => facts ?? []),
        ),
      ).toBeGreaterThan(messageCount);
      await checkVerified(store);
      const topics = queues.map(({ topic }) => topic);
      expect(topics).toEqual(
        expect.arrayContaining([
          `%RETRY%${failingGroup}`,
          `%DLQ%${failingGroup}`,
          failingTopic,
          'SCHEDULE_TOPIC_XXXX',
          'RMQ_SYS_TRANS_HALF_TOPIC',
        ]),
      );
      await store.close();
      rmSync(directory, { recursive: true });
    });
  });
}
