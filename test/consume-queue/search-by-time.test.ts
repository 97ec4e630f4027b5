import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { searchByTime } from '../../src/consume-queue/search-by-time.js';

describe('search by time', () => {
  it('finds what a scan finds, equal times included', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(6), { maxLength: 60 }).map((times) => times.sort((a, b) => a - b)),
        fc.nat(1000),
        fc.integer({ min: -1, max: 8 }),
        async (times, min, time) => {
          let reads = 0;
          const found = await searchByTime(min, min + times.length, time, (offset) => {
            reads += 1;
            expect(offset).toBeGreaterThanOrEqual(min);
            expect(offset).toBeLessThan(min + times.length);
            return Promise.resolve(times[offset - min] ?? Number.NaN);
          });
          const first = times.findIndex((storedAt) => storedAt >= time);
          expect(found).toBe(min + (first < 0 ? times.length : first));
          expect(reads).toBeLessThanOrEqual(Math.ceil(Math.log2(times.length + 1)));
        },
      ),
    );
  });

  it('works on offsets beyond 32 bits', async () => {
    const edge = 2 ** 45 + 12_345;
    expect(await searchByTime(2 ** 40, 2 ** 48, 7, (offset) => Promise.resolve(offset < edge ? 6 : 7))).toBe(edge);
  });

  it('passes on what the reader fails with', async () => {
    await expect(searchByTime(0, 9, 1, () => Promise.reject(new Error('unreadable')))).rejects.toThrow('unreadable');
  });
});
