import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import type { SentMessage } from './driver.js';
import { type Facts, factsOfSeen } from './facts.js';
import type { Stock } from './stock.js';
import { until } from './until.js';

const theirTopic = 'theirs';
const theirQueues = 4;
export const failingTopic = 'failing';
export const failingGroup = 'failing-group';
const laterTopic = 'later';
const halfTopic = 'halves';

export interface TheirPlan {
  readonly seed: number;
  readonly count: number;
  /** Distinguishes the keys of one fill from those of another in the same store. */
  readonly round: number;
}

/** Has the stock producer send ordinary messages of every kind, single, in batches, compressed or not. */
export async function fillTheirs(stock: Stock, plan: TheirPlan): Promise<void> {
  await stock.updateTopic(theirTopic, theirQueues);
  await stock.routed(theirTopic);
  const random = new SeededRandom(plan.seed);
  let number = 0;
  while (number < plan.count) {
    const messages: SentMessage[] = [];
    for (const together = 1 + random.below(20); messages.length < together && number < plan.count; number += 1) {
      messages.push(theirMessage(plan.round, number, random));
    }
    const way = random.below(3);
    if (way === 0) await stock.sendBatch(theirTopic, messages[0]!.queueId ?? 0, messages.map(shortened));
    else await stock.send(messages, way === 1 ? 1_000 : undefined);
  }
}

/** A batch is one body to the client, of 4 MiB at most. */
function shortened(message: SentMessage): SentMessage {
  return { ...message, body: message.body.subarray(0, 3_000) };
}

function theirMessage(round: number, number: number, random: SeededRandom): SentMessage {
  const kind = random.below(6);
  const text = `message ${number} – 消息 – сообщение `.repeat(1 + random.below(kind === 0 ? 400 : 10));
  return {
    topic: theirTopic,
    queueId: random.below(theirQueues),
    body: Buffer.from(text),
    ...(kind === 1 ? {} : { keys: `k-${round}-${number} shared-${random.below(10)}` }),
    ...(kind % 2 === 0 ? { tag: ['TagA', '標籤'][random.below(2)]! } : {}),
    ...(kind === 4 ? { flag: random.below(1_000) } : {}),
    properties: kind === 5 ? { имя: 'значение', plain: 'x'.repeat(1 + random.below(2_000)) } : {},
  };
}

/** Delayed by level, delayed to a time (5.x), half messages with each outcome, and messages that a consumer refuses until they are dead. */
export async function fillTheirSpecial(stock: Stock, round: number): Promise<void> {
  for (const topic of [laterTopic, halfTopic, failingTopic]) await stock.updateTopic(topic, 2);
  for (const topic of [laterTopic, halfTopic, failingTopic]) await stock.routed(topic);
  const special = (topic: string, number: number): SentMessage => ({
    topic,
    queueId: number % 2,
    body: Buffer.from(`${topic} ${number}`),
    keys: `${topic}-${round}-${number}`,
    tag: 'special',
    properties: { number: String(number) },
  });
  const later: SentMessage[] = [0, 1, 2].map((number) => ({ ...special(laterTopic, number), delayLevel: 1 }));
  const timed: SentMessage[] =
    stock.dialect === 'v4' ? [] : [3, 4].map((number) => ({ ...special(laterTopic, number), deliverAt: Date.now() + 2_500 }));
  const before = await maxOfTopic(stock, laterTopic);
  await stock.send([...later, ...timed]);
  await stock.sendHalf(
    [0, 1].map((number) => special(halfTopic, number)),
    'COMMIT_MESSAGE',
  );
  await stock.sendHalf(
    [2].map((number) => special(halfTopic, number)),
    'ROLLBACK_MESSAGE',
  );
  await stock.sendHalf(
    [3].map((number) => special(halfTopic, number)),
    'UNKNOW',
  );
  await stock.send([0, 1, 2].map((number) => special(failingTopic, number)));
  // Each is delivered, delivered again after a second, and dead after that.
  await stock.consume({ topic: failingTopic, group: failingGroup, count: 6, timeoutMs: 60_000, quietMs: 2_500, failTimes: 9, retryMax: 1 });
  await until(
    async () => (await maxOfTopic(stock, laterTopic)) >= before + later.length + timed.length,
    'the delayed messages have arrived',
  );
}

async function maxOfTopic(stock: Stock, topic: string): Promise<number> {
  const bounds = await Promise.all([0, 1].map((queueId) => stock.bounds(topic, queueId)));
  return bounds.reduce((sum, { max }) => sum + max, 0);
}

/** One queue as the broker serves it. */
export interface SeenQueue {
  readonly topic: string;
  readonly queueId: number;
  readonly min: number;
  readonly max: number;
  /** `undefined`: the broker does not let a client read it (4.9: the topics of half messages). */
  readonly facts: readonly Facts[] | undefined;
}

/** Everything in every queue that has a folder, system topics included, read by the stock client. */
export async function readAllByStock(stock: Stock, directory: string): Promise<SeenQueue[]> {
  const root = join(directory, 'consumequeue');
  const queues: SeenQueue[] = [];
  for (const topic of existsSync(root) ? readdirSync(root).sort() : []) {
    for (const name of readdirSync(join(root, topic)).sort()) {
      const queueId = Number(name);
      const { min, max } = await stock.bounds(topic, queueId);
      const isHidden = stock.dialect === 'v4' && topic.startsWith('RMQ_SYS_TRANS_');
      const facts = isHidden ? undefined : (await stock.pull(topic, queueId, min, max)).map(factsOfSeen);
      queues.push({ topic, queueId, min, max, facts });
    }
  }
  return queues;
}
