import { describe, expect, it } from 'vitest';
import type { NewMessage } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { failure, openTiny, readLog, refusal, texts } from './harness.js';

const valid: NewMessage = { topic: 'T', body: 'x' };
const topicBytes = (count: number): string => 'a'.repeat(count);

const refused: readonly (readonly [string, unknown, string])[] = [
  ['an empty topic', { ...valid, topic: '' }, 'TOPIC_INVALID'],
  ['a topic of 128 bytes', { ...valid, topic: topicBytes(128) }, 'TOPIC_INVALID'],
  ['a topic with a slash', { ...valid, topic: '../../x' }, 'TOPIC_INVALID'],
  ['a topic with a backslash', { ...valid, topic: 'a\\b' }, 'TOPIC_INVALID'],
  ['a topic with a dot', { ...valid, topic: 'a.b' }, 'TOPIC_INVALID'],
  ['a topic with a zero byte', { ...valid, topic: 'a\0b' }, 'TOPIC_INVALID'],
  ['a topic with a space', { ...valid, topic: 'a b' }, 'TOPIC_INVALID'],
  ['a topic with a line end', { ...valid, topic: 'a\n' }, 'TOPIC_INVALID'],
  ['a topic with a letter outside of ASCII', { ...valid, topic: 'ä' }, 'TOPIC_INVALID'],
  ['a reserved topic', { ...valid, topic: 'SCHEDULE_TOPIC_XXXX' }, 'TOPIC_INVALID'],
  ['another reserved topic', { ...valid, topic: 'TBW102' }, 'TOPIC_INVALID'],
  ['a retry topic', { ...valid, topic: '%RETRY%group' }, 'TOPIC_INVALID'],
  ['a dead-letter topic', { ...valid, topic: '%DLQ%group' }, 'TOPIC_INVALID'],
  ['a topic of the system', { ...valid, topic: 'RMQ_SYS_TRANS_HALF_TOPIC' }, 'TOPIC_INVALID'],
  ['the topic that fills repaired spans', { ...valid, topic: 'STRATALOG_FILLER' }, 'TOPIC_INVALID'],
  ['a key with a space', { ...valid, keys: ['a b'] }, 'MESSAGE_INVALID'],
  ['an empty key', { ...valid, keys: [''] }, 'MESSAGE_INVALID'],
  ['a key with 0x01', { ...valid, keys: ['a\u0001b'] }, 'MESSAGE_INVALID'],
  ['a key with 0x02', { ...valid, keys: ['a\u0002b'] }, 'MESSAGE_INVALID'],
  ['a tag with 0x02', { ...valid, tag: 'a\u0002' }, 'MESSAGE_INVALID'],
  ['a property name with 0x01', { ...valid, properties: { 'a\u0001': 'x' } }, 'MESSAGE_INVALID'],
  ['a property name with 0x02', { ...valid, properties: { 'a\u0002': 'x' } }, 'MESSAGE_INVALID'],
  ['a property value with 0x01', { ...valid, properties: { a: 'x\u0001' } }, 'MESSAGE_INVALID'],
  ['a property value with 0x02', { ...valid, properties: { a: 'x\u0002y' } }, 'MESSAGE_INVALID'],
  ['an empty property name', { ...valid, properties: { '': 'x' } }, 'MESSAGE_INVALID'],
  ['the property KEYS', { ...valid, properties: { KEYS: 'x' } }, 'MESSAGE_INVALID'],
  ['the property TAGS', { ...valid, properties: { TAGS: 'x' } }, 'MESSAGE_INVALID'],
  ['the property UNIQ_KEY', { ...valid, properties: { UNIQ_KEY: 'x' } }, 'MESSAGE_INVALID'],
  ['the property DELAY', { ...valid, properties: { DELAY: '3' } }, 'MESSAGE_INVALID'],
  ['a lone surrogate in the body', { ...valid, body: 'a\ud800b' }, 'MESSAGE_INVALID'],
  ['a lone surrogate in a key', { ...valid, keys: ['\udc00'] }, 'MESSAGE_INVALID'],
  ['a lone surrogate in a tag', { ...valid, tag: '\ud83d' }, 'MESSAGE_INVALID'],
  ['a lone surrogate in a property value', { ...valid, properties: { a: '\ud83d' } }, 'MESSAGE_INVALID'],
  ['a lone surrogate in a property name', { ...valid, properties: { '\ud83d': 'a' } }, 'MESSAGE_INVALID'],
  ['a body over messageBytesMax', { ...valid, body: Buffer.alloc(1001) }, 'MESSAGE_TOO_LARGE'],
  ['a string over messageBytesMax in bytes, not in characters', { ...valid, body: 'ä'.repeat(501) }, 'MESSAGE_TOO_LARGE'],
  ['properties over 32,767 bytes', { ...valid, properties: { a: 'x'.repeat(32_767) } }, 'PROPERTIES_TOO_LARGE'],
  ['keys over 32,767 bytes', { ...valid, keys: Array.from({ length: 400 }, (_, i) => 'k'.repeat(100) + i) }, 'PROPERTIES_TOO_LARGE'],
  ['a tag over 32,767 bytes', { ...valid, tag: 't'.repeat(40_000) }, 'PROPERTIES_TOO_LARGE'],
];

