import { describe, expect, it } from 'vitest';
import { zeroRange } from '../../src/commit-log/zero-range.js';
import { Segment } from '../../src/segment/segment.js';
import { gatesOver } from './gates.js';
import { bytesOf, KIB, preparedPlatform } from './log-harness.js';

const segmentBytes = 1024 * KIB;

async function filled(
  count: number,
): Promise<{ gates: ReturnType<typeof gatesOver>; platform: Awaited<ReturnType<typeof preparedPlatform>>; segments: Segment[] }> {
  const platform = await preparedPlatform();
  const gates = gatesOver(platform);
  const segments: Segment[] = [];
  for (let i = 0; i < count; i += 1) {
    const path = `/store/${i}`;
    const file = gates.fs.open(path, 'create');
    file.writeSync([Buffer.alloc(segmentBytes, 7)], 0);
    await file.sync('all');
    segments.push(new Segment(file, path, i * segmentBytes, segmentBytes, true));
  }
  await gates.fs.syncDirectory('/store');
  gates.calls.length = 0;
  return { gates, platform, segments };
}

describe('zeroRange', () => {
  it('clears the range and not a byte around it, over chunks and segments, for good', async () => {
    const { platform, segments } = await filled(3);
    const [from, to] = [segmentBytes - 300_001, 2 * segmentBytes + 4097];
    await zeroRange(segments, from, to);
    const after = platform.crash('synced');
    const bytes = Buffer.concat([0, 1, 2].map((i) => bytesOf(after, `/store/${i}`, 0, segmentBytes)));
    expect(bytes.subarray(0, from).equals(Buffer.alloc(from, 7))).toBe(true);
    expect(bytes.subarray(from, to).equals(Buffer.alloc(to - from))).toBe(true);
    expect(bytes.subarray(to).equals(Buffer.alloc(3 * segmentBytes - to, 7))).toBe(true);
  });

  it('writes nothing where zeros are already: a hole on a full disk stays one', async () => {
    const { gates, segments } = await filled(1);
    const segment = segments[0] as Segment;
    segment.file.writeSync([Buffer.alloc(segmentBytes - 100)], 50);
    gates.calls.length = 0;
    await zeroRange(segments, 0, segmentBytes);
    expect(gates.calls.filter((call) => call.op === 'write').map((call) => [call.at, call.bytes])).toEqual([
      [0, 4096],
      [segmentBytes - 4096, 4096],
    ]);
    expect(gates.calls.at(-1)?.op).toBe('sync');
  });

  it('clears neighbouring pages by one write a chunk', async () => {
    const { gates, segments } = await filled(1);
    await zeroRange(segments, 5000, 5000 + 600 * KIB);
    expect(gates.calls.filter((call) => call.op === 'write').map((call) => [call.at, call.bytes])).toEqual([
      [5000, 256 * KIB],
      [5000 + 256 * KIB, 256 * KIB],
      [5000 + 512 * KIB, 88 * KIB],
    ]);
  });

  it('does not touch segments outside the range', async () => {
    const { gates, segments } = await filled(3);
    await zeroRange(segments, segmentBytes, 2 * segmentBytes);
    expect(new Set(gates.calls.map((call) => call.path))).toEqual(new Set(['/store/1']));
  });

  it('ends at the end of a file that is shorter than its segment', async () => {
    const { segments } = await filled(1);
    const segment = segments[0] as Segment;
    await segment.file.truncate(1000);
    await zeroRange(segments, 500, segmentBytes);
    expect(segment.file.sizeBytes()).toBe(1000);
    const bytes = Buffer.alloc(1000);
    segment.file.readSync(bytes, 0);
    expect(bytes.lastIndexOf(7)).toBe(499);
  });
});
