import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const repositoryRoot: string = join(import.meta.dirname, '..', '..');

/** A bug that the store of Apache RocketMQ had, as `data/original-bugs.json` has it. Written by hand. */
export interface OriginalBug {
  readonly subject: string;
  /** `owner/repository#number` of an issue or a pull request, `owner/repository@commit`, or a key of the old tracker. */
  readonly threads: readonly string[];
  readonly symptom: string;
  readonly cause: string;
  /** As far as what it applies to is something else here. */
  readonly scope?: string;
  /** The tests that show that this store has it not, or why it cannot have it. */
  readonly tests?: readonly NamedTest[];
  readonly absent?: string;
}

export interface NamedTest {
  readonly file: string;
  readonly name: string;
}

export function readBugs(): readonly OriginalBug[] {
  return JSON.parse(readFileSync(join(repositoryRoot, 'data', 'original-bugs.json'), 'utf8')) as readonly OriginalBug[];
}
