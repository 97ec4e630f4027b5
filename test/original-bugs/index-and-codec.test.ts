import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { indexFileBytes, indexHeaderBytes, readIndexHeader } from '../../src/format/index-layout.js';
import { flipBit, readFile, writeInto } from '../contract/disk-surgery.js';
import { collect, failure, openTiny, readLog, refusal, text, texts, tiny } from '../contract/harness.js';
import { freeze, placeOf } from '../recovery/frozen-store.js';
import { bodies, expectReopened, expectStored, filesIn, leave, queue, rig, safePoint, write } from './fixtures.js';

const slotCount = tiny.indexSlotCount ?? 0;
const wholeBytes = indexFileBytes(slotCount, tiny.indexEntryCount ?? 0);
/** Where the properties of a record begin: fixed fields, topic `T`, hosts of IPv4. */
const fixedBytes = 91;

it('apache/rocketmq#7539: a disk that is full at any step of making an index file leaves one unfinished file at most', async () => {
  for (const op of ['open', 'write', 'writeSync', 'truncate', 'sync', 'syncDirectory'] as const) {
    const { disk, platform } = rig();
    const store = await openTiny(platform);
    const remove = platform.add({
      ops: [op],
      path: /\/index/,
      from: 2,
      count: Number.POSITIVE_INFINITY,
      fault: { kind: 'error', code: 'ENOSPC' },
    });
    for (let round = 0; round < 6; round += 1) {
      await write(store, 10 * round + 10, 10 * round);
      await refusal(() => safePoint(store));
      const files = await Promise.all(filesIn(disk, 'index').map(async (path) => await readFile(disk, path)));
      const unfinished = files.filter((bytes) => bytes.length < wholeBytes);
      expect([op, round, unfinished.length <= 1, files.length <= Math.ceil((20 * round + 20) / 19)]).toEqual([op, round, true, true]);
    }
    remove();
    await expectStored(store, bodies(60));
    await refusal(() => store.close());
    await expectReopened(disk, bodies(60));
    // 120 keys, of which a file holds 19.
    expect([op, filesIn(disk, 'index').length]).toEqual([op, 7]);
  }
});

it('apache/rocketmq#1919: the header of an index file counts used slots, and entries, as they are', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  await write(store, 24);
  await store.close();
  const used: number[] = [];
  for (const path of filesIn(disk, 'index')) {
    const bytes = await readFile(disk, path);
    const header = readIndexHeader(bytes, 0);
    const slots = Array.from({ length: slotCount }, (_, slot) => bytes.readInt32BE(indexHeaderBytes + 4 * slot));
    const entries = bytes.subarray(indexHeaderBytes + 4 * slotCount);
    const entryCount = Array.from({ length: 20 }, (_, i) => entries.subarray(20 * i, 20 * i + 20)).filter((entry) =>
      entry.some((byte) => byte !== 0),
    );
    used.push(slots.filter((slot) => slot !== 0).length);
    expect([header.slotsUsed, header.nextEntry - 1]).toEqual([used.at(-1), entryCount.length]);
  }
  // Fewer slots than entries, or counting one for the other would not show.
  expect(used).toHaveLength(3);
  expect(Math.max(...used)).toBeLessThanOrEqual(slotCount);
});

it('apache/rocketmq#3613: keys and topics of one hash are not taken for each other', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  for (const [topic, key] of [
    ['T', 'Aa'],
    ['T', 'BB'],
    ['Aa', 'k'],
    ['BB', 'k'],
    ['T', 'AaAa'],
    ['T', 'BBBB'],
    ['T', 'AaBB'],
  ] as const) {
    await store.append({ topic, keys: [key], body: `${topic}#${key}` });
  }
  for (const again of [store, undefined]) {
    if (again === undefined) await store.close();
    const each = again ?? (await openTiny(disk));
    for (const [topic, key] of [
      ['T', 'Aa'],
      ['T', 'BB'],
      ['Aa', 'k'],
      ['BB', 'k'],
      ['T', 'AaBB'],
    ] as const) {
      expect(texts(await collect(each.findByKey({ topic, key })))).toEqual([`${topic}#${key}`]);
    }
    expect(await collect(each.findByKey({ topic: 'T', key: 'BBAa' }))).toEqual([]);
    if (again === undefined) await each.close();
  }
});

