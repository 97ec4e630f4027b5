import { isUint8Array } from 'node:util/types';
import { isAllZero } from '../base/bytes.js';
import { crc32View } from '../base/checksum.js';
import { javaHash } from '../base/java-hash.js';
import { isWellFormed } from '../base/text.js';
import { delayOfLevelMs, parseDelayLevel } from './delay-levels.js';
import { wordsOf } from '../base/bytes.js';
import { encodeHost, type EncodedHost, type HostAddress } from './host-address.js';
import type { NewMessage, SystemFields } from './message.js';
import { PropertyWriter } from './property-writer.js';
import { recordCrc, writeChecksumProperty } from './record-checksum.js';
import {
  batchValueBytes,
  checksumPropertyBytes,
  ipv6ExtraBytes,
  magicBlank,
  magicV1,
  magicV2,
  recordBytesMin,
  scheduleTopic,
  sysFlagBornHostIPv6,
  sysFlagInnerBatchMask,
  sysFlagStoreHostIPv6,
  sysFlagTransactionMask,
  takesQueueOffset,
  tombstoneBodyBytesMax,
  tombstoneFlag,
  topicBytesMaxV1,
  transactionRollback,
} from './record-layout.js';
import { messageInvalid, outOfRange, tooLarge, topicInvalid, wrongType } from './refusals.js';
import { topicFault } from './topic-rules.js';

/**
 * Turns a new message into the bytes of a record (see record-layout.ts) in two steps: `stage` validates and measures, so that the
 * caller can find room and a place in the log; `write` encodes there. The hottest path of the engine: for each record no object,
 * closure or array is made; topics and tags are kept as bytes with their hashes.
 */
export interface EncoderOptions {
  readonly storeHost: HostAddress;
  readonly recordChecksum: boolean;
  readonly messageBytesMax: number;
  /** Whether reserved topics and property names, and `system` fields, are allowed. */
  readonly systemMessages: boolean;
}

interface Topic {
  readonly bytes: Buffer;
  /** Its whole groups of four bytes, big-endian: copied in a quarter of the steps. */
  readonly words: Int32Array;
  /** Java hash of `topic#`. */
  readonly keyPrefixHash: number;
  readonly isSchedule: boolean;
}

const two32 = 4_294_967_296;
const perTwo32: number = 1 / two32;
const cachedTopicsMax = 16_384;
/** Up to here a string is looked at character by character; most are ASCII, and then length is size. */
const shortTextMax = 1_024;
/** Copying with a loop is quicker than a call up to here. */
const shortCopyBytesMax = 256;
const noBytes: Uint8Array = new Uint8Array(0);

export class RecordEncoder {
  // Of the staged message, valid until the next `stage`:
  topic = '';
  queueId = 0;
  recordBytes = 0;
  hasQueueOffset = true;
  /** What the queue entry gets; final after `write`. */
  tagsCode = 0;
  keyHashes: Int32Array;
  keyCount = 0;

  readonly #options: EncoderOptions;
  readonly #storeHost: EncodedHost;
  readonly #properties: PropertyWriter;
  readonly #topics = new Map<string, Topic>();
  #topic: Topic = { bytes: Buffer.alloc(0), words: new Int32Array(0), keyPrefixHash: 0, isSchedule: false };
  #body: Uint8Array | string = noBytes;
  #bodyBytes = 0;
  #flag = 0;
  #bornAt = 0;
  #bornHost: EncodedHost;
  #sysFlag = 0;
  #reconsumeTimes = 0;
  #preparedTransactionOffset = 0;
  #deliveryDelayMs = 0;
  #lastInto: Uint8Array = noBytes;
  #view: DataView = new DataView(noBytes.buffer);

  /** TypeError, RangeError: a store host that is none. */
  constructor(options: EncoderOptions) {
    this.#options = options;
    this.#storeHost = encodeHost(options.storeHost, 'storeHost');
    this.#bornHost = this.#storeHost;
    this.#properties = new PropertyWriter(options.systemMessages, options.recordChecksum);
    this.keyHashes = this.#properties.keyHashes;
  }

  /** The store host in hex, the first part of every message id. */
  get hostHex(): string {
    return this.#storeHost.hex;
  }

