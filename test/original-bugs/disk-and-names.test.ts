import { expect, it } from 'vitest';
import { readIndexHeader } from '../../src/format/index-layout.js';
import { parseRocketmqJson } from '../../src/format/rocketmq-json.js';
import { openStore, type Store, type StoreOptions } from '../../src/index.js';
import { manualClock, type MemoryPlatform, memoryPlatform, type PlatformCall } from '../../src/testing/index.js';
import { createFile, filesBelow, readFile, removeTree, writeInto } from '../contract/disk-surgery.js';
import { openTiny, randomFrom, readLog, readQueue, refusal, root, settableClock, texts, tiny, until } from '../contract/harness.js';
import {
  bodies,
  expectReopened,
  expectStored,
  filesIn,
  leave,
  logFiles,
  powerCutAtEachCall,
  queue,
  queueEntryBytes,
  rig,
  safePoint,
  segmentBytes,
  segments,
  write,
} from './fixtures.js';

const hour = 3_600_000;
const tenYears = 10 * 365 * 24 * hour;
const large = { filler: 'x'.repeat(300) };

it('apache/rocketmq#8405: a disk that turns read-only or fails costs a typed error, never the process, and reading goes on', async () => {
  const cases = ['EROFS', 'EIO'].flatMap((code) =>
    ['open', 'write', 'writeSync', 'truncate', 'sync', 'rename', 'syncDirectory'].flatMap((op) =>
      [logFiles, /\/commitlog$/, /\/consumequeue\//, /\/index/, /\/stratalog/].map((path) => ({
        code,
        op: op as PlatformCall['op'],
        path,
      })),
    ),
  );
  for (const { code, op, path } of cases) {
    const { disk, platform } = rig();
    const store = await openTiny(platform);
    await write(store, 20);
    await safePoint(store);
    platform.add({ ops: [op], path, count: Number.POSITIVE_INFINITY, fault: { kind: 'error', code } });
    // One in the segment that is there, then as many as need another.
    const outcome = await refusal(() => write(store, 21, 20));
    if (outcome === 'none') await refusal(() => write(store, 50, 21));
    expect(['none', 'IO', 'STORE_FAILED']).toContain(outcome);
    if (path === logFiles && op === 'sync') expect([code, op, outcome]).toEqual([code, op, 'STORE_FAILED']);
    expect(['none', 'IO', 'STORE_FAILED']).toContain(await refusal(() => safePoint(store)));
    platform.clear();
    const stored = texts(await readQueue(store, queue));
    expect(stored).toEqual(bodies(stored.length));
    expect(['none', 'IO', 'STORE_FAILED']).toContain(await refusal(() => store.close()));
    const again = await openTiny(disk);
    expect(texts(await readQueue(again, queue)).slice(0, stored.length)).toEqual(stored);
    await again.close();
  }
});

it('alibaba/rocketmq#331: a disk that was full and has room again takes writes without a restart, and nothing is lost', async () => {
  const { disk } = rig({ capacityBytes: 400 * 4096 });
  const store = await openTiny(disk);
  await disk.fs.makeDirectory('/other');
  let writtenCount = 0;
  for (let round = 0; round < 5; round += 1) {
    const { availableBytes } = await disk.fs.diskUsage('/');
    await createFile(disk, '/other/file', Buffer.alloc(availableBytes - 10 * 4096, 1));
    const isFull = async (): Promise<boolean> => {
      const outcome = await refusal(() => store.append({ ...queue, body: `m-${writtenCount}`, keys: ['all'], properties: large }));
      if (outcome === 'none') writtenCount += 1;
      else expect(outcome).toBe('DISK_FULL');
      return outcome !== 'none';
    };
    await until(isFull);
    expect(store.writeError).toMatchObject({ code: 'DISK_FULL', retryable: true });
    await removeTree(disk, '/other/file');
    await until(async () => (await refusal(() => store.append({ ...queue, body: `m-${writtenCount}`, keys: ['all'] }))) === 'none');
    writtenCount += 1;
    expect(store.writeError).toBeUndefined();
  }
  await expectStored(store, bodies(writtenCount));
  await store.close();
  await expectReopened(disk, bodies(writtenCount));
});

it('apache/rocketmq#1400: a slow deletion of segments delays neither appends nor reads nor the watch over the disk', async () => {
  const clock = manualClock();
  const { disk, platform } = rig({ clock });
  const store = await openTiny(platform);
  await write(store, 200);
  platform.add({ ops: ['remove'], path: /commitlog/, count: Number.POSITIVE_INFINITY, fault: { kind: 'delay', ms: 60_000 } });
  const deletedCounts: number[] = [];
  const cleaned = store.clean({ before: 3 * segmentBytes }).then(({ deletedSegmentCount }) => {
    deletedCounts.push(deletedSegmentCount);
  });
  await until(() => platform.struckCount > 0);
  const before = segments(disk).length;
  await write(store, 260, 200);
  expect(texts((await store.read(queue, { from: 255 })).messages)).toEqual(bodies(260, 255));
  expect(segments(disk).length).toBeGreaterThan(before);
  expect(segments(disk)[0]).toBe('0'.repeat(20));
  expect(deletedCounts).toEqual([]);
  while (deletedCounts.length === 0) await clock.advance(60_000);
  await cleaned;
  expect([...deletedCounts, segments(disk)[0]]).toEqual([3, String(3 * segmentBytes).padStart(20, '0')]);
  platform.clear();
  await expectStored(store, bodies(260, store.bounds(queue).min));
  await store.close();
});