it('apache/rocketmq#7948: the largest count that can be asked for takes no more memory than there are messages', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  await write(store, 30);
  for (const countMax of [2 ** 31 - 1, Number.MAX_SAFE_INTEGER]) {
    const before = process.memoryUsage();
    expect(texts(await collect(store.findByKey({ ...queue, key: 'all', countMax })))).toEqual(bodies(30).reverse());
    expect(texts((await store.read(queue, { from: 0, countMax, bytesMax: countMax })).messages)).toEqual(bodies(30));
    const batches = await collect(store.tail(queue, { from: 0, until: 'end' }).batches(countMax));
    expect(texts(batches.flat())).toEqual(bodies(30));
    const { heapTotal, arrayBuffers } = process.memoryUsage();
    expect(heapTotal - before.heapTotal + arrayBuffers - before.arrayBuffers).toBeLessThan(256 * 1024 * 1024);
  }
  await store.close();
});

it('apache/rocketmq#9121: a body whose checksum is 0 is checked like any other', async () => {
  const zero = Buffer.from('9d0ad96d', 'hex');
  expect(crc32(zero)).toBe(0);
  const { disk } = rig();
  const store = await openTiny(disk, { recordChecksum: false });
  await store.append({ ...queue, body: zero });
  const { physicalOffset } = await store.append({ ...queue, body: zero });
  await store.append({ ...queue, body: 'next' });
  await store.close();
  const { path, at } = placeOf(physicalOffset);
  const record = await readFile(disk, path);
  await flipBit(disk, path, record.indexOf(zero, at));
  const again = await openTiny(disk, { recordChecksum: false });
  expect((await again.read(queue, { from: 0, countMax: 1 })).messages[0]?.body).toEqual(zero);
  expect(await refusal(() => again.read(queue, { from: 1, countMax: 1 }))).toBe('CORRUPT');
  expect((await again.verify()).faultCount).toBeGreaterThan(0);
  await again.close();
});

it('apache/rocketmq#8669: the properties of a record have no byte that nobody gave, with its checksum among them or not', async () => {
  for (const recordChecksum of [true, false]) {
    const { disk } = rig();
    const store = await openTiny(disk, { recordChecksum, segmentBytes: 65_536 });
    for (const length of [0, 1, 19, 20, 21, 300, 32_000]) {
      const given = length === 0 ? {} : { a: 'v'.repeat(length) };
      const { physicalOffset, recordBytes } = await store.append({ ...queue, body: 'x', tag: 'tag', properties: given });
      const { path, at } = placeOf(physicalOffset, 65_536);
      const record = (await readFile(disk, path)).subarray(at, at + recordBytes);
      expect(record.readInt32BE(0)).toBe(recordBytes);
      // Body of one byte and topic of one, with their lengths.
      const start = fixedBytes + 1 + 1;
      expect(record.readInt16BE(start - 2)).toBe(recordBytes - start);
      const properties = record
        .toString('utf8', start)
        .split('\x02')
        .filter((property) => property !== '');
      const names = properties.map((property) => property.split('\x01')[0]);
      expect(new Set(names)).toEqual(new Set([...(length === 0 ? [] : ['a']), 'TAGS', ...(recordChecksum ? ['__CRC32#'] : [])]));
      expect(properties.length).toBe(names.length);
      expect((await store.get(physicalOffset))?.properties).toEqual(given);
    }
    await store.close();
  }
});

