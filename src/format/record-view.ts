import { isAllZero } from '../base/bytes.js';
import { crc32View } from '../base/checksum.js';
import { javaHash } from '../base/java-hash.js';
import { delayOfLevelMs, parseDelayLevel } from './delay-levels.js';
import { indexHashOf } from './index-layout.js';
import { equalsBytes, PropertyCursor, PropertyScan, textOf } from './property-scan.js';
import { readChecksumProperty, recordCrc } from './record-checksum.js';
import {
  blankBytes,
  checksumPropertyBytes,
  fillerTopic,
  ipv6ExtraBytes,
  magicBlank,
  magicV1,
  magicV2,
  propertiesBytesMax,
  recordBytesMin,
  scheduleTopic,
  sysFlagBornHostIPv6,
  sysFlagStoreHostIPv6,
  sysFlagTransactionMask,
  takesQueueOffset,
  tombstoneBodyBytesMax,
  tombstoneFlag,
  transactionRollback,
} from './record-layout.js';
import { isPlausibleTopic } from './topic-rules.js';

export type RecordKind = 'record' | 'blank' | 'invalid';

/** How a batch begun by this record goes on. */
export interface BatchMark {
  readonly recordCount: number;
  readonly bytes: number;
}

const two32 = 4_294_967_296;
/** Of a whole number that is exact as a double, the upper half. */
const highWordMax = 0x1fffff;
const segmentBytesMax = 0x7fffffff;
const space = 0x20;
const noBytes: Buffer = Buffer.alloc(0);

/**
 * A cursor over records in memory (see record-layout.ts), used again for each, so that a scan makes no garbage.
 *
 * Invariants: after `read` has returned `record`, all of bodyStart ... propertiesEnd lie in order inside
 * [start, start + recordBytes), which lies inside the bytes given; everything else about the bytes is whatever was on the disk.
 * What is read lazily is read from the bytes given to `read`, which must not have changed.
 */
export class RecordView {
  kind: RecordKind = 'invalid';
  /** Of an invalid record: what is wrong with it. */
  what = 'nothing was read';
  /** Of a blank, what its header says of the bytes left in the segment, unchecked. Of an invalid record, what it claims. */
  recordBytes = 0;
  /** Not 0: the record may be a good one, but that many bytes from its start are needed to tell. */
  bytesNeeded = 0;
  bytes: Buffer = noBytes;
  start = 0;
  bodyStart = 0;
  bodyEnd = 0;
  topicStart = 0;
  topicEnd = 0;
  propertiesStart = 0;
  propertiesEnd = 0;
  sysFlag = 0;
  hasQueueOffset = true;
  /** Of the record's keys, after `readKeys`. Replaced by a longer array when it has to grow. */
  keyHashes: Int32Array = new Int32Array(16);

  readonly #recordBytesMax: number;
  readonly #properties = new PropertyScan();
  readonly #cursor = new PropertyCursor();
  #scanned = false;
  #view: DataView = new DataView(noBytes.buffer, 0, 0);
  /** Start of the fields behind the store host. */
  #rest = 0;
  #topic = '';
  #topicBytes: Buffer = noBytes;
  #topicIsSchedule = false;
  #topicIsFiller = false;
  #keyPrefixHash = 0;
  #soughtKey: string | undefined = undefined;
  #soughtKeyBytes: Buffer = noBytes;

  /** A record that claims more than `recordBytesMax` is invalid, not one that needs more bytes. */
  constructor(recordBytesMax: number = segmentBytesMax) {
    this.#recordBytesMax = recordBytesMax;
  }