it('apache/rocketmq#2260: a full disk deletes nothing unless the option for it was given, and then it says what it has deleted', async () => {
  const capacityBytes = 50 * 4096;
  for (const retention of [undefined, { diskUseRatioMax: 0.6 }]) {
    const clock = manualClock();
    const deleted: unknown[] = [];
    const disk = memoryPlatform({ clock, capacityBytes });
    const store = await openTiny(disk, {
      retention,
      listener: { onSegmentDeleted: ({ baseOffset, reason }) => deleted.push([baseOffset, reason]) },
    });
    let refusedCount = 0;
    for (let i = 0; i < 600; i += 1) {
      const outcome = await refusal(() => store.append({ ...queue, body: `m-${i}`, properties: large }));
      if (outcome !== 'none') refusedCount += outcome === 'DISK_FULL' ? 1 : Number.NaN;
      await clock.advance(5000);
    }
    const first = Number(segments(disk)[0]);
    const gone = Array.from({ length: first / segmentBytes }, (_, i) => [i * segmentBytes, 'disk']);
    expect(deleted).toEqual(gone);
    if (retention === undefined) expect([first, refusedCount > 0]).toEqual([0, true]);
    else expect([first > 0, refusedCount]).toEqual([true, 0]);
    await leave(store);
  }
});

it('alibaba/rocketmq#300: a deletion that a crash has cut off leaves no file that could never be deleted', async () => {
  const callCount = await powerCutAtEachCall(
    async ({ platform }) => {
      const store = await openTiny(platform);
      const messages = bodies(130).map((body, i) => ({ topic: i % 9 === 0 ? 'U' : 'T', body, keys: ['k'] }));
      await Promise.all(messages.map(async (message) => await store.append(message)));
      return store;
    },
    async (store) => await store.clean({ before: 2 * segmentBytes }),
    async (after) => {
      const again = await openTiny(after);
      expect((await again.verify()).faults).toEqual([]);
      await again.clean({ before: 2 * segmentBytes });
      const { min } = again.bounds(queue);
      for (const topic of ['T', 'U']) {
        const files = filesIn(after, `consumequeue/${topic}`).map((path) => Number(path.slice(-20)) / queueEntryBytes);
        expect(files[0]).toBe(topic === 'T' ? min - (min % 16) : 0);
      }
      expect(segments(after)[0]).toBe(String(2 * segmentBytes).padStart(20, '0'));
      // Files of the index go with the next deletion.
      await again.clean({ before: 3 * segmentBytes });
      await again.close();
      const [oldest] = await Promise.all(filesIn(after, 'index').map(async (path) => readIndexHeader(await readFile(after, path), 0)));
      expect(oldest?.endOffset).toBeGreaterThanOrEqual(3 * segmentBytes);
      expect(filesBelow(after, `${root}/stratalog/tmp`)).toEqual([]);
    },
    'random',
  );
  expect(callCount).toBeGreaterThan(15);
});

it('apache/rocketmq#9455: a clock that jumps by an hour or ten years, in any phase, changes neither order nor recovery nor what is kept', async () => {
  const options: StoreOptions = { retention: { maxAgeMs: 24 * hour } };
  for (const jumpMs of [hour, -hour, tenYears, -tenYears]) {
    for (const phase of ['appending', 'crashed', 'closed', 'cleaning'] as const) {
      const clock = settableClock(1_700_000_000_000);
      const jump = (when: string): void => {
        if (phase === when) clock.set(clock.nowMs() + jumpMs);
      };
      const { disk } = rig({ clock });
      const store = await openTiny(disk, options);
      await write(store, 40);
      jump('appending');
      await write(store, 80, 40);
      if (phase === 'closed') await store.close();
      const after = disk.crash('synced');
      await leave(store);
      jump('crashed');
      jump('closed');
      const again = await openTiny(after, phase === 'crashed' || phase === 'closed' ? {} : options);
      jump('cleaning');
      if (phase === 'cleaning') await again.clean();
      await write(again, 90, 80);
      const times = (await readLog(again)).map(({ storedAt }) => storedAt);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      await expectStored(again, bodies(90));
      await again.close();
    }
  }
});

