import { crc32 } from '../../../src/base/checksum.js';
import { encodeBatch, unpackBatch } from '../../../src/format/batch.js';
import { checkpointMinTime, decodeCheckpoint, encodeCheckpoint } from '../../../src/format/checkpoint.js';
import { parseDelayLevel } from '../../../src/format/delay-levels.js';
import { decodeBatchQueueEntry, encodeBatchQueueEntry } from '../../../src/format/foreign/batch-queue-entry.js';
import { decodeEpochFile, encodeEpochFile } from '../../../src/format/foreign/epoch-file.js';
import { decodeHaFrame, decodeHaReport, encodeHaFrame, encodeHaReport } from '../../../src/format/foreign/ha-frame.js';
import { decodeQueueExt, encodeQueueExt } from '../../../src/format/foreign/queue-ext.js';
import { decodeTimerUnit, decodeWheelSlot, encodeTimerUnit, encodeWheelSlot } from '../../../src/format/foreign/timer-log.js';
import { decodeUniqueKey } from '../../../src/format/foreign/unique-key.js';
import { hostText } from '../../../src/format/host-address.js';
import {
  indexEntryHash,
  indexEntryPhysicalOffset,
  indexEntryPrevious,
  indexEntrySeconds,
  parseIndexFileName,
  readIndexHeader,
  writeIndexEntry,
  writeIndexHeader,
} from '../../../src/format/index-layout.js';
import { parseMessageId } from '../../../src/format/message-id.js';
import { PropertyCursor, PropertyScan, textOf } from '../../../src/format/property-scan.js';
import {
  entryPhysicalOffset,
  entryRecordBytes,
  entryTagsCode,
  isEmptyEntry,
  isPrefill,
  writeQueueEntry,
} from '../../../src/format/queue-entry.js';
import { parseRocketmqJson, writeRocketmqJson } from '../../../src/format/rocketmq-json.js';
import { parseSegmentName } from '../../../src/format/segment-name.js';
import { isPlausibleTopic, topicFault } from '../../../src/format/topic-rules.js';
import { decodeManifest, encodeManifest } from '../../../src/recovery/manifest.js';
import { sealJson, unsealJson } from '../../../src/recovery/sealed-json.js';
import { decodeState, encodeState } from '../../../src/recovery/state.js';
import { encodeWatermark, newestWatermark, SLOT_BYTES, type Watermark } from '../../../src/recovery/watermark.js';
import { StoreError } from '../../../src/index.js';
import type { SeededRandom } from '../../../src/testing/seeded-random.js';
import { anyJson, changedJson, mutated } from './inputs.js';
import { recordDecoder } from './record-decoder.js';

/** Something that reads bytes which nobody vouches for. */
export interface Decoder {
  /** Like what it expects, or not at all. Valid until the next call. */
  input(random: SeededRandom): Buffer;
  /** Reads them in every way there is. Throws only what `isTyped` allows, and an Error of its own where what was read contradicts itself. */
  read(bytes: Buffer): void;
  /** What it may throw; nothing, if it is left out. */
  isTyped?(error: unknown): boolean;
  /** Bytes on the heap for each byte of input: 2, but for what makes objects of few bytes. */
  readonly heapFactor?: number;
}

function alloc(bytes: number, write: (into: Buffer) => void): Buffer {
  const into = Buffer.alloc(bytes);
  write(into);
  return into;
}

function binary(valid: readonly Buffer[], read: (bytes: Buffer) => void, more: Partial<Decoder> = {}): Decoder {
  return { input: (random) => mutated(random, valid), read, ...more };
}

function text(valid: readonly string[], read: (value: string) => unknown, more: Partial<Decoder> = {}): Decoder {
  const bytes = valid.map((each) => Buffer.from(each));
  return binary(bytes, (input) => void read(input.toString('latin1')), more);
}

