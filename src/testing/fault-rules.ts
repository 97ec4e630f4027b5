import type { SeededRandom } from './seeded-random.js';
import type { PlatformCall } from './with-faults.js';

/**
 * What goes wrong with a call. A rule passes over the calls that its fault cannot happen to (a sync cannot be a short read).
 *
 * - `error`: fails with `code` (`EIO`, `ENOSPC`, `EDQUOT`, `EMFILE`, `EROFS`, `EACCES`, ...) and has done nothing; with `done`, it has
 *   done everything and fails all the same.
 * - `short-write`: a part of the bytes is written, then it fails with `code`, ENOSPC by default.
 * - `short-read`: fewer bytes than there are, as of a file that somebody has cut.
 * - `lost-sync`: a sync fails with EIO. The pages count as written from then on: reads return them, the next sync succeeds, and after a
 *   power cut they are gone. Only a disk in memory can do the last; over any other platform it is a failed sync.
 * - `flipped-bit`: one bit of what is read, or of what is written, is another one.
 * - `lost-write`: the write succeeds and changes nothing.
 * - `misdirected-write`: the write succeeds and goes to another place of the same file, whole sectors away.
 * - `delay`: the call takes `ms` by the platform's clock. Of synchronous calls none can wait.
 */
export type Fault =
  | { readonly kind: 'error'; readonly code: string; readonly done?: boolean | undefined }
  | { readonly kind: 'short-write'; readonly code?: string | undefined }
  | { readonly kind: 'short-read' | 'lost-sync' | 'flipped-bit' | 'lost-write' | 'misdirected-write' }
  | { readonly kind: 'delay'; readonly ms: number };

/** Which calls fail, and how. */
export interface FaultRule {
  readonly fault: Fault;
  /** Operations of the platform; all of them if left out. */
  readonly ops?: readonly PlatformCall['op'][] | undefined;
  /** Of the path; every path if left out. A renaming, a link and a copy go by the path that they start from. */
  readonly path?: RegExp | undefined;
  /** The first call to fail, counted from 1 over those that fit since the rule was added. Default 1. */
  readonly from?: number | undefined;
  /** How many of them fail, that one included. Default 1; `Infinity`: for good. */
  readonly count?: number | undefined;
  /** By chance only, out of those. Default 1: every one of them. */
  readonly probability?: number | undefined;
}

type Op = PlatformCall['op'];
const reads: ReadonlySet<Op> = new Set<Op>(['read', 'readSync']);
const writes: ReadonlySet<Op> = new Set<Op>(['write', 'writeSync']);
const synchronous: ReadonlySet<Op> = new Set<Op>([
  'open',
  'exists',
  'list',
  'lockDirectory',
  'readSync',
  'writeSync',
  'sizeBytes',
  'linkCount',
]);

const happensTo: Readonly<Record<Fault['kind'], (op: Op) => boolean>> = {
  error: () => true,
  'short-write': (op) => writes.has(op),
  'lost-write': (op) => writes.has(op),
  'misdirected-write': (op) => writes.has(op),
  'short-read': (op) => reads.has(op),
  'flipped-bit': (op) => reads.has(op) || writes.has(op),
  'lost-sync': (op) => op === 'sync',
  delay: (op) => !synchronous.has(op),
};

/** The rules in force, and how often each has been met. */
export class FaultRules {
  readonly #rules = new Map<FaultRule, number>();
  readonly #random: SeededRandom;
  struckCount = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** The returned function takes it away again. */
  add(rule: FaultRule): () => void {
    checkRule(rule);
    // A copy, so that the same rule may be added twice and counts for itself each time.
    const own = { ...rule };
    this.#rules.set(own, 0);
    return () => void this.#rules.delete(own);
  }

  clear(): void {
    this.#rules.clear();
  }

  /** What shall go wrong with this call: the first rule that strikes decides. All that it fits count it. */
  decide(op: Op, path: string): Fault | undefined {
    let fault: Fault | undefined;
    for (const [rule, metBefore] of this.#rules) {
      if (!happensTo[rule.fault.kind](op) || rule.ops?.includes(op) === false) continue;
      if (rule.path !== undefined && path.search(rule.path) < 0) continue;
      const met = metBefore + 1;
      this.#rules.set(rule, met);
      const from = rule.from ?? 1;
      if (fault !== undefined || met < from || met >= from + (rule.count ?? 1)) continue;
      if (rule.probability !== undefined && !this.#random.chance(rule.probability)) continue;
      fault = rule.fault;
    }
    if (fault !== undefined) this.struckCount += 1;
    return fault;
  }
}

function checkRule({ from, count, probability, fault }: FaultRule): void {
  if (from !== undefined && !(Number.isInteger(from) && from >= 1)) throw new RangeError(`from must be a whole number from 1, not ${from}`);
  if (count !== undefined && !(count === Number.POSITIVE_INFINITY || (Number.isInteger(count) && count >= 1))) {
    throw new RangeError(`count must be a whole number from 1, or Infinity, not ${count}`);
  }
  if (probability !== undefined && !(probability >= 0 && probability <= 1)) {
    throw new RangeError(`probability must be from 0 to 1, not ${probability}`);
  }
  if (fault.kind === 'delay' && !(fault.ms >= 0)) throw new RangeError(`ms must be 0 or more, not ${fault.ms}`);
}
