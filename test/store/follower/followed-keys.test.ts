import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordFacts } from '../../../src/format/record-facts.js';
import { FollowedKeys } from '../../../src/store/follower/followed-keys.js';

interface Step {
  readonly hashes: readonly number[];
  readonly dropsUpTo: number | undefined;
}

const hash = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 0x7fff_ffff }));
const step: fc.Arbitrary<Step> = fc.record({
  hashes: fc.array(hash, { maxLength: 4 }),
  dropsUpTo: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined, freq: 20 }),
});

describe('keys of records that no index file holds yet', () => {
  it('are found as in a list that is looked through, newest first, also after some were dropped', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 60 }), (steps, repeat) => {
        const keys = new FollowedKeys();
        let model: { hash: number; offset: number }[] = [];
        const facts = new RecordFacts(1);
        let offset = 0;
        for (const { hashes, dropsUpTo } of steps) {
          for (let i = 0; i < repeat; i += 1) {
            offset += 100;
            facts.truncate(0);
            facts.push(offset, 100, 0, 0, 0, 0, Int32Array.from(hashes), hashes.length);
            keys.accept(facts, 0, 1);
            for (const each of hashes) model.push({ hash: each, offset });
          }
          if (dropsUpTo === undefined) continue;
          const end = Math.floor((offset * dropsUpTo) / 100) * 100;
          keys.dropBelow(end);
          model = model.filter((entry) => entry.offset >= end);
        }
        expect(keys.count).toBe(model.length);
        const before = offset - 200;
        for (const sought of new Set([0, 1, 2, ...steps.flatMap(({ hashes }) => hashes)])) {
          const expected = model.filter((entry) => entry.hash === sought && entry.offset < before).map((entry) => entry.offset);
          expect(keys.find(sought, before)).toEqual(expected.reverse());
        }
      }),
      { numRuns: 60 },
    );
  });
});
