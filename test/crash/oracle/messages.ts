import type { Message, NewMessage } from '../../../src/index.js';

/** Every message is a function of its number alone, so a swapped, torn or stale one cannot pass for another. */
export const topics: readonly string[] = ['Orders', 'Payments', 'Mail'];
export const queueCount = 4;

function mix(id: number): number {
  let x = Math.imul(id ^ 0x5bd1e995, 0x9e3779b1);
  x ^= x >>> 15;
  x = Math.imul(x, 0x85ebca77);
  return (x ^ (x >>> 13)) >>> 0;
}

export function messageOf(id: number, bodyBytesMax: number): NewMessage {
  const hash = mix(id);
  // Most are small; one in sixteen is as large as it may be.
  const most = hash % 16 === 0 ? bodyBytesMax : Math.min(bodyBytesMax, 400);
  const bytes = 12 + (mix(id + 1_000_003) % Math.max(1, most - 12));
  return {
    topic: topics[hash % topics.length]!,
    queueId: (hash >>> 4) % queueCount,
    body: `${id}:`.padEnd(bytes, `${hash.toString(36)}.`),
    keys: [keyOf(id), `shared-${hash % 7}`],
    tag: `tag-${hash % 3}`,
    flag: hash | 0,
    properties: { id: String(id) },
  };
}

export function keyOf(id: number): string {
  return `key-${id}`;
}

export function idOf(message: Message): number {
  return Number.parseInt(message.body.toString('latin1', 0, 16), 10);
}

/** Undefined: it is what was sent. */
export function difference(message: Message, sent: NewMessage): string | undefined {
  if (message.body.toString() !== sent.body) return `another body (${message.body.length} bytes, sent ${sent.body.length})`;
  if (message.topic !== sent.topic) return `topic ${message.topic}, sent ${sent.topic}`;
  if (message.queueId !== sent.queueId) return `queue ${message.queueId}, sent ${sent.queueId}`;
  if (message.tag !== sent.tag) return `tag ${String(message.tag)}, sent ${String(sent.tag)}`;
  if (message.flag !== sent.flag) return `flag ${message.flag}, sent ${String(sent.flag)}`;
  if (message.keys.join(' ') !== sent.keys?.join(' ')) return `keys ${message.keys.join(' ')}, sent ${String(sent.keys)}`;
  if (message.properties['id'] !== sent.properties?.['id']) return `property id ${message.properties['id']}`;
  return undefined;
}
