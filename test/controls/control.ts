import type { BenchName } from '../campaign/benches.js';

/** An engine that is broken on purpose, by one small change of its source. */
export interface Control {
  /** In kebab case. */
  readonly name: string;
  /** What is done wrong. */
  readonly breaks: string;
  /** The promise that is not kept any more. */
  readonly promise: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Further places of the same file that have to change with it. */
  readonly also?: readonly { readonly find: string; readonly replace: string }[];
  /** Who has to notice, and within how many histories, cycles, stores or inputs. */
  readonly caughtBy: Readonly<Partial<Record<BenchName, number>>>;
  /** First seeds, where not those of every control: of the sweep the slice that has the call in it, of a bench whose seeds differ the right one. */
  readonly seedFrom?: Readonly<Partial<Record<BenchName, number>>>;
  /** Of the named tests the files that have to notice or, where `tests` is not in `caughtBy`, would be the ones to; else all. */
  readonly tests?: readonly string[];
}
