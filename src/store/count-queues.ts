import { queueEntryBytes } from '../format/queue-entry.js';
import type { ReadView } from './read-view.js';

/** What the queues amount to: those that have, or have had, a message. O(queues). */
export function countQueues({ queues, registry }: Pick<ReadView, 'queues' | 'registry'>): {
  readonly topicCount: number;
  readonly queueCount: number;
  readonly queueBytes: number;
} {
  const topicNames = new Set<string>();
  let queueCount = 0;
  let entryCount = 0;
  for (let slot = 0; slot < registry.count; slot += 1) {
    const { min, max } = queues.bounds(slot);
    if (max === 0) continue;
    entryCount += max - min;
    queueCount += 1;
    topicNames.add(registry.topicOf(slot));
  }
  return { topicCount: topicNames.size, queueCount, queueBytes: entryCount * queueEntryBytes };
}
