import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore, type Store, StoreError } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import { checkKeysByOurs, checkVerified, queueByOurs } from './check-by-ours.js';
import { byQueue, checkByKey, checkByOffset, expectSame } from './check-by-stock.js';
import type { SentMessage } from './driver.js';
import { type Facts, factsOfBody, factsOfSeen } from './facts.js';
import { Stock, smallSizes } from './stock.js';
import { until } from './until.js';
import { WriterProcess } from './writer-process.js';

const topic = 'turns';
const queueIds = [0, 1, 2, 3];
/** What every acknowledgement, ours or theirs, says about a message. */
type Promised = Pick<Facts, 'queueId' | 'queueOffset' | 'bodyHash'>;

for (const dialect of ['v5', 'v4'] as const) {
  const beside = await besideJava({ smoke: false, dialects: [dialect] });

  describe.skipIf(beside.leftOut)(`in turns: one directory, six changes of owner, ${dialect}${beside.note}`, () => {
    let directory = '';
    let stock: Stock;
    /** Everything in the directory, as the last owner served it. */
    let known: readonly Facts[] = [];

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'stratalog-turns-'));
      stock = await Stock.start(dialect);
    });
    afterAll(async () => {
      await stock?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    const openOurs = (): Promise<Store> => openStore(directory, { ...smallSizes, storeHost: stock.storeHost, systemMessages: true });

    /** Nothing that was known has changed or gone, and what has been promised since is there. */
    function learn(now: readonly Facts[], promised: readonly Promised[]): void {
      const before = byQueue(known);
      const after = byQueue(now);
      for (const [name, queue] of before) expectSame(`${name} as before`, after.get(name)?.slice(0, queue.length) ?? [], queue);
      for (const { queueId, queueOffset, bodyHash } of promised) {
        const found = after.get(`${topic}/${queueId}`)?.[queueOffset];
        expect(found, `promised: queue ${queueId}, ${queueOffset}`).toMatchObject({ queueOffset, bodyHash });
      }
      expect(promised.length).toBeGreaterThan(0);
      known = now;
    }

    async function checkByOurs(promised: readonly Promised[]): Promise<void> {
      const store = await openOurs();
      learn((await Promise.all(queueIds.map((queueId) => queueByOurs(store, topic, queueId)))).flat(), promised);
      expect(await checkKeysByOurs(store, known)).toBeGreaterThanOrEqual(known.length);
      await checkVerified(store);
      await store.close();
    }

    async function refuseBroker(): Promise<void> {
      const settled = await stock.launchBroker(directory, smallSizes).settled();
      expect(settled).toMatchObject({ up: false });
      expect(settled.up ? '' : settled.output).toContain('Lock failed');
    }

    /** Our process appends, a broker is refused beside it, and it is killed. */
    async function oursKilled(turn: number): Promise<readonly Promised[]> {
      const factsPath = join(stock.home, `turn-${turn}`);
      const writer = await WriterProcess.start({ directory, factsPath, sizes: smallSizes, storeHost: stock.storeHost, topic, round: turn });
      await until(async () => writer.acknowledged().length > 300, 'our process has written');
      await refuseBroker();
      await writer.kill();
      return writer.acknowledged();
    }

    /** A broker serves what is there and takes more, while our store is refused; it is closed, or killed while more is being sent. */
    async function theirs(turn: number, end: 'closed' | 'killed', findsKeys: boolean): Promise<readonly Promised[]> {
      const broker = await stock.startBroker(directory, smallSizes);
      await stock.routed(topic);
      await checkByOffset(stock, known);
      if (findsKeys) await checkByKey(stock, known.slice(-300));
      const refusal = await openOurs().then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal).toBeInstanceOf(StoreError);
      expect(refusal).toMatchObject({ code: 'STORE_LOCKED' });

      const promised: Promised[] = [];
      for (let part = 0; part < 30; part += 1) promised.push(...(await sendPart(turn, part)));
      if (end === 'killed') {
        const more = sendUntilDead(turn, promised);
        await until(async () => promised.length > 450, 'more is being sent');
        await broker.kill();
        await more;
      } else {
        const seen = await Promise.all(
          queueIds.map(async (queueId) => stock.pull(topic, queueId, 0, (await stock.bounds(topic, queueId)).max)),
        );
        learn(seen.flat().map(factsOfSeen), promised);
        await broker.stop();
      }
      return promised;
    }

    async function sendPart(turn: number, part: number): Promise<readonly Promised[]> {
      const messages = Array.from({ length: 10 }, (_, at): SentMessage => {
        const number = part * 10 + at;
        const body = Buffer.from(`turn ${turn} message ${number} `.repeat(1 + (number % 40)));
        return { topic, queueId: number % queueIds.length, body, keys: `t-${turn}-${number}`, properties: {} };
      });
      const receipts = await stock.send(messages);
      return receipts.map(({ queueId, queueOffset }, at) => ({ queueId, queueOffset, bodyHash: factsOfBody(messages[at]!.body).bodyHash }));
    }

    async function sendUntilDead(turn: number, promised: Promised[]): Promise<void> {
      for (let part = 30; ; part += 1) {
        try {
          promised.push(...(await sendPart(turn, part)));
        } catch {
          return;
        }
      }
    }

    it('1 ours, killed, opened by us before it is handed on', async () => {
      await checkByOurs(await oursKilled(1));
    });
    it('2 theirs, closed', async () => {
      await theirs(2, 'closed', true);
    });
    it('3 ours, closed, a broker refused beside it', async () => {
      const store = await openOurs();
      learn((await Promise.all(queueIds.map((queueId) => queueByOurs(store, topic, queueId)))).flat(), known);
      const promised: Promised[] = [];
      for (let number = 0; number < 300; number += 1) {
        const body = `turn 3 message ${number}`;
        const { queueId, queueOffset } = await store.append({ topic, queueId: number % queueIds.length, body, keys: [`t-3-${number}`] });
        promised.push({ queueId, queueOffset, bodyHash: factsOfBody(Buffer.from(body)).bodyHash });
      }
      await refuseBroker();
      await store.close();
      await checkByOurs(promised);
    });
    it('4 theirs, killed while it takes messages', async () => {
      const promised = await theirs(4, 'killed', true);
      await checkByOurs(promised);
    });
    let promisedByFive: readonly Promised[] = [];
    it('5 ours, killed, and handed on as it is', async () => {
      promisedByFive = await oursKilled(5);
    });
    it('6 theirs, straight after our crash, closed', async () => {
      const broker = await stock.startBroker(directory, smallSizes);
      await stock.routed(topic);
      const seen = await Promise.all(
        queueIds.map(async (queueId) => stock.pull(topic, queueId, 0, (await stock.bounds(topic, queueId)).max)),
      );
      learn(seen.flat().map(factsOfSeen), promisedByFive);
      await broker.stop();
      await theirs(6, 'closed', false);
    });
    it('7 ours finds all of it again, by offset and by key', async () => {
      await checkByOurs(known);
    });
  });
}
