import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { besideJava } from './beside-java.js';
import { checkById, checkByKey, checkByOffset, checkConsumed, complaints } from './check-by-stock.js';
import { type Facts, factsOfAppend } from './facts.js';
import { Stock, smallSizes } from './stock.js';

const bodyStart = 88;
const beside = await besideJava({ smoke: true, dialects: ['v5'] });

/** The checks beside a broker are worth what they find: here the store is not what they are told that it is. */
describe.skipIf(beside.leftOut)(`controls of the checks beside a broker, v5${beside.note}`, () => {
  let directory = '';
  let stock: Stock;
  let facts: Facts[];
  const ids = new Map<number, string>();

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'stratalog-control-'));
    stock = await Stock.start('v5');
    const store = await openStore(directory, { ...smallSizes, storeHost: stock.storeHost });
    facts = [];
    for (let number = 0; number < 200; number += 1) {
      const message = {
        topic: 'control',
        queueId: number % 2,
        body: `message ${number}`,
        keys: [`c-${number}`],
        bornAt: 1_700_000_000_000,
      };
      const receipt = await store.append(message, { flush: 'async' });
      facts.push(factsOfAppend(message, receipt));
      ids.set(receipt.physicalOffset, receipt.messageId);
    }
    await store.close();
    flipBodyByte(facts[100]!.physicalOffset);
    await stock.startBroker(directory, smallSizes);
    await stock.routed('control');
  });
  afterAll(async () => {
    await stock?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** One bit of a body, and the body's checksum made to fit, so that nothing but a comparison can see it. */
  function flipBodyByte(physicalOffset: number): void {
    const path = join(directory, 'commitlog', '0'.repeat(20));
    const bytes = readFileSync(path);
    bytes[physicalOffset + bodyStart]! ^= 1;
    const bodyBytes = bytes.readInt32BE(physicalOffset + bodyStart - 4);
    const body = bytes.subarray(physicalOffset + bodyStart, physicalOffset + bodyStart + bodyBytes);
    bytes.writeInt32BE(crc32(body) & 0x7fffffff, physicalOffset + 8);
    writeFileSync(path, bytes);
  }
  const queue = (queueId: number): readonly Facts[] => facts.filter((fact) => fact.queueId === queueId);

  it('a flipped bit of one body is found by offset, by key, by id and by consuming, and only where it is', async () => {
    const { queueId, keys } = facts[100]!;
    await expect(checkByOffset(stock, queue(queueId))).rejects.toThrow('control/0 by offset: number 50');
    await expect(checkByKey(stock, facts.slice(99, 102))).rejects.toThrow(`by key ${keys[0]}`);
    await expect(checkById(stock, ids, facts.slice(99, 102))).rejects.toThrow('by id');
    await expect(checkConsumed(stock, facts, 'control', 'control-group')).rejects.toThrow('consumed: number 50');
    expect(await checkByOffset(stock, queue(1 - queueId))).toBe(100);
    expect(await checkByKey(stock, facts.slice(0, 20))).toBe(20);
  });

  it('a missing message and one too many are found', async () => {
    const ghost = { ...facts[199]!, queueOffset: 100, keys: ['c-ghost'] };
    await expect(checkByOffset(stock, [...queue(1), ghost])).rejects.toThrow();
    await expect(checkByKey(stock, [ghost])).rejects.toThrow('how many');
    await expect(checkByOffset(stock, queue(1).slice(0, -1))).rejects.toThrow();
  });

  it('a complaint in a log is found, what is known to be harmless is not', () => {
    expect(complaints('13:00:00.000 ERROR RocketmqStore - the size is wrong\n13:00:00.000 INFO RocketmqStore - fine')).toHaveLength(1);
    expect(complaints('13:00:00.000 WARN RocketmqStore - found a illegal magic code 0x7')).toHaveLength(1);
    expect(complaints('13:00:00.000 WARN RocketmqStore - maxPhyOffsetOfConsumeQueue(9) >= processOffset(7), truncate')).toHaveLength(1);
    expect(complaints('13:00:00.000 WARN RocketmqStore - found a illegal magic code 0x0')).toEqual([]);
  });
});
