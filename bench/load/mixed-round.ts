import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type FlushMode, openStore, type Store } from '../../src/index.js';
import { Latencies, type LatencyUs } from '../common/latencies.js';
import { perSecond } from '../common/numbers.js';
import { type ProcessUse, watchProcess } from '../common/process-use.js';
import { seededRandom } from '../common/seeded-random.js';
import { checkStored, type OpenForLoad } from './check-stored.js';
import { loadKey, loadMessages, loadTopic, type LoadShape } from './load-messages.js';

export interface MixedOptions extends LoadShape {
  readonly mode: FlushMode;
  readonly writers: number;
  readonly readers: number;
  readonly tails: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface MixedRound {
  readonly writes: MixedShare;
  readonly reads: MixedShare;
  readonly finds: MixedShare;
  readonly tailedPerSecond: number;
  readonly durationMs: number;
  readonly use: ProcessUse;
}

interface MixedShare {
  readonly perSecond: number;
  readonly latencyUs: LatencyUs;
}

const filledFirst = 20_000;
const fillStep = 500;

/** Writers, readers by offset, readers by key and tails at once; each read must find what was stored there. */
export async function runMixed(directory: string, options: MixedOptions, open: OpenForLoad = openStore): Promise<MixedRound> {
  const store = await open(join(directory, 'store'), { flush: options.mode });
  const mix = new Mix(store, options);
  await mix.fill();
  const endWatch = watchProcess();
  const started = performance.now();
  await mix.run(started + options.seconds * 1_000);
  const durationMs = performance.now() - started;
  const use = endWatch();
  await checkStored(store, options, mix.storedCount);
  await store.close();
  const share = (latencies: Latencies): MixedShare => {
    const latencyUs = latencies.summary();
    return { perSecond: perSecond(latencyUs.sampleCount, durationMs), latencyUs };
  };
  return {
    writes: share(mix.writes),
    reads: share(mix.reads),
    finds: share(mix.finds),
    tailedPerSecond: perSecond(mix.tailedCount, durationMs),
    durationMs,
    use,
  };
}

class Mix {
  readonly writes: Latencies = new Latencies(1);
  readonly reads: Latencies = new Latencies(1);
  readonly finds: Latencies = new Latencies(1);
  tailedCount = 0;
  /** All below it have their receipts. */
  storedCount = 0;
  readonly #store: Store;
  readonly #options: MixedOptions;
  #sentCount = 0;

  constructor(store: Store, options: MixedOptions) {
    this.#store = store;
    this.#options = options;
  }

  async fill(): Promise<void> {
    const message = loadMessages(this.#options);
    for (; this.storedCount < filledFirst; this.storedCount += fillStep)
      await this.#store.appendBatch(Array.from({ length: fillStep }, (_, index) => message(this.storedCount + index)));
    this.#sentCount = this.storedCount;
    await this.#store.flush();
  }

  async run(untilMs: number): Promise<void> {
    const { writers, readers, tails, seed } = this.#options;
    const random = seededRandom(seed);
    const stopTails = new AbortController();
    const following = Array.from({ length: tails }, () => this.#follow(stopTails.signal));
    await Promise.all([
      ...Array.from({ length: writers }, () => this.#write(untilMs)),
      ...Array.from({ length: readers }, () => this.#repeat(untilMs, this.reads, () => this.#readAt(random))),
      ...Array.from({ length: readers }, () => this.#repeat(untilMs, this.finds, () => this.#findAt(random))),
    ]);
    this.storedCount = this.#sentCount;
    stopTails.abort();
    await Promise.all(following);
  }

  async #write(untilMs: number): Promise<void> {
    const message = loadMessages(this.#options);
    await this.#repeat(untilMs, this.writes, async () => {
      const ordinal = this.#sentCount;
      this.#sentCount += 1;
      await this.#store.append(message(ordinal));
      if (this.#options.writers === 1) this.storedCount = ordinal + 1;
    });
  }

  async #repeat(untilMs: number, latencies: Latencies, call: () => Promise<void>): Promise<void> {
    for (let calls = 1; ; calls += 1) {
      const begun = performance.now();
      if (begun >= untilMs) return;
      await call();
      latencies.record(performance.now() - begun);
      if (calls % 64 === 0) await nextTurn();
    }
  }

  async #readAt(random: () => number): Promise<void> {
    const { queues } = this.#options;
    const ordinal = Math.floor(random() * this.storedCount);
    const queue = { topic: loadTopic, queueId: ordinal % queues };
    const { messages } = await this.#store.read(queue, { from: Math.floor(ordinal / queues), countMax: 1 });
    if (messages[0]?.keys[0] !== loadKey(ordinal, 0)) throw new Error(`message ${ordinal} is not at its place`);
  }

  async #findAt(random: () => number): Promise<void> {
    const ordinal = Math.floor(random() * this.storedCount);
    let found = 0;
    for await (const message of this.#store.findByKey({ topic: loadTopic, key: loadKey(ordinal, 0) }))
      found += message.keys.length > 0 ? 1 : 0;
    if (found !== 1) throw new Error(`message ${ordinal} was found ${found} times by its key`);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const tail = this.#store.tailAll({ from: 'latest', signal });
    try {
      for await (const messages of tail.batches(500)) this.tailedCount += messages.length;
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
