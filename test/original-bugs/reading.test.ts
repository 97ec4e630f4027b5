import { expect, it } from 'vitest';
import type { Message } from '../../src/index.js';
import { StoreError } from '../../src/index.js';
import { manualClock, memoryPlatform } from '../../src/testing/index.js';
import {
  collect,
  failure,
  openTiny,
  randomFrom,
  readLog,
  readQueue,
  refusal,
  settableClock,
  text,
  texts,
  turns,
} from '../contract/harness.js';
import { bodies, expectStored, filesIn, leave, queue, queueEntryBytes, rig, segmentBytes, segments, write } from './fixtures.js';

it('apache/rocketmq#4215: reading far beyond the end is refused with the bounds, and begins nothing anew', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  await write(store, 120);
  for (const min of [0, 1]) {
    if (min > 0) await store.clean({ before: segmentBytes });
    const bounds = store.bounds(queue);
    expect(bounds.min).toBeGreaterThanOrEqual(min);
    for (const from of [121, 5000, Number.MAX_SAFE_INTEGER]) {
      expect(await failure(() => store.read(queue, { from }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', ...bounds });
      expect(await failure(() => collect(store.tail(queue, { from })))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', ...bounds });
    }
    expect(await store.read(queue, { from: bounds.max })).toMatchObject({ messages: [], next: 120, min: bounds.min, max: 120 });
  }
  await store.close();
});

it('apache/rocketmq#3412: a read that finds nothing that matches goes on between minimum and maximum', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  for (let i = 0; i < 100; i += 1) await store.append({ ...queue, body: `m-${i}`, tag: i === 77 ? 'rare' : 'common' });
  await store.clean({ before: segmentBytes });
  const { min, max } = store.bounds(queue);
  expect(min).toBeGreaterThan(0);
  for (const tags of [['rare'], ['absent'], ['common'], ['absent', 'rare']]) {
    for (let from = min; from <= max; from += 1) {
      const result = await store.read(queue, { from, tags, countMax: 3, bytesMax: 600 });
      const passed = [from, result.next, result.next <= max, result.next > from || from === max];
      expect(passed).toEqual([from, result.next, true, true]);
      const matching = tags.includes('rare') && from <= 77 && result.next > 77;
      if (!tags.includes('common')) expect(texts(result.messages)).toEqual(matching ? ['m-77'] : []);
    }
  }
  await store.close();
});

it('apache/rocketmq#4909: the latest message of a queue is known as soon as the store is open', async () => {
  const { disk } = rig();
  const first = await openTiny(disk);
  await write(first, 50);
  await first.close();
  const closed = await openTiny(disk);
  expect(closed.bounds(queue)).toEqual({ min: 0, max: 50 });
  const tail = closed.tail(queue, { from: 'latest', until: 51 });
  await write(closed, 51, 50);
  expect(texts(await collect(tail))).toEqual(['m-50']);
  const after = disk.crash('synced');
  await leave(closed);
  const killed = await openTiny(after);
  expect(await killed.read(queue, { from: 'latest' })).toMatchObject({ messages: [], next: 51, max: 51 });
  await killed.close();
});

it('apache/rocketmq#4890: a search by time finds what a scan finds, with equal times, expired messages and times on the edge', async () => {
  const random = randomFrom(4890);
  const clock = settableClock(1_000_000);
  const { disk } = rig({ clock });
  let store = await openTiny(disk);
  for (let i = 0; i < 200; i += 1) {
    clock.set(clock.nowMs() + [0, 0, 0, 1, 2, 40][random(6)]!);
    await store.append({ ...queue, queueId: random(3), body: `m-${i}` });
  }
  for (const step of ['written', 'expired', 'reopened']) {
    if (step === 'expired') await store.clean({ before: 2 * segmentBytes });
    if (step === 'reopened') {
      await store.close();
      store = await openTiny(disk);
    }
    for (const queueId of [0, 1, 2]) {
      const messages = await readQueue(store, { ...queue, queueId });
      const times = [0, 1, ...messages.flatMap(({ storedAt }) => [storedAt - 1, storedAt, storedAt + 1]), 1e15];
      const scanned = times.map(
        (time) => messages.find(({ storedAt }) => storedAt >= time)?.queueOffset ?? messages.at(-1)!.queueOffset + 1,
      );
      const found = await Promise.all(times.map(async (time) => await store.offsetAt({ ...queue, queueId }, time)));
      expect([step, queueId, found]).toEqual([step, queueId, scanned]);
    }
  }
  await store.close();
});

it('apache/rocketmq#8549: messages with IPv6 hosts are read, found, searched by time, expired and recovered as all others', async () => {
  const clock = manualClock();
  const { disk } = rig({ clock });
  const host = { address: '2001:db8::17', port: 10_911 };
  const options = { storeHost: host, systemMessages: true };
  const store = await openTiny(disk, options);
  const sent: Message[] = [];
  for (const body of bodies(80)) {
    const system = body.endsWith('5') ? {} : { bornHost: { address: '2001:db8::99', port: 1 } };
    const receipt = await store.append({ ...queue, body, keys: ['all', body], system });
    await clock.advance(1000);
    sent.push((await store.get(receipt.messageId))!);
  }
  expect(texts(sent)).toEqual(bodies(80));
  expect(sent[7]?.messageId).toHaveLength(56);
  const after = disk.crash('synced');
  await leave(store);
  const again = await openTiny(after, { ...options, retention: { maxAgeMs: 50_000 } });
  await expectStored(again, bodies(80));
  for (const { storedAt, queueOffset, messageId, body } of sent) {
    expect(await again.offsetAt(queue, storedAt)).toBe(queueOffset);
    expect((await again.get(messageId))?.body).toEqual(body);
  }
  await again.clean();
  const left = await readLog(again);
  expect(left.length).toBeLessThan(80);
  expect(segments(after).length).toBeLessThan(5);
  expect(again.bounds(queue)).toEqual({ min: left[0]?.queueOffset, max: 80 });
  await again.close();
});

it('ROCKETMQ-332: messages that are left are all read while older ones are being deleted', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  await write(store, 400);
  const deleting = (async (): Promise<void> => {
    while (segments(disk).length > 2) {
      await store.clean({ before: Number(segments(disk)[1]) });
      await turns(3);
    }
  })();
  let expiredCount = 0;
  const reading = Array.from({ length: 6 }, async (_, reader): Promise<number> => {
    const random = randomFrom(332 + reader);
    let rounds = 0;
    for (; segments(disk).length > 2; rounds += 1) {
      const from = random(400);
      const outcome = await store.read(queue, { from, countMax: 5 }).catch((error: unknown) => error);
      await turns(1);
      if (StoreError.is(outcome, 'OFFSET_OUT_OF_RANGE')) {
        expiredCount += 1;
        expect(from).toBeLessThan(outcome.min);
      } else expect(texts((outcome as { messages: Message[] }).messages)).toEqual(bodies(Math.min(400, from + 5), from));
    }
    return rounds;
  });
  const rounds = await Promise.all(reading);
  await deleting;
  expect(Math.min(...rounds)).toBeGreaterThan(3);
  expect(expiredCount).toBeGreaterThan(0);
  const { min } = store.bounds(queue);
  await expectStored(store, bodies(400, min));
  await store.close();
});

it('apache/rocketmq#6518: what readers were given is theirs: no later or concurrent read and no write changes it', async () => {
  const { disk } = rig();
  // Large enough for the buffers that are used again.
  const options = { segmentBytes: 2 ** 23 };
  const store = await openTiny(disk, options);
  for (let i = 0; i < 200; i += 1)
    await store.append({ ...queue, queueId: i % 4, body: `${i}:`.padEnd(5000 + (i % 37) * 700, `${i % 10}`) });
  await store.close();
  const again = await openTiny(disk, options);
  const given = await Promise.all([0, 1, 2, 3].map(async (queueId) => await readQueue(again, { ...queue, queueId }, 5)));
  const told = given.map((messages) => texts(messages));
  await Promise.all([
    readLog(again),
    write(again, 60),
    ...[0, 1, 2, 3].map(async (queueId) => await readQueue(again, { ...queue, queueId })),
  ]);
  expect(given.map((messages) => texts(messages))).toEqual(told);
  expect(told.flat().every((body) => body === `${body.split(':')[0]}:`.padEnd(body.length, `${Number(body.split(':')[0]) % 10}`))).toBe(
    true,
  );
  for (const message of given.flat()) message.body.fill(0);
  expect(texts(await readQueue(again, { ...queue, queueId: 1 }, 5))).toEqual(told[1]);
  await again.close();
});

it('apache/rocketmq#7853: counts are those of the content, and of many files to be deleted none is passed over', async () => {
  const disk = memoryPlatform();
  const entriesPerFile = 2;
  const options = { queueEntriesPerFile: entriesPerFile };
  let store = await openTiny(disk, options);
  for (let i = 0; i < 400; i += 1) await store.append({ topic: `T${i % 3}`, queueId: i % 2, body: `m-${i}`, keys: [`k-${i}`] });
  for (const before of [0, segmentBytes, 9 * segmentBytes]) {
    const segmentCount = segments(disk).length;
    const cleaned = await store.clean({ before });
    const names = segments(disk);
    expect(cleaned).toEqual({ deletedSegmentCount: segmentCount - names.length, freedBytes: (segmentCount - names.length) * segmentBytes });
    const left = await readLog(store);
    expect(left[0]?.physicalOffset).toBe(before);
    expect(store.stats()).toMatchObject({ topicCount: 3, queueCount: 6, segmentCount: names.length, minOffset: Number(names[0]) });
    const wantedFiles = new Set<string>();
    for (const { topic, queueId } of left) {
      const { min, max } = store.bounds({ topic, queueId });
      for (let file = Math.floor(min / entriesPerFile); file <= Math.floor((max - 1) / entriesPerFile); file += 1) {
        wantedFiles.add(`/store/consumequeue/${topic}/${queueId}/${String(file * entriesPerFile * queueEntryBytes).padStart(20, '0')}`);
      }
    }
    await store.close();
    expect(filesIn(disk, 'consumequeue')).toEqual([...wantedFiles].sort());
    expect(filesIn(disk, 'index').length).toBe(Math.ceil(400 / 19) - Math.floor(keysBefore(before, left) / 19));
    store = await openTiny(disk, options);
    expect(store.stats()).toMatchObject({ topicCount: 3, queueCount: 6, segmentCount: names.length, minOffset: Number(names[0]) });
  }
  expect(await refusal(() => store.close())).toBe('none');
});

/** How many messages, each with a key, lay before what is left. */
function keysBefore(before: number, left: readonly Message[]): number {
  return before === 0 ? 0 : Number(text(left[0]!).slice(2));
}
