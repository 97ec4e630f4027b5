import { readdirSync } from 'node:fs';
import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Latencies } from '../../bench/common/latencies.js';
import { formatBytes, formatCount, median, perSecond } from '../../bench/common/numbers.js';
import { oneOf, wholeNumber } from '../../bench/common/option-values.js';
import { runRawWrites } from '../../bench/common/raw-writes.js';
import { seededRandom } from '../../bench/common/seeded-random.js';
import { Goal } from '../../bench/load/append-ways.js';
import { freshPath } from './run-program.js';

describe('what benches share', () => {
  it('the bare loop writes all bytes over as many files as they need, and deletes them', async () => {
    const directory = freshPath();
    mkdirSync(directory);
    const result = await runRawWrites({ directory, totalBytes: 10_000, pieceBytes: 300, fileBytes: 1_000, sync: 'none' });
    expect(result.pieceCount).toBe(34);
    expect(result.bytes).toBe(34 * 300);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('the bare loop stops when its time is over', async () => {
    const directory = freshPath();
    mkdirSync(directory);
    const result = await runRawWrites({ directory, totalBytes: 1e9, pieceBytes: 100, fileBytes: 1e6, sync: 'each', durationMaxMs: 0 });
    expect(result.pieceCount).toBe(64);
  });

  it('a seed gives the same numbers again, another one others', () => {
    const numbers = (seed: number): readonly number[] => Array.from({ length: 5 }, seededRandom(seed));
    expect(numbers(1)).toEqual(numbers(1));
    expect(numbers(1)).not.toEqual(numbers(2));
    expect(numbers(3).every((number) => number >= 0 && number < 1)).toBe(true);
  });

  it('values of options are whole numbers with a unit, or one of a few words', () => {
    expect(wholeNumber(1)('20000')).toBe(20_000);
    expect(wholeNumber(1)('20_000')).toBe(20_000);
    expect(wholeNumber(1)('2m')).toBe(2_000_000);
    expect(wholeNumber(1)('1Gi')).toBe(1024 ** 3);
    for (const text of ['0', '-1', '1.5', 'many', '', '99999999999999999999'])
      expect(() => wholeNumber(1)(text)).toThrow('Not a whole number');
    expect(oneOf(['sync', 'async'])('sync')).toBe('sync');
    expect(() => oneOf(['sync', 'async'])('fast')).toThrow('sync, async');
  });

  it('figures are grouped and have a unit', () => {
    expect(formatCount(1_234_567)).toBe('1,234,567');
    expect(formatBytes(999)).toBe('999 B');
    expect(formatBytes(1_219_853)).toBe('1,220 KB');
    expect(formatBytes(1_073_741_824)).toBe('1,074 MB');
    expect(perSecond(10, 0)).toBe(0);
    expect([median([3, 1, 2]), median([4, 1]), median([])]).toEqual([2, 2.5, 0]);
  });

  it('a goal gives out no more than it has', () => {
    const goal = new Goal(250, 1e9);
    expect([goal.take(100), goal.take(100), goal.take(100), goal.take(50), goal.take(1)]).toEqual([true, true, false, true, false]);
    expect(goal.taken).toBe(250);
  });

  it('a goal ends when its time is over', () => {
    expect(new Goal(10, -1).take(1)).toBe(false);
  });

  it('latencies measure every so many calls, the first among them', () => {
    const latencies = new Latencies(4);
    for (let call = 0; call < 10; call += 1) latencies.end(latencies.begin());
    expect(latencies.summary().sampleCount).toBe(3);
  });
});
