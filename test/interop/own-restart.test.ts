import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { besideJava } from './beside-java.js';
import { complaints, fullQueueLine } from './check-by-stock.js';
import { Stock, smallSizes } from './stock.js';
import { until } from './until.js';
import { fillTheirs } from './theirs.js';

/** What "no complaint about our files" is measured by. */
for (const dialect of ['v5', 'v4'] as const) {
  const beside = await besideJava({ smoke: false, dialects: [dialect] });

  describe.skipIf(beside.leftOut)(`a stock broker over a store of its own, ${dialect}${beside.note}`, () => {
    it('after a clean restart it too meets the end of the log and the end of the queues, and says so, and nothing else', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'stratalog-own-'));
      await using stock = await Stock.start(dialect);
      const first = await stock.startBroker(directory, smallSizes);
      await fillTheirs(stock, { seed: 1, count: 200, round: 0 });
      await first.stop();
      const second = await stock.startBroker(directory, smallSizes);
      await stock.routed('theirs');
      const log = second.log();
      expect(log).toContain('found a illegal magic code 0x0');
      expect(log).toMatch(/maxPhyOffsetOfConsumeQueue\((\d+)\) >= processOffset\(\1\), truncate dirty logic files/);
      expect(complaints(log)).toEqual([]);
      await second.stop();
      rmSync(directory, { recursive: true });
    });

    it('it too warns where it goes on reading a queue of delayed messages that ends where its file ends', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'stratalog-own-'));
      await using stock = await Stock.start(dialect);
      const broker = await stock.startBroker(directory, smallSizes);
      await stock.updateTopic('later', 1);
      await stock.routed('later');
      const bodies = Array.from({ length: smallSizes.queueEntriesPerFile }, (_, i) => Buffer.from(`${i}`));
      await stock.send(bodies.map((body) => ({ topic: 'later', queueId: 0, body, delayLevel: 1 })));
      await until(async () => (await stock.bounds('later', 0)).max === bodies.length, 'all are delivered');
      await until(async () => await Promise.resolve(fullQueueLine.test(broker.log())), 'it goes on reading');
      await broker.stop();
      rmSync(directory, { recursive: true });
    });
  });
}