it('apache/rocketmq#3786: properties are stored whole or refused, and each message of a batch has its own place and id', async () => {
  const { disk } = rig();
  const store = await openTiny(disk, { recordChecksum: false, segmentBytes: 262_144 });
  const properties = (bytes: number): Record<string, string> => ({ name: 'v'.repeat(bytes - 'name'.length - 2) });
  const longest = await store.append({ ...queue, body: 'longest', properties: properties(32_767) });
  expect((await store.get(longest.physicalOffset))?.properties).toEqual(properties(32_767));
  for (const bytes of [32_768, 32_769, 65_536 + 10, 65_536 + 32_767]) {
    expect(await failure(() => store.append({ ...queue, body: 'x', properties: properties(bytes) }))).toMatchObject({
      code: 'PROPERTIES_TOO_LARGE',
      stored: 'no',
    });
  }
  const given = bodies(5).map((body, i) => ({
    ...queue,
    queueId: i % 2,
    body,
    tag: `t${i}`,
    keys: [body],
    properties: { a: body, b: 'x' },
  }));
  const receipts = await store.appendBatch(given);
  expect(new Set(receipts.map((receipt) => receipt.messageId)).size).toBe(5);
  const read = (await readLog(store)).slice(1);
  expect(
    read.map(({ queueId, tag, keys, properties: own, body }) => ({ ...queue, queueId, body: body.toString(), tag, keys, properties: own })),
  ).toEqual(given);
  for (const { messageId, queueOffset, queueId } of receipts)
    expect(await store.get(messageId)).toMatchObject({ queueOffset, queueId, messageId });
  await store.close();
});

it('apache/rocketmq@8fc57f1, checkMessageAndReturnSize: any byte of a record that changes is found, in its header and properties too', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  for (const body of bodies(3)) await store.append({ ...queue, body, tag: 'tag', keys: ['k'], properties: { name: 'value' } });
  const messages = await readLog(store);
  await store.close();
  const frozen = await freeze(disk);
  const { physicalOffset, recordBytes } = messages[1]!;
  const { path, at } = placeOf(physicalOffset);
  for (let byte = 0; byte < recordBytes; byte += 1) {
    const copy = frozen.copy();
    await flipBit(copy, path, at + byte, byte % 8);
    const again = await openTiny(copy);
    expect([byte, await refusal(() => again.read(queue, { from: 1, countMax: 1 }))]).toEqual([byte, 'CORRUPT']);
    expect(texts((await again.read(queue, { from: 2 })).messages)).toEqual(['m-2']);
    expect([byte, (await again.verify()).ok]).toEqual([byte, false]);
    await again.close();
  }
});

it('apache/rocketmq@8fc57f1, checkMessageAndReturnSize: a record is believed at its own place only, and no length in it takes memory', async () => {
  const { disk } = rig();
  const store = await openTiny(disk);
  await write(store, 12);
  const messages = await readLog(store);
  await store.close();
  const frozen = await freeze(disk);
  const { path, at } = placeOf(messages[6]!.physicalOffset);
  const whole = await readFile(frozen.copy(), path);
  const other = placeOf(messages[3]!.physicalOffset).at;
  expect(messages[3]!.recordBytes).toBe(messages[6]!.recordBytes);
  const length = Buffer.alloc(4);
  length.writeInt32BE(2 ** 31 - 1);
  for (const [bytes, to] of [
    [whole.subarray(other, other + messages[3]!.recordBytes), at],
    [length, at],
    [length, at + 84],
  ] as const) {
    const copy = frozen.copy();
    await writeInto(copy, path, bytes, to);
    const again = await openTiny(copy);
    const { arrayBuffers } = process.memoryUsage();
    expect(await failure(() => again.read(queue, { from: 6 }))).toMatchObject({ code: 'CORRUPT', path });
    expect(await refusal(() => again.get(messages[6]!.physicalOffset))).toBe('CORRUPT');
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(2 ** 28);
    expect(text((await again.read(queue, { from: 7 })).messages[0]!)).toBe('m-7');
    await leave(again);
  }
});
