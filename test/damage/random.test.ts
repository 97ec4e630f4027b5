import { describe, expect, it } from 'vitest';
import { damagedStores } from './damaged-store.js';
import { decoders } from './fuzz/decoders.js';
import { runDecoder } from './fuzz/run-decoder.js';

const firstSeed = Number(process.env['DAMAGE_SEED'] ?? '1');

describe('stores damaged at random', () => {
  for (let seed = firstSeed; seed < firstSeed + 24; seed += 1) {
    it(`return nothing wrong, lose nothing in silence and no more than was touched (seed ${seed})`, async () => {
      for (const { pieces, failures, mode } of await damagedStores(seed, undefined))
        expect({ mode, pieces, failures }).toMatchObject({ failures: [] });
    });
  }
});

describe('damaged stores that have found something', () => {
  for (const [seed, what] of [
    [70_134, 'a number far away made an opening look for billions of files'],
    [70_836, 'numbers of queues that did not go on took the room of one that did'],
  ] as const) {
    it(`are whole now (seed ${seed}: ${what})`, async () => {
      for (const { pieces, failures, mode } of await damagedStores(seed, undefined))
        expect({ mode, pieces, failures }).toMatchObject({ failures: [] });
    });
  }
});

describe('decoders fed bytes that nobody vouches for', () => {
  for (const [name, decoder] of Object.entries(decoders)) {
    it(`${name}: throws nothing but its own errors (seeds from ${firstSeed})`, () => {
      const result = runDecoder(name, decoder, firstSeed, 1000, Number.POSITIVE_INFINITY);
      expect(result.count).toBe(1000);
      expect(result.findings).toEqual([]);
    });
  }

  it('control: a decoder that reads past its bytes is found', () => {
    const { record } = decoders;
    const careless = { input: record!.input, read: (bytes: Buffer) => void bytes.readInt32BE(bytes.readInt32BE(0)) };
    expect(runDecoder('careless', careless, firstSeed, 100, Number.POSITIVE_INFINITY).findings.length).toBeGreaterThan(0);
  });
});
