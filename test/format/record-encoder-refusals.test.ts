import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import type { NewMessage } from '../../src/format/message.js';
import { RecordEncoder, type EncoderOptions } from '../../src/format/record-encoder.js';
import { topicFault } from '../../src/format/topic-rules.js';

const options: EncoderOptions = {
  storeHost: { address: '127.0.0.1', port: 10_911 },
  recordChecksum: true,
  messageBytesMax: 1_000,
  systemMessages: false,
};
const plain = new RecordEncoder(options);
const system = new RecordEncoder({ ...options, systemMessages: true });

function refusal(encoder: RecordEncoder, message: unknown): unknown {
  try {
    encoder.stage(message as NewMessage, 1, false);
  } catch (error) {
    return error;
  }
  return undefined;
}

function expectRefused(message: unknown, expected: 'TypeError' | 'RangeError' | StoreError['code'], says: string, encoder = plain): void {
  const error = refusal(encoder, message);
  expect(error).toBeInstanceOf(Error);
  expect(error instanceof StoreError ? error.code : (error as Error).name).toBe(expected);
  expect((error as Error).message).toContain(says);
  // A refusal leaves nothing behind that spoils the next message.
  expect(refusal(encoder, { topic: 'T', body: 'x' })).toBeUndefined();
  expect(encoder.recordBytes).toBe(91 + 1 + 1 + 20);
}

const good = { topic: 'T', body: 'x' };

describe('wrong types are TypeErrors that name the argument', () => {
  it.each<[string, unknown]>([
    ['message', undefined],
    ['message', null],
    ['message', 'T'],
    ['topic', { body: 'x' }],
    ['topic', { ...good, topic: 7 }],
    ['body', { topic: 'T' }],
    ['body', { ...good, body: 7 }],
    ['body', { ...good, body: [1, 2] }],
    ['body', { ...good, body: new ArrayBuffer(3) }],
    ['body', { ...good, body: new Uint16Array(3) }],
    ['queueId', { ...good, queueId: '1' }],
    ['queueId', { ...good, queueId: 1n }],
    ['flag', { ...good, flag: null }],
    ['bornAt', { ...good, bornAt: '2020' }],
    ['tag', { ...good, tag: 7 }],
    ['tag', { ...good, tag: null }],
    ['keys', { ...good, keys: 'key' }],
    ['keys[1]', { ...good, keys: ['a', 7] }],
    ['properties', { ...good, properties: null }],
    ['properties', { ...good, properties: ['a'] }],
    ['properties.a', { ...good, properties: { a: 7 } }],
    ['properties.a', { ...good, properties: { a: undefined } }],
    ['system', { ...good, system: {} }],
  ])('%s in case %#', (argument, message) => {
    expectRefused(message, 'TypeError', argument);
  });

  it.each<[string, unknown]>([
    ['system', null],
    ['system.sysFlag', { sysFlag: 'x' }],
    ['system.reconsumeTimes', { reconsumeTimes: 'x' }],
    ['system.bornHost', { bornHost: 'localhost' }],
    ['system.bornHost.address', { bornHost: { port: 1 } }],
    ['system.bornHost.port', { bornHost: { address: '::1', port: '1' } }],
  ])('%s of a system message, case %#', (argument, fields) => {
    expectRefused({ ...good, system: fields }, 'TypeError', argument, system);
  });

  it('UNIQ_KEY that is no string', () => {
    expectRefused({ ...good, properties: { UNIQ_KEY: 1 } }, 'TypeError', 'properties.UNIQ_KEY', system);
  });
});