describe('a message refused for its own sake', () => {
  for (const [what, message, code] of refused) {
    it(`${what}: ${code}, nothing is stored, and the next append works`, async () => {
      const store = await openTiny(memoryPlatform(), { segmentBytes: 65_536, messageBytesMax: 1000 });
      const before = store.append({ topic: 'T', body: 'before' });
      const error = failure(() => store.append(message as NewMessage));
      const after = store.append({ topic: 'T', body: 'after' });
      expect(await refusal(() => store.append(message as NewMessage))).toBe(code);
      expect(await error).toMatchObject({ code, stored: 'no', retryable: false });
      expect(await refusal(() => store.appendSync(message as NewMessage))).toBe(code);
      expect(await refusal(() => store.appendBatch([valid, message as NewMessage]))).toBe(code);
      expect(await refusal(() => store.appendAll([message as NewMessage]))).toBe(code);
      expect([(await before).queueOffset, (await after).queueOffset]).toEqual([0, 1]);
      expect(texts(await readLog(store))).toEqual(['before', 'after']);
      expect(store.topics()).toEqual([{ topic: 'T', queueIds: [0] }]);
      expect(store.writeError).toBeUndefined();
      await store.close();
    });
  }

  it('system messages: retry and dead-letter topics up to 255 bytes, not longer', async () => {
    const store = await openTiny(memoryPlatform(), { systemMessages: true });
    for (const prefix of ['%RETRY%', '%DLQ%']) {
      const longest = prefix + topicBytes(255 - prefix.length);
      const receipt = await store.append({ topic: longest, body: longest });
      expect((await store.get(receipt.physicalOffset))!.topic).toBe(longest);
      expect(texts((await store.read({ topic: longest }, { from: 0 })).messages)).toEqual([longest]);
      expect(await refusal(() => store.append({ topic: `${longest}a`, body: '' }))).toBe('TOPIC_INVALID');
    }
    expect(await refusal(() => store.append({ topic: topicBytes(128), body: '' }))).toBe('TOPIC_INVALID');
    await store.close();
  });

  it('system messages survive a reopening', async () => {
    const platform = memoryPlatform();
    let store = await openTiny(platform, { systemMessages: true });
    const receipt = await store.append({
      topic: '%RETRY%g',
      body: 'again',
      properties: { UNIQ_KEY: 'U', DELAY: '3' },
      system: { reconsumeTimes: 4, sysFlag: 0, bornHost: { address: '::1', port: 9 } },
    });
    await store.close();
    store = await openTiny(platform);
    expect(await store.get(receipt.physicalOffset)).toMatchObject({ reconsumeTimes: 4, properties: { UNIQ_KEY: 'U', DELAY: '3' } });
    await store.close();
  });

  it('a topic of 127 bytes and a body of messageBytesMax are taken', async () => {
    const store = await openTiny(memoryPlatform(), { messageBytesMax: 1000 });
    const receipt = await store.append({ topic: topicBytes(127), body: Buffer.alloc(1000, 7) });
    expect((await store.get(receipt.physicalOffset))!.body.length).toBe(1000);
    await store.close();
  });

  it('properties of exactly the limit are taken or refused, and what is taken comes back whole', async () => {
    const store = await openTiny(memoryPlatform(), { segmentBytes: 131_072 });
    let takenMax = 0;
    for (let length = 32_700; length <= 32_768; length += 1) {
      const value = 'v'.repeat(length);
      const error = await refusal(async () => {
        const receipt = await store.append({ topic: 'T', body: 'x', properties: { a: value } });
        expect((await store.get(receipt.physicalOffset))!.properties['a']).toBe(value);
        takenMax = length;
      });
      expect(['none', 'PROPERTIES_TOO_LARGE']).toContain(error);
    }
    expect(takenMax).toBeGreaterThanOrEqual(32_767 - 64);
    expect((await store.verify()).ok).toBe(true);
    await store.close();
  });

  it('a message larger than a segment is refused, whatever messageBytesMax says', async () => {
    const store = await openTiny(memoryPlatform());
    expect(await refusal(() => store.append({ topic: 'T', body: Buffer.alloc(4096) }))).toBe('MESSAGE_TOO_LARGE');
    expect(await refusal(() => store.appendSync({ topic: 'T', body: Buffer.alloc(4000) }))).toBe('MESSAGE_TOO_LARGE');
    await store.append({ topic: 'T', body: Buffer.alloc(3900) });
    await store.close();
  });

  it('every size around the end of a segment is stored whole or refused', async () => {
    const platform = memoryPlatform();
    let store = await openTiny(platform);
    const sizes: number[] = [];
    for (let bytes = 3850; bytes < 4096; bytes += 1) {
      const code = await refusal(() => store.append({ topic: 'T', body: Buffer.alloc(bytes, bytes % 251) }));
      if (code === 'none') sizes.push(bytes);
      else expect(code).toBe('MESSAGE_TOO_LARGE');
    }
    expect(sizes.length).toBeGreaterThan(0);
    const check = async (): Promise<void> => {
      const read = await readLog(store);
      expect(read.map((message) => message.body.length)).toEqual(sizes);
      expect(read.every((message) => message.body.every((byte) => byte === message.body.length % 251))).toBe(true);
    };
    await check();
    store = await openTiny(platform.crash('synced'));
    await check();
    await store.close();
  });
});

