import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppendReceipt, openStore, writeConsumerGroups } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import { checkVerified } from './check-by-ours.js';
import type { Broker } from './broker.js';
import { brokerName, Stock, smallSizes } from './stock.js';

for (const dialect of ['v5', 'v4'] as const) {
  const beside = await besideJava({ smoke: false, dialects: [dialect] });

  describe.skipIf(beside.leftOut)(`mqadmin over a store of ours, ${dialect}${beside.note}`, () => {
    let directory = '';
    let stock: Stock;
    let broker: Broker;
    const receipts: AppendReceipt[] = [];

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'stratalog-admin-'));
      stock = await Stock.start(dialect);
      const store = await openStore(directory, { ...smallSizes, storeHost: stock.storeHost });
      for (let number = 0; number < 60; number += 1) {
        receipts.push(
          await store.append(
            { topic: 'asked', queueId: number % 2, tag: 'TagA', keys: [`key-${number}`], body: `body ${number}` },
            { flush: 'async' },
          ),
        );
      }
      await store.close();
      await writeConsumerGroups(directory, [
        {
          name: 'readers',
          positions: [
            { topic: 'asked', next: 10 },
            { topic: 'asked', queueId: 1, next: 25 },
          ],
        },
      ]);
      broker = await stock.startBroker(directory, smallSizes);
      await stock.routed('asked');
    });
    afterAll(async () => {
      await stock?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    it('topicStatus has the bounds of the queues', async () => {
      const rows = (await stock.mqadmin('topicStatus', '-t', 'asked')).split('\n').filter((line) => line.startsWith(brokerName));
      expect(rows.map((row) => row.trim().split(/\s+/).slice(0, 4))).toEqual([
        [brokerName, '0', '0', '30'],
        [brokerName, '1', '0', '30'],
      ]);
    });

    it('topicStatus says the same as a process of its own', async () => {
      const { stdout } = await promisify(execFile)('java', [...stock.toolCommand(), 'topicStatus', '-t', 'asked'], {
        env: { ...process.env, ROCKETMQ_HOME: stock.home },
      });
      expect(stdout.split('\n').filter((line) => line.startsWith(brokerName))).toHaveLength(2);
    });

    it('queryMsgByKey, queryMsgById and queryMsgByOffset find a message of ours', async () => {
      const { messageId, queueId, queueOffset } = receipts[41]!;
      expect(await stock.mqadmin('queryMsgByKey', '-t', 'asked', '-k', 'key-41')).toMatch(new RegExp(`\\s${queueId}\\s+${queueOffset}\\s`));
      // 4.x ends the process over an option that it does not know.
      const byId = await stock.mqadmin('queryMsgById', '-i', messageId, ...(dialect === 'v5' ? ['-t', 'asked'] : []));
      expect(byId).toMatch(/Queue ID:\s+1\n/);
      expect(byId).toMatch(new RegExp(`Queue Offset:\\s+${queueOffset}\\n`));
      expect(byId).toContain('key-41');
      const place = ['-t', 'asked', '-b', brokerName, '-i', String(queueId), '-o', String(queueOffset)];
      expect(await stock.mqadmin('queryMsgByOffset', ...place)).toContain(messageId);
    });

    it('consumeMessage prints the messages of a queue in order', async () => {
      const printed = await stock.mqadmin('consumeMessage', '-t', 'asked', '-b', brokerName, '-i', '1', '-o', '5', '-c', '10');
      const bodies = [...printed.matchAll(/body (\d+)/g)].map(([, number]) => Number(number));
      expect(bodies).toEqual(Array.from({ length: 10 }, (_, at) => 11 + 2 * at));
    });

    it('consumerProgress has the positions that we wrote', async () => {
      // The tool looks for the group by its retry topic, which a broker makes when the first consumer comes.
      await stock.updateTopic('%RETRY%readers', 1);
      await stock.routed('%RETRY%readers');
      const printed = await stock.mqadmin('consumerProgress', '-g', 'readers');
      const rows = printed.split('\n').filter((line) => line.startsWith('asked'));
      expect(rows.map((row) => row.trim().split(/\s+/).slice(2, 5).join(' ')).sort()).toEqual(['0 30 10', '1 30 25']);
    });

    it('updateTopic and sendMessage add to it, and we read what they have sent', async () => {
      expect(await stock.mqadmin('updateTopic', '-b', stock.brokerAddress, '-t', 'added', '-r', '3', '-w', '3')).toContain('success');
      await stock.routed('added');
      // Once: the command keeps its producer, and does not start it again in the same process.
      for (const body of ['one']) {
        const printed = await stock.mqadmin(
          'sendMessage',
          '-t',
          'added',
          '-p',
          body,
          '-k',
          `sent-${body}`,
          '-c',
          'TagS',
          '-b',
          brokerName,
          '-i',
          '2',
        );
        expect(printed).toContain('SEND_OK');
      }
      await broker.stop();
      const store = await openStore(directory, { ...smallSizes, storeHost: stock.storeHost });
      const { messages } = await store.read({ topic: 'added', queueId: 2 }, { from: 'earliest' });
      expect(messages.map(({ body, keys, tag }) => [body.toString(), keys, tag])).toEqual([['one', ['sent-one'], 'TagS']]);
      await checkVerified(store);
      await store.close();
    });
  });
}
