import type { BenchResult, Tally } from './result.js';

export interface BenchOptions {
  /** Undefined: as many as the bench does by itself. */
  readonly cycles: number | undefined;
  readonly seed: number;
  /** Of the findings: where stores are kept. */
  readonly keepFolder: string;
  readonly verbose: boolean;
}

/** One way to lose data, tried again and again. */
export interface Bench {
  readonly name: string;
  readonly about: string;
  readonly cyclesByDefault: number;
  run(options: BenchOptions, tally: Tally): Promise<void>;
  /** What is broken on purpose, one after another; each must be noticed. */
  readonly controls: readonly Control[];
}

export interface Control {
  readonly name: string;
  readonly cyclesMax: number;
  /** Undefined in place of a result: this machine cannot run it. */
  run(options: BenchOptions & { readonly cycles: number }, tally: Tally): Promise<void>;
}

export type ControlResult = NonNullable<BenchResult['controls']>[number];
