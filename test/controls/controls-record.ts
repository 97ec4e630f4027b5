import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../campaign/tree-copy.js';
import { allControls } from './all-controls.js';
import type { ControlOutcome, GreenRun } from './control-outcome.js';

/** One run of the controls. */
export interface ControlsRun {
  readonly commit: string;
  /** Hash of the engine's sources. */
  readonly engine: string;
  readonly node: string;
  readonly kernel: string;
  readonly at: string;
  readonly outcomes: readonly ControlOutcome[];
  readonly green: readonly GreenRun[];
}

/** The newest outcome of each control under each bench, and the run of the unbroken engine that belongs to it. */
export interface KeptOutcome extends ControlOutcome, Pick<ControlsRun, 'commit' | 'engine' | 'at'> {
  /** Undefined: the unbroken engine was not green in the same run, and the outcome counts for nothing. */
  readonly greenCount: number | undefined;
}

const controlsRecordPath: string = join(repositoryRoot, 'data', 'reliability', 'controls.json');

export function readControlsRecord(path: string = controlsRecordPath): readonly KeptOutcome[] {
  if (!existsSync(path)) return [];
  return JSON.parse(readFileSync(path, 'utf8')) as readonly KeptOutcome[];
}

/** What a run has to say replaces what an earlier one said of the same control under the same bench. Controls that are gone are dropped. */
export function mergeOutcomes(kept: readonly KeptOutcome[], run: ControlsRun): readonly KeptOutcome[] {
  const { commit, engine, at } = run;
  const key = (outcome: ControlOutcome): string => `${outcome.control} ${outcome.bench}`;
  const merged = new Map(kept.map((outcome) => [key(outcome), outcome]));
  for (const outcome of run.outcomes) {
    const green = run.green.find(({ bench, seedFrom }) => bench === outcome.bench && seedFrom === outcome.seedFrom);
    merged.set(key(outcome), { ...outcome, commit, engine, at, greenCount: green?.isGreen === true ? green.count : undefined });
  }
  const names = new Set(allControls.map((control) => control.name));
  return [...merged.values()].filter((outcome) => names.has(outcome.control)).sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

export function recordControls(run: ControlsRun, path: string = controlsRecordPath): void {
  const merged = mergeOutcomes(readControlsRecord(path), run);
  writeFileSync(path, `[\n${merged.map((outcome) => JSON.stringify(outcome)).join(',\n')}\n]\n`);
}