const header = { beginTime: 1_700_000_000_000, endTime: 1_700_000_009_000, beginOffset: 0, endOffset: 4096, slotsUsed: 3, nextEntry: 4 };
const keptOptions = { segmentBytes: 4096, queueEntriesPerFile: 16, indexSlotCount: 7, indexEntryCount: 20 };
const manifest = {
  storeId: 'ab'.repeat(16),
  options: keptOptions,
  spans: [
    { from: 0, to: 100 },
    { from: 200, to: undefined },
  ],
};
const state = {
  storeId: 'ab'.repeat(16),
  safeOffset: 4096,
  clean: true,
  lastStoredAt: 1_700_000_000_000,
  trimmedTo: 0,
  queues: [
    { topic: 'T', queueId: 0, min: 0, max: 9 },
    { topic: 'Orders', queueId: 3, min: 5, max: 90 },
  ],
  index: [{ name: '20240101000000000', entryCount: 7, endPhysicalOffset: 900 }],
  checkpointHex: '00'.repeat(40),
  previousCheckpointHex: '',
  sequence: 12,
};
const watermark: Watermark = {
  storeId: 'ab'.repeat(16),
  runId: 'cd'.repeat(16),
  sequence: 7,
  flushedOffset: 4096,
  writtenOffset: 5000,
  lastRecordStart: 4000,
  lastRecordHash: '0123456789abcdef',
  lastStoredAt: 1_700_000_000_000,
  flush: 'sync',
};
const configs: readonly string[] = [
  '{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":1700000000000},"offsetTable":{"T@G":{0:12,1:5}}}',
  writeRocketmqJson(new Map<string, never[]>([['a', []]])),
  '[[[[[[[[1,2.5e3,-7,true,null,"\\u0041\\n"]]]]]]]]',
  '{"topicConfigTable":{"T":{"attributes":{},"order":false,"perm":6,"readQueueNums":16,"topicName":"T"}}}',
  `{"deep":${'['.repeat(70)}${']'.repeat(70)}}`,
  `"${'x'.repeat(300)}\\"${'9'.repeat(500)}`,
];

/** A sealed document whose seal fits, so that what is behind it is reached. */
function sealed(valid: unknown, bytesOf: Buffer, read: (bytes: Buffer) => void): Decoder {
  return {
    input: (random) => {
      if (random.chance(0.3)) return mutated(random, [bytesOf]);
      return sealJson((random.chance(0.3) ? anyJson(random) : changedJson(random, valid)) ?? null);
    },
    read,
    heapFactor: 40,
  };
}

const slots: Buffer = alloc(2 * SLOT_BYTES, (into) => {
  encodeWatermark(watermark, into);
  encodeWatermark({ ...watermark, sequence: 8 }, into.subarray(SLOT_BYTES));
});

function asIs(value: unknown): unknown {
  const written: unknown = JSON.parse(sealJson(value).toString('utf8', 9));
  return written;
}

const messageInvalid = (error: unknown): boolean => StoreError.is(error, 'MESSAGE_INVALID');