  /**
   * Parses the structure of the record at `bytes[at]`, looking at nothing from `end` on. Throws for no bytes whatever.
   * Checks no checksum: see `verify`.
   */
  read(bytes: Buffer, at: number, end: number): RecordKind {
    const bound = Math.min(end, bytes.length);
    this.start = at;
    this.recordBytes = 0;
    this.bytesNeeded = 0;
    this.#scanned = false;
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    if (at < 0 || bound - at < blankBytes) return this.#invalid('fewer than 8 bytes left', blankBytes);
    const claimed = this.#view.getInt32(at);
    const magic = this.#view.getInt32(at + 4);
    this.recordBytes = claimed;
    if (magic === magicBlank) {
      this.kind = 'blank';
      return 'blank';
    }
    if (magic !== magicV1 && magic !== magicV2) return this.#invalid('no record begins here: unknown magic number');
    if (claimed < recordBytesMin) return this.#invalid('record size too small for the fixed fields');
    if (claimed > this.#recordBytesMax) return this.#invalid('record size beyond the largest allowed');
    return this.#readParts(at, claimed, bound, magic === magicV2 ? 2 : 1);
  }

  #readParts(at: number, claimed: number, bound: number, topicLengthBytes: 1 | 2): RecordKind {
    const view = this.#view;
    if (bound - at < recordBytesMin) return this.#invalid('record reaches beyond the bytes there are', claimed);
    const sysFlag = view.getInt32(at + 36);
    this.sysFlag = sysFlag;
    const rest =
      at +
      72 +
      ((sysFlag & sysFlagBornHostIPv6) === 0 ? 0 : ipv6ExtraBytes) +
      ((sysFlag & sysFlagStoreHostIPv6) === 0 ? 0 : ipv6ExtraBytes);
    this.#rest = rest;
    const recordEnd = at + claimed;
    if (rest + 16 + topicLengthBytes + 2 > recordEnd) return this.#invalid('record size too small for the fixed fields');
    if (rest + 16 > bound) return this.#invalid('record reaches beyond the bytes there are', claimed);
    const bodyBytes = Math.max(0, view.getInt32(rest + 12));
    const bodyEnd = rest + 16 + bodyBytes;
    const largest = bodyEnd + topicLengthBytes + (topicLengthBytes === 1 ? 127 : 32_767) + 2 + propertiesBytesMax;
    if (bodyEnd + topicLengthBytes + 2 > recordEnd) return this.#invalid('body reaches beyond the record');
    if (recordEnd > largest) return this.#invalid('record size is not the sum of its parts');
    if (recordEnd > bound) return this.#invalid('record reaches beyond the bytes there are', claimed);
    const topicBytes = topicLengthBytes === 1 ? view.getInt8(bodyEnd) : view.getInt16(bodyEnd);
    if (topicBytes < 0) return this.#invalid('topic length is negative');
    const topicStart = bodyEnd + topicLengthBytes;
    const topicEnd = topicStart + topicBytes;
    if (topicEnd + 2 > recordEnd) return this.#invalid('topic reaches beyond the record');
    const propertiesEnd = topicEnd + 2 + Math.max(0, view.getInt16(topicEnd));
    if (propertiesEnd !== recordEnd) return this.#invalid('record size is not the sum of its parts');
    // No number of this store is as large; what is one breaks whatever counts on.
    if (!isSafe(view.getInt32(at + 20)) || !isSafe(view.getInt32(rest - storeHostBytes(sysFlag) - 8)) || view.getInt32(at + 12) < 0)
      return this.#invalid('a queue, a number or a time that no record has');
    this.bodyStart = rest + 16;
    this.bodyEnd = bodyEnd;
    this.topicStart = topicStart;
    this.topicEnd = topicEnd;
    this.propertiesStart = topicEnd + 2;
    this.propertiesEnd = propertiesEnd;
    this.hasQueueOffset = takesQueueOffset(sysFlag);
    if (!this.#readTopic()) return this.#invalid('topic is no text that could name a folder');
    this.what = '';
    this.kind = 'record';
    return 'record';
  }

  #invalid(what: string, bytesNeeded: number = 0): RecordKind {
    this.kind = 'invalid';
    this.what = what;
    this.bytesNeeded = bytesNeeded;
    return 'invalid';
  }

