import { type Message, type NewMessage, openStore, type Store, type StoreOptions } from '../../src/index.js';
import { newestWatermark } from '../../src/recovery/watermark.js';
import { manualClock, type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { collect } from '../contract/harness.js';
import { copyOf, diskOf, type Image, imageOf, root } from './image.js';

export type Ending = 'closed' | 'killed' | 'power cut';

/** A small store, and what an undamaged opening of it gives back. */
export interface MadeStore {
  readonly seed: number;
  readonly ending: Ending;
  readonly image: Image;
  /** The same store earlier in its life: where stale blocks and files come from. */
  readonly older: Image;
  readonly messages: readonly Message[];
  /**
   * Written and not yet durable when the power failed: the undamaged store ends before them. Some of their blocks may have reached the
   * disk, so that a damaged one may still have them: nobody was told that they are stored, and nobody that they are not.
   */
  readonly unacknowledged: readonly Message[];
  readonly options: StoreOptions & { readonly segmentBytes: number };
  /** Up to here the log was durable, as the store itself noted it. */
  readonly durable: number;
}

interface Plan {
  readonly options: StoreOptions & { readonly segmentBytes: number };
  readonly ending: Ending;
  readonly topics: readonly string[];
  readonly queueCount: number;
  readonly messageCount: number;
  readonly generations: number;
}

function planOf(random: SeededRandom): Plan {
  const pick = <T>(...among: readonly [T, ...T[]]): T => among[random.below(among.length)] ?? among[0];
  return {
    options: {
      segmentBytes: pick(2048, 4096, 4096, 8192, 16_384),
      queueEntriesPerFile: pick(8, 16, 64),
      indexSlotCount: pick(5, 31),
      indexEntryCount: pick(20, 60),
      freeBytesMin: 0,
      flush: pick('sync', 'sync', 'async'),
      recordChecksum: !random.chance(0.12),
      keyIndex: !random.chance(0.06),
      storeHost: random.chance(0.12) ? { address: '2001:db8::1', port: 10_911 } : { address: '192.168.1.10', port: 10_911 },
    },
    ending: pick('closed', 'closed', 'killed', 'killed', 'power cut'),
    topics: ['Orders', 'T', 'a-longer-topic-name', 'Z'].slice(0, 1 + random.below(4)),
    queueCount: 1 + random.below(3),
    messageCount: 6 + random.below(random.chance(0.15) ? 80 : 26),
    generations: 1 + random.below(3),
  };
}

/** The same for the same seed. */
export async function makeStore(seed: number): Promise<MadeStore> {
  const random = new SeededRandom(seed * 2 + 1);
  const plan = planOf(random);
  const clock = manualClock();
  let disk: MemoryPlatform = memoryPlatform({ seed, clock });
  let written = 0;
  const olderAt = random.below(plan.messageCount);
  let older: Image | undefined;
  let lost: Image | undefined;
  for (let generation = 0; generation < plan.generations; generation += 1) {
    const store = await openStore(root, { ...plan.options, platform: disk });
    const until = generation === plan.generations - 1 ? plan.messageCount : random.below(plan.messageCount);
    for (; written < until; written += 1) {
      await writeOne(store, random, plan, written);
      if (written >= olderAt) older ??= imageOf(disk);
      if (random.chance(0.1)) await clock.advance(random.below(3000));
    }
    const ending = generation < plan.generations - 1 ? undefined : plan.ending;
    if (ending !== 'power cut') disk = await endGeneration(store, disk, ending, random);
    else {
      if (random.chance(0.7)) await store.flush();
      lost = imageOf(disk);
      disk = disk.crash('random');
    }
  }
  const image = imageOf(disk);
  const found = await undamaged(image, plan, seed);
  const end = found.messages.at(-1)?.physicalOffset ?? -1;
  return {
    seed,
    ending: plan.ending,
    image,
    older: older ?? copyOf(image),
    ...found,
    unacknowledged: (lost === undefined ? [] : (await undamaged(lost, plan, seed)).messages).filter(
      ({ physicalOffset }) => physicalOffset > end,
    ),
    options: plan.options,
  };
}

async function writeOne(store: Store, random: SeededRandom, plan: Plan, number: number): Promise<void> {
  const message = messageOf(random, plan, number);
  const way = random.below(8);
  if (way === 0) store.appendSync(message);
  else if (way === 1) await store.appendBatch([message, { ...messageOf(random, plan, number + 1000), body: 'second of a batch' }]);
  else if (way < 4) await store.append(message);
  else void store.append(message).catch(() => undefined);
  if (random.chance(0.05)) await store.flush();
}

function messageOf(random: SeededRandom, plan: Plan, number: number): NewMessage {
  const topic = plan.topics[random.below(plan.topics.length)] ?? 'T';
  const size = random.chance(0.1) ? 0 : random.chance(0.1) ? 400 + random.below(900) : random.below(160);
  return {
    topic,
    queueId: random.below(plan.queueCount),
    body: `${number}:${random.uint32()}|`.repeat(1 + Math.floor(size / 8)).slice(0, size),
    keys: [`key-${number}`, `shared-${number % 4}`].slice(0, random.below(3)),
    ...(random.chance(0.6) ? { tag: `tag-${number % 3}` } : {}),
    ...(random.chance(0.3) ? { properties: { color: `c${number}` } } : {}),
    flag: random.chance(0.2) ? random.uint32() | 0 : 0,
  };
}

async function endGeneration(
  store: Store,
  disk: MemoryPlatform,
  ending: Exclude<Ending, 'power cut'> | undefined,
  random: SeededRandom,
): Promise<MemoryPlatform> {
  const how = ending ?? (['closed', 'killed'] as const)[random.below(2)];
  await store.flush();
  if (how === 'killed') return disk.crash('all');
  await store.close();
  return disk;
}

async function undamaged(image: Image, plan: Plan, seed: number): Promise<Pick<MadeStore, 'messages' | 'durable'>> {
  const store = await openStore(root, { ...plan.options, platform: await diskOf(image, seed, manualClock()) });
  const messages = await collect(store.tailAll({ from: 'earliest', until: 'end' }));
  const durable = newestWatermark(image.get('stratalog/watermark'))?.flushedOffset ?? 0;
  const end = store.stats().writtenOffset;
  await store.close();
  return { messages, durable: plan.ending === 'closed' ? end : Math.min(durable, end) };
}
