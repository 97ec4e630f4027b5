import type { DamageNote } from '../recovery/skip-damage.js';

const DAMAGE_COUNT_MAX = 1000;

/** A report stays of a size that can be read; where more is damaged, the counts of bytes tell. */
export function reportedDamage(notes: readonly DamageNote[]): readonly DamageNote[] {
  return notes.slice(0, DAMAGE_COUNT_MAX);
}
