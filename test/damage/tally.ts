import type { Outcome } from './check-store.js';

/** What came of many damaged stores together. */
export interface Tally {
  count: number;
  opened: number;
  refused: number;
  recordsTouched: number;
  recordsLost: number;
  /** Lost though not touched: behind a torn place at the end of the log, or behind a cut that was asked for. */
  recordsCutWithTail: number;
  /** Lost though not touched: between damaged places of one segment, with nothing left that vouches for them. */
  recordsBetweenDamage: number;
}

export function noTally(): Tally {
  return { count: 0, opened: 0, refused: 0, recordsTouched: 0, recordsLost: 0, recordsCutWithTail: 0, recordsBetweenDamage: 0 };
}

export function addTally(to: Tally, more: Tally): void {
  for (const name of Object.keys(to) as (keyof Tally)[]) to[name] += more[name];
}

export function tallyOf({ opened, touchedCount, lostCount, cutCount, betweenCount }: Outcome): Tally {
  return {
    count: 1,
    opened: opened ? 1 : 0,
    refused: opened ? 0 : 1,
    recordsTouched: touchedCount,
    recordsLost: lostCount,
    recordsCutWithTail: cutCount,
    recordsBetweenDamage: betweenCount,
  };
}
