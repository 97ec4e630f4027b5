import type { NewMessage } from '../../src/index.js';

export interface LoadShape {
  readonly bodyBytes: number;
  readonly queues: number;
  readonly keys: number;
}

export const loadTopic = 'load';
const loadTags: readonly string[] = ['created', 'paid', 'shipped', 'closed'];

export function loadKey(ordinal: number, key: number): string {
  return key === 0 ? `order-${ordinal}` : `order-${ordinal}-${key}`;
}

/** The message with that ordinal. Queues in turn, a tag of four, keys that no other message has; all share one body. */
export function loadMessages(shape: LoadShape): (ordinal: number) => NewMessage {
  const body = Buffer.alloc(shape.bodyBytes, 'stratalog load message; ');
  const { queues, keys } = shape;
  return (ordinal) => {
    const names: string[] = [];
    for (let key = 0; key < keys; key += 1) names.push(loadKey(ordinal, key));
    return { topic: loadTopic, queueId: ordinal % queues, tag: loadTags[ordinal & 3], keys: names, body };
  };
}
