import { describe, expect, it } from 'vitest';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { contents, flipBit, removeTree } from './disk-surgery.js';
import {
  appendMany,
  collect,
  failure,
  openReader,
  openTiny,
  readLog,
  readQueue,
  refusal,
  root,
  systemError,
  text,
  texts,
  turns,
  until,
} from './harness.js';

const queue = { topic: 'T' };
const all = (count: number): string[] => Array.from({ length: count }, (_, i) => `m-${i}`);

describe('a read-only store', () => {
  it('sees what a closed store holds, in every way, and changes no byte', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    for (let i = 0; i < 100; i += 1) await writer.append({ topic: 'T', body: `m-${i}`, keys: [`k-${i}`, 'all'] });
    await writer.close();
    const before = await contents(platform, root);
    const changing = [
      'write',
      'writeSync',
      'sync',
      'truncate',
      'makeDirectory',
      'rename',
      'remove',
      'link',
      'copy',
      'syncDirectory',
      'lockDirectory',
    ];
    const reader = await openReader(withFaults(platform, (call) => (changing.includes(call.op) ? systemError('EROFS') : undefined)));
    expect(texts(await readQueue(reader, queue))).toEqual(all(100));
    expect(texts(await readLog(reader))).toEqual(all(100));
    expect(await collect(reader.findByKey({ topic: 'T', key: 'all' }))).toHaveLength(100);
    expect(reader.bounds(queue)).toEqual({ min: 0, max: 100 });
    expect(reader.topics()).toEqual([{ topic: 'T', queueIds: [0] }]);
    expect((await reader.verify()).ok).toBe(true);
    expect(reader.stats().writtenOffset).toBeGreaterThan(0);
    await reader.close();
    expect(await contents(platform, root)).toEqual(before);
  });

  it('follows a live writer over rolls and deletions', async () => {
    for (const flush of ['sync', 'async'] as const) {
      const platform = memoryPlatform();
      const writer = await openTiny(platform, { flush });
      const reader = await openReader(platform);
      const seen = collect(reader.tail(queue, { from: 'earliest' }), 300);
      const everything = collect(reader.tailAll({ from: 'earliest' }), 300);
      for (let i = 0; i < 300; i += 1) await writer.append({ topic: 'T', body: `m-${i}`, keys: ['k'] });
      expect(texts(await seen)).toEqual(all(300));
      expect(texts(await everything)).toEqual(all(300));
      await until(async () => (await collect(reader.findByKey({ topic: 'T', key: 'k' }))).length === 300);
      await writer.clean({ before: writer.stats().flushedOffset });
      const { min, max } = writer.bounds(queue);
      await until(() => reader.bounds(queue).min === min);
      expect(texts(await readQueue(reader, queue))).toEqual(all(max).slice(min));
      expect(await failure(() => reader.read(queue, { from: 0 }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', min, max });
      await reader.close();
      await writer.close();
    }
  });

  it('shows nothing of a sync store that a power cut could take back', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const platform = memoryPlatform({ seed });
      const writer = await openTiny(platform, { flush: 'sync' });
      await writer.append({ topic: 'T', body: 'm-0' });
      const reader = await openReader(platform);
      const seen: string[] = [];
      const watching = (async () => {
        for await (const message of reader.tailAll({ from: 'earliest' })) seen.push(text(message));
      })().catch(() => undefined);
      const pending = appendMany(writer, 60).catch(() => undefined);
      for (let i = 0; i < 20; i += 1) writer.appendSync({ topic: 'T', body: `s-${i}` });
      await turns(seed * 12);
      const after = platform.crash('synced');
      await pending;
      await refusal(() => reader.close());
      await watching;
      await refusal(() => writer.close());
      const again = await openTiny(after);
      expect(texts(await readLog(again)).slice(0, seen.length)).toEqual(seen);
      await again.close();
    }
  });

  it('goes on when the writer closes and another one opens', async () => {
    const platform = memoryPlatform();
    let writer = await openTiny(platform);
    await appendMany(writer, 30);
    const reader = await openReader(platform);
    const seen = collect(reader.tail(queue, { from: 'earliest' }), 60);
    await writer.close();
    writer = await openTiny(platform);
    for (let i = 30; i < 60; i += 1) await writer.append({ topic: 'T', body: `m-${i}` });
    expect(texts(await seen)).toEqual(all(60));
    await reader.close();
    await writer.close();
  });

  it('takes no lock: many readers, and a writer that opens beside them', async () => {
    const platform = memoryPlatform();
    const first = await openTiny(platform);
    await appendMany(first, 10);
    await first.close();
    const readers = await Promise.all(Array.from({ length: 5 }, () => openReader(platform)));
    const writer = await openTiny(platform);
    for (const reader of readers) expect(await readLog(reader)).toHaveLength(10);
    await writer.close();
    await Promise.all(readers.map((reader) => reader.close()));
  });

  it('opens a damaged store; the read that meets the damage is CORRUPT, verify lists it', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 100);
    const crashed = platform.crash('all');
    await refusal(() => writer.close());
    await flipBit(crashed, `${root}/commitlog/${'0'.repeat(20)}`, 95);
    const before = await contents(crashed, root);
    const reader = await openReader(crashed);
    expect(await refusal(() => reader.get(0))).toBe('CORRUPT');
    expect((await reader.verify()).ok).toBe(false);
    expect(texts(await collect(reader.tailAll({ from: 'earliest', until: 'end', onCorrupt: 'skip' })))).toEqual(all(100).slice(1));
    await reader.close();
    expect(await contents(crashed, root)).toEqual(before);
  });

  it('over a killed store shows what its writer had promised, and changes no byte', async () => {
    for (const flush of ['sync', 'async'] as const) {
      const platform = memoryPlatform();
      const writer = await openTiny(platform, { flush });
      for (let i = 0; i < 60; i += 1) await writer.append({ topic: 'T', body: `m-${i}` });
      await writer.flush();
      const crashed = platform.crash('all');
      await refusal(() => writer.close());
      const before = await contents(crashed, root);
      const reader = await openReader(crashed);
      const found = texts(await readLog(reader));
      expect(found).toEqual(all(60).slice(0, found.length));
      expect(found.length).toBeGreaterThan(0);
      await reader.close();
      expect(await contents(crashed, root)).toEqual(before);
    }
  });

  it('without queues and index shows the log all the same', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 40, { keys: ['k'] });
    await writer.close();
    await removeTree(platform, `${root}/consumequeue`);
    await removeTree(platform, `${root}/index`);
    const reader = await openReader(platform);
    expect(texts(await readLog(reader))).toEqual(all(40));
    const outcome = await refusal(async () => expect(texts(await readQueue(reader, queue))).toEqual(all(40)));
    expect(['none', 'CORRUPT', 'OFFSET_OUT_OF_RANGE']).toContain(outcome);
    await reader.close();
  });

  it('a long poll and a tail are woken by the writer, and ended by close', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await writer.append({ topic: 'T', body: 'm-0' });
    const reader = await openReader(platform);
    const polled = reader.read(queue, { from: 1, waitMs: 20_000 });
    await writer.append({ topic: 'T', body: 'm-1' });
    expect(texts((await polled).messages)).toEqual(['m-1']);
    const waiting = collect(reader.tail(queue, { from: 'latest' }));
    const poll = refusal(() => reader.read({ topic: 'Nobody' }, { from: 0, waitMs: 600_000 }));
    await turns(10);
    await reader.close();
    expect(await waiting).toEqual([]);
    expect(['none', 'STORE_CLOSED']).toContain(await poll);
    await writer.close();
  });
});
