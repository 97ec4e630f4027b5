import { assert } from '../base/assert.js';
import { crc32, crc32View } from '../base/checksum.js';
import { writeInt64 } from '../base/bytes.js';
import { encodeHost, type HostAddress } from './host-address.js';
import { writeChecksumProperty } from './record-checksum.js';
import {
  checksumPropertyBytes,
  fillerTopic,
  ipv6ExtraBytes,
  magicV1,
  magicV2,
  recordBytesMin,
  sysFlagBornHostIPv6,
  sysFlagStoreHostIPv6,
  tombstoneBodyBytesMax,
  tombstoneFlag,
  topicBytesMaxV1,
  transactionRollback,
} from './record-layout.js';

/**
 * Records that a repair puts where others were lost (see record-layout.ts):
 *
 *   tombstone  same topic, queue and queue offset, flag 0x4C4F5354, empty body. A rest of the span that is too short for a filler
 *              becomes its body, in zeros.
 *   filler     topic STRATALOG_FILLER, transaction type ROLLBACK (no queue, no index), a body of zeros. In place of a single record
 *              smaller than that: as much of the topic as fits, IPv4 hosts, no body. By its type it is no message either.
 *
 * Both carry the record checksum where the span does.
 */
export interface RepairOptions {
  readonly storeHost: HostAddress;
  readonly recordChecksum: boolean;
}

export interface LostRecord {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly storedAt: number;
}

/** The size of a tombstone with an empty body. */
export function tombstoneBytes(topic: string, options: RepairOptions): number {
  const topicBytes = Buffer.byteLength(topic);
  return fixedBytes(options) + topicBytes + (topicBytes > topicBytesMaxV1 ? 1 : 0);
}

/** Whether a tombstone can be exactly `recordBytes` long. Every rest that is too short for a filler fits. */
export function tombstoneFits(topic: string, recordBytes: number, options: RepairOptions): boolean {
  const bodyBytes = recordBytes - tombstoneBytes(topic, options);
  return bodyBytes >= 0 && bodyBytes <= tombstoneBodyBytesMax;
}

/** Writes a tombstone of exactly `recordBytes` at `into[at]`. The caller has asked `tombstoneFits`. */
export function encodeTombstone(into: Buffer, at: number, recordBytes: number, lost: LostRecord, options: RepairOptions): void {
  assert(tombstoneFits(lost.topic, recordBytes, options), 'a tombstone has a size that one can have');
  const bodyBytes = recordBytes - tombstoneBytes(lost.topic, options);
  writeRecord(into, at, recordBytes, { ...lost, flag: tombstoneFlag, sysFlag: 0, bodyBytes }, options);
}

/** The smallest filler with its whole topic. */
export function fillerBytesMin(options: RepairOptions): number {
  return fixedBytes(options) + fillerTopic.length;
}

/** As `options`, but what is written takes the least room: with the address 0.0.0.0. */
export function shortHostOptions(options: RepairOptions): RepairOptions {
  return { ...options, storeHost: shortHost };
}

/** The smallest filler of all: as large as the smallest record that there can be. */
export function shortFillerBytesMin(options: RepairOptions): number {
  return fixedBytes(shortHostOptions(options)) + 1;
}

/** Writes a filler of exactly `recordBytes`, at least `shortFillerBytesMin`, at `into[at]`. */
export function encodeFiller(
  into: Buffer,
  at: number,
  recordBytes: number,
  physicalOffset: number,
  storedAt: number,
  options: RepairOptions,
): void {
  assert(recordBytes >= shortFillerBytesMin(options), 'a filler has room for its fixed fields');
  const used = recordBytes < fillerBytesMin(options) ? shortHostOptions(options) : options;
  const topic = fillerTopic.slice(0, recordBytes - fixedBytes(used));
  const bodyBytes = recordBytes - fixedBytes(used) - topic.length;
  const filler = { topic, queueId: 0, queueOffset: 0, physicalOffset, storedAt };
  writeRecord(into, at, recordBytes, { ...filler, flag: 0, sysFlag: transactionRollback, bodyBytes }, used);
}

const shortHost: HostAddress = { address: '0.0.0.0', port: 0 };

function fixedBytes(options: RepairOptions): number {
  const host = encodeHost(options.storeHost, 'storeHost');
  return recordBytesMin + (host.isIPv6 ? 2 * ipv6ExtraBytes : 0) + (options.recordChecksum ? checksumPropertyBytes : 0);
}

interface RepairRecord extends LostRecord {
  readonly flag: number;
  readonly sysFlag: number;
  /** Of zeros. */
  readonly bodyBytes: number;
}

function writeRecord(into: Buffer, at: number, recordBytes: number, record: RepairRecord, options: RepairOptions): void {
  const topic = Buffer.from(record.topic);
  const isV2 = topic.length > topicBytesMaxV1;
  const host = encodeHost(options.storeHost, 'storeHost');
  into.fill(0, at, at + recordBytes);
  into.writeInt32BE(recordBytes, at);
  into.writeInt32BE(isV2 ? magicV2 : magicV1, at + 4);
  into.writeInt32BE(record.queueId, at + 12);
  into.writeInt32BE(record.flag, at + 16);
  writeInt64(into, record.queueOffset, at + 20);
  writeInt64(into, record.physicalOffset, at + 28);
  into.writeInt32BE(record.sysFlag | (host.isIPv6 ? sysFlagBornHostIPv6 | sysFlagStoreHostIPv6 : 0), at + 36);
  writeInt64(into, record.storedAt, at + 40);
  const hostBytes = Buffer.from(host.hex, 'hex');
  const storedAtStart = at + 48 + into.subarray(at + 48).write(host.hex, 'hex');
  writeInt64(into, record.storedAt, storedAtStart);
  into.set(hostBytes, storedAtStart + 8);
  const bodyLengthAt = storedAtStart + 8 + hostBytes.length + 12;
  const bodyStart = bodyLengthAt + 4;
  const bodyEnd = bodyStart + record.bodyBytes;
  into.writeInt32BE(record.bodyBytes, bodyLengthAt);
  into.writeInt32BE(crc32(into, bodyStart, bodyEnd) & 0x7fffffff, at + 8);
  const topicStart = isV2 ? into.writeInt16BE(topic.length, bodyEnd) : into.writeInt8(topic.length, bodyEnd);
  into.set(topic, topicStart);
  const propertiesStart = topicStart + topic.length + 2;
  if (!options.recordChecksum) return;
  into.writeInt16BE(checksumPropertyBytes, propertiesStart - 2);
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  writeChecksumProperty(view, propertiesStart, crc32View(view, at, propertiesStart) & 0x7fffffff);
}
