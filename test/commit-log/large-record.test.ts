import { afterEach, describe, expect, it, vi } from 'vitest';
import { isLargeRecord } from '../../src/commit-log/large-record.js';
import { LogScanner } from '../../src/commit-log/log-scanner.js';
import { LogSegments } from '../../src/commit-log/log-segments.js';
import { magicV1 } from '../../src/format/record-layout.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import { segmentName } from '../../src/format/segment-name.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { MIB } from './log-harness.js';

const segmentBytes = 1024 * MIB;

async function logWith(bytes: Buffer): Promise<LogSegments> {
  const { fs } = memoryPlatform();
  await fs.makeDirectory('/log');
  const file = fs.open(`/log/${segmentName(0)}`, 'create');
  file.writeSync([bytes], 0);
  await file.truncate(segmentBytes);
  await file.close();
  const segments = new LogSegments({ fs, files: new OpenFiles(fs, 8), directory: '/log', makingDirectory: '/tmp', segmentBytes });
  segments.setBases([0]);
  return segments;
}

/** The head of a record that claims to fill nearly all of the segment, all lengths in agreement. */
function hostileHead(physicalOffset: number): Buffer {
  const bytes = Buffer.alloc(112);
  const recordBytes = segmentBytes - 1024;
  bytes.writeInt32BE(recordBytes, 0);
  bytes.writeInt32BE(magicV1, 4);
  bytes.writeInt32BE(1, 8);
  bytes.writeBigInt64BE(BigInt(physicalOffset), 28);
  bytes.writeInt32BE(recordBytes - 200, 84);
  return bytes;
}

function record(bodyBytes: number): Buffer {
  const encoder = new RecordEncoder({
    storeHost: { address: '127.0.0.1', port: 1 },
    recordChecksum: true,
    messageBytesMax: 64 * MIB,
    systemMessages: false,
  });
  const bytes = Buffer.alloc(encoder.stage({ topic: 'T', body: Buffer.alloc(bodyBytes, 7) }, 0, false));
  encoder.write(bytes, 0, 0, 0, 1000);
  return bytes;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a record that claims to be large', () => {
  for (const [what, physicalOffset] of Object.entries({ 'in its own place': 0, 'in another place': 4096 })) {
    it(`and is not there, ${what}: is invalid, and no memory is taken for it`, async () => {
      const segments = await logWith(hostileHead(physicalOffset));
      const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
      const stopped = await new LogScanner(segments).scan(
        { from: 0, limit: segmentBytes, verify: true, isOurs: () => false },
        () => undefined,
      );
      expect(stopped).toMatchObject({ reason: 'invalid', offset: 0, count: 0 });
      expect(Math.max(...allocate.mock.calls.map(([bytes]) => bytes))).toBeLessThanOrEqual(MIB);
    });
  }

  it('and is there, is read', async () => {
    const bytes = record(20 * MIB);
    const segments = await logWith(bytes);
    const found: number[] = [];
    await new LogScanner(segments).scan({ from: 0, limit: 1, verify: true, isOurs: () => true }, (view) => {
      found.push(view.recordBytes);
    });
    expect(found).toEqual([bytes.length]);
  });

  it('is told by its body checksum and by its last byte', async () => {
    const bytes = record(9 * MIB);
    expect(await isLargeRecord(await logWith(bytes), 0, bytes.length)).toBe(true);
    expect(await isLargeRecord(await logWith(bytes), 0, bytes.length - 1)).toBe(false);
    bytes[5 * MIB]! ^= 1;
    expect(await isLargeRecord(await logWith(bytes), 0, bytes.length)).toBe(false);
  });

  it('in a segment that is missing: the read that follows says so', async () => {
    const segments = await logWith(record(10));
    expect(await isLargeRecord(segments, segmentBytes, 9 * MIB)).toBe(true);
  });
});
