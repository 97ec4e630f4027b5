import type { LogSegments } from '../commit-log/log-segments.js';
import {
  blankBytes,
  checksumPropertyBytes,
  ipv6ExtraBytes,
  magicV1,
  magicV2,
  recordBytesMin,
  sysFlagBornHostIPv6,
  sysFlagStoreHostIPv6,
} from '../format/record-layout.js';
import { readChecksumProperty } from '../format/record-checksum.js';
import { RecordView } from '../format/record-view.js';
import { writeInt64 } from '../base/bytes.js';
import { isInSpans, type OwnSpan } from './manifest.js';
import { recordAt } from './record-at.js';

/** Larger ones are not put together in memory to try whether they verify. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
const HEAD_BYTES = 128;
const MAGIC_AT = 4;
const PHYSICAL_OFFSET_AT = 28;
const SYS_FLAG_AT = 36;
const IPV4_BODY_LENGTH_AT = 84;

export interface DamagedLog {
  readonly segments: LogSegments;
  readonly spans: readonly OwnSpan[];
}

/**
 * Where the record at `start`, which does not verify, ends by what is left of it, if that is certain:
 *
 * - its parts add up to its size and it names its own place: what is damaged is in its contents;
 * - with the size that its parts add up to, its place and a magic number put in, it verifies: only these were damaged;
 * - it names its own place, and a good record begins where its size says that it ends, right behind what ends a record of ours.
 *
 * Undefined: it is not. A record that was forged inside a message's body has no part in any of it.
 */
export async function endOfDamaged(log: DamagedLog, start: number, segmentEnd: number): Promise<number | undefined> {
  const head = Buffer.alloc(HEAD_BYTES);
  if ((await log.segments.read(head, start)) < recordBytesMin) return undefined;
  // A record leaves room for the blank behind it.
  const endMax = segmentEnd - blankBytes;
  const claimed = start + head.readInt32BE(0);
  const summed = await endBySum(log, head, start, endMax);
  const magic = head.readInt32BE(MAGIC_AT);
  const namesPlace = head.readBigInt64BE(PHYSICAL_OFFSET_AT) === BigInt(start) && (magic === magicV1 || magic === magicV2);
  if (summed !== undefined) {
    if (namesPlace && claimed === summed) return claimed;
    if (await verifiesIfMended(log, start, summed)) return summed;
  }
  if (!namesPlace || claimed < start + recordBytesMin || claimed > endMax) return undefined;
  return (await endsHere(log, start, claimed)) && (await beginsHere(log, claimed)) ? claimed : undefined;
}

/** Where the lengths of body, topic and properties lead. */
async function endBySum(log: DamagedLog, head: Buffer, start: number, endMax: number): Promise<number | undefined> {
  const sysFlag = head.readInt32BE(SYS_FLAG_AT);
  const extra =
    ((sysFlag & sysFlagBornHostIPv6) === 0 ? 0 : ipv6ExtraBytes) + ((sysFlag & sysFlagStoreHostIPv6) === 0 ? 0 : ipv6ExtraBytes);
  const bodyLengthAt = IPV4_BODY_LENGTH_AT + extra;
  const bodyEnd = start + bodyLengthAt + 4 + Math.max(0, head.readInt32BE(bodyLengthAt));
  const topicLengthBytes = head.readInt32BE(MAGIC_AT) === magicV2 ? 2 : 1;
  if (bodyEnd + topicLengthBytes + 2 > endMax) return undefined;
  const topicLength = await readLength(log, bodyEnd, topicLengthBytes);
  const propertiesAt = bodyEnd + topicLengthBytes + topicLength;
  if (topicLength <= 0 || propertiesAt + 2 > endMax) return undefined;
  const end = propertiesAt + 2 + Math.max(0, await readLength(log, propertiesAt, 2));
  return end <= endMax ? end : undefined;
}

async function readLength(log: DamagedLog, at: number, bytes: 1 | 2): Promise<number> {
  const length = Buffer.alloc(bytes);
  if ((await log.segments.read(length, at)) < bytes) return -1;
  return bytes === 1 ? length.readInt8(0) : length.readInt16BE(0);
}

async function verifiesIfMended(log: DamagedLog, start: number, end: number): Promise<boolean> {
  // Without a checksum over all of it nothing would tell whether the parts are its own.
  if (end - start > RECORD_BYTES_MAX || !isInSpans(log.spans, start)) return false;
  const bytes = Buffer.allocUnsafeSlow(end - start);
  if ((await log.segments.read(bytes, start)) < bytes.length) return false;
  const asRead = bytes.readInt32BE(MAGIC_AT);
  bytes.writeInt32BE(bytes.length, 0);
  writeInt64(bytes, start, PHYSICAL_OFFSET_AT);
  bytes.writeInt32BE(asRead === magicV2 ? magicV2 : magicV1, MAGIC_AT);
  const view = new RecordView();
  return view.read(bytes, 0, bytes.length) === 'record' && view.verify(true);
}

/** Whether what stands before `end` is the end of a record, as far as that can be told. */
async function endsHere(log: DamagedLog, start: number, end: number): Promise<boolean> {
  if (!isInSpans(log.spans, start)) return false;
  const tail = Buffer.alloc(checksumPropertyBytes);
  await log.segments.read(tail, end - tail.length);
  return readChecksumProperty(tail, 0, tail.length) >= 0;
}

/** Whether a record that verifies, or a segment's blank, begins there. */
async function beginsHere(log: DamagedLog, offset: number): Promise<boolean> {
  const { stopped } = await recordAt(log.segments, log.spans, offset);
  return stopped.reason === 'limit' || stopped.count > 0;
}
