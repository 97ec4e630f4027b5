import type { BenchName } from '../campaign/benches.js';

/** What became of one control under one bench. */
export interface ControlOutcome {
  readonly control: string;
  readonly bench: BenchName;
  /** Whether the catalog says that this bench has to notice. */
  readonly expected: boolean;
  /** `died`: the bench did not come to its end with a result, which proves nothing. */
  readonly result: 'caught' | 'not caught' | 'skipped' | 'died';
  readonly seedFrom: number;
  /** How many histories, cycles or stores it took, or were tried in vain. */
  readonly count: number;
  readonly durationS: number;
  /** What the bench said, or why it could not run. */
  readonly by: string;
}

/** The unbroken engine under the same bench, with at least as many of the same seeds. */
export interface GreenRun {
  readonly bench: BenchName;
  readonly seedFrom: number;
  readonly count: number;
  readonly isGreen: boolean;
  readonly durationS: number;
  readonly fileSystem: string | undefined;
  readonly by: string;
}
