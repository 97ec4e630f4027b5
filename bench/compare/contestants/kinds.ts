import type { ContestantKind } from '../contestant.js';
import { bareFileKind } from './bare-file.js';
import { levelKind } from './level.js';
import { lmdbKind } from './lmdb.js';
import { sqliteKind } from './sqlite.js';
import { stratalogKind } from './stratalog.js';

const makers: Readonly<Record<string, () => ContestantKind>> = {
  stratalog: stratalogKind,
  lmdb: lmdbKind,
  'better-sqlite3': sqliteKind,
  'classic-level': levelKind,
  'bare file': bareFileKind,
};

export const nodeContestantNames: readonly string[] = Object.keys(makers);

/** Throws where the package is not installed or does not load here. */
export function contestantKind(name: string): ContestantKind {
  const make = makers[name];
  if (make === undefined) throw new Error(`nobody takes part under the name ${name}: there are ${nodeContestantNames.join(', ')}`);
  return make();
}
