import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { failure, openTiny, settableClock } from './harness.js';

describe('offsetAt', () => {
  it('is what a linear scan finds, with equal times, over deleted parts and after reopening', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 120 }),
        fc.boolean(),
        fc.boolean(),
        async (steps, clean, reopen) => {
          const clock = settableClock(10_000);
          const platform = memoryPlatform({ clock });
          let store = await openTiny(platform);
          const times: number[] = [];
          let now = 10_000;
          for (const step of steps) {
            now += step * 7;
            clock.set(now);
            times.push((await store.append({ topic: 'T', body: 'x' })).storedAt);
          }
          if (clean) await store.clean({ before: store.stats().flushedOffset });
          if (reopen) {
            await store.close();
            store = await openTiny(platform);
          }
          const { min, max } = store.bounds({ topic: 'T' });
          for (let time = 9_999; time <= now + 1; time += 1) {
            let expected = min;
            while (expected < max && times[expected]! < time) expected += 1;
            expect(await store.offsetAt({ topic: 'T' }, time)).toBe(expected);
          }
          await store.close();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('takes dates, and of an unwritten queue it is 0', async () => {
    const clock = settableClock(10_000);
    const store = await openTiny(memoryPlatform({ clock }));
    expect(await store.offsetAt({ topic: 'T' }, 5)).toBe(0);
    await store.append({ topic: 'T', body: 'x' });
    expect(await store.offsetAt({ topic: 'T' }, new Date(10_000))).toBe(0);
    expect(await store.offsetAt({ topic: 'T' }, new Date(10_001))).toBe(1);
    for (const time of [Number.NaN, 'now', undefined, new Date(Number.NaN)]) {
      const error = await failure(() => store.offsetAt({ topic: 'T' }, time as number));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
      expect((error as Error).message).toMatch(/time/);
    }
    await store.close();
  });
});