const wrong: readonly (readonly [string, unknown, RegExp])[] = [
  ['no message', undefined, /message/i],
  ['null', null, /message/i],
  ['a number as topic', { ...valid, topic: 5 }, /topic/],
  ['no topic', { body: 'x' }, /topic/],
  ['a number as body', { ...valid, body: 5 }, /body/],
  ['no body', { topic: 'T' }, /body/],
  ['an array as body', { ...valid, body: [1, 2] }, /body/],
  ['a negative queueId', { ...valid, queueId: -1 }, /queueId/],
  ['half a queueId', { ...valid, queueId: 0.5 }, /queueId/],
  ['a queueId of 2^31', { ...valid, queueId: 2 ** 31 }, /queueId/],
  ['a queueId that is NaN', { ...valid, queueId: Number.NaN }, /queueId/],
  ['a string as queueId', { ...valid, queueId: '1' }, /queueId/],
  ['a number as tag', { ...valid, tag: 1 }, /tag/],
  ['a string as keys', { ...valid, keys: 'k' }, /keys/],
  ['a number as key', { ...valid, keys: [1] }, /keys/],
  ['a number as property', { ...valid, properties: { a: 1 } }, /propert/],
  ['a string as properties', { ...valid, properties: 'a' }, /properties/],
  ['half a flag', { ...valid, flag: 0.5 }, /flag/],
  ['a flag of 2^40', { ...valid, flag: 2 ** 40 }, /flag/],
  ['a string as flag', { ...valid, flag: '1' }, /flag/],
  ['a bornAt that is NaN', { ...valid, bornAt: Number.NaN }, /bornAt/],
  ['an invalid date as bornAt', { ...valid, bornAt: new Date(Number.NaN) }, /bornAt/],
  ['a string as bornAt', { ...valid, bornAt: '2024-01-01' }, /bornAt/],
  ['system fields in an ordinary store', { ...valid, system: { reconsumeTimes: 1 } }, /system/],
];

describe('a wrong call', () => {
  for (const [what, message, name] of wrong) {
    it(`${what}: TypeError or RangeError that names the argument, and the next append works`, async () => {
      const store = await openTiny(memoryPlatform());
      for (const call of [
        () => store.append(message as NewMessage),
        () => store.appendSync(message as NewMessage),
        () => store.appendBatch([valid, message as NewMessage]),
        () => store.appendAll([message as NewMessage]),
      ]) {
        const error = await failure(call);
        expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
        expect((error as Error).message).toMatch(name);
        expect(error).not.toHaveProperty('code');
      }
      expect((await store.append(valid)).queueOffset).toBe(0);
      await store.close();
    });
  }
});
