import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { benches, benchOf } from './benches.js';
import { parseBenchResult } from './bench-result.js';
import { chooseNext } from './choose.js';
import { engineHash } from './engine-hash.js';
import { appendToLedger, freshSeed, type LedgerEntry, parseLedger, readLedger, totalOf } from './ledger.js';
import { repositoryRoot } from './tree-copy.js';

function entry(details: Partial<LedgerEntry>): LedgerEntry {
  return {
    bench: 'simulation',
    commit: 'abc',
    engine: 'e1',
    seedFrom: 1,
    seedEnd: 101,
    count: 100,
    acknowledgements: 7,
    failures: 0,
    skipped: [],
    durationS: 10,
    kernel: '1',
    fileSystem: 'memory',
    node: 'v1',
    at: '2000-01-01T00:00:00.000Z',
    ...details,
  };
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stratalog-campaign-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('ledger', () => {
  it('gives back what was added, oldest first', () => {
    const path = join(folder, 'ledger.jsonl');
    expect(readLedger(path)).toEqual([]);
    appendToLedger(entry({}), path);
    appendToLedger(entry({ seedFrom: 101, seedEnd: 201 }), path);
    expect(readLedger(path)).toEqual([entry({}), entry({ seedFrom: 101, seedEnd: 201 })]);
  });

  it('a line that is no entry is refused, and which one it is', () => {
    expect(() => parseLedger(`${JSON.stringify(entry({}))}\n${JSON.stringify(entry({ count: -1 }))}\n`)).toThrow(/line 2.*count/);
    expect(() => parseLedger('[]\n')).toThrow(/line 1/);
    expect(() => appendToLedger(entry({ durationS: Number.NaN }), join(folder, 'l'))).toThrow(/durationS/);
  });

  it('adds up runs, and joins seeds that touch', () => {
    const total = totalOf([
      entry({ seedFrom: 50, seedEnd: 150 }),
      entry({ seedFrom: 300, seedEnd: 301, failures: 2, fileSystem: 'ext4, xfs' }),
      entry({}),
    ]);
    expect(total).toMatchObject({ runs: 3, count: 300, acknowledgements: 21, failures: 2, durationS: 30 });
    expect(total.seeds).toEqual([
      [1, 150],
      [300, 301],
    ]);
    expect(total.fileSystems).toEqual(['ext4', 'memory', 'xfs']);
  });

  it('a fresh seed was used by no run of the bench, of whatever engine', () => {
    expect(freshSeed([], 'simulation')).toBe(1);
    expect(
      freshSeed([entry({}), entry({ engine: 'e2', seedFrom: 500, seedEnd: 600 }), entry({ bench: 'kill', seedEnd: 900 })], 'simulation'),
    ).toBe(600);
  });
});

describe('what a campaign does next', () => {
  const specs = [benchOf('simulation'), benchOf('kill')];
  const engineOf = (): string => 'e1';

  it('goes on with what is furthest from its goal', () => {
    const simulated = entry({ count: 500_000, seedEnd: 500_001 });
    const killed = entry({ bench: 'kill', count: 100, seedEnd: 101, durationS: 10 });
    expect(chooseNext({ specs, entries: [simulated, killed], engineOf, runS: 60 })).toEqual({ spec: specs[1], seedFrom: 101, count: 600 });
    const killedOften = entry({ bench: 'kill', count: 9000, seedEnd: 9001 });
    expect(chooseNext({ specs, entries: [simulated, killedOften], engineOf, runS: 60 })?.spec.name).toBe('simulation');
  });

  it('runs of another engine count for nothing, but their seeds are used up', () => {
    const older = entry({ engine: 'e0', count: 1_000_000, seedEnd: 1_000_001 });
    const killed = entry({ bench: 'kill', count: 5000, seedEnd: 5001 });
    const next = chooseNext({ specs, entries: [older, killed], engineOf, runS: 60 });
    expect(next).toMatchObject({ seedFrom: 1_000_001 });
    expect(next?.spec.name).toBe('simulation');
  });

  it('ends when every goal is reached', () => {
    const entries = specs.map((spec) => entry({ bench: spec.name, count: spec.goal }));
    expect(chooseNext({ specs, entries, engineOf, runS: 60 })).toBeUndefined();
  });
});

describe('the engine that counts belong to', () => {
  it('is another one as soon as a byte or a name of its sources changes', () => {
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
    mkdirSync(join(folder, 'src'));
    write('src/a.ts', 'a');
    write('other.ts', 'a');
    const hashes = [engineHash(folder, ['src'])];
    write('other.ts', 'b');
    expect(engineHash(folder, ['src'])).toBe(hashes[0]);
    write('src/a.ts', 'b');
    hashes.push(engineHash(folder, ['src']));
    write('src/b.ts', '');
    hashes.push(engineHash(folder, ['src']));
    expect(new Set(hashes).size).toBe(3);
  });

  it('every bench covers sources that are there', () => {
    for (const spec of benches) expect(engineHash(repositoryRoot, spec.covers)).toMatch(/^[0-9a-f]{12}$/);
    expect(new Set(benches.map((spec) => spec.name)).size).toBe(benches.length);
  });
});

describe('the result of a bench', () => {
  const result = {
    bench: 'kill',
    seedFrom: 1,
    cycles: 20,
    acknowledgements: 5,
    failures: [],
    skipped: [],
    durationS: 1.5,
    fileSystem: 'ext4',
  };

  it('is read whatever it calls its count', () => {
    expect(parseBenchResult(JSON.stringify(result))).toMatchObject({ count: 20, fileSystem: 'ext4' });
    expect(parseBenchResult(JSON.stringify({ ...result, cycles: undefined, count: 7, histories: 3 }))).toMatchObject({ count: 3 });
  });

  it('keeps what was found and how to find it again', () => {
    const failures = [{ what: 'lost', seed: 7, replay: 'again' }, { seed: 8, failures: ['a', 'b'] }, 'text'];
    expect(parseBenchResult(JSON.stringify({ ...result, failures })).failures).toEqual([
      { what: 'lost', seed: 7, replay: 'again' },
      { what: 'a; b', seed: 8, replay: undefined },
      { what: 'text', seed: undefined, replay: undefined },
    ]);
  });

  it('without a count, or without a list of failures, is none', () => {
    expect(() => parseBenchResult(JSON.stringify({ ...result, cycles: undefined }))).toThrow(/count/);
    expect(() => parseBenchResult(JSON.stringify({ ...result, failures: undefined }))).toThrow(/failures/);
    expect(() => parseBenchResult('{}')).toThrow(/bench/);
  });
});
