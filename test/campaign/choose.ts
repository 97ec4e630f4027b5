import type { BenchSpec } from './benches.js';
import { freshSeed, type LedgerEntry, totalOf } from './ledger.js';

/** What a campaign does next. */
export interface NextRun {
  readonly spec: BenchSpec;
  readonly seedFrom: number;
  readonly count: number;
}

export interface Choice {
  readonly specs: readonly BenchSpec[];
  readonly entries: readonly LedgerEntry[];
  /** The engine as it is now, for a bench. */
  readonly engineOf: (spec: BenchSpec) => string;
  /** How long one run shall take. */
  readonly runS: number;
}

/** The bench that is furthest from its goal, with seeds that were never used, for about as long as asked for. */
export function chooseNext(choice: Choice): NextRun | undefined {
  const { specs, entries } = choice;
  const shares = specs.map((spec) => ({ spec, share: countOf(choice, spec) / spec.goal }));
  const [furthest] = shares.filter(({ share }) => share < 1).sort((a, b) => a.share - b.share);
  if (furthest === undefined) return undefined;
  const { spec } = furthest;
  return { spec, seedFrom: freshSeed(entries, spec.name), count: countFor(choice, spec) };
}

function countOf({ entries, engineOf }: Choice, spec: BenchSpec): number {
  const engine = engineOf(spec);
  return totalOf(entries.filter((entry) => entry.bench === spec.name && entry.engine === engine)).count;
}

/** By the speed of the last run, whatever the engine was. */
function countFor({ entries, runS }: Choice, spec: BenchSpec): number {
  const last = entries.findLast((entry) => entry.bench === spec.name && entry.count > 0 && entry.durationS > 0);
  if (last === undefined || spec.countMax !== undefined) return spec.countMax ?? spec.countFirst;
  const count = Math.floor((last.count / last.durationS) * runS);
  // A short run says little of the speed of a long one.
  return Math.max(spec.countFirst, Math.min(count, last.count * 20));
}
