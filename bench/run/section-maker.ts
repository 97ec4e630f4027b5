import type { Section } from '../page/figures.js';

export interface RunContext {
  readonly quick: boolean;
  /** Where programs that keep files of their own here may do so. */
  readonly directory: string;
  readonly note: (line: string) => void;
  /** Runs a program of `bench/` in a process of its own and gives back the JSON that it prints. */
  readonly program: (name: string, words: readonly (string | number)[]) => Promise<unknown>;
  readonly failed: (what: string) => void;
}

export interface SectionMaker {
  readonly name: string;
  readonly title: string;
  readonly make: (context: RunContext) => Promise<Section>;
}

/** The command that repeats a program by itself. */
export function command(program: string, words: readonly (string | number)[]): string {
  return `npm run bench:${program} -- ${words.join(' ')}`;
}