export const decoders: Readonly<Record<string, Decoder>> = {
  record: recordDecoder,
  properties: binary(
    [Buffer.from('KEYS\x01a b c\x02TAGS\x01t\x02UNIQ_KEY\x01u\x02__CRC32#\x011234567890\x02'), Buffer.from('a\x01\x02\x01b\x02;;')],
    (bytes) => {
      const scan = new PropertyScan();
      scan.scan(bytes, 0, bytes.length);
      const cursor = new PropertyCursor();
      let last = 0;
      for (cursor.begin(0, bytes.length); cursor.next(bytes); last = cursor.valueEnd) {
        if (cursor.nameStart < last || cursor.valueEnd > bytes.length || cursor.valueStart > cursor.valueEnd) throw new Error('outside');
        textOf(bytes, cursor.valueStart, cursor.valueEnd);
      }
    },
  ),
  batch: binary(
    [
      encodeBatch([
        { flag: 0, body: Buffer.from('m0'), properties: Buffer.from('a\x01b\x02') },
        { flag: 7, body: Buffer.alloc(0), properties: Buffer.alloc(0) },
      ]),
    ],
    (bytes) => {
      const total = unpackBatch(bytes).reduce((sum, each) => sum + each.body.length + each.properties.length + 22, 0);
      if (total !== bytes.length) throw new Error('elements do not fill the batch');
    },
    { isTyped: messageInvalid, heapFactor: 40 },
  ),
  checkpoint: binary(
    [encodeCheckpoint({ logTime: 1_700_000_000_123, queuesTime: 1, indexTime: 2, masterFlushedOffset: 0, confirmedOffset: 3 })],
    (bytes) => {
      const decoded = decodeCheckpoint(bytes);
      if (decoded !== undefined && !(checkpointMinTime(decoded) >= 0)) throw new Error('no time');
    },
  ),
  'index header': binary([alloc(40, (into) => writeIndexHeader(into, 0, header))], (bytes) => {
    if (bytes.length >= 40 && readIndexHeader(bytes, 0).nextEntry < 1) throw new Error('an entry below the first');
  }),
  'index entry': binary([alloc(20, (into) => writeIndexEntry(into, 0, 7, 4096, 3, 1))], (bytes) => {
    if (bytes.length < 20) return;
    for (const read of [indexEntryHash, indexEntryPhysicalOffset, indexEntryPrevious, indexEntrySeconds]) read(bytes, 0);
  }),
  'queue entry': binary([alloc(40, (into) => writeQueueEntry(into, 0, 4096, 226, 2_598_919))], (bytes) => {
    if (bytes.length < 20) return;
    for (const read of [entryPhysicalOffset, entryRecordBytes, entryTagsCode, isEmptyEntry, isPrefill]) read(bytes, 0);
  }),
  watermark: {
    input: (random) => {
      const bytes = mutated(random, [slots]);
      // Behind the checksum too.
      if (bytes.length >= 100 && random.chance(0.7)) bytes.writeUInt32BE(crc32(bytes, 0, 96), 96);
      return bytes;
    },
    read: (bytes) => {
      const newest = newestWatermark(bytes);
      if (newest !== undefined && !(newest.flushedOffset >= 0 && newest.lastRecordStart <= newest.flushedOffset))
        throw new Error('no place');
    },
  },
  manifest: sealed(
    asIs({
      version: 1,
      ...manifest,
      spans: [
        [0, 100],
        [200, null],
      ],
    }),
    encodeManifest(manifest),
    (bytes) => void decodeManifest(bytes),
  ),
  state: sealed(
    asIs({ version: 1, ...state, queues: { T: [0, 0, 9], Orders: [3, 5, 90] }, index: [['20240101000000000', 7, 900]] }),
    encodeState(state),
    (bytes) => {
      for (const { min, max } of decodeState(bytes)?.queues ?? []) if (min > max) throw new Error('a queue that ends before it begins');
    },
  ),
  'sealed json': sealed({ a: 1 }, sealJson({ a: [1, 2, 3] }), (bytes) => void unsealJson(bytes)),
  'rocketmq json': binary(
    configs.map((each) => Buffer.from(each)),
    (bytes) => void parseRocketmqJson(bytes),
    {
      isTyped: (error) => error instanceof SyntaxError,
      heapFactor: 120,
    },
  ),
  'batch queue entry': binary(
    [encodeBatchQueueEntry({ physicalOffset: 4096, recordBytes: 500, tagsCode: 0, storedAt: 1, baseQueueOffset: 100, messageCount: 3 })],
    (bytes) => void decodeBatchQueueEntry(bytes),
  ),
  'queue ext': binary([encodeQueueExt({ tagsCode: 7, storedAt: 8, bitmap: Buffer.alloc(8, 1) })], (bytes) => {
    const found = decodeQueueExt(bytes);
    if (found !== undefined && found.bitmap.length > bytes.length) throw new Error('outside');
  }),
  'timer unit': binary(
    [encodeTimerUnit({ previousPosition: -1, magic: 1, baseTime: 1, delayMs: 2, physicalOffset: 3, recordBytes: 4, topicHash: 5 })],
    (bytes) => void decodeTimerUnit(bytes),
  ),
  'wheel slot': binary(
    [encodeWheelSlot({ tick: 9, firstPosition: 0, lastPosition: 52, unitCount: 2 })],
    (bytes) => void decodeWheelSlot(bytes, 0, 9),
  ),
  'ha frame': binary([encodeHaFrame(4096, Buffer.from('body')), encodeHaReport(77)], (bytes) => {
    const frame = decodeHaFrame(bytes, 1024);
    if (typeof frame === 'object' && frame.body.length > 1024) throw new Error('larger than allowed');
    decodeHaReport(bytes);
  }),
  'epoch file': text(
    [
      encodeEpochFile([
        { epoch: 1, startOffset: 0 },
        { epoch: 2, startOffset: 4096 },
      ]),
    ],
    decodeEpochFile,
    { heapFactor: 60 },
  ),
  names: text(
    [
      '7F0000010001070DEA4E9C8D8A1B0000',
      'C0A8010A00002A9F0000000000001000',
      '00000000000000004096',
      '20240101000000000',
      '12',
      '%RETRY%group',
      'a/../b',
    ],
    (value) => {
      for (const read of [decodeUniqueKey, parseMessageId, parseSegmentName, parseIndexFileName, parseDelayLevel]) read(value);
      // What passes for a topic never leads out of its folder.
      if (topicFault(value, true, 'linux') === undefined && (/[/\\\0]/.test(value) || value === '.' || value === '..'))
        throw new Error('a path');
    },
    { heapFactor: 20 },
  ),
  topic: binary([Buffer.from('TopicTest'), Buffer.from('%DLQ%g'), Buffer.from('..'), Buffer.alloc(300, 'x')], (bytes) => {
    const isPlausible = isPlausibleTopic(bytes);
    if (isPlausible && (bytes.includes('/') || bytes.includes(0) || bytes.equals(Buffer.from('..')) || bytes.equals(Buffer.from('.'))))
      throw new Error('a path');
  }),
  host: binary([Buffer.from([192, 168, 1, 10]), Buffer.alloc(16, 1), Buffer.alloc(16)], (bytes) => void hostText(bytes), {
    heapFactor: 20,
  }),
};
