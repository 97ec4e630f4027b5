import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FactsQueue } from '../../src/commit-log/facts-queue.js';
import type { FactsTarget, RecordFacts } from '../../src/format/record-facts.js';

interface Row {
  readonly offset: number;
  readonly slot: number;
  readonly queueOffset: number;
  readonly keys: readonly number[];
}

function push(queue: FactsQueue, row: Row): void {
  queue.tail().push(row.offset, 10, row.slot, row.queueOffset, row.offset * 2, row.offset * 3, Int32Array.from(row.keys), row.keys.length);
}

function collecting(rows: Row[]): FactsTarget {
  return {
    name: 'rows',
    accept(facts: RecordFacts, from: number, to: number) {
      for (let i = from; i < to; i += 1) {
        rows.push({
          offset: facts.physicalOffset[i] ?? -1,
          slot: facts.slot[i] ?? -2,
          queueOffset: facts.queueOffset[i] ?? -1,
          keys: [...facts.keyHashes.subarray(facts.keyStart(i), facts.keyEnd[i])],
        });
      }
    },
  };
}

describe('FactsQueue', () => {
  it('hands a row over once, to each target, when the limit has passed its beginning', () => {
    const queue = new FactsQueue();
    const [first, second]: [Row[], Row[]] = [[], []];
    const rows = [0, 10, 20].map((offset) => ({ offset, slot: 1, queueOffset: offset / 10, keys: [offset, offset + 1] }));
    for (const row of rows) push(queue, row);
    const targets = [collecting(first), collecting(second)];
    expect(queue.handOver(20, targets)).toBe(2);
    expect(queue.handOver(20, targets)).toBe(0);
    expect(queue.handOver(21, targets)).toBe(1);
    expect(first).toEqual(rows);
    expect(second).toEqual(rows);
    expect(queue.handOver(100, targets)).toBe(0);
  });

  it('undoes what is taken back newest first, with its size, also what has no place in a queue', () => {
    const queue = new FactsQueue();
    for (const [i, slot] of [3, 3, -1, 4].entries()) push(queue, { offset: i * 10, slot, queueOffset: 7 + i, keys: [] });
    const undone: number[][] = [];
    queue.takeBack(10, (...row) => undone.push(row));
    expect(undone).toEqual([
      [4, 10, 10],
      [-1, 9, 10],
      [3, 8, 10],
    ]);
  });

  it('is an array of rows, whatever is done', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('push' as const), count: fc.integer({ min: 1, max: 3000 }) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('handOver' as const), count: fc.nat(9000) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('takeBack' as const), count: fc.nat(9000) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const queue = new FactsQueue();
        const handed: Row[] = [];
        const expected: Row[] = [];
        const expectedUndone: number[] = [];
        const undone: number[] = [];
        let model: Row[] = [];
        let end = 0;
        for (const { do: what, count } of steps) {
          if (what === 'push') {
            for (let i = 0; i < count; i += 1) {
              const row = { offset: end, slot: end % 3, queueOffset: end, keys: end % 2 === 0 ? [end] : [] };
              push(queue, row);
              model.push(row);
              end += 1 + (i % 2);
            }
          } else if (what === 'handOver') {
            const limit = (model[0]?.offset ?? end) + count;
            const now = model.filter((row) => row.offset < limit);
            expect(queue.handOver(limit, [collecting(handed)])).toBe(now.length);
            expected.push(...now);
            model = model.slice(now.length);
          } else {
            // As the log does: never below what was handed over.
            const from = Math.max(model[0]?.offset ?? end, end - count);
            queue.takeBack(from, (_, queueOffset) => undone.push(queueOffset));
            const back = model.filter((row) => row.offset >= from);
            expectedUndone.push(...back.map((row) => row.queueOffset).reverse());
            model = model.slice(0, model.length - back.length);
            end = Math.min(end, from);
          }
        }
        queue.handOver(Number.MAX_SAFE_INTEGER, [collecting(handed)]);
        expect(JSON.stringify(handed)).toBe(JSON.stringify([...expected, ...model]));
        expect(undone).toEqual(expectedUndone);
      }),
      { numRuns: 60 },
    );
  });
});
