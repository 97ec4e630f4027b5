import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { batchPropertyName, checksumPropertyName } from '../../src/format/record-layout.js';
import type { AppendReceipt, Message, NewMessage } from '../../src/index.js';
import type { SeenMessage } from './driver.js';

/** All that a message is, in one flat form that does not depend on who has read it. Bodies by length and hash, because there are large ones. */
export interface Facts {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly storedAt: number;
  readonly bornAt: number;
  readonly flag: number;
  readonly sysFlag: number;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly bodyBytes: number;
  readonly bodyHash: string;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
}

/** The stock client takes it away when it inflates a body, so it is left out of the comparison; `recordBytes` shows that the stored one was shorter. */
const compressedFlag = 0x1;
const ipv6BornFlag = 0x10;
/** What one side or the other adds, or has a field of its own for. */
const notCompared: ReadonlySet<string> = new Set(['KEYS', 'TAGS', 'MIN_OFFSET', 'MAX_OFFSET', checksumPropertyName, batchPropertyName]);

/** What has to be read of a message that we stored: from what was asked for, not from what was read back. */
export function factsOfAppend(message: NewMessage, receipt: AppendReceipt): Facts {
  const body = typeof message.body === 'string' ? Buffer.from(message.body) : message.body;
  return {
    topic: message.topic,
    queueId: message.queueId ?? 0,
    queueOffset: receipt.queueOffset,
    physicalOffset: receipt.physicalOffset,
    recordBytes: receipt.recordBytes,
    storedAt: receipt.storedAt,
    bornAt: Number(message.bornAt),
    flag: message.flag ?? 0,
    sysFlag: (message.system?.sysFlag ?? 0) | (message.system?.bornHost?.address.includes(':') === true ? ipv6BornFlag : 0),
    reconsumeTimes: message.system?.reconsumeTimes ?? 0,
    preparedTransactionOffset: message.system?.preparedTransactionOffset ?? 0,
    ...factsOfBody(body),
    tag: message.tag,
    keys: message.keys ?? [],
    properties: message.properties ?? {},
  };
}

/** What the stock client has read. */
export function factsOfSeen(seen: SeenMessage): Facts {
  const keys = seen.properties['KEYS'];
  return {
    topic: seen.topic,
    queueId: seen.queueId,
    queueOffset: seen.queueOffset,
    physicalOffset: seen.physicalOffset,
    recordBytes: seen.recordBytes,
    storedAt: seen.storedAt,
    bornAt: seen.bornAt,
    flag: seen.flag,
    sysFlag: seen.sysFlag & ~compressedFlag,
    reconsumeTimes: seen.reconsumeTimes,
    preparedTransactionOffset: seen.preparedTransactionOffset,
    bodyBytes: seen.bodyBytes,
    bodyHash: seen.bodyHash,
    tag: seen.properties['TAGS'],
    keys: keys === undefined ? [] : keys.split(' ').filter((key) => key !== ''),
    properties: comparable(seen.properties),
  };
}

/** What our own store has read; a compressed body as the stock client gives it. */
export function factsOfMessage(message: Message): Facts {
  const body = (message.sysFlag & compressedFlag) !== 0 ? inflateSync(message.body) : message.body;
  return {
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    physicalOffset: message.physicalOffset,
    recordBytes: message.recordBytes,
    storedAt: message.storedAt,
    bornAt: message.bornAt,
    flag: message.flag,
    sysFlag: message.sysFlag & ~compressedFlag,
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    ...factsOfBody(body),
    tag: message.tag,
    keys: message.keys,
    properties: comparable(message.properties),
  };
}

export function factsOfBody(body: Uint8Array): { readonly bodyBytes: number; readonly bodyHash: string } {
  return { bodyBytes: body.length, bodyHash: createHash('sha256').update(body).digest('hex') };
}

function comparable(properties: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !notCompared.has(name)));
}
