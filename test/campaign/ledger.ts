import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isCount, objectOf } from './bench-result.js';
import { repositoryRoot } from './tree-copy.js';

/** A finished run of a bench. */
export interface LedgerEntry {
  readonly bench: string;
  /** Of the tree that it ran in. */
  readonly commit: string;
  /** Hash of the sources that the bench covers: only runs of the same count together. */
  readonly engine: string;
  readonly seedFrom: number;
  /** One past the last seed used. */
  readonly seedEnd: number;
  readonly count: number;
  readonly acknowledgements: number;
  readonly failures: number;
  readonly skipped: readonly string[];
  readonly durationS: number;
  readonly kernel: string;
  readonly fileSystem: string;
  readonly node: string;
  readonly at: string;
}

/** One line of JSON for each run, oldest first; lines are added and never changed. */
const ledgerPath: string = join(repositoryRoot, 'data', 'reliability', 'ledger.jsonl');

export function readLedger(path: string = ledgerPath): readonly LedgerEntry[] {
  if (!existsSync(path)) return [];
  return parseLedger(readFileSync(path, 'utf8'));
}

export function parseLedger(text: string): readonly LedgerEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => checked(line, i + 1));
}

export function appendToLedger(entry: LedgerEntry, path: string = ledgerPath): void {
  mkdirSync(dirname(path), { recursive: true });
  const line = JSON.stringify(entry);
  checked(line, 0);
  appendFileSync(path, `${line}\n`);
}

function checked(line: string, lineNumber: number): LedgerEntry {
  const entry = objectOf(JSON.parse(line), `line ${lineNumber} of the ledger`);
  const texts = ['bench', 'commit', 'engine', 'kernel', 'fileSystem', 'node', 'at'].filter((name) => typeof entry[name] !== 'string');
  const counts = ['seedFrom', 'seedEnd', 'count', 'acknowledgements', 'failures'].filter((name) => !isCount(entry[name]));
  const { durationS, skipped } = entry;
  const others = typeof durationS === 'number' && durationS >= 0 && Array.isArray(skipped) ? [] : ['durationS or skipped'];
  const wrong = [...texts, ...counts, ...others];
  if (wrong.length > 0) throw new Error(`line ${lineNumber} of the ledger: ${wrong.join(', ')} missing or wrong`);
  return entry as unknown as LedgerEntry;
}

/** Runs of one bench, added up. */
export interface Total {
  readonly runs: number;
  readonly count: number;
  readonly acknowledgements: number;
  readonly failures: number;
  readonly durationS: number;
  readonly fileSystems: readonly string[];
  readonly kernels: readonly string[];
  readonly nodes: readonly string[];
  readonly skipped: readonly string[];
  /** Ranges [from, end) of the seeds used, ascending, joined where they touch. */
  readonly seeds: readonly (readonly [from: number, end: number])[];
  readonly commits: readonly string[];
}

export function totalOf(entries: readonly LedgerEntry[]): Total {
  const sum = (of: (entry: LedgerEntry) => number): number => entries.reduce((total, entry) => total + of(entry), 0);
  const each = (of: (entry: LedgerEntry) => readonly string[]): readonly string[] => [...new Set(entries.flatMap(of))].sort();
  return {
    runs: entries.length,
    count: sum((entry) => entry.count),
    acknowledgements: sum((entry) => entry.acknowledgements),
    failures: sum((entry) => entry.failures),
    durationS: sum((entry) => entry.durationS),
    fileSystems: each((entry) => entry.fileSystem.split(', ').filter((name) => name !== '')),
    kernels: each((entry) => [entry.kernel]),
    nodes: each((entry) => [entry.node]),
    skipped: each((entry) => entry.skipped),
    seeds: joined(entries.map((entry) => [entry.seedFrom, entry.seedEnd] as const)),
    commits: [...new Set(entries.map((entry) => entry.commit))],
  };
}

function joined(ranges: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const result: [number, number][] = [];
  for (const [from, end] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], end);
    else result.push([from, end]);
  }
  return result;
}

/** A seed that no run of the bench has used, of whatever engine. */
export function freshSeed(entries: readonly LedgerEntry[], bench: string): number {
  return Math.max(1, ...entries.filter((entry) => entry.bench === bench).map((entry) => entry.seedEnd));
}
