import type { NewMessage, Store } from '../../src/index.js';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { type Facts, factsOfAppend } from './facts.js';

export interface FillPlan {
  readonly seed: number;
  /** Messages besides the special ones. */
  readonly count: number;
  /** Bodies of 4 MiB; segments must hold them. */
  readonly largeCount: number;
  /** Topics longer than 127 bytes, which a broker before 5.1 cannot read. */
  readonly longTopics: boolean;
  /** Empty bodies also in topics that are consumed: the push consumer of 4.9 stops at one (a NullPointerException, then silence). */
  readonly emptyConsumed: boolean;
  /** Distinguishes the messages of one fill from those of another in the same store. */
  readonly round: number;
}

export const ordinaryTopics: readonly [string, ...string[]] = ['orders', 'A', 'with-minus_and-underscore', 'bar|percent%', 'T'.repeat(127)];
/** Those of them that a push consumer reads. */
export const consumedTopics: readonly string[] = ordinaryTopics.slice(0, 3);
const queueIdsMax = 5;
/** Groups whose retry topics need the two-byte topic length. */
const longTopics: readonly string[] = [`%RETRY%${'g'.repeat(200)}`, `%DLQ%${'d'.repeat(249)}`];
/** Gets messages at the very beginning only, so that retention can leave it empty. */
export const earlyTopic = 'early';

/**
 * Appends messages of every kind in a random order from one seed, and returns what has to be found of them, in the order of the log. Keys are
 * `k-<round>-<number>` (one message each) and `shared-<n>` (many).
 */
export async function fillOurs(store: Store, plan: FillPlan): Promise<Facts[]> {
  const random = new SeededRandom(plan.seed);
  const facts: Facts[] = [];
  for (let number = 0; number < 20; number += 1) {
    const message: NewMessage = {
      topic: earlyTopic,
      queueId: number % 2,
      body: `early ${number}`,
      keys: [`e-${plan.round}-${number}`],
      bornAt: 1_700_000_000_000 + number,
    };
    facts.push(factsOfAppend(message, await store.append(message)));
  }
  const large = new Set(Array.from({ length: plan.largeCount }, (_, n) => Math.floor((plan.count * (n + 1)) / (plan.largeCount + 1))));
  for (let number = 0; number < plan.count; ) {
    const messages: NewMessage[] = [];
    const together = large.has(number) ? 1 : 1 + random.below(6);
    for (; messages.length < together && number < plan.count; number += 1) {
      if (messages.length > 0 && large.has(number)) break;
      messages.push(messageOf(plan, number, large.has(number), random));
    }
    const receipts =
      random.below(3) === 0 ? await store.appendBatch(messages) : await Promise.all(messages.map((message) => store.append(message)));
    for (const [at, message] of messages.entries()) facts.push(factsOfAppend(message, receipts[at]!));
  }
  return facts;
}

type Random = SeededRandom;

function messageOf(plan: FillPlan, number: number, isLarge: boolean, random: Random): NewMessage {
  const topics = plan.longTopics ? [...ordinaryTopics, ...longTopics] : ordinaryTopics;
  const kind = random.below(10);
  const key = `k-${plan.round}-${number}`;
  const topic = topics[random.below(topics.length)]!;
  const queueId = random.below(queueIdsMax);
  const body = isLarge ? bytes(4 * 1_048_576, random) : bodyOf(kind, number, random);
  return {
    topic,
    queueId,
    body: body.length === 0 && !plan.emptyConsumed && consumedTopics.includes(topic) ? 'not empty' : body,
    bornAt: 1_700_000_000_000 + plan.round * 1_000_000 + number,
    ...(kind === 0 ? {} : { keys: kind < 4 ? [key, `shared-${random.below(20)}`, 'ключ-鍵-🔑'] : [key] }),
    ...(kind % 2 === 0 ? { tag: ['TagA', 'TagB', 'étiquette', '標籤'][random.below(4)]! } : {}),
    ...(kind % 3 === 0 ? { properties: propertiesOf(number, random) } : {}),
    ...(kind === 5 ? { flag: [1, -1, 0x7fffffff, -0x80000000][random.below(4)]! } : {}),
    ...(kind === 6
      ? { system: { reconsumeTimes: random.below(17), bornHost: { address: '10.1.2.3', port: 1 + random.below(65_535) } } }
      : {}),
    ...(kind === 7 ? { system: { bornHost: { address: '2001:db8::1', port: 4711 } } } : {}),
  };
}

function bodyOf(kind: number, number: number, random: Random): Uint8Array | string {
  if (kind === 1) return '';
  if (kind === 2) return `{"number":${number},"text":"Grüße – 你好 – 🚀"}`;
  return bytes(random.below(kind === 3 ? 20_000 : 600), random);
}

function propertiesOf(number: number, random: Random): Record<string, string> {
  const properties: Record<string, string> = {
    plain: `value ${number}`,
    'имя-名前': 'значение – 値 – 🧭',
    a: 'b',
    spaces: ' leading and trailing ',
  };
  if (random.below(4) === 0) properties['long'] = 'x'.repeat(1 + random.below(16_000));
  return properties;
}

function bytes(count: number, random: Random): Buffer {
  const filled = Buffer.alloc(count);
  for (let at = 0; at + 4 <= count; at += 4) filled.writeUInt32LE(random.below(0x7fffffff), at);
  return filled;
}
