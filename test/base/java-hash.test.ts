import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { javaHash } from '../../src/base/java-hash.js';

describe('javaHash', () => {
  it.each([
    ['', 0],
    ['a', 97],
    ['TagA', 2_598_919],
    ['create', -1_352_294_148],
    ['TopicTest', -1_902_610_879],
    ['TopicTest#order-1001', 1_043_804_929],
    ['TopicTest#7F0000010001070DEA4E9C8D8A1B0000', -510_233_109],
    ['\u8ba2\u5355', 1_129_459],
    ['\u{1f680}', 1_773_027],
    ['\u{1f680}rocket', -1_579_737_481],
    ['polygenelubricants', -2_147_483_648],
    ['TopicTest#aXA4ptp', -2_147_483_648],
  ])('of %j is %d', (text, expected) => {
    expect(javaHash(text)).toBe(expected);
  });

  it('goes on from the hash of a prefix', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (prefix, rest) => {
        expect(javaHash(rest, javaHash(prefix))).toBe(javaHash(prefix + rest));
      }),
    );
  });
});
