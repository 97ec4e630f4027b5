import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import type { Broker } from './broker.js';
import { checkById, checkByKey, checkByOffset, checkByTime, checkConsumed, complaints, isOfDeletedRecords } from './check-by-stock.js';
import type { Facts } from './facts.js';
import { consumedTopics, earlyTopic, fillOurs, ordinaryTopics } from './ours.js';
import { type Sizes, Stock } from './stock.js';

/** Segments that hold a body of 4 MiB, everything else small. */
const sizes: Sizes = { segmentBytes: 6 * 1_048_576, queueEntriesPerFile: 100, indexSlotCount: 500, indexEntryCount: 900 };
const seed = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1_000_000));

const count = process.env['STRATALOG_INTEROP'] === 'smoke' ? 1_200 : 3_000;

for (const dialect of ['v5', 'v4'] as const) {
  const beside = await besideJava({ smoke: dialect === 'v5', dialects: [dialect] });

  describe.skipIf(beside.leftOut)(`ours, then theirs: a store of ours under a stock broker, ${dialect}, seed ${seed}${beside.note}`, () => {
    let directory = '';
    let stock: Stock;
    let broker: Broker;
    let facts: readonly Facts[];
    let minOffset = 0;
    const ids = new Map<number, string>();

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'stratalog-ours-'));
      stock = await Stock.start(dialect);
      const store = await openStore(directory, { ...sizes, storeHost: stock.storeHost, systemMessages: true, flush: 'async' });
      const filled = await fillOurs(store, {
        seed,
        count,
        largeCount: 4,
        longTopics: dialect === 'v5',
        emptyConsumed: dialect === 'v5',
        round: 0,
      });
      await store.flush();
      await store.clean({ before: filled[Math.floor(filled.length / 2)]!.physicalOffset });
      minOffset = store.stats().minOffset;
      facts = filled.filter((fact) => fact.physicalOffset >= minOffset);
      expect(minOffset).toBeGreaterThan(0);
      expect(facts.some((fact) => fact.topic === earlyTopic)).toBe(false);
      for await (const message of store.tailAll({ from: 'earliest', until: 'end' })) ids.set(message.physicalOffset, message.messageId);
      await store.close();
      broker = await stock.startBroker(directory, sizes);
      await stock.routed(ordinaryTopics[0]);
    });

    afterAll(async () => {
      await stock?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    it('the broker loads it without a complaint', () => {
      expect(complaints(broker.log())).toEqual([]);
    });

    it('every message is found by queue and offset with equal bytes, and the bounds of every queue agree', async () => {
      expect(await checkByOffset(stock, facts)).toBe(facts.length);
    });

    // 4.9 forgets the minimum of such a queue at a restart, also in a store of its own.
    it('a queue of which retention has left nothing keeps its numbering', async () => {
      expect(await stock.bounds(earlyTopic, 0)).toEqual({ min: dialect === 'v4' ? 0 : 10, max: 10 });
    });

    it('every message is found by each of its keys', async () => {
      expect(await checkByKey(stock, facts)).toBeGreaterThan(facts.length / 2);
    });

    it('every message is found by its id', async () => {
      await checkById(stock, ids, facts);
    });

    it.skipIf(dialect === 'v4')('by time the broker finds the same offset as we do', async () => {
      await checkByTime(stock, facts);
    });

    it('a stock consumer gets every message of a topic in the order of its queues, each once', async () => {
      for (const topic of consumedTopics) await checkConsumed(stock, facts, topic, `group-${topic}`);
    });

    it('after all of it, and after its shutdown, the log of the broker has no complaint about our files', async () => {
      await broker.stop();
      expect(complaints(broker.log()).filter((line) => !isOfDeletedRecords(line, minOffset, dialect))).toEqual([]);
    });
  });
}
