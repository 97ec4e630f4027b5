import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogScanner, type ScanEnd, type ScanOptions } from '../../src/commit-log/log-scanner.js';
import { LogSegments } from '../../src/commit-log/log-segments.js';
import type { NewMessage } from '../../src/format/message.js';
import { encodeBlank, RecordEncoder } from '../../src/format/record-encoder.js';
import { recordBytesMin } from '../../src/format/record-layout.js';
import { segmentName } from '../../src/format/segment-name.js';
import type { Platform } from '../../src/platform/platform.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { gatesOver } from './gates.js';
import { KIB, MIB, systemError } from './log-harness.js';

const encoder = new RecordEncoder({
  storeHost: { address: '127.0.0.1', port: 1 },
  recordChecksum: true,
  messageBytesMax: 8 * MIB,
  systemMessages: false,
});
const emptyBytes = encoder.stage({ topic: 'T', body: '' }, 0, false);

/** A record of `bytes` bytes in all, as it stands at `offset`. */
function record(offset: number, bytes: number, more: Partial<NewMessage> = {}): Buffer {
  const staged = encoder.stage({ topic: 'T', body: Buffer.alloc(bytes - emptyBytes, 1), bornAt: 0, ...more }, 0, false);
  const into = Buffer.alloc(staged);
  encoder.write(into, 0, offset, offset, 1000);
  return into;
}

/** A segment with records of these sizes from its beginning, then a blank if `isFull`. */
function segmentOf(base: number, segmentBytes: number, sizes: readonly number[], isFull: boolean): Buffer {
  const bytes = Buffer.alloc(segmentBytes);
  let at = 0;
  for (const size of sizes) at += record(base + at, size).copy(bytes, at);
  if (isFull) encodeBlank(bytes, at, segmentBytes - at);
  return bytes;
}

function segmentsOf(platform: Platform, segmentBytes: number, contents: ReadonlyMap<number, Buffer>): LogSegments {
  const segments = new LogSegments({
    fs: platform.fs,
    files: new OpenFiles(platform.fs, 8),
    directory: '/log',
    makingDirectory: '/tmp',
    segmentBytes,
  });
  for (const [base, bytes] of contents) {
    const file = platform.fs.open(`/log/${segmentName(base)}`, 'create');
    file.writeSync([bytes], 0);
    void file.close();
  }
  segments.setBases([...contents.keys()]);
  return segments;
}

async function disk(): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  await platform.fs.makeDirectory('/log');
  return platform;
}

interface Scanned extends ScanEnd {
  readonly visited: readonly number[];
}

async function scan(segments: LogSegments, options: Partial<ScanOptions> = {}): Promise<Scanned> {
  const visited: number[] = [];
  const all = { from: 0, limit: Number.MAX_SAFE_INTEGER, verify: true, isOurs: () => true, ...options };
  const ended = await new LogScanner(segments).scan(all, (_, offset) => {
    visited.push(offset);
  });
  expect(ended.count).toBe(visited.length);
  return { ...ended, visited };
}

