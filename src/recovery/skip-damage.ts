import type { ScanEnd } from '../commit-log/log-scanner.js';
import type { MendOptions } from './mend-log.js';
import type { OwnSpan } from './manifest.js';

/** One span that recovery skipped or cut; as in the recovery report. */
export interface DamageNote {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly what: string;
  readonly quarantinePath: string | undefined;
}

export interface SkipOptions extends MendOptions {
  readonly spans: readonly OwnSpan[];
}

export interface Skipped {
  /** Where the log goes on; undefined: nowhere. */
  readonly next: number | undefined;
  readonly bytes: number;
  readonly notes: readonly DamageNote[];
}

export async function skipDamage(_options: SkipOptions, _stopped: ScanEnd, _durable: number): Promise<Skipped> {
  return await Promise.resolve({ next: undefined, bytes: 0, notes: [] });
}
