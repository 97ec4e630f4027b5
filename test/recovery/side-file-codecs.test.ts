import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { continueSpans, decodeManifest, encodeManifest, isInSpans, type Manifest, type OwnSpan } from '../../src/recovery/manifest.js';
import { isCount, sealJson, unsealJson } from '../../src/recovery/sealed-json.js';
import { decodeState, encodeState, type State } from '../../src/recovery/state.js';
import { encodeWatermark, newestWatermark, SLOT_BYTES, type Watermark } from '../../src/recovery/watermark.js';

const storeId = '0123456789abcdef0123456789abcdef';
const manifest: Manifest = {
  storeId,
  options: { segmentBytes: 4096, queueEntriesPerFile: 16, indexSlotCount: 7, indexEntryCount: 20 },
  spans: [
    { from: 0, to: 100 },
    { from: 4096, to: undefined },
  ],
};
const state: State = {
  storeId,
  safeOffset: 12_345,
  clean: true,
  lastStoredAt: 1_700_000_000_000,
  trimmedTo: 4096,
  queues: [
    { topic: 'T', queueId: 0, min: 3, max: 9 },
    { topic: 'T', queueId: 7, min: 0, max: 0 },
    { topic: '%RETRY%group', queueId: 0, min: 1, max: 1 },
  ],
  index: [{ name: '20240101000000000', entryCount: 19, endPhysicalOffset: 12_000 }],
  checkpointHex: 'ab',
  previousCheckpointHex: '',
  sequence: 5,
};
const watermark: Watermark = {
  storeId,
  runId: 'fedcba9876543210fedcba9876543210',
  sequence: 9,
  flushedOffset: 8_589_934_592_001,
  writtenOffset: 8_589_934_592_100,
  lastRecordStart: 8_589_934_591_000,
  lastRecordHash: '00ff00ff00ff00ff',
  lastStoredAt: 1_700_000_000_000,
  flush: 'sync',
};

/** The same JSON under a seal of its own, with one field changed. */
function resealed(bytes: Buffer, field: string, value: unknown): Buffer {
  return sealJson({ ...(unsealJson(bytes) as object), [field]: value });
}

function everyBitFlipped(bytes: Buffer, check: (damaged: Buffer) => void): void {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    check(damaged);
  }
}

