import { expect } from 'vitest';
import type { SeenMessage } from './driver.js';
import { type Facts, factsOfSeen } from './facts.js';
import type { Dialect } from './maven/class-path.js';
import type { Stock } from './stock.js';

/** Queue by queue, each in the order of its offsets. */
export function byQueue(facts: readonly Facts[]): ReadonlyMap<string, readonly Facts[]> {
  const queues = new Map<string, Facts[]>();
  for (const fact of facts) {
    const name = `${fact.topic}/${fact.queueId}`;
    const queue = queues.get(name);
    if (queue === undefined) queues.set(name, [fact]);
    else queue.push(fact);
  }
  return queues;
}

/** The stock client finds exactly these messages: every offset of every queue, and nothing before or behind them. */
export async function checkByOffset(stock: Stock, facts: readonly Facts[]): Promise<number> {
  let count = 0;
  for (const [name, queue] of byQueue(facts)) {
    const { topic, queueId, queueOffset: min } = queue[0]!;
    const max = queue.at(-1)!.queueOffset + 1;
    expect({ name, ...(await stock.bounds(topic, queueId)) }).toEqual({ name, min, max });
    const seen = await stock.pull(topic, queueId, min, max);
    expectSame(`${name} by offset`, seen.map(factsOfSeen), queue);
    count += seen.length;
  }
  return count;
}

/** Every key finds the messages that carry it, all of them, and no other. A broker gives 64 at most for one question. */
export async function checkByKey(stock: Stock, facts: readonly Facts[]): Promise<number> {
  const carriers = new Map<string, Facts[]>();
  for (const fact of facts) {
    for (const key of new Set(fact.keys)) {
      const name = `${fact.topic}\n${key}`;
      carriers.set(name, [...(carriers.get(name) ?? []), fact]);
    }
  }
  for (const [name, expected] of carriers) {
    const [topic = '', key = ''] = name.split('\n');
    const found = (await stock.byKey(topic, key)).map(factsOfSeen).sort((a, b) => a.physicalOffset - b.physicalOffset);
    if (expected.length <= 32) expectSame(`${topic} by key ${key}`, found, expected);
    else expectAmong(`${topic} by key ${key}`, found, expected);
  }
  return carriers.size;
}

/** By the message id of our receipts. */
export async function checkById(stock: Stock, ids: ReadonlyMap<number, string>, facts: readonly Facts[]): Promise<void> {
  for (const fact of facts) {
    const seen = await stock.view(fact.topic, ids.get(fact.physicalOffset)!);
    expect(seen, `${fact.topic} at ${fact.physicalOffset} by id`).toBeDefined();
    expectSame(`${fact.topic} by id`, [factsOfSeen(seen as SeenMessage)], [fact]);
  }
}

/** Broker and store name the same queue offset for a time: that of the first message stored at or after it. */
export async function checkByTime(stock: Stock, facts: readonly Facts[]): Promise<void> {
  for (const [name, queue] of byQueue(facts)) {
    const times = [queue[0]!, queue[Math.floor(queue.length / 2)]!, queue.at(-1)!].map((fact) => fact.storedAt);
    for (const time of times) {
      const first = queue.find((fact) => fact.storedAt >= time)!.queueOffset;
      const found = await stock.offsetAt(queue[0]!.topic, queue[0]!.queueId, time);
      expect({ name, time, found }).toEqual({ name, time, found: first });
    }
  }
}

/** Queue by queue in order, by the stock push consumer, each message once. */
export async function checkConsumed(stock: Stock, facts: readonly Facts[], topic: string, group: string): Promise<void> {
  const expected = facts.filter((fact) => fact.topic === topic);
  const starts = [...byQueue(expected).values()].map((queue) => [queue[0]!.queueId, queue[0]!.queueOffset] as const);
  await stock.setConsumerOffsets(group, topic, Object.fromEntries(starts));
  const seen = await stock.consume({ topic, group, count: expected.length, timeoutMs: 120_000, quietMs: 500, orderly: true });
  const found = byQueue(seen.map(factsOfSeen));
  const wanted = byQueue(expected);
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, queue] of wanted) expectSame(`${name} consumed`, found.get(name)!, queue);
}

/** `toEqual` of thousands of messages prints thousands of lines; this says which one differs first. */
export function expectSame(what: string, found: readonly Facts[], expected: readonly Facts[]): void {
  const length = Math.min(found.length, expected.length);
  for (let at = 0; at < length; at += 1) expect(found[at], `${what}: number ${at} of ${expected.length}`).toEqual(expected[at]);
  expect(found.length, `${what}: how many`).toBe(expected.length);
}

function expectAmong(what: string, found: readonly Facts[], expected: readonly Facts[]): void {
  const byOffset = new Map(expected.map((fact) => [fact.physicalOffset, fact]));
  expect(found.length, `${what}: how many`).toBeGreaterThanOrEqual(32);
  for (const fact of found) expectSame(what, [fact], [byOffset.get(fact.physicalOffset)!]);
}

/** Lines of a broker's log that speak of files or records, so of what we have written. */
export function complaints(log: string): readonly string[] {
  return log
    .replaceAll(checkAfterShutdown, '')
    .split('\n')
    .filter((line) => / (?:WARN|ERROR) /.test(line) && !harmless.some((pattern) => pattern.test(line)));
}

/** A queue whose last file is full, asked for what comes next: met with delayed messages, in a broker's own store too (own-restart.test.ts). */
export const fullQueueLine: RegExp =
  /RocketmqStoreError - Offset not matched\. Request offset: (\d+), firstOffset: \d+, lastOffset: \1, mappedFileSize/;

/** The check of transactions woken by the shutdown, which finds the pool of threads closed. */
const checkAfterShutdown = /^.* ERROR RocketmqTransaction - Check error\njava\.util\.concurrent\.RejectedExecutionException/gm;

/** What a broker warns of over an empty directory of its own too, or because of who calls it. */
const harmless: readonly RegExp[] = [
  /No resource file with name/,
  /Load default (?:HA|transaction|discard)/,
  /RocketmqTransaction - (?:No new message|The miss op offset)/,
  /take flush disk commit request, but interrupted|AllocateMappedFileService interrupted/,
  /unregisterBroker Exception|registerBroker Exception|Failed to register current broker|refresh metadata exception/,
  /Unknown channel option/,
  /RocketmqRemoting - Channel\[.*auto-read is disabled/,
  /NETTY EVENT: remove not active channel/,
  // The end of the log and the end of the queues, met in every recovery: a store of its own gives the same two lines (own-restart.test.ts).
  /RocketmqStore - found a illegal magic code 0x0$/,
  /RocketmqStore - maxPhyOffsetOfConsumeQueue\((\d+)\) >= processOffset\(\1\), truncate dirty logic files/,
  fullQueueLine,
  /message store has shutdown, so getMessage is forbidden|RocketmqTransaction - .*(?:return null|pullResult is null)/,
  // A consumer without offsets of its own begins at 0, where retention has left nothing.
  /PULL_OFFSET_MOVED:correction offset\..* requestOffset=0,/,
];

/** Asked for a key that a deleted message had too: the index goes back further than the log, in a broker's own store as in ours. */
export function isOfDeletedRecords(line: string, minOffset: number, dialect: Dialect): boolean {
  if (dialect === 'v4' && minOffset > 0 && line.endsWith('ERROR RocketmqStore - queryMessage exception')) return true;
  const offset = /Offset not matched\. Request offset: (\d+),/.exec(line)?.[1];
  return offset !== undefined && Number(offset) < minOffset;
}