  /**
   * Validates all of `message` and measures its record. Throws TypeError and RangeError for what has the wrong type or range,
   * StoreError for what cannot be stored, and then nothing is staged. `batchHead`: leaves room for the property that marks the first record of a batch.
   */
  stage(message: NewMessage, nowMs: number, batchHead: boolean): number {
    if (typeof message !== 'object' || message === null) throw wrongType('message', 'an object', message);
    this.#stageTopic(message.topic);
    const queueId = message.queueId;
    this.queueId = queueId === undefined ? 0 : integerOf('queueId', queueId, 0, 2_147_483_647);
    const flag = message.flag;
    this.#flag = flag === undefined ? 0 : integerOf('flag', flag, -2_147_483_648, 4_294_967_295) | 0;
    const bornAt = message.bornAt;
    this.#bornAt = bornAt === undefined ? nowMs : timeOf(bornAt);
    const system = message.system;
    if (system === undefined) this.#stageNoSystem();
    else this.#stageSystem(system);
    this.#stageBody(message.body);
    if (this.#flag === tombstoneFlag) this.#refuseTombstone();
    const properties = this.#properties;
    properties.write(this.#topic.keyPrefixHash, message.keys, message.tag, message.properties, batchHead);
    this.tagsCode = properties.tagHash;
    this.keyHashes = properties.keyHashes;
    // As RocketMQ does: what was rolled back is found neither in a queue nor by key.
    this.keyCount = (this.#sysFlag & sysFlagTransactionMask) === transactionRollback ? 0 : properties.keyCount;
    this.#deliveryDelayMs = this.#topic.isSchedule && properties.delay !== undefined ? deliveryDelayOf(properties.delay) : 0;
    const topicBytes = this.#topic.bytes.length;
    this.recordBytes =
      recordBytesMin +
      (topicBytes > topicBytesMaxV1 ? 1 : 0) +
      (this.#bornHost.isIPv6 ? ipv6ExtraBytes : 0) +
      (this.#storeHost.isIPv6 ? ipv6ExtraBytes : 0) +
      this.#bodyBytes +
      topicBytes +
      properties.bytes +
      (this.#options.recordChecksum ? checksumPropertyBytes : 0);
    return this.recordBytes;
  }

  /** Encodes the staged message at `into[at, at + recordBytes)`. */
  write(into: Buffer, at: number, physicalOffset: number, queueOffset: number, storedAt: number): void {
    const view = this.#viewOf(into);
    const bodyStart = this.#writeFixed(view, at, physicalOffset, queueOffset, storedAt);
    const bodyEnd = bodyStart + this.#bodyBytes;
    this.#writeBody(into, bodyStart);
    const bodyCrc = bodyEnd === bodyStart ? 0 : crc32View(view, bodyStart, bodyEnd);
    view.setInt32(at + 8, bodyCrc & 0x7fffffff);
    const propertiesEnd = this.#writeTopicAndProperties(into, view, bodyEnd);
    if (this.#options.recordChecksum) {
      writeChecksumProperty(view, propertiesEnd, recordCrc(view, at, propertiesEnd, bodyStart, bodyEnd, bodyCrc));
    }
    if (this.#deliveryDelayMs > 0) this.tagsCode = storedAt + this.#deliveryDelayMs;
  }

  /** All before the body; returns where the body starts. */
  #writeFixed(view: DataView, at: number, physicalOffset: number, queueOffset: number, storedAt: number): number {
    view.setInt32(at, this.recordBytes);
    view.setInt32(at + 4, this.#topic.bytes.length > topicBytesMaxV1 ? magicV2 : magicV1);
    view.setInt32(at + 12, this.queueId);
    view.setInt32(at + 16, this.#flag);
    setInt64(view, at + 20, this.hasQueueOffset ? queueOffset : 0);
    setInt64(view, at + 28, physicalOffset);
    view.setInt32(at + 36, this.#sysFlag);
    setInt64(view, at + 40, this.#bornAt);
    const storedAtStart = setHost(view, at + 48, this.#bornHost);
    setInt64(view, storedAtStart, storedAt);
    const rest = setHost(view, storedAtStart + 8, this.#storeHost);
    view.setInt32(rest, this.#reconsumeTimes);
    setInt64(view, rest + 4, this.#preparedTransactionOffset);
    view.setInt32(rest + 12, this.#bodyBytes);
    return rest + 16;
  }

  #writeBody(into: Buffer, at: number): void {
    const body = this.#body;
    if (typeof body === 'string') {
      if (this.#bodyBytes > 0) into.write(body, at, this.#bodyBytes, body.length === this.#bodyBytes ? 'latin1' : 'utf8');
    } else {
      into.set(body, at);
    }
    // A large body must not stay alive only because nothing was appended since.
    this.#body = noBytes;
  }

  /** All after the body but the record checksum; returns where that goes. */
  #writeTopicAndProperties(into: Buffer, view: DataView, start: number): number {
    const topic = this.#topic.bytes;
    const topicBytes = topic.length;
    let at = start;
    if (topicBytes > topicBytesMaxV1) {
      view.setInt16(at, topicBytes);
      at += 2;
    } else {
      into[at] = topicBytes;
      at += 1;
    }
    const topicWords = this.#topic.words;
    const wordCount = topicWords.length;
    for (let i = 0; i < wordCount; i += 1) view.setInt32(at + 4 * i, topicWords[i] as number);
    for (let i = 4 * wordCount; i < topicBytes; i += 1) into[at + i] = topic[i] as number;
    at += topicBytes;
    const { scratch, scratchView, bytes } = this.#properties;
    view.setInt16(at, bytes + (this.#options.recordChecksum ? checksumPropertyBytes : 0));
    at += 2;
    if (bytes > shortCopyBytesMax) {
      scratch.copy(into, at, 0, bytes);
      return at + bytes;
    }
    let i = 0;
    for (; i <= bytes - 4; i += 4) view.setInt32(at + i, scratchView.getInt32(i));
    for (; i < bytes; i += 1) into[at + i] = scratch[i] as number;
    return at + bytes;
  }

  #viewOf(into: Buffer): DataView {
    if (into === this.#lastInto) return this.#view;
    this.#lastInto = into;
    this.#view = new DataView(into.buffer, into.byteOffset, into.byteLength);
    return this.#view;
  }

  #stageTopic(name: string): void {
    if (name === this.topic && name !== '') return;
    const known = this.#topics.get(name);
    if (known !== undefined) {
      this.#topic = known;
      this.topic = name;
      return;
    }
    if (typeof name !== 'string') throw wrongType('topic', 'a string', name);
    const fault = topicFault(name, this.#options.systemMessages);
    if (fault !== undefined) throw topicInvalid(name, fault);
    if (this.#topics.size >= cachedTopicsMax) this.#topics.clear();
    const bytes = Buffer.from(name);
    this.#topic = { bytes, words: wordsOf(bytes), keyPrefixHash: javaHash(`${name}#`), isSchedule: name === scheduleTopic };
    this.#topics.set(name, this.#topic);
    this.topic = name;
  }

  #stageBody(body: Uint8Array | string): void {
    if (typeof body === 'string') {
      this.#bodyBytes = utf8BytesOf(body, this.#options.messageBytesMax);
    } else {
      if (!(body instanceof Uint8Array) && !isUint8Array(body)) throw wrongType('body', 'a string or a Uint8Array', body);
      this.#bodyBytes = body.length;
    }
    if (this.#bodyBytes > this.#options.messageBytesMax) {
      throw tooLarge('MESSAGE_TOO_LARGE', 'body of the message', this.#options.messageBytesMax, this.#bodyBytes);
    }
    this.#body = body;
  }

  /** What readers would take for a lost record and leave out. */
  #refuseTombstone(): void {
    if (this.#bodyBytes > tombstoneBodyBytesMax) return;
    const body = typeof this.#body === 'string' ? Buffer.from(this.#body) : this.#body;
    if (isAllZero(body)) throw messageInvalid('flag', tombstoneFlag, 'with a body that is empty or zeros it marks a record that was lost');
  }

  #stageNoSystem(): void {
    this.#bornHost = this.#storeHost;
    this.#sysFlag = this.#storeHost.isIPv6 ? sysFlagBornHostIPv6 | sysFlagStoreHostIPv6 : 0;
    this.#reconsumeTimes = 0;
    this.#preparedTransactionOffset = 0;
    this.hasQueueOffset = true;
  }

  #stageSystem(system: SystemFields): void {
    if (!this.#options.systemMessages) throw new TypeError('system is allowed only in a store opened with systemMessages');
    if (typeof system !== 'object' || system === null) throw wrongType('system', 'an object', system);
    const { sysFlag = 0, reconsumeTimes = 0, preparedTransactionOffset = 0, bornHost } = system;
    const flags = integerOf('system.sysFlag', sysFlag, -2_147_483_648, 4_294_967_295) | 0;
    if ((flags & sysFlagInnerBatchMask) !== 0) throw messageInvalid('system.sysFlag', sysFlag, 'inner batches cannot be stored');
    this.#reconsumeTimes = integerOf('system.reconsumeTimes', reconsumeTimes, 0, 2_147_483_647);
    this.#preparedTransactionOffset = integerOf('system.preparedTransactionOffset', preparedTransactionOffset, 0, Number.MAX_SAFE_INTEGER);
    this.#bornHost = bornHost === undefined ? this.#storeHost : encodeHost(bornHost, 'system.bornHost');
    // What the addresses are decides, not what the flag says of them.
    this.#sysFlag =
      (flags & ~(sysFlagBornHostIPv6 | sysFlagStoreHostIPv6)) |
      (this.#bornHost.isIPv6 ? sysFlagBornHostIPv6 : 0) |
      (this.#storeHost.isIPv6 ? sysFlagStoreHostIPv6 : 0);
    this.hasQueueOffset = takesQueueOffset(flags);
  }
}

function setInt64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value * perTwo32);
  view.setInt32(at, high);
  view.setUint32(at + 4, value - high * two32);
}

function setHost(view: DataView, at: number, host: EncodedHost): number {
  const words = host.words;
  for (let i = 0; i < words.length; i += 1) view.setInt32(at + 4 * i, words[i] as number);
  const end = at + 4 * words.length;
  view.setInt32(end, host.port);
  return end + 4;
}

function integerOf(argument: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw wrongType(argument, 'a number', value);
  if (!Number.isInteger(value) || value < min || value > max) throw outOfRange(argument, `an integer from ${min} to ${max}`, value);
  return value + 0; // never -0
}

function timeOf(bornAt: unknown): number {
  if (typeof bornAt !== 'number' && !(bornAt instanceof Date)) throw wrongType('bornAt', 'a Date or milliseconds since 1970', bornAt);
  const ms = Number(bornAt);
  if (!Number.isSafeInteger(ms)) throw outOfRange('bornAt', 'a valid Date or whole milliseconds since 1970', bornAt);
  return ms + 0;
}

function deliveryDelayOf(delay: string): number {
  const level = parseDelayLevel(delay);
  if (level === undefined) throw messageInvalid('properties.DELAY', delay, 'a delay level must be an integer');
  return level > 0 ? delayOfLevelMs(level) : 0;
}

/** Refuses lone surrogates, which UTF-8 cannot hold. A text that is too large for certain is not looked at. */
function utf8BytesOf(text: string, bytesMax: number): number {
  const length = text.length;
  if (length <= shortTextMax) {
    let i = 0;
    while (i < length && text.charCodeAt(i) <= 0x7f) i += 1;
    if (i === length) return length;
  } else if (length > bytesMax) {
    return Buffer.byteLength(text);
  }
  if (!isWellFormed(text)) throw messageInvalid('body', '(text)', 'a lone surrogate cannot be stored as UTF-8');
  return Buffer.byteLength(text);
}

/**
 * Completes the record just written at `at` as the head of a batch: how many records and bytes, this one included, belong to
 * it. The record must have been staged as a batch head.
 */
export function sealBatchHead(
  into: Buffer,
  at: number,
  recordBytes: number,
  recordCount: number,
  batchBytes: number,
  recordChecksum: boolean,
): void {
  const end = at + recordBytes - (recordChecksum ? checksumPropertyBytes : 0);
  const value = end - 1 - batchValueBytes;
  writeDigits(into, value, recordCount);
  writeDigits(into, value + batchValueBytes - 10, batchBytes);
  if (!recordChecksum) return;
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  writeChecksumProperty(view, end, crc32View(view, at, end) & 0x7fffffff);
}

function writeDigits(into: Buffer, at: number, value: number): void {
  let rest = value;
  for (let i = 9; i >= 0; i -= 1) {
    const tenth = Math.floor(rest / 10);
    into[at + i] = 48 + rest - 10 * tenth;
    rest = tenth;
  }
}

/** The 8 bytes that end a segment with `remainingBytes`, these included, left in it. */
export function encodeBlank(into: Buffer, at: number, remainingBytes: number): void {
  into.writeInt32BE(remainingBytes, at);
  into.writeInt32BE(magicBlank, at + 4);
}