describe('numbers out of range are RangeErrors that name argument and value', () => {
  it.each<[string, string, unknown]>([
    ['queueId', '-1', { queueId: -1 }],
    ['queueId', '1.5', { queueId: 1.5 }],
    ['queueId', '2147483648', { queueId: 2 ** 31 }],
    ['queueId', 'NaN', { queueId: Number.NaN }],
    ['flag', '4294967296', { flag: 2 ** 32 }],
    ['flag', '-2147483649', { flag: -(2 ** 31) - 1 }],
    ['flag', '0.5', { flag: 0.5 }],
    ['bornAt', 'Date', { bornAt: new Date(Number.NaN) }],
    ['bornAt', '1.5', { bornAt: 1.5 }],
    ['bornAt', '9007199254740992', { bornAt: 2 ** 53 }],
  ])('%s %s', (argument, value, fields) => {
    expectRefused({ ...good, ...(fields as object) }, 'RangeError', argument);
    expectRefused({ ...good, ...(fields as object) }, 'RangeError', value);
  });

  it.each<[string, unknown]>([
    ['system.reconsumeTimes', { reconsumeTimes: -1 }],
    ['system.preparedTransactionOffset', { preparedTransactionOffset: -1 }],
    ['system.sysFlag', { sysFlag: 2 ** 33 }],
    ['system.bornHost.address', { bornHost: { address: 'localhost', port: 1 } }],
    ['system.bornHost.address', { bornHost: { address: 'fe80::1%eth0', port: 1 } }],
    ['system.bornHost.port', { bornHost: { address: '::1', port: 65_536 } }],
    ['system.bornHost.port', { bornHost: { address: '::1', port: -1 } }],
  ])('%s of a system message, case %#', (argument, fields) => {
    expectRefused({ ...good, system: fields }, 'RangeError', argument, system);
  });

  it('a store host that is none', () => {
    expect(() => new RecordEncoder({ ...options, storeHost: { address: 'here', port: 1 } })).toThrow(RangeError);
    expect(() => new RecordEncoder({ ...options, storeHost: { address: '1.2.3.4', port: 1.5 } })).toThrow(RangeError);
    expect(() => new RecordEncoder({ ...options, storeHost: 7 as never })).toThrow(TypeError);
  });

  it('takes what lies on the bounds', () => {
    for (const fields of [{ queueId: 2 ** 31 - 1 }, { flag: 2 ** 32 - 1 }, { flag: -(2 ** 31) }, { bornAt: -1 }, { bornAt: new Date(0) }]) {
      expect(refusal(plain, { ...good, ...fields })).toBeUndefined();
    }
  });
});

describe('topics', () => {
  it.each([
    '',
    'a b',
    'a/b',
    '..',
    'a.b',
    'é',
    'a#b',
    '\x00',
    'x'.repeat(128),
    'SCHEDULE_TOPIC_XXXX',
    'TBW102',
    'BenchmarkTest',
    'SELF_TEST_TOPIC',
    'OFFSET_MOVED_EVENT',
    'TRANS_CHECK_MAX_TIME_TOPIC',
    'RMQ_SYS_TRACE_TOPIC',
    'rmq_sys_wheel_timer',
    '%RETRY%group',
    '%DLQ%group',
    'STRATALOG_FILLER',
  ])('refuses %j', (topic) => {
    expectRefused({ ...good, topic }, 'TOPIC_INVALID', 'topic');
  });

  it.each(['a', 'A-b_c%d|e', '0', 'x'.repeat(127), 'RMQ_SY'])('takes %j', (topic) => {
    expect(refusal(plain, { ...good, topic })).toBeUndefined();
  });

  it('takes reserved ones in a store for system messages, but never the one that fills repaired spans', () => {
    for (const topic of ['SCHEDULE_TOPIC_XXXX', 'TBW102', `%RETRY%${'g'.repeat(248)}`]) {
      expect(refusal(system, { ...good, topic })).toBeUndefined();
    }
    expectRefused({ ...good, topic: `%RETRY%${'g'.repeat(249)}` }, 'TOPIC_INVALID', '255', system);
    expectRefused({ ...good, topic: 'STRATALOG_FILLER' }, 'TOPIC_INVALID', 'STRATALOG_FILLER', system);
  });

  it('refuses on Windows what cannot be a folder there', () => {
    for (const topic of ['a|b', 'CON', 'nul', 'Com1']) {
      expect(topicFault(topic, false, 'win32')).toBeDefined();
      expect(topicFault(topic, false, 'linux')).toBeUndefined();
    }
  });
});