  /** Most records have the topic of the one before: then nothing is decoded. */
  #readTopic(): boolean {
    const { bytes, topicStart, topicEnd } = this;
    if (topicEnd > topicStart && equalsBytes(bytes, topicStart, topicEnd, this.#topicBytes)) return true;
    const found = Buffer.from(bytes.subarray(topicStart, topicEnd));
    if (!isPlausibleTopic(found)) return false;
    this.#topicBytes = found;
    this.#topic = found.toString();
    this.#topicIsSchedule = this.#topic === scheduleTopic;
    this.#topicIsFiller = this.#topic === fillerTopic;
    this.#keyPrefixHash = javaHash(`${this.#topic}#`);
    return true;
  }

  get bodyCrc(): number {
    return this.#view.getInt32(this.start + 8);
  }
  get queueId(): number {
    return this.#view.getInt32(this.start + 12);
  }
  get flag(): number {
    return this.#view.getInt32(this.start + 16);
  }
  get queueOffset(): number {
    return this.#int64(this.start + 20);
  }
  get physicalOffset(): number {
    return this.#int64(this.start + 28);
  }
  get bornAt(): number {
    return this.#int64(this.start + 40);
  }
  get storedAt(): number {
    return this.#int64(this.start + 48 + this.#bornHostBytes);
  }
  get reconsumeTimes(): number {
    return this.#view.getInt32(this.#rest);
  }
  get preparedTransactionOffset(): number {
    return this.#int64(this.#rest + 4);
  }
  get topic(): string {
    return this.#topic;
  }
  get transactionType(): number {
    return this.sysFlag & sysFlagTransactionMask;
  }
  /** Where the store host begins; it ends where the fields behind it do: 8 or 20 bytes, the last 4 of them the port. */
  get storeHostStart(): number {
    return this.start + 56 + this.#bornHostBytes;
  }
  get storeHostEnd(): number {
    return this.#rest;
  }
  /** Stands for a record that was lost: the place in the queue is kept, the message is gone. */
  get isTombstone(): boolean {
    if (this.flag !== tombstoneFlag || this.bodyEnd - this.bodyStart > tombstoneBodyBytesMax) return false;
    return isAllZero(this.bytes, this.bodyStart, this.bodyEnd);
  }
  /** Fills a repaired span; no message. */
  get isFiller(): boolean {
    return this.#topicIsFiller;
  }
  get #bornHostBytes(): number {
    return (this.sysFlag & sysFlagBornHostIPv6) === 0 ? 8 : 20;
  }

