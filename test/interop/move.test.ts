import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Message, openStore, readConsumerGroups, type Store, writeConsumerGroups } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import { byQueue, expectSame } from './check-by-stock.js';
import type { SeenMessage } from './driver.js';
import { type Facts, factsOfMessage, factsOfSeen } from './facts.js';
import { Stock, smallSizes } from './stock.js';

const topic = 'orders';
const queueIds = [0, 1, 2];
const group = 'billing';
/** A group that is not there while the broker runs. */
const idleGroup = 'mail';

for (const dialect of ['v5', 'v4'] as const) {
  const beside = await besideJava({ smoke: dialect === 'v5', dialects: [dialect] });

  describe.skipIf(beside.leftOut)(`the move of an application to a broker and back, ${dialect}${beside.note}`, () => {
    it('consumers go on at the next message, none lost, none repeated, both ways', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'stratalog-move-'));
      await using stock = await Stock.start(dialect);

      // The application, with positions of its own.
      const store = await openStore(directory, { ...smallSizes, storeHost: stock.storeHost });
      for (let number = 0; number < 900; number += 1) {
        await store.append({ topic, queueId: number % 3, body: `order ${number}`, keys: [`o-${number}`] }, { flush: 'async' });
      }
      await store.flush();
      const positions = new Map<number, number>();
      const rest: Facts[] = [];
      for (const queueId of queueIds) {
        const { next } = await store.read({ topic, queueId }, { from: 'earliest', countMax: 100 + 40 * queueId });
        positions.set(queueId, next);
        rest.push(...(await readFrom(store, queueId, next)).map(factsOfMessage));
      }
      await store.close();
      await writeConsumerGroups(directory, [
        { name: group, positions: queueIds.map((queueId) => ({ topic, queueId, next: positions.get(queueId)! })) },
        { name: idleGroup, positions: [{ topic, queueId: 1, next: 7 }] },
      ]);

      // The broker, on the same directory.
      const broker = await stock.startBroker(directory, smallSizes);
      await stock.routed(topic);
      const consumed = await stock.consume({ topic, group, count: rest.length, timeoutMs: 120_000, quietMs: 4_000, orderly: true });
      expectSameByQueue(consumed, rest);
      const sent = queueIds.map((queueId) => ({
        topic,
        queueId,
        body: Buffer.from(`sent to the broker, ${queueId}`),
        keys: `s-${queueId}`,
        properties: {},
      }));
      const receipts = await stock.send(sent);
      const more = await stock.consume({ topic, group, count: 3, timeoutMs: 120_000, quietMs: 4_000, orderly: true });
      expect(more.map(({ queueId, queueOffset }) => ({ queueId, queueOffset })).sort((a, b) => a.queueId - b.queueId)).toEqual(
        receipts.map(({ queueId, queueOffset }) => ({ queueId, queueOffset })),
      );
      await stock.send(sent);
      await broker.stop();

      // And back.
      const groups = await readConsumerGroups(directory);
      const ours = groups.find(({ name }) => name === group)!.positions.filter((position) => position.topic === topic);
      expect(ours).toEqual(queueIds.map((queueId) => ({ topic, queueId, next: 301 })));
      expect(groups.find(({ name }) => name === idleGroup)).toEqual({ name: idleGroup, positions: [{ topic, queueId: 1, next: 7 }] });
      const again = await openStore(directory, { ...smallSizes, storeHost: stock.storeHost });
      for (const { queueId = 0, next } of ours) {
        const left = await readFrom(again, queueId, next);
        expect(left.map((message) => message.body.toString())).toEqual([`sent to the broker, ${queueId}`]);
      }
      await again.close();
      rmSync(directory, { recursive: true });
    });
  });
}

async function readFrom(store: Store, queueId: number, from: number): Promise<readonly Message[]> {
  return (await store.read({ topic, queueId }, { from, countMax: 10_000, bytesMax: 100_000_000 })).messages;
}

function expectSameByQueue(seen: readonly SeenMessage[], expected: readonly Facts[]): void {
  const found = byQueue(seen.map(factsOfSeen));
  const wanted = byQueue(expected);
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, queue] of wanted) expectSame(name, found.get(name)!, queue);
}
