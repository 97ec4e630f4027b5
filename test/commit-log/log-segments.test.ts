import { beforeEach, describe, expect, it } from 'vitest';
import { LogSegments } from '../../src/commit-log/log-segments.js';
import type { Segment } from '../../src/segment/segment.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { type Gates, gatesOver } from './gates.js';
import {
  bytesOf,
  logDirectory,
  makingDirectory,
  makingPath,
  preparedPlatform,
  segmentPath,
  systemError,
  turns,
  watch,
} from './log-harness.js';

const segmentBytes = 4096;

describe('LogSegments', () => {
  let gates: Gates;
  let files: OpenFiles;
  let segments: LogSegments;

  beforeEach(async () => {
    gates = gatesOver(await preparedPlatform());
    files = new OpenFiles(gates.fs, 4);
    segments = new LogSegments({ fs: gates.fs, files, directory: logDirectory, makingDirectory, segmentBytes });
  });

  function openCount(): number {
    return gates.calls.filter((call) => call.op === 'open').length - gates.calls.filter((call) => call.op === 'close').length;
  }

  async function linked(base: number): Promise<Segment> {
    const segment = segments.create(base);
    segment.file.writeSync([Buffer.from([1, 2, 3])], 0);
    await segments.link(segment);
    return segment;
  }

  it('makes a segment at full length beside the log, and moves it in when told', async () => {
    const segment = segments.create(0);
    expect(gates.fs.list(logDirectory)).toEqual([]);
    expect(bytesOf(gates, makingPath(0), 0, 2 * segmentBytes).length).toBe(segmentBytes);
    expect([segment.linked, segment.path, segments.bases]).toEqual([false, segmentPath(0), [0]]);
    gates.calls.length = 0;
    await segments.link(segment);
    expect(segment.linked).toBe(true);
    expect(gates.calls.map((call) => `${call.op} ${call.path}`)).toEqual([
      `sync ${makingPath(0)}`,
      `rename ${makingPath(0)}`,
      `syncDirectory ${logDirectory}`,
    ]);
    expect(gates.fs.list(logDirectory)).toEqual(['00000000000000000000']);
    expect(gates.fs.list(makingDirectory)).toEqual([]);
  });

  it('moves segments in one after the other, and none behind one that failed', async () => {
    const [first, second] = [segments.create(0), segments.create(segmentBytes)];
    gates.fail((call) => (call.op === 'rename' && call.path === makingPath(0) ? systemError('EIO') : undefined));
    const links = [watch(segments.link(first)), watch(segments.link(second))];
    await segments.linkingSettled();
    await turns(2);
    expect(links.map((link) => String(link.error))).toEqual([expect.stringContaining('EIO'), expect.stringContaining('EIO')]);
    expect(gates.fs.list(logDirectory)).toEqual([]);
    expect(second.linked).toBe(false);
  });

  it('reads from a segment before and after it was moved in', async () => {
    const segment = segments.create(0);
    segment.file.writeSync([Buffer.from('abc')], 10);
    const into = Buffer.alloc(3);
    expect([await segments.read(into, 10), into.toString()]).toEqual([3, 'abc']);
    await segments.link(segment);
    segments.release(segmentBytes);
    await files.closeAll();
    into.fill(0);
    expect([segments.readSync(into, 10), into.toString()]).toEqual([3, 'abc']);
  });

  it('reads nothing beyond a segment in one call', async () => {
    await linked(0);
    await linked(segmentBytes);
    expect(await segments.read(Buffer.alloc(100), segmentBytes - 30)).toBe(30);
    expect(segments.readSync(Buffer.alloc(100), segmentBytes - 30)).toBe(30);
    await expect(segments.read(Buffer.alloc(1), 2 * segmentBytes)).rejects.toThrow('ENOENT');
  });

  it('knows which segments are there', () => {
    expect([segments.minOffset, segments.bases]).toEqual([0, []]);
    segments.setBases([8192, 12_288]);
    expect([segments.minOffset, segments.has(8192), segments.has(0), segments.baseOf(12_287)]).toEqual([8192, true, false, 8192]);
  });

  it('makes no segment but the next one', () => {
    segments.create(0);
    expect(() => segments.create(2 * segmentBytes)).toThrow('broken invariant');
  });

  it('uses the segment that was made ahead, with one call for its making', () => {
    segments.create(0);
    segments.prepareNext(segmentBytes);
    segments.prepareNext(segmentBytes);
    expect(gates.fs.list(makingDirectory)).toHaveLength(2);
    segments.create(segmentBytes);
    expect(gates.calls.filter((call) => call.op === 'open')).toHaveLength(2);
  });

  it('keeps what was made ahead where a roll before it is undone, and uses it in its turn', async () => {
    await linked(0);
    segments.create(segmentBytes);
    segments.prepareNext(2 * segmentBytes);
    await segments.discardFrom(segmentBytes);
    expect(segments.bases).toEqual([0]);
    segments.create(segmentBytes);
    segments.prepareNext(2 * segmentBytes);
    segments.create(2 * segmentBytes);
    segments.prepareNext(3 * segmentBytes);
    await segments.close();
    await files.closeAll();
    expect(openCount()).toBe(0);
    expect(gates.fs.list(makingDirectory)).toEqual(['00000000000000004096', '00000000000000008192']);
  });

  for (const op of ['open', 'writeSync'] as const) {
    it(`leaves nothing half done where ${op} fails in the making, and makes the segment at the next try`, async () => {
      segments.create(0);
      gates.fail((call) => (call.op === op ? systemError('ENOSPC') : undefined));
      segments.prepareNext(segmentBytes);
      for (let i = 0; i < 2; i += 1) expect(() => segments.create(segmentBytes)).toThrow('ENOSPC');
      expect(segments.bases).toEqual([0]);
      expect(gates.fs.list(makingDirectory).length).toBeLessThanOrEqual(2);
      gates.fail(() => undefined);
      segments.create(segmentBytes);
      expect(bytesOf(gates, makingPath(segmentBytes), 0, 2 * segmentBytes).length).toBe(segmentBytes);
      await segments.close();
      await files.closeAll();
      expect(openCount()).toBe(0);
    });
  }

  it('never uses a file that somebody else has left in the place of a new segment', async () => {
    const left = gates.fs.open(makingPath(0), 'create');
    left.writeSync([Buffer.alloc(segmentBytes, 7)], 0);
    await left.close();
    expect(() => segments.create(0)).toThrow('EEXIST');
    await turns();
    segments.create(0);
    expect(bytesOf(gates, makingPath(0), 0, segmentBytes).every((byte) => byte === 0)).toBe(true);
  });

  it('stays calm where what was left cannot be removed', async () => {
    await gates.fs.open(makingPath(0), 'create').close();
    gates.fail((call) => (call.op === 'remove' ? systemError('EACCES') : undefined));
    expect(() => segments.create(0)).toThrow('EEXIST');
    await turns();
    expect(() => segments.create(0)).toThrow('EEXIST');
  });

  it('takes back what was not moved in yet, newest first, and never what was', async () => {
    await linked(0);
    segments.create(segmentBytes);
    segments.create(2 * segmentBytes);
    gates.calls.length = 0;
    await segments.discardFrom(segmentBytes);
    expect(gates.calls.filter((call) => call.op === 'remove').map((call) => call.path)).toEqual([
      makingPath(2 * segmentBytes),
      makingPath(segmentBytes),
    ]);
    expect(gates.calls.at(-1)).toMatchObject({ op: 'syncDirectory', path: makingDirectory });
    expect([segments.bases, segments.activeAt(segmentBytes)]).toEqual([[0], undefined]);
    await expect(segments.discardFrom(0)).rejects.toThrow('broken invariant');
  });

  it('holds segments open until all of them is on the disk', async () => {
    const first = await linked(0);
    const second = await linked(segmentBytes);
    expect(segments.unsyncedBelow(2 * segmentBytes)).toEqual([first, second]);
    expect(segments.unsyncedBelow(segmentBytes)).toEqual([first]);
    segments.release(segmentBytes - 1);
    expect(segments.activeAt(segmentBytes - 1)).toBe(first);
    segments.release(segmentBytes);
    expect([segments.activeAt(0), segments.activeAt(segmentBytes)]).toEqual([undefined, second]);
  });

  it('does not let go of a segment that was not moved in yet', () => {
    const segment = segments.create(0);
    segments.release(segmentBytes);
    expect(segments.activeAt(0)).toBe(segment);
  });

  it('opens an existing segment to go on in it, once', async () => {
    const made = await linked(0);
    segments.release(segmentBytes);
    await files.closeAll();
    expect(made.linked).toBe(true);
    const again = new LogSegments({ fs: gates.fs, files, directory: logDirectory, makingDirectory, segmentBytes });
    again.setBases([0]);
    await again.read(Buffer.alloc(3), 0);
    const segment = again.openForWriting(0);
    segment.file.writeSync([Buffer.from([9])], 0);
    const into = Buffer.alloc(1);
    await again.read(into, 0);
    expect([into[0], segment.linked, again.activeAt(0) === segment]).toEqual([9, true, true]);
    await files.closeAll();
    expect(openCount()).toBe(0);
  });

  it('deletes the first segment, durably, and never one that is being written', async () => {
    await linked(0);
    await linked(segmentBytes);
    await expect(segments.removeFirst()).rejects.toThrow('broken invariant');
    segments.release(segmentBytes);
    gates.calls.length = 0;
    expect(await segments.removeFirst()).toBe(segmentPath(0));
    await segments.syncRemoval();
    expect(gates.calls.map((call) => call.op)).toEqual(['close', 'remove', 'syncDirectory']);
    expect([segments.bases, segments.minOffset]).toEqual([[segmentBytes], segmentBytes]);
  });

  it('closes a segment that others are about to change', async () => {
    await linked(0);
    segments.release(segmentBytes);
    segments.readSync(Buffer.alloc(1), 0);
    await segments.forget(0);
    expect(files.count).toBe(0);
  });
});
