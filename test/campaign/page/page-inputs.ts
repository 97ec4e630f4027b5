import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type KeptOutcome, readControlsRecord } from '../../controls/controls-record.js';
import { isCount, objectOf } from '../bench-result.js';
import { type LedgerEntry, readLedger } from '../ledger.js';
import { repositoryRoot } from '../tree-copy.js';

/** A bug that a bench has found. */
export interface FoundBug {
  readonly bench: string;
  /** What was wrong, in a sentence. */
  readonly what: string;
  readonly commit: string;
  /** The test that keeps it from coming back. */
  readonly test: string;
}

/** The engine that the page speaks of, bench by bench. Written when the page is generated. */
export interface PageEngines {
  readonly commit: string;
  readonly at: string;
  /** By the name of the bench: hash of the sources that it covers. */
  readonly engines: Readonly<Record<string, string>>;
  /** Hash of the whole engine. */
  readonly whole: string;
}

export interface PageInputs {
  readonly engines: PageEngines;
  readonly ledger: readonly LedgerEntry[];
  readonly outcomes: readonly KeptOutcome[];
  readonly bugs: readonly FoundBug[];
}

const folder = join(repositoryRoot, 'data', 'reliability');
export const enginesPath: string = join(folder, 'engines.json');
const bugsPath: string = join(folder, 'bugs-found.json');

export function readPageInputs(): PageInputs {
  return { engines: readEngines(), ledger: readLedger(), outcomes: readControlsRecord(), bugs: readBugs() };
}

export function readEngines(): PageEngines {
  const { commit, at, engines, whole } = objectOf(JSON.parse(readFileSync(enginesPath, 'utf8')), 'engines.json');
  if (typeof commit !== 'string' || typeof at !== 'string' || typeof whole !== 'string')
    throw new Error('engines.json: commit, at or whole is missing');
  return { commit, at, engines: objectOf(engines, 'engines') as Readonly<Record<string, string>>, whole };
}

function readBugs(): readonly FoundBug[] {
  if (!existsSync(bugsPath)) return [];
  const list: unknown = JSON.parse(readFileSync(bugsPath, 'utf8'));
  if (!Array.isArray(list)) throw new Error('bugs-found.json is no list');
  return list.map((each, i) => {
    const bug = objectOf(each, `bug ${i}`);
    for (const name of ['bench', 'what', 'commit', 'test']) {
      if (typeof bug[name] !== 'string' || isCount(bug[name])) throw new Error(`bugs-found.json, ${i}: ${name} is missing`);
    }
    return bug as unknown as FoundBug;
  });
}
