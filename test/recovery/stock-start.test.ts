import { expect, it } from 'vitest';
import { LogSegments } from '../../src/commit-log/log-segments.js';
import { encodeCheckpoint } from '../../src/format/checkpoint.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import { segmentName } from '../../src/format/segment-name.js';
import { stockStart } from '../../src/recovery/stock-start.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { memoryPlatform } from '../../src/testing/index.js';

const segmentBytes = 1024 * 1024;
const encoder = new RecordEncoder({
  storeHost: { address: '2001:db8::1', port: 1 },
  recordChecksum: false,
  messageBytesMax: segmentBytes,
  systemMessages: false,
});

/** Segments that each begin with a record of that many body bytes, stored at 10 s, 20 s, … */
async function segmentsOf(...bodyBytes: number[]): Promise<LogSegments> {
  const { fs } = memoryPlatform();
  await fs.makeDirectory('/log');
  const segments = new LogSegments({ fs, files: new OpenFiles(fs, 8), directory: '/log', makingDirectory: '/tmp', segmentBytes });
  for (const [i, count] of bodyBytes.entries()) {
    const bytes = Buffer.alloc(segmentBytes);
    encoder.stage({ topic: 'T', body: Buffer.alloc(count, 7) }, 0, false);
    if (count > 0) encoder.write(bytes, 0, i * segmentBytes, 0, (i + 1) * 10_000);
    const file = fs.open(`/log/${segmentName(i * segmentBytes)}`, 'create');
    file.writeSync([bytes], 0);
    await file.close();
  }
  segments.setBases(bodyBytes.map((_, i) => i * segmentBytes));
  return segments;
}

function checkpointAt(ms: number): Buffer {
  return encodeCheckpoint({ logTime: ms, queuesTime: ms, indexTime: ms, masterFlushedOffset: 0, confirmedOffset: 0 });
}

it('the last segment whose first record is older than the checkpoint, however large that record is', async () => {
  const segments = await segmentsOf(100, 500_000, 900_000, 100);
  expect(await stockStart(segments, checkpointAt(33_000))).toBe(2 * segmentBytes);
  expect(await stockStart(segments, checkpointAt(29_000))).toBe(segmentBytes);
  expect(await stockStart(segments, checkpointAt(43_000))).toBe(3 * segmentBytes);
});

it('a segment that begins with nothing is passed over', async () => {
  expect(await stockStart(await segmentsOf(100, 500_000, 0), checkpointAt(100_000))).toBe(segmentBytes);
});

it('all of the log without a checkpoint, or with one older than it', async () => {
  const segments = await segmentsOf(100, 100);
  expect(await stockStart(segments, undefined)).toBe(0);
  expect(await stockStart(segments, checkpointAt(5_000))).toBe(0);
});
