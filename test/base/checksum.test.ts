import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32, crc32Combine } from '../../src/base/checksum.js';

const noise = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (Math.imul(i + 1, 2_654_435_761) >>> 13) & 0xff));

describe('crc32', () => {
  it.each([
    ['', 0],
    ['a', 0xe8b7be43],
    ['hello', 0x3610a686],
    ['123456789', 0xcbf43926],
    ['x', 0x8cdc1683],
  ])('of %j is %d', (text, expected) => {
    const bytes = Buffer.from(text);
    expect(crc32(bytes, 0, bytes.length)).toBe(expected);
  });

  it('is what zlib computes, for every length up to 1000 and every alignment', () => {
    for (let length = 0; length <= 1_000; length += 1) {
      const from = length % 9;
      expect(crc32(noise, from, from + length)).toBe(zlibCrc32(noise.subarray(from, from + length)));
    }
  });

  it('goes on from a seed, wherever the bytes are split', () => {
    for (const length of [0, 1, 7, 8, 9, 300, 1_500]) {
      const whole = crc32(noise, 0, length);
      for (let split = 0; split <= length; split += 1) expect(crc32(noise, split, length, crc32(noise, 0, split))).toBe(whole);
    }
  });

  it('reads only its range of a view that does not begin with its memory', () => {
    const view = noise.subarray(100, 4_000);
    expect(crc32(view, 10, 3_000)).toBe(zlibCrc32(noise.subarray(110, 3_100)));
    expect(crc32(view, 10, 50)).toBe(zlibCrc32(noise.subarray(110, 150)));
  });
});

describe('crc32Combine', () => {
  it('joins two checksums as if the bytes had been one run', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.nat(3_000), (bytes, at) => {
        const split = Math.min(at, bytes.length);
        const joined = crc32Combine(crc32(bytes, 0, split), crc32(bytes, split, bytes.length), bytes.length - split);
        expect(joined).toBe(zlibCrc32(bytes));
      }),
    );
  });

  it('holds for lengths whose bit count exceeds 32 bits', () => {
    // 2^30 zeros after one byte: by doubling, without the zeros.
    let zeros = crc32(Buffer.alloc(1), 0, 1);
    let byDoubling = crc32Combine(crc32(Buffer.from('a'), 0, 1), zeros, 1);
    for (let length = 1; length < 2 ** 30; length *= 2) {
      byDoubling = crc32Combine(byDoubling, zeros, length);
      zeros = crc32Combine(zeros, zeros, length);
    }
    expect(crc32Combine(crc32(Buffer.from('a'), 0, 1), zeros, 2 ** 30)).toBe(byDoubling);
  });
});