  #int64(at: number): number {
    return this.#view.getInt32(at) * two32 + this.#view.getUint32(at + 4);
  }

  /**
   * Whether the body has its CRC. In a span of the log that this engine wrote with record checksums (`ourSpan`) the record must
   * have its checksum too; elsewhere one that is there may be a stale copy, and counts for nothing. On failure `what` says which.
   */
  verify(ourSpan: boolean): boolean {
    const { bytes, start, bodyStart, bodyEnd, propertiesEnd } = this;
    const bodyCrc = bodyEnd === bodyStart ? 0 : crc32View(this.#view, bodyStart, bodyEnd);
    if (bodyEnd > bodyStart && (bodyCrc & 0x7fffffff) !== this.bodyCrc) {
      this.what = 'body checksum differs';
      return false;
    }
    if (!ourSpan) return true;
    const expected = readChecksumProperty(bytes, this.propertiesStart, propertiesEnd);
    if (expected < 0) {
      this.what = 'record checksum is missing';
      return false;
    }
    const actual = recordCrc(this.#view, start, propertiesEnd - checksumPropertyBytes, bodyStart, bodyEnd, bodyCrc);
    if (actual !== expected) this.what = 'record checksum differs';
    return actual === expected;
  }

  /** What the queue entry holds: the Java hash of the tag, or of scheduled messages the time of delivery. */
  tagsCode(): number {
    const found = this.#scan();
    if (this.#topicIsSchedule && found.delayStart >= 0) {
      const level = parseDelayLevel(textOf(this.bytes, found.delayStart, found.delayEnd));
      if (level !== undefined && level > 0) return this.storedAt + delayOfLevelMs(level);
    }
    return found.tagsStart < 0 ? 0 : this.#hashOf(found.tagsStart, found.tagsEnd, 0);
  }

  /** Fills `keyHashes` with the index hashes of UNIQ_KEY and of each key of KEYS; returns their number. */
  readKeys(): number {
    if (this.transactionType === transactionRollback) return 0;
    const found = this.#scan();
    let count = 0;
    if (found.uniqueKeyStart >= 0) count = this.#addKey(found.uniqueKeyStart, found.uniqueKeyEnd, 0);
    if (found.keysStart < 0) return count;
    const { bytes } = this;
    let start = found.keysStart;
    for (let at = start; at <= found.keysEnd; at += 1) {
      if (at < found.keysEnd && bytes[at] !== space) continue;
      if (at > start) count = this.#addKey(start, at, count);
      start = at + 1;
    }
    return count;
  }

  #addKey(start: number, end: number, count: number): number {
    if (count === this.keyHashes.length) {
      const grown = new Int32Array(2 * count);
      grown.set(this.keyHashes);
      this.keyHashes = grown;
    }
    this.keyHashes[count] = indexHashOf(this.#hashOf(start, end, this.#keyPrefixHash));
    return count + 1;
  }

  #hashOf(start: number, end: number, seed: number): number {
    const { bytes } = this;
    let hash = seed;
    for (let i = start; i < end; i += 1) {
      const byte = bytes[i] as number;
      if (byte > 0x7f) return javaHash(textOf(bytes, start, end), seed);
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    return hash;
  }

  /** Whether `key` is exactly UNIQ_KEY or one of KEYS: the index knows hashes only. */
  hasKey(key: string): boolean {
    if (key !== this.#soughtKey) {
      this.#soughtKeyBytes = Buffer.from(key);
      this.#soughtKey = key;
    }
    const { bytes } = this;
    const sought = this.#soughtKeyBytes;
    const found = this.#scan();
    if (found.uniqueKeyStart >= 0 && equalsBytes(bytes, found.uniqueKeyStart, found.uniqueKeyEnd, sought)) return true;
    if (found.keysStart < 0 || sought.length === 0) return false;
    let start = found.keysStart;
    for (let at = start; at <= found.keysEnd; at += 1) {
      if (at < found.keysEnd && bytes[at] !== space) continue;
      if (equalsBytes(bytes, start, at, sought)) return true;
      start = at + 1;
    }
    return false;
  }

  /** The value of a property; of several of one name the last. */
  property(name: string): string | undefined {
    const { bytes } = this;
    const sought = Buffer.from(name);
    const cursor = this.#cursor;
    let found: string | undefined;
    for (cursor.begin(this.propertiesStart, this.propertiesEnd); cursor.next(bytes); ) {
      if (equalsBytes(bytes, cursor.nameStart, cursor.nameEnd, sought)) found = textOf(bytes, cursor.valueStart, cursor.valueEnd);
    }
    return found;
  }

  /** Set on the first record of a batch of several. */
  batchMark(): BatchMark | undefined {
    const found = this.#scan();
    if (found.batchStart < 0) return undefined;
    const match = /^(\d{10}),(\d{10})$/.exec(textOf(this.bytes, found.batchStart, Math.min(found.batchEnd, found.batchStart + 64)));
    if (match === null) return undefined;
    return { recordCount: Number(match[1]), bytes: Number(match[2]) };
  }

  #scan(): PropertyScan {
    if (!this.#scanned) {
      this.#properties.scan(this.bytes, this.propertiesStart, this.propertiesEnd);
      this.#scanned = true;
    }
    return this.#properties;
  }
}

/** Whether a 64-bit integer with that upper half is a whole number from 0 to 2^53 - 1. */
function isSafe(highWord: number): boolean {
  return highWord >= 0 && highWord <= highWordMax;
}

function storeHostBytes(sysFlag: number): number {
  return (sysFlag & sysFlagStoreHostIPv6) === 0 ? 8 : 20;
}
