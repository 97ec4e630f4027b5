import { describe, expect, it } from 'vitest';
import type { FileSystem, Platform } from '../../../src/index.js';
import { openStore } from '../../../src/index.js';
import { openFollower } from '../../../src/store/follower/open-follower.js';
import { resolveOptions } from '../../../src/store/options.js';
import { manualClock, memoryPlatform } from '../../../src/testing/index.js';
import { appendMany, collect, openTiny, readLog, readQueue, root, texts, turns, until } from '../../contract/harness.js';

const large = { segmentBytes: 1024 * 1024, queueEntriesPerFile: 64, indexSlotCount: 101, indexEntryCount: 400, freeBytesMin: 0 };

/** Calls that change anything throw. */
function readOnlyPlatform(platform: Platform, calls: string[]): Platform {
  const refuse = (call: string): never => {
    calls.push(call);
    throw Object.assign(new Error(`EROFS: ${call}`), { code: 'EROFS' });
  };
  const fs: FileSystem = {
    ...platform.fs,
    open: (path, mode) => (mode === 'read' ? platform.fs.open(path, mode) : refuse(`open ${mode} ${path}`)),
    exists: (path) => platform.fs.exists(path),
    list: (path) => platform.fs.list(path),
    makeDirectory: async (path) => await Promise.resolve().then(() => refuse(`mkdir ${path}`)),
    rename: async (from) => await Promise.resolve().then(() => refuse(`rename ${from}`)),
    remove: async (path) => await Promise.resolve().then(() => refuse(`remove ${path}`)),
    link: async (from) => await Promise.resolve().then(() => refuse(`link ${from}`)),
    copy: async (from) => await Promise.resolve().then(() => refuse(`copy ${from}`)),
    syncDirectory: async (path) => await Promise.resolve().then(() => refuse(`sync ${path}`)),
    lockDirectory: (path) => refuse(`lock ${path}`),
    diskUsage: (path) => platform.fs.diskUsage(path),
  };
  return { fs, clock: platform.clock, randomBytes: (count) => platform.randomBytes(count) };
}

describe('what a reader keeps in memory', () => {
  it('goes down when the writer has taken a safe point, and everything stays readable', async () => {
    const platform = memoryPlatform();
    const writer = await openStore(root, { platform, ...large });
    const { follower } = await openFollower(root, resolveOptions({ readOnly: true }), platform);
    const body = 'x'.repeat(100_000);
    const append = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 50) {
        await Promise.all(Array.from({ length: 50 }, () => writer.append({ topic: 'T', body, keys: ['k'] })));
        await follower.refresh(true);
      }
    };
    await append(150);
    expect(follower.queues.pendingBytes).toBe(150 * 20);
    await writer.snapshot('/backup/first');
    await append(50);
    await until(async () => {
      await follower.refresh(true);
      return follower.queues.pendingBytes < 100 * 20;
    });
    const reader = await openStore(root, { platform, readOnly: true });
    expect(await collect(reader.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(200);
    const found: number[] = [];
    const { view } = follower;
    for await (const offset of view.index?.find('T', 'k', Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY) ??
      [])
      found.push(offset);
    expect(found).toHaveLength(200);
    expect([...found].sort((a, b) => b - a)).toEqual(found);
    const slot = follower.registry.find('T', 0);
    expect(view.queues.bounds(slot)).toEqual({ min: 0, max: 200 });
    const entries = Buffer.alloc(20);
    for (let i = 0; i < 200; i += 1) {
      expect(view.queues.readEntries(slot, i, entries, 1)).toBe(1);
      expect(entries.readUInt32BE(4)).toBe(found[199 - i]);
    }
    await reader.close();
    await follower.close();
    await writer.close();
  });

  it('is not filled with what a state covers: a reader that was idle goes on from there', async () => {
    const platform = memoryPlatform();
    const writer = await openStore(root, { platform, ...large });
    const reader = await openStore(root, { platform, readOnly: true });
    const body = 'x'.repeat(100_000);
    await Promise.all(Array.from({ length: 250 }, (_, i) => writer.append({ topic: 'T', body: `${i}-${body}`, keys: ['k'] })));
    await writer.snapshot('/backup/first');
    await Promise.all(Array.from({ length: 20 }, (_, i) => writer.append({ topic: 'U', body: `${i}`, keys: ['k'] })));
    await until(async () => (await reader.read({ topic: 'U' }, { from: 'earliest' })).max === 20);
    expect(await readQueue(reader, { topic: 'T' }, 50)).toHaveLength(250);
    expect(await readLog(reader)).toHaveLength(270);
    expect(await collect(reader.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(250);
    await reader.close();
    await writer.close();
  });
});

describe('a reader that goes on from a state', () => {
  it('wakes those who wait for messages that it so jumps over', async () => {
    const platform = memoryPlatform();
    const writer = await openStore(root, { platform, ...large });
    const clock = manualClock();
    const reader = await openStore(root, { platform: { ...platform, clock }, readOnly: true });
    const gotten = collect(reader.tail({ topic: 'U' }, { from: 'earliest' }), 2);
    const polled = reader.read({ topic: 'T', queueId: 3 }, { from: 0, waitMs: 3_600_000 });
    await turns(20);
    const body = 'x'.repeat(100_000);
    await writer.append({ topic: 'U', body: 'first' });
    await writer.append({ topic: 'T', queueId: 3, body: 'only' });
    await Promise.all(Array.from({ length: 250 }, () => writer.append({ topic: 'T', body })));
    await writer.snapshot('/backup/first');
    await writer.append({ topic: 'U', body: 'second' });
    await clock.advance(60);
    await turns(200);
    expect(texts(await gotten)).toEqual(['first', 'second']);
    expect(texts((await polled).messages)).toEqual(['only']);
    await reader.close();
    await writer.close();
  });
});

describe('what a reader does to the disk', () => {
  it('makes no call that could change anything, beside a writer and after it', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    const calls: string[] = [];
    const guarded = readOnlyPlatform(platform, calls);
    const reader = await openStore(root, { platform: guarded, readOnly: true });
    await appendMany(writer, 100, { keys: ['k'] });
    await until(() => reader.bounds({ topic: 'T' }).max === 100);
    await writer.clean({ before: writer.stats().flushedOffset });
    await until(() => reader.bounds({ topic: 'T' }).min > 0);
    const expected = texts(await readLog(writer));
    expect(texts(await readQueue(reader, { topic: 'T' }))).toEqual(expected);
    expect(texts(await collect(reader.findByKey({ topic: 'T', key: 'k' })))).toEqual([...expected].reverse());
    expect(await reader.verify()).toMatchObject({ ok: true });
    await writer.close();
    await reader.close();
    const again = await openStore(root, { platform: guarded, readOnly: true });
    expect(texts(await readLog(again))).toEqual(expected);
    await again.close();
    expect(calls).toEqual([]);
  });
});
