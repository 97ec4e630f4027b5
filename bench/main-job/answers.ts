import { performance } from 'node:perf_hooks';
import type { Message, Store } from '../../src/index.js';
import { formatCount, formatMs } from '../common/numbers.js';
import { seededRandom } from '../common/seeded-random.js';
import { earthquakesTopic, strongClasses } from './earthquakes.js';
import { roundSuffix, type EventTemplate } from './event-templates.js';
import { printHeading, printRow, startProgress } from './print.js';
import type { StoredSoFar } from './stored-so-far.js';

/** Step 3: questions, what each cost, and whether the answer is the one that follows from what was stored. */
export interface Answer {
  readonly question: string;
  readonly found: number;
  readonly expected: number;
  readonly durationMs: number;
}

export async function answerQuestions(store: Store, stored: StoredSoFar, seed: number): Promise<readonly Answer[]> {
  printHeading('3. Questions', 'Each answer is compared with what must be there; the time is that of the whole answer, messages decoded.');
  const random = seededRandom(seed);
  const answers: Answer[] = [];
  const ask = async (question: string, expected: number, find: () => Promise<number>): Promise<void> => {
    const started = performance.now();
    const found = await find();
    const answer = { question, found, expected, durationMs: performance.now() - started };
    answers.push(answer);
    printAnswer(answer);
  };
  const { name, template } = chooseEvent(stored, random);
  await ask(`event ${name}`, 1, () => countByKey(store, name, (message) => message.keys[0] === name));
  await ask(
    `events of ${template.hour}`,
    stored.countWhere((each) => each.hour === template.hour),
    () => countByKey(store, template.hour, (message) => message.keys.includes(template.hour)),
  );
  const since = stored.lastStoredAt - 1_000;
  const log = new WholeLog(stored, since);
  await ask('the whole log, in order', stored.count, () => log.read(store));
  await ask('stored in the last second: queues', log.sinceCount, () => countSinceByQueues(store, stored, since));
  await ask('stored in the last second: log', log.sinceCount, () => countSinceByLog(store, since));
  const strong = new Set(strongClasses);
  await ask(
    'strong ones, by tag',
    stored.countWhere((each) => strong.has(each.tag)),
    () => countStrong(store, stored),
  );
  await ask('last ten of the largest queue', Math.min(10, stored.count), () => countLastTen(store, stored));
  return answers;
}

function printAnswer({ question, found, expected, durationMs }: Answer): void {
  const each = found === 0 ? '' : `${formatMs(durationMs / found)} each`;
  const verdict = found === expected ? 'as expected' : `WRONG: ${formatCount(expected)} expected`;
  printRow(question, `${formatCount(found)} found`, `${formatMs(durationMs).padStart(9)}  ${each.padStart(14)}   ${verdict}`);
}

/** An event with the id it got in some round of the replay. */
function chooseEvent(stored: StoredSoFar, random: () => number): { readonly name: string; readonly template: EventTemplate } {
  const ordinal = Math.floor(random() * stored.count);
  const round = Math.floor(ordinal / stored.templates.length);
  const template = stored.templates[ordinal % stored.templates.length] as EventTemplate;
  return { name: round === 0 ? template.event.id : template.event.id + roundSuffix(round), template };
}

async function countByKey(store: Store, key: string, isRight: (message: Message) => boolean): Promise<number> {
  let count = 0;
  for await (const message of store.findByKey({ topic: earthquakesTopic, key })) if (isRight(message)) count += 1;
  return count;
}

/** By where each queue was at that time. */
async function countSinceByQueues(store: Store, stored: StoredSoFar, time: number): Promise<number> {
  let count = 0;
  for (const queueId of queueIds(stored)) {
    const queue = { topic: earthquakesTopic, queueId };
    count += store.bounds(queue).max - (await store.offsetAt(queue, time));
  }
  return count;
}

/** By reading the log from that time on. */
async function countSinceByLog(store: Store, time: number): Promise<number> {
  let count = 0;
  for await (const batch of store.tailAll({ from: { time }, until: 'end' }).batches(1_000)) count += batch.length;
  return count;
}

function queueIds(stored: StoredSoFar): readonly number[] {
  return [...new Set(stored.templates.map((template) => template.queueId))];
}

async function countStrong(store: Store, stored: StoredSoFar): Promise<number> {
  const strong = new Set(strongClasses);
  let count = 0;
  for (const queueId of queueIds(stored)) {
    const queue = { topic: earthquakesTopic, queueId };
    let from = store.bounds(queue).min;
    for (const { max } = store.bounds(queue); from < max; ) {
      const { messages, next } = await store.read(queue, { from, tags: strongClasses, countMax: 1_000, bytesMax: 4 * 1024 ** 2 });
      for (const { tag } of messages) if (tag !== undefined && strong.has(tag)) count += 1;
      if (next === from) return count;
      from = next;
    }
  }
  return count;
}

async function countLastTen(store: Store, stored: StoredSoFar): Promise<number> {
  const queues = queueIds(stored).map((queueId) => ({
    topic: earthquakesTopic,
    queueId,
    max: store.bounds({ topic: earthquakesTopic, queueId }).max,
  }));
  const largest = queues.reduce((left, right) => (right.max > left.max ? right : left));
  const from = Math.max(0, largest.max - 10);
  const { messages } = await store.read(largest, { from, countMax: 10, bytesMax: 4 * 1024 ** 2 });
  return messages.filter((message, index) => message.queueOffset === from + index).length;
}

/**
 * Everything, front to back. A message counts only if it comes after the one before it and holds the event that was stored at that
 * place. On the way it is noted how many were stored since a time, which is what the questions by time must find.
 */
class WholeLog {
  sinceCount = 0;
  readonly #stored: StoredSoFar;
  readonly #since: number;

  constructor(stored: StoredSoFar, since: number) {
    this.#stored = stored;
    this.#since = since;
  }

  async read(store: Store): Promise<number> {
    const { templates, count: total } = this.#stored;
    const progress = startProgress(total, 'messages read');
    let count = 0;
    let seen = 0;
    let lastOffset = -1;
    for await (const batch of store.tailAll({ from: 'earliest', until: 'end' }).batches(1_000)) {
      for (const message of batch) {
        const template = templates[seen % templates.length] as EventTemplate;
        seen += 1;
        if (message.physicalOffset > lastOffset && message.keys[0]?.startsWith(template.event.id) === true) count += 1;
        if (message.storedAt >= this.#since) this.sinceCount += 1;
        lastOffset = message.physicalOffset;
      }
      progress.update(seen);
    }
    progress.stop();
    return count;
  }
}