describe('what a record cannot hold is MESSAGE_INVALID', () => {
  it.each<[string, unknown]>([
    ['keys[0]', { keys: [''] }],
    ['keys[1]', { keys: ['a', 'b c'] }],
    ['keys[0]', { keys: ['a\x01'] }],
    ['keys[0]', { keys: ['é\x02'] }],
    ['keys[0]', { keys: ['\ud83d'] }],
    ['tag', { tag: '' }],
    ['tag', { tag: 'a\x01b' }],
    ['tag', { tag: 'a\x02b' }],
    ['tag', { tag: '\udc00' }],
    ['properties', { properties: { '': 'a' } }],
    ['properties.a', { properties: { a: '' } }],
    ['properties.a', { properties: { a: 'b\x01' } }],
    ['properties.a', { properties: { a: 'b\x02' } }],
    ['properties.a', { properties: { a: '\ud83d' } }],
    ['properties', { properties: { 'a\x01': 'b' } }],
    ['properties', { properties: { 'a\ud83d': 'b' } }],
    ['properties.KEYS', { properties: { KEYS: 'a' } }],
    ['properties.TAGS', { properties: { TAGS: 'a' } }],
    ['properties.UNIQ_KEY', { properties: { UNIQ_KEY: 'a' } }],
    ['properties.WAIT', { properties: { WAIT: 'true' } }],
    ['properties.DELAY', { properties: { DELAY: '1' } }],
    ['properties.__RMQ.TRANSIENT.x', { properties: { '__RMQ.TRANSIENT.x': '1' } }],
    ['properties.INNER_NUM', { properties: { INNER_NUM: '1' } }],
    ['body', { body: 'a\ud83d' }],
    ['body', { body: `${'x'.repeat(900)}\ud83d` }],
    ['flag', { flag: 0x4c4f5354, body: '' }],
    ['flag', { flag: 0x4c4f5354, body: new Uint8Array(10) }],
  ])('%s, case %#', (argument, fields) => {
    expectRefused({ ...good, ...(fields as object) }, 'MESSAGE_INVALID', argument);
  });

  it('in a store for system messages too', () => {
    expectRefused({ ...good, properties: { KEYS: 'a' } }, 'MESSAGE_INVALID', 'KEYS', system);
    expectRefused({ ...good, properties: { INNER_NUM: '2' } }, 'MESSAGE_INVALID', 'inner batch', system);
    expectRefused({ ...good, system: { sysFlag: 0x80 } }, 'MESSAGE_INVALID', 'inner batch', system);
    expectRefused({ ...good, topic: 'SCHEDULE_TOPIC_XXXX', properties: { DELAY: 'x' } }, 'MESSAGE_INVALID', 'DELAY', system);
  });

  it('but a tag may hold a bar, a key may hold anything but a space, and the flag of lost records may go with a body', () => {
    for (const fields of [{ tag: 'a|b c' }, { keys: ['a\nb', '#', 'é'] }, { flag: 0x4c4f5354 }, { keys: [] }, { properties: {} }]) {
      expect(refusal(plain, { ...good, ...fields })).toBeUndefined();
    }
  });
});

describe('sizes', () => {
  it.each<string | Uint8Array>(['x'.repeat(1_001), new Uint8Array(1_001), 'é'.repeat(501), 'x'.repeat(2_000), 'é'.repeat(2_000)])(
    'refuses a body beyond messageBytesMax, case %#',
    (body) => {
      expectRefused({ ...good, body }, 'MESSAGE_TOO_LARGE', '1000');
      expect(refusal(plain, { ...good, body })).toMatchObject({ limit: 1_000, actual: Buffer.byteLength(body) });
    },
  );

  it('takes a body of exactly messageBytesMax', () => {
    expect(refusal(plain, { ...good, body: 'é'.repeat(500) })).toBeUndefined();
    expect(refusal(plain, { ...good, body: new Uint8Array(1_000) })).toBeUndefined();
  });

  it('counts keys, tag, properties and checksum together, to the byte', () => {
    // KEYS 01 k 02, TAGS 01 t 02, a 01 ... 02, checksum
    const room = 32_767 - 7 - 7 - 3 - 20;
    const message = { ...good, keys: ['k'], tag: 't', properties: { a: 'x'.repeat(room) } };
    expect(refusal(plain, message)).toBeUndefined();
    expect(plain.recordBytes).toBe(91 + 1 + 1 + 32_767);
    const error = refusal(plain, { ...message, properties: { a: 'x'.repeat(room + 1) } });
    expect(error).toMatchObject({ code: 'PROPERTIES_TOO_LARGE', limit: 32_767, actual: 32_768 });
    expect(() => plain.stage(message, 1, true)).toThrow('32805 bytes');
  });

  it.each<[number, unknown]>([
    [20 + 6 + 60_000, { keys: ['é'.repeat(30_000)] }],
    [20 + 6 + 200_000, { keys: ['x'.repeat(200_000)] }],
    [20 + 6 + 200_000, { tag: 'x'.repeat(200_000) }],
    [20 + 3 + 200_000, { properties: { a: 'x'.repeat(200_000) } }],
    [
      20 + 3 * 200_002,
      { properties: { [`${'x'.repeat(199_999)}a`]: 'b', [`${'x'.repeat(199_999)}b`]: 'b', [`${'x'.repeat(199_999)}c`]: 'b' } },
    ],
    [20 + 5 + 50_000 * 2, { keys: new Array<string>(50_000).fill('k') }],
  ])('says how large properties are that are much too large: %d', (actual, fields) => {
    const given = { ...good, ...(fields as object) };
    expect(refusal(plain, given)).toMatchObject({ code: 'PROPERTIES_TOO_LARGE', limit: 32_767 });
    const slack = (fields as { properties?: object }).properties === undefined ? 1 : 3;
    const error = refusal(plain, given) as { actual: number };
    expect(Math.abs(error.actual - actual)).toBeLessThanOrEqual(slack);
  });
});

it('shows values shortened and escaped in messages', () => {
  const error = refusal(plain, { ...good, tag: `${'\n'.repeat(1_000)}\x01` }) as Error;
  expect(error.message.length).toBeLessThan(300);
  expect(error.message).not.toContain('\n');
});
