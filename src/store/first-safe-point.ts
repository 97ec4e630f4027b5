import { StoreError } from '../base/errors.js';
import type { Engine } from './engine.js';
import { repair } from './repair.js';
import { reportedDamage } from './reported-damage.js';

/**
 * The safe point that ends an opening. It fails where a queue cannot be made anew because its last records are damaged in a part of the
 * log that recovery had no need to read. That is no reason not to open: mode `skip` repairs it now and says so in the report; in the other
 * modes reads, `verify` and closing speak of it, as of any older damage.
 */
export async function takeFirstSafePoint(engine: Engine): Promise<void> {
  try {
    await engine.safePoint.take(false);
  } catch (error) {
    if (!StoreError.is(error, 'CORRUPT')) throw error;
    if (engine.foundation.options.recovery !== 'skip') return;
    const { damage, skippedBytes } = await repair(engine, undefined);
    const report = engine.recovery;
    engine.recovery = {
      ...report,
      damage: reportedDamage([...report.damage, ...damage]),
      skippedBytes: report.skippedBytes + skippedBytes,
    };
    await engine.safePoint.take(false);
  }
}
