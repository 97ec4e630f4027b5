import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type FlushMode, openStore, type Store } from '../../src/index.js';
import { Latencies, type LatencyUs } from '../common/latencies.js';
import { openFileCount } from '../common/machine-counters.js';
import { median, perSecond } from '../common/numbers.js';
import { type ProcessUse, watchProcess } from '../common/process-use.js';
import { seededRandom } from '../common/seeded-random.js';
import type { OpenForLoad } from './check-stored.js';
import { loadKey, loadMessages, loadTopic, type LoadShape } from './load-messages.js';

export interface SoakOptions extends LoadShape {
  readonly mode: FlushMode;
  readonly callers: number;
  readonly seconds: number;
  readonly sampleMs: number;
  readonly segmentBytes: number;
  /** Of the log, kept, so that a long run does not fill the disk. */
  readonly maxBytes: number;
  /** How much more memory may be resident in the last third than in the middle one. */
  readonly growthBytesMax: number;
}

export interface SoakSample {
  readonly atMs: number;
  readonly messagesPerSecond: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
  readonly openFiles: number | undefined;
}

export interface SoakRound {
  readonly messageCount: number;
  readonly readCount: number;
  readonly samples: readonly SoakSample[];
  /** Medians of the last third against the middle one: the first is left to warming up. */
  readonly rssGrowthBytes: number;
  readonly latencyUs: LatencyUs;
  readonly use: ProcessUse;
}

const readEvery = 512;

/** Appends, reads and deletes for a long time; throws if memory goes on growing or something is not there. */
export async function runSoak(directory: string, options: SoakOptions, open: OpenForLoad = openStore): Promise<SoakRound> {
  const { mode: flush, segmentBytes, maxBytes } = options;
  const store = await open(join(directory, 'store'), { flush, segmentBytes, retention: { maxBytes } });
  const soak = new Soak(store, options);
  const endWatch = watchProcess();
  const samples: SoakSample[] = [];
  let countBefore = 0;
  let atBefore = performance.now();
  const started = atBefore;
  const sample = (): void => {
    const now = performance.now();
    const { rss, heapUsed, external } = process.memoryUsage();
    samples.push({
      atMs: Math.round(now - started),
      messagesPerSecond: perSecond(soak.storedCount - countBefore, now - atBefore),
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      externalBytes: external,
      openFiles: openFileCount(),
    });
    countBefore = soak.storedCount;
    atBefore = now;
  };
  const timer = setInterval(sample, options.sampleMs);
  await soak.run(started + options.seconds * 1_000);
  clearInterval(timer);
  sample();
  const use = endWatch();
  await soak.checkNumbers();
  await store.close();
  const rssGrowthBytes = growth(samples.map((one) => one.rssBytes));
  if (rssGrowthBytes > options.growthBytesMax)
    throw new Error(`resident memory goes on growing: ${rssGrowthBytes} bytes from the middle third to the last`);
  return { messageCount: soak.storedCount, readCount: soak.readCount, samples, rssGrowthBytes, latencyUs: soak.latencies.summary(), use };
}

function growth(values: readonly number[]): number {
  const third = Math.floor(values.length / 3);
  return third === 0 ? 0 : median(values.slice(-third)) - median(values.slice(third, 2 * third));
}

class Soak {
  readonly latencies: Latencies = new Latencies(16);
  storedCount = 0;
  readCount = 0;
  readonly #store: Store;
  readonly #options: SoakOptions;
  #sentCount = 0;

  constructor(store: Store, options: SoakOptions) {
    this.#store = store;
    this.#options = options;
  }

  async run(untilMs: number): Promise<void> {
    const message = loadMessages(this.#options);
    const random = seededRandom(1);
    const call = async (): Promise<void> => {
      for (let calls = 1; performance.now() < untilMs; calls += 1) {
        const ordinal = this.#sentCount;
        this.#sentCount += 1;
        const begun = this.latencies.begin();
        await this.#store.append(message(ordinal));
        this.latencies.end(begun);
        this.storedCount += 1;
        if (calls % readEvery === 0) await this.#readBack(random());
        if (calls % readEvery === 0) await nextTurn();
      }
    };
    await Promise.all(Array.from({ length: this.#options.callers }, call));
  }

  /** One message of one queue, by offset and by key; the oldest may be deleted while one asks for it, so it stays away from them. */
  async #readBack(share: number): Promise<void> {
    const { queues } = this.#options;
    const queue = { topic: loadTopic, queueId: Math.floor(share * queues) };
    const { min, max } = this.#store.bounds(queue);
    if (max - min < 2) return;
    const from = Math.floor((min + max) / 2);
    const { messages } = await this.#store.read(queue, { from, countMax: 1 });
    const key = loadKey(from * queues + queue.queueId, 0);
    if (messages[0]?.keys[0] !== key) throw new Error(`offset ${from} of queue ${queue.queueId} does not hold ${key}`);
    let found = 0;
    for await (const message of this.#store.findByKey({ topic: loadTopic, key })) found += message.keys.length > 0 ? 1 : 0;
    if (found !== 1 && this.#store.bounds(queue).min <= from) throw new Error(`${key} was found ${found} times`);
    this.readCount += 1;
  }

  async checkNumbers(): Promise<void> {
    await this.#store.flush();
    const { queues } = this.#options;
    for (let queueId = 0; queueId < queues; queueId += 1) {
      const { max } = this.#store.bounds({ topic: loadTopic, queueId });
      const expected = Math.floor((this.storedCount - queueId + queues - 1) / queues);
      if (max !== expected) throw new Error(`queue ${queueId} ends at ${max} in place of ${expected}`);
    }
  }
}
