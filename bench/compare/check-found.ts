import { seededRandom } from '../common/seeded-random.js';
import type { Column } from './columns.js';
import { CompareMessages, compareKey, compareQueueCount } from './compare-messages.js';
import type { Contestant } from './contestant.js';

const sampleCount = 200;

/** That samples, the last message among them, are found in every way, and that nothing follows the last. Throws if not. */
export async function checkFound(contestant: Contestant, column: Column, messageCount: number): Promise<void> {
  const random = seededRandom(3);
  for (let queueId = 0; queueId < compareQueueCount; queueId += 1) {
    const count = Math.floor((messageCount - queueId + compareQueueCount - 1) / compareQueueCount);
    if (count > 0) await checkOne(contestant, column, (count - 1) * compareQueueCount + queueId);
    if ((await contestant.readAt(queueId, count)) !== undefined) throw new Error(`queue ${queueId} holds more than ${count} messages`);
  }
  for (let sample = 0; sample < Math.min(sampleCount, messageCount); sample += 1)
    await checkOne(contestant, column, Math.floor(random() * messageCount));
}

async function checkOne(contestant: Contestant, column: Column, ordinal: number): Promise<void> {
  const { body } = new CompareMessages(column.bodyBytes, column.keyed).message(ordinal);
  const queueId = ordinal % compareQueueCount;
  const offset = Math.floor(ordinal / compareQueueCount);
  const found = await contestant.readAt(queueId, offset);
  if (found === undefined || !body.equals(found.body)) throw new Error(`message ${ordinal} is not what was stored at its place`);
  const at = await contestant.offsetAt(queueId, found.storedAt);
  const first = await contestant.readAt(queueId, at);
  if (at > offset || first?.storedAt !== found.storedAt) throw new Error(`message ${ordinal} is not found by its time`);
  if (!column.keyed) return;
  const byKey = await contestant.findByKey(compareKey(ordinal));
  if (byKey.length !== 1 || !body.equals(byKey[0]?.body ?? new Uint8Array()))
    throw new Error(`message ${ordinal} is found ${byKey.length} times by its key, or not as it was stored`);
}
