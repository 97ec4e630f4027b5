import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogWaiters } from '../../src/commit-log/waiters.js';

function recorded(): { waiters: LogWaiters; told: string[]; add(end: number, name?: string): void } {
  const waiters = new LogWaiters();
  const told: string[] = [];
  const add = (end: number, name = String(end)): void => {
    waiters.add({ end, settle: () => told.push(`+${name}`), reject: (reason) => told.push(`-${name} ${String(reason)}`) });
  };
  return { waiters, told, add };
}

describe('LogWaiters', () => {
  it('settles in log order all that the log has come to, and no other', () => {
    const { waiters, told, add } = recorded();
    for (const end of [10, 20, 30]) add(end);
    expect([waiters.count, waiters.isEmpty, waiters.lastEnd]).toEqual([3, false, 30]);
    waiters.settleUpTo(20);
    expect(told).toEqual(['+10', '+20']);
    expect(waiters.count).toBe(1);
    waiters.settleUpTo(30);
    expect(told).toEqual(['+10', '+20', '+30']);
    expect([waiters.count, waiters.isEmpty, waiters.lastEnd]).toEqual([0, true, 0]);
  });

  it('rejects in log order all above a position, and keeps the others', () => {
    const { waiters, told, add } = recorded();
    for (const end of [10, 20, 30]) add(end);
    waiters.rejectAbove(10, 'full');
    expect(told).toEqual(['-20 full', '-30 full']);
    waiters.settleUpTo(100);
    expect(told).toEqual(['-20 full', '-30 full', '+10']);
  });

  it('rejects what lies above a position also where somebody came later for a place below it', () => {
    const { waiters, told, add } = recorded();
    add(20);
    add(10);
    waiters.rejectAbove(10, 'full');
    expect(told).toEqual(['-20 full']);
  });

  it('serves who comes for the same place in the order of coming', () => {
    const { waiters, told, add } = recorded();
    add(10, 'a');
    add(20, 'c');
    add(10, 'b');
    waiters.settleUpTo(20);
    expect(told).toEqual(['+a', '+b', '+c']);
  });

  it('behaves like a sorted list, whatever is done', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), at: fc.nat(2000) }),
      fc.record({ do: fc.constant('addMany' as const), at: fc.nat(2000) }),
      fc.record({ do: fc.constant('settle' as const), at: fc.nat(4000) }),
      fc.record({ do: fc.constant('reject' as const), at: fc.nat(4000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { waiters, told, add } = recorded();
        let model: number[] = [];
        const expected: string[] = [];
        for (const { do: what, at } of steps) {
          if (what === 'add' || what === 'addMany') {
            const ends = what === 'add' ? [at] : Array.from({ length: 700 }, (_, i) => at + i);
            for (const end of ends) {
              add(end);
              model.push(end);
            }
            model.sort((a, b) => a - b);
          } else if (what === 'settle') {
            waiters.settleUpTo(at);
            expected.push(...model.filter((end) => end <= at).map((end) => `+${end}`));
            model = model.filter((end) => end > at);
          } else {
            waiters.rejectAbove(at, 'x');
            expected.push(...model.filter((end) => end > at).map((end) => `-${end} x`));
            model = model.filter((end) => end <= at);
          }
          expect([waiters.count, waiters.lastEnd]).toEqual([model.length, model.at(-1) ?? 0]);
        }
        expect(told).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});
