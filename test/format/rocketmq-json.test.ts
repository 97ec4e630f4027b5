import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRocketmqJson, writeRocketmqJson, type JsonKey, type JsonValue } from '../../src/format/rocketmq-json.js';

const sample = [
  '{',
  '\t"dataVersion":{',
  '\t\t"counter":0,',
  '\t\t"stateVersion":0,',
  '\t\t"timestamp":1700000000000',
  '\t},',
  '\t"groupTopicMap":{',
  '\t\t"G":["TopicTest"]',
  '\t},',
  '\t"offsetTable":{',
  '\t\t"TopicTest@G":{0:12,1:5',
  '\t\t}',
  '\t}',
  '}',
].join('\n');

const map = (entries: readonly (readonly [JsonKey, JsonValue])[]): Map<JsonKey, JsonValue> => new Map(entries);

describe('the files of a broker', () => {
  it('are read and written to the byte', () => {
    const parsed = parseRocketmqJson(sample);
    expect(parsed).toEqual(
      map([
        [
          'dataVersion',
          map([
            ['counter', 0],
            ['stateVersion', 0],
            ['timestamp', 1_700_000_000_000],
          ]),
        ],
        ['groupTopicMap', map([['G', ['TopicTest']]])],
        [
          'offsetTable',
          map([
            [
              'TopicTest@G',
              map([
                [0, 12],
                [1, 5],
              ]),
            ],
          ]),
        ],
      ]),
    );
    expect(writeRocketmqJson(parsed)).toBe(sample);
    expect(parseRocketmqJson(Buffer.from(sample))).toEqual(parsed);
  });

  it('come out in order, whatever order they were in', () => {
    expect(
      writeRocketmqJson(
        map([
          ['b', 1],
          ['a', 2],
        ]),
      ),
    ).toBe('{\n\t"a":2,\n\t"b":1\n}');
    expect(
      writeRocketmqJson(
        map([
          [10, 1],
          [9, 2],
          [-1, 3],
        ]),
      ),
    ).toBe('{-1:3,9:2,10:1\n}');
    expect(
      writeRocketmqJson(
        map([
          ['x', 1],
          [2, 1],
          ['a', 1],
          [1, 1],
        ]),
      ),
    ).toBe('{1:1,2:1,\n\t"a":1,\n\t"x":1\n}');
    expect(writeRocketmqJson(map([]))).toBe('{}');
  });

  it('keep integers of 64 bits, as values and as keys', () => {
    const text = '{-9223372036854775808:9223372036854775807,9007199254740993:9007199254740992\n}';
    const parsed = parseRocketmqJson(text);
    expect(parsed).toEqual(
      map([
        [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
        [9_007_199_254_740_993n, 9_007_199_254_740_992n],
      ]),
    );
    expect(writeRocketmqJson(parsed)).toBe(text);
    expect(parseRocketmqJson('9007199254740991')).toBe(9_007_199_254_740_991);
    expect(parseRocketmqJson('-0')).toBe(0);
  });

  it('keep a quoted number apart from a number', () => {
    const text = '{1:1,\n\t"1":2\n}';
    expect(parseRocketmqJson(text)).toEqual(
      map([
        [1, 1],
        ['1', 2],
      ]),
    );
    expect(writeRocketmqJson(parseRocketmqJson(text))).toBe(text);
  });
});

describe('standard JSON', () => {
  it('is read as JSON.parse reads it', () => {
    const plain = (value: JsonValue): unknown => {
      if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
      return Array.isArray(value) ? value.map(plain) : value;
    };
    fc.assert(
      fc.property(fc.json(), (text) => {
        // JSON.parse reads integers beyond 2^53 and -0 in another way.
        if (/\d{16}|-0/.test(text)) return;
        expect(plain(parseRocketmqJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('survives writing and reading, names like __proto__ too', () => {
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, false),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
        fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }),
        fc.string({ unit: 'binary' }),
        fc.array(tie('value')),
        fc
          .array(fc.tuple(fc.oneof(fc.string(), fc.constant('__proto__'), fc.integer()), tie('value')))
          .map((entries) => new Map<JsonKey, JsonValue>(entries)),
      ),
    }));
    fc.assert(
      fc.property(value, (given) => {
        expect(parseRocketmqJson(writeRocketmqJson(given))).toEqual(given);
      }),
    );
  });

  it.each(['"\\u0041\\n\\t\\"\\\\\\/\\b\\f\\r"', ' [ 1 , 2 ] ', '\r\n{ "a" : [ ] }\t', '"\\ud83d\\ude80"', '1.5e-3'])(
    'reads %s',
    (text) => {
      expect(JSON.stringify(parseRocketmqJson(text), (_, item: unknown) => (item instanceof Map ? Object.fromEntries(item) : item))).toBe(
        JSON.stringify(JSON.parse(text)),
      );
    },
  );

  it('of two of one name takes the last', () => {
    expect(parseRocketmqJson('{"a":1,"a":2,0:1,0:2}')).toEqual(
      map([
        ['a', 2],
        [0, 2],
      ]),
    );
  });
});

describe('what is not', () => {
  it.each([
    '',
    ' ',
    '{',
    '}',
    '[',
    '[1',
    '[1,]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    '{1.5:1}',
    '{1 2}',
    '"',
    '"a',
    '"\\',
    '"\\x"',
    '"\\u12g4"',
    'tru',
    'truex',
    'nul',
    '1 2',
    '-',
    '+1',
    '.5',
    '1.',
    '{"a":1}}',
    '\u00a01',
    'NaN',
    'Infinity',
    '/**/1',
    "'a'",
    '9'.repeat(401),
  ])('%j is a SyntaxError', (text) => {
    expect(() => parseRocketmqJson(text)).toThrow(SyntaxError);
  });

  it('refuses depth, size, and bytes that are not UTF-8', () => {
    expect(parseRocketmqJson(`${'['.repeat(64)}${']'.repeat(64)}`)).toHaveLength(1);
    expect(() => parseRocketmqJson(`${'['.repeat(65)}${']'.repeat(65)}`)).toThrow('depth');
    expect(() => parseRocketmqJson('['.repeat(1_000_000))).toThrow('depth');
    expect(() => parseRocketmqJson('{"a":'.repeat(1_000_000))).toThrow('depth');
    expect(() => parseRocketmqJson('[1,2]', { bytesMax: 4 })).toThrow('at most 4');
    expect(() => parseRocketmqJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow(SyntaxError);
  });

  it('never gives anything but a value or a SyntaxError', () => {
    const bits = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'u',
      '1',
      '-',
      '.',
      'e',
      'true',
      'null',
      ' ',
      '\n',
      'a',
      '\u0000',
      '9007199254740993',
    );
    fc.assert(
      fc.property(fc.array(bits, { maxLength: 40 }), (parts) => {
        try {
          parseRocketmqJson(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('writes no number that JSON does not have', () => {
    expect(() => writeRocketmqJson([Number.NaN])).toThrow(TypeError);
    expect(() => writeRocketmqJson(map([['a', Number.POSITIVE_INFINITY]]))).toThrow(TypeError);
  });
});