it('apache/rocketmq#1637: a topic that is a path makes nothing outside of the store, nor in it', async () => {
  const { disk } = rig();
  const store = await openTiny(disk, { systemMessages: true });
  const before = filesBelow(disk, '/');
  const names = ['../../../x', '..', '.', '/x', 'a/b', 'a\\b', 'C:\\x', '%RETRY%../../x', '%DLQ%/x', 'a\0b', '', '../commitlog'];
  for (const topic of names) {
    expect([topic, await refusal(() => store.append({ topic, body: 'x' }))]).toEqual([topic, 'TOPIC_INVALID']);
    expect([topic, await refusal(() => store.appendBatch([{ topic, body: 'x' }]))]).toEqual([topic, 'TOPIC_INVALID']);
    await refusal(() => store.read({ topic }, { from: 'earliest' }));
    await refusal(() => store.bounds({ topic }));
  }
  expect(filesBelow(disk, '/')).toEqual(before);
  await store.append({ topic: 'fine', body: 'x' });
  await store.close();
  expect(disk.fs.list('/')).toEqual(['store']);
  expect(disk.fs.list(`${root}/consumequeue`)).toEqual(['fine']);
});

it('apache/rocketmq#6747: every name that an append takes is one that the next start takes', async () => {
  const { disk } = rig();
  const store = await openTiny(disk, { systemMessages: true });
  const random = randomFrom(6747);
  const taken = new Set<string>();
  for (let i = 0; i < 600; i += 1) {
    const topic = Array.from({ length: 1 + random(6) }, () => 'aZ09_-%|/\\.:*"<>\t ~ü'[random(20)]).join('');
    const dispatched = { INNER_MULTI_DISPATCH: '%LMQ%a/b' };
    const outcome = await refusal(() => store.append({ topic, body: topic, properties: i % 2 === 0 ? {} : dispatched }));
    if (outcome === 'none') taken.add(topic);
    else expect(outcome).toBe('TOPIC_INVALID');
  }
  expect(taken.size).toBeGreaterThan(30);
  await store.close();
  const after = disk.crash('synced');
  const again = await openTiny(after, { systemMessages: true });
  expect(new Set(again.topics().map(({ topic }) => topic))).toEqual(taken);
  for (const topic of taken) expect(texts(await readQueue(again, { topic }))[0]).toBe(topic);
  expect(after.fs.list(`${root}/consumequeue`)).toEqual([...taken].sort());
  await again.close();
});

/** The topics that `config/topics.json` names; none where there is no such file. */
async function namedTopics(disk: MemoryPlatform): Promise<string[]> {
  const path = `${root}/config/topics.json`;
  if (!disk.fs.exists(path)) return [];
  const parsed = parseRocketmqJson(await readFile(disk, path)) as Map<string, Map<string, unknown>>;
  return [...parsed.get('topicConfigTable')!.keys()].sort();
}

it('apache/rocketmq#9705: a power cut while a table of topics is replaced leaves the old or the new one, whole', async () => {
  const outcomes = new Set<string>();
  for (const keep of ['synced', 'random'] as const) {
    await powerCutAtEachCall(
      async ({ disk, platform }) => {
        const first = await openTiny(disk);
        await first.append({ topic: 'Old', body: 'x' });
        await first.close();
        const store = await openTiny(platform);
        await store.append({ topic: 'New', body: 'x' });
        return store;
      },
      async (store: Store) => await store.close(),
      async (after) => {
        const topics = await namedTopics(after);
        outcomes.add(topics.join());
        const again = await openStore(root, { ...tiny, platform: after });
        expect(again.topics().map(({ topic }) => topic)).toEqual(['New', 'Old']);
        await again.close();
        expect(await namedTopics(after)).toEqual(['New', 'Old']);
      },
      keep,
    );
  }
  expect([...outcomes].sort()).toEqual(['New,Old', 'Old']);
});

it('apache/rocketmq#9705: a table of topics that is empty, zeroed or has a stale tail keeps nobody from starting, and is kept aside', async () => {
  const { disk } = rig();
  const first = await openTiny(disk);
  await write(first, 5);
  await first.close();
  const path = `${root}/config/topics.json`;
  const whole = await readFile(disk, path);
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(whole.length), Buffer.concat([whole, whole.subarray(9)]), whole.subarray(0, 40)]) {
    await disk.fs.remove(path);
    await createFile(disk, path, bytes);
    await removeTree(disk, `${root}/stratalog/aside`).catch(() => undefined);
    const store = await openTiny(disk);
    await store.append({ topic: 'New', body: 'x' });
    expect(texts(await readQueue(store, queue))).toEqual(bodies(5));
    await store.close();
    expect(await namedTopics(disk)).toEqual(['New', 'T']);
    const aside = await Promise.all(filesBelow(disk, `${root}/stratalog/aside`).map(async (each) => await readFile(disk, each)));
    if (bytes.length > 0) expect(aside).toEqual([bytes]);
  }
  await writeInto(disk, path, Buffer.from('{'), 0);
});
