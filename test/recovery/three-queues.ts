import type { Store } from '../../src/index.js';

/** How many messages `storeOfThreeQueues` stores, over five segments of 4096 bytes. */
const threeQueuesCount = 90;

/** Messages of different sizes in three queues of two topics, all of them under the key `all`; in a log of several segments. */
export async function storeOfThreeQueues(store: Store): Promise<void> {
  for (let i = 0; i < threeQueuesCount; i += 1) {
    const topic = i % 3 === 0 ? 'U' : 'T';
    await store.append({
      topic,
      queueId: i % 3 === 1 ? 1 : 0,
      body: `${i}-`.padEnd(10 + ((i * 37) % 90), 'abc'),
      keys: ['all', `key-${i}`],
    });
  }
}
