import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import { checkKeysByOurs, checkVerified, queueByOurs } from './check-by-ours.js';
import { byQueue, checkByKey, checkByOffset, expectSame } from './check-by-stock.js';
import type { Facts } from './facts.js';
import { Stock, smallSizes } from './stock.js';
import { until } from './until.js';
import { WriterProcess } from './writer-process.js';

/**
 * The lock keeps a broker from serving, not from touching: it loads, recovers and deletes before it asks for the lock. So each of these starts
 * works on the directory of a store that is being written to.
 */
const starts = process.env['STRATALOG_INTEROP'] === 'smoke' ? 2 : 10;

for (const dialect of ['v5', 'v4'] as const) {
  const beside = await besideJava({ smoke: dialect === 'v5', dialects: [dialect] });

  describe.skipIf(beside.leftOut)(`a stock broker beside a live store of ours, ${dialect}, ${starts} starts${beside.note}`, () => {
    it('it is refused each time, and after the death of our process every acknowledged message is there', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'stratalog-live-'));
      await using stock = await Stock.start(dialect);
      const factsPath = join(stock.home, 'acknowledged');
      const job = { directory, factsPath, sizes: smallSizes, storeHost: stock.storeHost, topic: 'live', round: 0 };
      const writer = await WriterProcess.start(job);
      try {
        await until(async () => writer.acknowledged().length > 500, 'there is something to recover');
        for (let start = 0; start < starts; start += 1) {
          const before = writer.acknowledged().length;
          const settled = await stock.launchBroker(directory, smallSizes).settled();
          expect(settled, 'the broker is refused').toMatchObject({ up: false });
          expect(settled.up ? '' : settled.output).toContain('Lock failed');
          if (!writer.isAlive) throw new Error(`our process has ended: ${writer.output}`);
          await until(async () => writer.acknowledged().length > before + 50, `our store goes on: ${writer.output}`);
        }
      } finally {
        await writer.kill();
      }
      const facts = writer.acknowledged();
      console.log(`${facts.length} messages acknowledged beside ${starts} starts of a ${stock.version} broker`);

      const store = await openStore(directory, { ...smallSizes, storeHost: stock.storeHost, systemMessages: true });
      const present = await presentAmong(store, facts);
      expect(await checkKeysByOurs(store, facts)).toBe(facts.length);
      await checkVerified(store);
      await store.close();

      const broker = await stock.startBroker(directory, smallSizes);
      await stock.routed('live');
      expect(await checkByOffset(stock, present)).toBe(present.length);
      expect(await checkByKey(stock, facts.slice(-200))).toBe(200);
      await broker.stop();
      rmSync(directory, { recursive: true });
    });
  });
}

/** Everything in the store; each acknowledged message must be among it, and behind the last of a queue there may be one that was not. */
async function presentAmong(store: Parameters<typeof queueByOurs>[0], facts: readonly Facts[]): Promise<Facts[]> {
  const present: Facts[] = [];
  for (const [name, acknowledged] of byQueue(facts)) {
    const found = await queueByOurs(store, 'live', acknowledged[0]!.queueId);
    expectSame(`${name} acknowledged`, found.slice(0, acknowledged.length), acknowledged);
    expect(found.length).toBeLessThanOrEqual(acknowledged.length + 1);
    present.push(...found);
  }
  return present;
}