describe('sealed JSON', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(unsealJson(sealJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('with any one bit flipped, cut short, or with something behind it, is nothing', () => {
    const bytes = sealJson({ some: ['thing', 1] });
    everyBitFlipped(bytes, (damaged) => expect(unsealJson(damaged)).toBeUndefined());
    for (let length = 0; length < bytes.length; length += 1) expect(unsealJson(bytes.subarray(0, length))).toBeUndefined();
    expect(unsealJson(Buffer.concat([bytes, Buffer.from(' ')]))).toBeUndefined();
    expect(unsealJson(undefined)).toBeUndefined();
  });

  it('whose checksum fits but that is no JSON is nothing', () => {
    const sealed = sealJson('x');
    expect(unsealJson(sealed)).toBe('x');
    // CRC-32 of the nine digits, and of a bracket.
    expect(unsealJson(Buffer.from('cbf43926\n123456789'))).toBe(123_456_789);
    expect(unsealJson(Buffer.from('15d54739\n{'))).toBeUndefined();
  });

  it('counts are whole numbers from 0 that a double holds exactly', () => {
    for (const value of [0, 1, 2 ** 53 - 1]) expect(isCount(value)).toBe(true);
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', null, undefined]) expect(isCount(value)).toBe(false);
  });
});

describe('the manifest', () => {
  it('comes back as it was, and no flipped bit goes unnoticed', () => {
    const bytes = encodeManifest(manifest);
    expect(decodeManifest(bytes)).toEqual(manifest);
    everyBitFlipped(bytes, (damaged) => expect(decodeManifest(damaged)).toBeUndefined());
  });

  const wrong: Record<string, unknown[]> = {
    version: [0, 2, '1', undefined],
    storeId: ['', storeId.toUpperCase(), `${storeId}0`, 7, undefined],
    options: [
      undefined,
      null,
      [],
      {},
      { ...manifest.options, segmentBytes: -1 },
      { ...manifest.options, queueEntriesPerFile: '16' },
      { ...manifest.options, indexSlotCount: 0.5 },
      { ...manifest.options, indexEntryCount: null },
    ],
    spans: [undefined, {}, [1], [[]], [[-1, 5]], [[0, '5']], [[0, 0.5]]],
  };
  for (const [field, values] of Object.entries(wrong)) {
    it(`with a wrong ${field} is none`, () => {
      for (const value of values) expect(decodeManifest(resealed(encodeManifest(manifest), field, value))).toBeUndefined();
    });
  }

  it('that is no object is none', () => {
    for (const value of [null, 1, 'x', [manifest]]) expect(decodeManifest(sealJson(value))).toBeUndefined();
  });
});

describe('spans of our own records', () => {
  it('begin at their first byte and end before their last', () => {
    for (const [offset, inside] of [
      [0, true],
      [99, true],
      [100, false],
      [4095, false],
      [4096, true],
      [Number.MAX_SAFE_INTEGER, true],
    ] as const) {
      expect(isInSpans(manifest.spans, offset)).toBe(inside);
    }
  });

  it('a store that goes on where it ended has one span, however often it was opened', () => {
    let spans: readonly OwnSpan[] = [];
    for (let end = 0; end < 1000; end += 100) {
      spans = continueSpans(spans, end, true);
      expect(spans).toEqual([{ from: 0, to: undefined }]);
      spans = continueSpans(spans, end + 100, false);
      expect(spans).toEqual([{ from: 0, to: end + 100 }]);
    }
  });

  it('what somebody else has appended is in none of them', () => {
    const closed = continueSpans([{ from: 0, to: undefined }], 500, false);
    expect(continueSpans(closed, 800, true)).toEqual([
      { from: 0, to: 500 },
      { from: 800, to: undefined },
    ]);
  });

  it('a log that was cut takes them along', () => {
    const spans = [
      { from: 0, to: 500 },
      { from: 800, to: undefined },
    ];
    expect(continueSpans(spans, 600, false)).toEqual([{ from: 0, to: 500 }]);
    expect(continueSpans(spans, 300, false)).toEqual([{ from: 0, to: 300 }]);
    expect(continueSpans(spans, 0, true)).toEqual([{ from: 0, to: undefined }]);
  });
});

describe('the state', () => {
  it('comes back as it was, with index and without, and no flipped bit goes unnoticed', () => {
    for (const each of [state, { ...state, index: undefined, clean: false }, { ...state, queues: [], index: [] }]) {
      expect(decodeState(encodeState(each))).toEqual(each);
    }
    everyBitFlipped(encodeState(state), (damaged) => expect(decodeState(damaged)).toBeUndefined());
  });

  it('a topic with the name of what every object has is a topic', () => {
    const queues = ['__proto__', 'constructor', 'toString'].map((topic) => ({ topic, queueId: 0, min: 0, max: 4 }));
    expect(decodeState(encodeState({ ...state, queues }))?.queues).toEqual(queues);
  });

  const wrong: Record<string, unknown[]> = {
    version: [0, 2, undefined],
    storeId: [7, undefined],
    safeOffset: [-1, 0.5, '0', undefined],
    clean: [1, 'true', undefined],
    lastStoredAt: [-1, null],
    checkpointHex: [undefined, 1],
    previousCheckpointHex: [undefined, 1],
    sequence: [-1, undefined],
    trimmedTo: [-1, 0.5, '0'],
    queues: [
      undefined,
      [],
      { T: 5 },
      { T: [0, 0] },
      { T: [0, 5, 4] },
      { T: [-1, 0, 0] },
      { T: [0, 0, 0.5] },
      { '../x': [0, 0, 1] },
      { '': [0, 0, 1] },
      { T: ['0', 0, 1] },
    ],
    index: [undefined, 5, {}, [5], [['x', 1, 1]], [['20240101000000000', -1, 1]], [['20240101000000000', 1, 'x']], [[7, 1, 1]]],
  };
  for (const [field, values] of Object.entries(wrong)) {
    it(`with a wrong ${field} is none`, () => {
      for (const value of values) expect(decodeState(resealed(encodeState(state), field, value))).toBeUndefined();
    });
  }
});

describe('a slot of the watermark', () => {
  const slot = Buffer.alloc(SLOT_BYTES, 0xee);
  encodeWatermark(watermark, slot);

  it('comes back as it was, and no flipped bit of what is used goes unnoticed', () => {
    expect(newestWatermark(slot)).toEqual(watermark);
    everyBitFlipped(slot.subarray(0, 100), (damaged) =>
      expect(newestWatermark(Buffer.concat([damaged, slot.subarray(100)]))).toBeUndefined(),
    );
    expect(slot.subarray(100).every((byte) => byte === 0)).toBe(true);
  });

  it('torn at any sector, of zeros, or cut short is none', () => {
    expect(newestWatermark(Buffer.alloc(SLOT_BYTES))).toBeUndefined();
    for (let length = 0; length < 100; length += 1) expect(newestWatermark(slot.subarray(0, length))).toBeUndefined();
  });

  it('that says what no store can is none, though its checksum fits', () => {
    for (const more of [
      { sequence: -1 },
      { flushedOffset: -1 },
      { writtenOffset: -1 },
      { lastStoredAt: -1 },
      { lastRecordStart: watermark.flushedOffset + 1 },
    ]) {
      const other = Buffer.alloc(SLOT_BYTES);
      encodeWatermark({ ...watermark, ...more }, other);
      expect(newestWatermark(other)).toBeUndefined();
    }
  });

  it('of a store with no record names none', () => {
    const empty = {
      ...watermark,
      flushedOffset: 0,
      writtenOffset: 0,
      lastRecordStart: -1,
      lastRecordHash: '0000000000000000',
      flush: 'async' as const,
    };
    const other = Buffer.alloc(SLOT_BYTES);
    encodeWatermark(empty, other);
    expect(newestWatermark(other)).toEqual(empty);
  });

  it('of two the one with the higher sequence counts; a torn one never', () => {
    const older = Buffer.alloc(SLOT_BYTES);
    encodeWatermark({ ...watermark, sequence: 8 }, older);
    expect(newestWatermark(Buffer.concat([slot, older]))?.sequence).toBe(9);
    expect(newestWatermark(Buffer.concat([older, slot]))?.sequence).toBe(9);
    const torn = Buffer.from(slot);
    torn.fill(0, 50, 60);
    expect(newestWatermark(Buffer.concat([older, torn]))?.sequence).toBe(8);
    expect(newestWatermark(Buffer.concat([torn, torn]))).toBeUndefined();
    expect(newestWatermark(older.subarray(0, 50))).toBeUndefined();
    expect(newestWatermark(undefined)).toBeUndefined();
  });
});
