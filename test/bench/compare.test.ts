import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Column } from '../../bench/compare/columns.js';
import { columns, columnNamed } from '../../bench/compare/columns.js';
import { runCompareRound } from '../../bench/compare/compare-round.js';
import type { Contestant, ContestantKind } from '../../bench/compare/contestant.js';
import { contestantKind, nodeContestantNames } from '../../bench/compare/contestants/kinds.js';
import { TurnGroup } from '../../bench/compare/turn-group.js';
import { type Contest, peerWins } from '../../bench/run/peer-wins.js';
import { freshPath, runProgram } from './run-program.js';

const testMsMax = 120_000;
const limits = { count: 1_600, secondsMax: 60 };

function freshFolder(): string {
  const path = freshPath();
  mkdirSync(path);
  return path;
}

function whyNot(name: string): string | undefined {
  try {
    contestantKind(name);
    return undefined;
  } catch {
    return 'left out: npm ci in bench/compare installs it';
  }
}

/** Takes part as it should but for what is replaced. */
function worse(replace: (real: Contestant) => Partial<Contestant>, name = 'stratalog'): ContestantKind {
  const kind = contestantKind(name);
  return {
    ...kind,
    open: async (directory, options) => {
      const real = await kind.open(directory, options);
      const replaced = replace(real);
      return new Proxy(real, {
        get(target, property) {
          const from = property in replaced ? replaced : target;
          const value: unknown = Reflect.get(from, property);
          return typeof value === 'function' ? (value as (...given: unknown[]) => unknown).bind(from) : value;
        },
      });
    },
  };
}

describe('the comparison', () => {
  for (const name of nodeContestantNames) {
    const why = whyNot(name);
    it.skipIf(why !== undefined)(
      `${name} stores and finds all in every column${why === undefined ? '' : ` (${why})`}`,
      { timeout: testMsMax },
      async () => {
        for (const column of columns.filter(({ keyed }) => keyed || name === 'stratalog')) {
          const round = await runCompareRound(contestantKind(name), column, freshFolder(), limits);
          expect([column.name, round.messageCount]).toEqual([column.name, 1_600]);
          expect(round.messagesPerSecond).toBeGreaterThan(0);
          expect(round.finds === null).toBe(!column.finds || name === 'bare file');
        }
      },
    );
  }

  const batch = columnNamed('batch-100B');
  const single: Column = { ...columnNamed('callers-64'), callers: 4 };
  const faults: readonly (readonly [string, Column, (real: Contestant) => Partial<Contestant>, string])[] = [
    ['a batch without its last message', batch, (real) => ({ appendBatch: (all) => real.appendBatch(all.slice(0, -1)) }), 'message'],
    ['a message that was never stored', single, (real) => skipOne(real, 1_599), 'is not what was stored'],
    ['a key that is not found', batch, () => ({ findByKey: () => [] }), 'found 0 times by its key'],
    ['a time that leads too far', batch, () => ({ offsetAt: () => 1_000_000 }), 'is not found by its time'],
    ['a message that is left out when all are read', batch, (real) => leaveOneOut(real), '1599 of 1600 messages are read'],
  ];
  it.each(faults)('control: %s is found out', { timeout: testMsMax }, async (_, column, replace, message) => {
    await expect(runCompareRound(worse(replace), column, freshFolder(), limits)).rejects.toThrow(message);
  });

  it('control: the floor is read back too', { timeout: testMsMax }, async () => {
    const kind = worse((real) => ({ appendBatch: (all) => real.appendBatch(all.slice(1)) }), 'bare file');
    await expect(runCompareRound(kind, batch, freshFolder(), limits)).rejects.toThrow('1584 of 1600 messages are read');
  });

  it('names who was quicker than we, by how much, and not the floor', () => {
    const contest = (rates: Readonly<Record<string, number>>): Contest => ({
      title: 'storing',
      unit: 'messages/s',
      rates: Object.entries(rates).map(([name, rate]) => ({ name, rate })),
    });
    const { rows } = peerWins([
      contest({ stratalog: 100, lmdb: 150, sqlite: 90, 'bare file': 999 }),
      contest({ stratalog: 100, lmdb: 50 }),
      contest({ lmdb: 5 }),
    ]);
    expect(rows.map((row) => row.at(-1))).toEqual(['lmdb (1.50 x ours)', 'nobody']);
    expect(rows[0]?.slice(2, 6)).toEqual([100, 'lmdb', 150, 100 / 150]);
  });

  it('all who call in one turn share a transaction, and its failure', async () => {
    const groups: number[] = [];
    const group = new TurnGroup<number>((items) => {
      groups.push(items.length);
      if (items.includes(13)) throw new Error('unlucky');
    });
    await Promise.all([1, 2, 3].map((item) => group.add(item)));
    const failed = await Promise.allSettled([12, 13].map((item) => group.add(item)));
    await group.add(4);
    expect(groups).toEqual([3, 2, 1]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('the program that compares', () => {
  it('gives rounds of everybody asked for, and says who is missing', { timeout: testMsMax }, async () => {
    const words = [
      '--contestants',
      'stratalog,bare file',
      '--columns',
      'callers-64',
      '--rounds',
      '2',
      '--count-max',
      '1600',
      '--seconds-max',
      '5',
    ];
    const { exitCode, output, errors } = await runProgram('compare/compare.ts', words);
    expect(errors).toContain('async, 64 callers, 100 B: stratalog');
    expect(exitCode).toBe(0);
    const result = JSON.parse(output) as {
      readonly columns: readonly { readonly results: Readonly<Record<string, readonly unknown[]>> }[];
    };
    expect(Object.entries(result.columns[0]?.results ?? {}).map(([name, rounds]) => [name, rounds.length])).toEqual([
      ['stratalog', 2],
      ['bare file', 2],
    ]);
  });

  it('refuses a column, a contestant and a number that are not there', { timeout: testMsMax }, async () => {
    for (const [words, message] of [
      [['--columns', 'sideways'], 'There is no sideways'],
      [['--contestants', 'nobody'], 'nobody takes part under the name nobody'],
      [['--rounds', '0'], 'Not a whole number of at least 1'],
      [['--faster'], "unknown option '--faster'"],
    ] as const) {
      const { exitCode, errors } = await runProgram('compare/compare.ts', words);
      expect(errors).toContain(message);
      expect(exitCode).toBe(1);
    }
  });
});

/** Stores that message under another topic: it has a number there, but not where it is looked for. */
function skipOne(real: Contestant, ordinal: number): Partial<Contestant> {
  let calls = 0;
  return {
    append: (message) => {
      calls += 1;
      return real.append(calls - 1 === ordinal ? { ...message, topic: 'elsewhere' } : message);
    },
  };
}

function leaveOneOut(real: Contestant): Partial<Contestant> {
  return {
    readAll: (queueCount, take) => {
      let count = 0;
      return real.readAll(queueCount, (message) => {
        count += 1;
        if (count !== 700) take(message);
      });
    },
  };
}
