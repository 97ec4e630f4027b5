import type { Environment } from '../common/environment.js';

/**
 * What a run of the benches found, in the form in which it is kept: the page and the tables are made of nothing else. Figures are numbers in
 * the unit that stands beside them; they are rounded only when they are shown.
 */
export interface BenchRun {
  readonly startedAt: string;
  readonly durationMs: number;
  readonly selection: 'quick' | 'usual';
  readonly environment: Environment;
  /** Processes that wanted to run, averaged over one minute, before and after: what else the machine did. */
  readonly loadAverage: { readonly before: number; readonly after: number };
  readonly sections: readonly Section[];
  /** What did not run, or did not find what it had stored. */
  readonly failures: readonly string[];
}

export interface Section {
  readonly name: string;
  readonly title: string;
  /** A few sentences for somebody who knows neither the source nor the programs. */
  readonly about: readonly string[];
  /** How to measure only this again. */
  readonly commands: readonly string[];
  readonly charts: readonly Chart[];
  readonly bars: readonly Bars[];
  readonly tables: readonly Table[];
}

export type Unit = 'messages/s' | 'calls/s' | 'bytes/s' | 'bytes' | 'ms' | 'us' | 'count' | 'ratio' | 'percent' | 's';
export type Better = 'more' | 'less' | 'neither';

export interface Chart {
  readonly title: string;
  readonly better: Better;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
}

export interface Axis {
  readonly label: string;
  readonly unit: Unit;
  readonly scale: 'linear' | 'log';
}

/** One thing measured for several that do it, side by side. */
export interface Bars {
  readonly title: string;
  readonly unit: Unit;
  readonly better: Better;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

export interface Table {
  readonly title: string;
  readonly columns: readonly { readonly title: string; readonly unit: Unit | 'text'; readonly better?: Better }[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}