describe('LogScanner', () => {
  it('visits every record of all segments, whatever lies on the border of a chunk', async () => {
    const segmentBytes = 3 * MIB;
    for (const shift of [-300, -8, -4, -1, 0, 1, 7, 8, 90]) {
      const first = MIB + shift;
      const sizes = [first - 2 * 500_000, 500_000, 500_000, 700, MIB - 700, 200];
      const contents = new Map([
        [0, segmentOf(0, segmentBytes, sizes, true)],
        [segmentBytes, segmentOf(segmentBytes, segmentBytes, [300, 400], false)],
      ]);
      const { visited, reason, offset } = await scan(segmentsOf(await disk(), segmentBytes, contents));
      let at = 0;
      const expected = sizes.map((size) => (at += size) - size);
      expect(visited).toEqual([...expected, segmentBytes, segmentBytes + 300]);
      expect([reason, offset]).toEqual(['invalid', segmentBytes + 700]);
    }
  });

  it('reads a record that is larger than a chunk, and goes on behind it', async () => {
    const sizes = [200, 3 * MIB + 5, 2 * MIB, 300];
    const segments = segmentsOf(await disk(), 8 * MIB, new Map([[0, segmentOf(0, 8 * MIB, sizes, true)]]));
    const ended = await scan(segments);
    expect(ended.visited).toEqual([0, 200, 3 * MIB + 205, 5 * MIB + 205]);
    expect([ended.reason, ended.offset, ended.what]).toEqual(['end', 8 * MIB, 'the log ends']);
  });

  it('begins and ends where it is told', async () => {
    const segments = segmentsOf(await disk(), 4096, new Map([[0, segmentOf(0, 4096, [200, 300, 400, 500], true)]]));
    const ended = await scan(segments, { from: 200, limit: 501 });
    expect([ended.visited, ended.reason, ended.offset]).toEqual([[200, 500], 'limit', 900]);
    expect((await scan(segments, { from: 200, limit: 200 })).visited).toEqual([]);
  });

  it('ends behind the record at which its visitor says so', async () => {
    const segments = segmentsOf(await disk(), 4096, new Map([[0, segmentOf(0, 4096, [200, 300, 400], true)]]));
    const ended = await new LogScanner(segments).scan(
      { from: 0, limit: 4096, verify: true, isOurs: () => true },
      (_, offset) => offset < 200,
    );
    expect(ended).toMatchObject({ offset: 500, reason: 'stopped', count: 2 });
  });

  it('tells a missing segment from the end of the log', async () => {
    const [first, third] = [segmentOf(0, 4096, [200], true), segmentOf(8192, 4096, [200], true)];
    const segments = segmentsOf(
      await disk(),
      4096,
      new Map([
        [0, first],
        [8192, third],
      ]),
    );
    expect(await scan(segments)).toMatchObject({ offset: 4096, reason: 'missing', visited: [0] });
    expect(await scan(segments, { from: 8192 })).toMatchObject({ offset: 12_288, reason: 'end', visited: [8192] });
    expect(await scan(segmentsOf(await disk(), 4096, new Map()))).toMatchObject({ offset: 0, reason: 'end' });
  });

  it('takes a file that has gone for a missing segment, and reports any other failure as it is', async () => {
    const gates = gatesOver(await disk());
    const segments = segmentsOf(gates, 4096, new Map([[0, segmentOf(0, 4096, [200], true)]]));
    gates.fail((call) => (call.op === 'read' ? systemError('EIO') : undefined));
    await expect(scan(segments)).rejects.toThrow('EIO');
    gates.fail(() => undefined);
    await segments.forget(0);
    await gates.fs.remove(`/log/${segmentName(0)}`);
    expect(await scan(segments)).toMatchObject({ offset: 0, reason: 'missing' });
  });

  it('ends at the first record that a shorter file does not hold whole', async () => {
    for (const bytes of [0, 3, 200, 204, 300, 499]) {
      const content = segmentOf(0, 4096, [200, 300], true).subarray(0, bytes);
      const ended = await scan(segmentsOf(await disk(), 4096, new Map([[0, content]])));
      expect([ended.reason, ended.offset]).toEqual(['invalid', bytes < 200 ? 0 : 200]);
    }
  });

  it('ends at a record that says it belongs elsewhere', async () => {
    const content = segmentOf(0, 4096, [200, 300], true);
    record(7777, 300).copy(content, 200);
    const ended = await scan(segmentsOf(await disk(), 4096, new Map([[0, content]])));
    expect([ended.reason, ended.offset, ended.what]).toEqual(['invalid', 200, 'a record that says it belongs at 7777']);
  });

  it('ends at a blank that does not reach to the end of its segment', async () => {
    for (const wrong of [-1, 1, -3596]) {
      const content = segmentOf(0, 4096, [200, 300], false);
      encodeBlank(content, 500, 3596 + wrong);
      expect(await scan(segmentsOf(await disk(), 4096, new Map([[0, content]])))).toMatchObject({ offset: 500, reason: 'invalid' });
    }
  });

  it('compares checksums only where it is told to, and asks for ours only where we wrote', async () => {
    const content = segmentOf(0, 4096, [200, 300], true);
    content.writeUInt8(99, 200 + emptyBytes - 40);
    const damagedBody = segmentsOf(await disk(), 4096, new Map([[0, content]]));
    expect(await scan(damagedBody)).toMatchObject({ offset: 200, reason: 'invalid', what: 'a record whose checksum does not match' });
    expect(await scan(damagedBody, { verify: false })).toMatchObject({ offset: 4096, reason: 'end', count: 2 });
    const flagged = segmentOf(0, 4096, [200, 300], true);
    flagged.writeInt32BE(5, 200 + 16);
    const segments = segmentsOf(await disk(), 4096, new Map([[0, flagged]]));
    expect(await scan(segments)).toMatchObject({ offset: 200, reason: 'invalid' });
    expect(await scan(segments, { isOurs: (offset) => offset < 200 })).toMatchObject({ offset: 4096, count: 2 });
  });

  it('tells its progress after each chunk, and can be broken off', async () => {
    const segmentBytes = 4 * MIB;
    const sizes = Array.from({ length: 30 }, () => 100 * KIB);
    const segments = segmentsOf(await disk(), segmentBytes, new Map([[0, segmentOf(0, segmentBytes, sizes, true)]]));
    const seen: number[] = [];
    await scan(segments, { onProgress: (offset) => seen.push(offset) });
    expect(seen).toEqual([0, 1000 * KIB, 2000 * KIB]);
    const abort = new AbortController();
    const visits: number[] = [];
    const broken = new LogScanner(segments).scan(
      { from: 0, limit: segmentBytes, verify: true, isOurs: () => true, signal: abort.signal },
      (_, offset) => {
        visits.push(offset);
        if (visits.length === 12) abort.abort(new Error('enough'));
      },
    );
    await expect(broken).rejects.toThrow('enough');
    expect(visits.length).toBe(20);
  });

  it('does not believe a record that would reach beyond its segment', async () => {
    const content = segmentOf(0, 4096, [200], false);
    record(200, 5000).copy(content, 200);
    expect(await scan(segmentsOf(await disk(), 4096, new Map([[0, content]])))).toMatchObject({ offset: 200, reason: 'invalid' });
    const nearEnd = Buffer.alloc(4096);
    record(0, 4092).copy(nearEnd);
    expect(await scan(segmentsOf(await disk(), 4096, new Map([[0, nearEnd]])))).toMatchObject({ offset: 4092, reason: 'invalid' });
  });

  it('neither throws nor runs for ever nor leaves the log, whatever bytes there are', async () => {
    const segmentBytes = 4096;
    const changes = fc.array(fc.tuple(fc.nat(segmentBytes - 1), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff))), {
      maxLength: 12,
    });
    const noise = fc.uint8Array({ minLength: 0, maxLength: segmentBytes });
    const heads = fc
      .tuple(fc.integer(), fc.constantFrom(0xdaa320a7 | 0, 0xdaa320ab | 0, 0xcbd43194 | 0), noise)
      .map(([size, magic, rest]) => {
        const head = Buffer.alloc(8);
        head.writeInt32BE(size, 0);
        head.writeInt32BE(magic, 4);
        return Buffer.concat([head, rest]).subarray(0, segmentBytes);
      });
    await fc.assert(
      fc.asyncProperty(changes, fc.option(fc.oneof(noise, heads)), fc.boolean(), async (changed, replaced, verify) => {
        const first = segmentOf(0, segmentBytes, [200, 300, 1000, 150], true);
        for (const [at, value] of changed) first[at] = value;
        const second = replaced === null ? segmentOf(segmentBytes, segmentBytes, [500, 600], false) : Buffer.from(replaced);
        const segments = segmentsOf(
          await disk(),
          segmentBytes,
          new Map([
            [0, first],
            [segmentBytes, second],
          ]),
        );
        const ended = await scan(segments, { verify, isOurs: () => false });
        expect(ended.offset).toBeLessThanOrEqual(2 * segmentBytes);
        expect(ended.visited.every((offset, i) => i === 0 || offset >= (ended.visited[i - 1] ?? 0) + recordBytesMin)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
