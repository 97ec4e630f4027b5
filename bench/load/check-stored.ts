import type { Store, StoreOptions } from '../../src/index.js';
import { seededRandom } from '../common/seeded-random.js';
import { loadKey, loadTopic, type LoadShape } from './load-messages.js';

/** How a load program opens its store; tests pass one whose store misbehaves, which the program must find out. */
export type OpenForLoad = (directory: string, options: StoreOptions) => Promise<Store>;

const sampleCountMax = 200;

/**
 * That the store holds the messages with ordinals 0 to `count` - 1 and no other, by the numbers of all queues and by samples that are read
 * and looked for. Throws if not. A figure of a store that loses messages is worth nothing.
 */
export async function checkStored(store: Store, shape: LoadShape, count: number, seed = 1, keyIndex = true): Promise<void> {
  for (let queueId = 0; queueId < shape.queues; queueId += 1) {
    const { min, max } = store.bounds({ topic: loadTopic, queueId });
    const expected = Math.floor((count - queueId + shape.queues - 1) / shape.queues);
    if (min !== 0 || max !== Math.max(0, expected))
      throw new Error(`queue ${queueId} holds [${min}, ${max}) in place of ${expected} messages`);
  }
  const random = seededRandom(seed);
  for (let sample = 0; sample < Math.min(sampleCountMax, count); sample += 1)
    await checkOne(store, shape, sample === 0 ? count - 1 : Math.floor(random() * count), keyIndex);
}

async function checkOne(store: Store, shape: LoadShape, ordinal: number, keyIndex: boolean): Promise<void> {
  const queue = { topic: loadTopic, queueId: ordinal % shape.queues };
  const { messages } = await store.read(queue, { from: Math.floor(ordinal / shape.queues), countMax: 1 });
  const message = messages[0];
  const key = shape.keys === 0 ? undefined : loadKey(ordinal, 0);
  if (message === undefined || message.body.length !== shape.bodyBytes || message.keys[0] !== key)
    throw new Error(`message ${ordinal} is not what was stored at its place`);
  if (key === undefined || !keyIndex) return;
  for await (const found of store.findByKey({ topic: loadTopic, key })) if (found.physicalOffset === message.physicalOffset) return;
  throw new Error(`message ${ordinal} is not found by its key`);
}
