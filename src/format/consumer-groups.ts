import type { QueueOffset } from '../base/quantities.js';
import { type JsonKey, type JsonObject, type JsonValue, objectIn } from './rocketmq-json.js';
import { topicFault } from './topic-rules.js';

/**
 * What a broker keeps of its groups of consumers, in two files:
 *
 *   consumerOffset.json      offsetTable: "topic@group" -> { queueId: offset of the group's next message }
 *   subscriptionGroup.json   subscriptionGroupTable: group -> what the group may do
 */
export interface ConsumerPosition {
  readonly topic: string;
  readonly queueId?: number | undefined; // 0
  /** Of the message that the group gets next: one past the last that it is done with. */
  readonly next: QueueOffset;
}
export interface ConsumerGroup {
  readonly name: string;
  readonly positions: readonly ConsumerPosition[];
}

const groupBytesMax = 255;
const queueIdMax = 0x7fffffff;
const separator = '@';
/** What a broker gives to a group that it meets for the first time. */
const groupDefaults: readonly (readonly [string, JsonValue])[] = [
  ['brokerId', 0],
  ['consumeBroadcastEnable', true],
  ['consumeEnable', true],
  ['consumeFromMinEnable', true],
  ['consumeMessageOrderly', false],
  ['consumeTimeoutMinute', 15],
  ['groupSysFlag', 0],
  ['notifyConsumerIdsChangedEnable', true],
  ['retryMaxTimes', 16],
  ['retryQueueNums', 1],
  ['whichBrokerWhenConsumeSlowly', 1],
];

/** Throws TypeError or RangeError for what a broker could not hold. */
export function checkConsumerGroups(groups: readonly ConsumerGroup[]): void {
  for (const { name, positions } of groups) {
    if (typeof name !== 'string' || !/^[%|a-zA-Z0-9_-]+$/.test(name)) {
      throw new TypeError('the name of a group is made of letters, digits, and the characters _ - % |');
    }
    if (name.length > groupBytesMax)
      throw new RangeError(`the name of a group has ${name.length} bytes, at most ${groupBytesMax} are allowed`);
    for (const { topic, queueId = 0, next } of positions) {
      const fault = topicFault(topic, true);
      if (fault !== undefined) throw new TypeError(`group ${name}: topic: ${fault}`);
      if (!Number.isInteger(queueId) || queueId < 0 || queueId > queueIdMax) throw new RangeError(`group ${name}: queueId ${queueId}`);
      if (!Number.isSafeInteger(next) || next < 0) throw new RangeError(`group ${name}: next must be a queue offset, not ${next}`);
    }
  }
}

/** Sets these positions; those of other groups, topics and queues stay. */
export function mergeConsumerOffsets(root: JsonObject, groups: readonly ConsumerGroup[]): void {
  const table = objectIn(root, 'offsetTable');
  for (const { name, positions } of groups) {
    for (const { topic, queueId = 0, next } of positions) {
      const queues = objectIn(table, `${topic}${separator}${name}`);
      queues.delete(String(queueId));
      queues.set(queueId, next);
    }
  }
}

/** Makes the groups known; what is set for those that are known already stays. Whether anything had to be changed. */
export function mergeSubscriptionGroups(root: JsonObject, groups: readonly ConsumerGroup[]): boolean {
  const table = objectIn(root, 'subscriptionGroupTable');
  let changed = false;
  for (const { name } of groups) {
    if (table.get(name) instanceof Map) continue;
    table.set(name, new Map([...groupDefaults, ['groupName', name] as const]));
    changed = true;
  }
  return changed;
}

/** Every group with a position; by name, topic and queue. What is no offset is left out. */
export function consumerGroupsOf(root: JsonObject): ConsumerGroup[] {
  const groups = new Map<string, ConsumerPosition[]>();
  const table = root.get('offsetTable');
  for (const [key, queues] of table instanceof Map ? table : []) {
    const [topic, name, ...rest] = String(key).split(separator);
    if (topic === undefined || name === undefined || rest.length > 0 || !(queues instanceof Map)) continue;
    const positions = groups.get(name) ?? [];
    groups.set(name, positions);
    for (const [queue, next] of queues) {
      const queueId = queueIdOf(queue);
      if (queueId !== undefined && typeof next === 'number' && Number.isSafeInteger(next) && next >= 0)
        positions.push({ topic, queueId, next });
    }
  }
  return [...groups]
    .filter(([, positions]) => positions.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, positions]) => ({ name, positions: positions.sort(inOrder) }));
}

function queueIdOf(key: JsonKey): number | undefined {
  const queueId = typeof key === 'string' && /^\d{1,10}$/.test(key) ? Number(key) : key;
  return typeof queueId === 'number' && queueId >= 0 && queueId <= queueIdMax ? queueId : undefined;
}

function inOrder(a: ConsumerPosition, b: ConsumerPosition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return (a.queueId ?? 0) - (b.queueId ?? 0);
}
