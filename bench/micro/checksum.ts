import { crc32 as zlibCrc32 } from 'node:zlib';
import { add, complete, cycle, suite } from 'benny';
import { crc32, crc32Combine } from '../../src/base/checksum.js';

/** CRC-32 over ranges of one buffer, beside zlib's own. */
const sizes: readonly number[] = [16, 100, 512, 1_024, 65_536];
const bytes = Buffer.alloc(1024 ** 2, 'some bytes to be summed up; ');
const seen = { sum: 0 };

await suite(
  'checksum',
  ...sizes.flatMap((size) => [
    add(`crc32, ${size} B`, () => () => void (seen.sum = crc32(bytes, 64, 64 + size))),
    add(`zlib, ${size} B`, () => () => void (seen.sum = zlibCrc32(bytes.subarray(64, 64 + size)))),
  ]),
  add('combine, lengths repeat', () => () => void (seen.sum = crc32Combine(seen.sum | 0, 0x12345678, 200))),
  add('combine, lengths change', () => () => void (seen.sum = crc32Combine(0x7654321, 0x12345678, 100 + (seen.sum & 255)))),
  cycle(),
  complete(),
);
