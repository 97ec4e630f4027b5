import { isUtf8 } from 'node:buffer';
import { fillerTopic, scheduleTopic, topicBytesMaxV1 } from './record-layout.js';

/**
 * What a topic may be called. A topic becomes a folder name, so that what an appended message names and what a record on the
 * disk names are both checked: the first by RocketMQ's rule, the second by what no honest store can hold.
 */
const retryPrefix = '%RETRY%';
const deadLetterPrefix = '%DLQ%';
const groupTopicBytesMax = 255;

const legalTopic = /^[%|a-zA-Z0-9_-]+$/;
const windowsDevice = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/i;

const reservedTopics: ReadonlySet<string> = new Set([
  scheduleTopic,
  'TBW102',
  'BenchmarkTest',
  'SELF_TEST_TOPIC',
  'OFFSET_MOVED_EVENT',
  'TRANS_CHECK_MAX_TIME_TOPIC',
]);
const reservedPrefixes: readonly string[] = ['RMQ_SYS_', 'rmq_sys_', 'STRATALOG_', retryPrefix, deadLetterPrefix, '%LMQ%'];

/** Why a message may not be appended to this topic, or `undefined` if it may. */
export function topicFault(topic: string, systemMessages: boolean, platformName: string = process.platform): string | undefined {
  if (topic === '') return 'a topic needs at least one character';
  if (!legalTopic.test(topic)) return 'only letters, digits, and the characters _ - % | are allowed';
  const isGroupTopic = topic.startsWith(retryPrefix) || topic.startsWith(deadLetterPrefix);
  const bytesMax = isGroupTopic ? groupTopicBytesMax : topicBytesMaxV1;
  if (topic.length > bytesMax) return `${topic.length} bytes, at most ${bytesMax} are allowed`;
  if (topic === fillerTopic) return 'the store itself uses it to fill repaired spans';
  if (!systemMessages && (reservedTopics.has(topic) || reservedPrefixes.some((prefix) => topic.startsWith(prefix)))) {
    return 'a topic of the message system itself; open the store with systemMessages to write to it';
  }
  if (platformName === 'win32') {
    if (topic.includes('|')) return 'the character | cannot stand in a folder name on Windows';
    if (windowsDevice.test(topic)) return 'a device name on Windows, which no folder can have';
  }
  return undefined;
}

/** Whether a topic read from a record could be one at all: text that can name a folder and cannot lead out of it. */
export function isPlausibleTopic(bytes: Buffer): boolean {
  if (bytes.length === 0) return false;
  let allDots = true;
  for (const byte of bytes) {
    if (byte < 0x20 || byte === 0x7f || byte === 0x2f || byte === 0x5c) return false;
    if (byte !== 0x2e) allDots = false;
  }
  return !allDots && isUtf8(bytes);
}
