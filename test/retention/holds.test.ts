import { describe, expect, it } from 'vitest';
import { Holds } from '../../src/retention/holds.js';

describe('holds', () => {
  it('without any, nothing is held', () => {
    expect(new Holds().lowest).toBe(Number.POSITIVE_INFINITY);
  });

  it('the lowest counts, equal ones each for themselves, and releasing twice is releasing once', () => {
    const holds = new Holds();
    const [first, second, third] = [holds.add(5), holds.add(5), holds.add(9)];
    expect(holds.lowest).toBe(5);
    first.release();
    first.release();
    expect(holds.lowest).toBe(5);
    second.release();
    expect(holds.lowest).toBe(9);
    third.release();
    expect(holds.lowest).toBe(Number.POSITIVE_INFINITY);
  });
});
