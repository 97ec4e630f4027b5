import type { Engine } from './engine.js';
import { checkOptions, whole } from './options.js';

/** Deletes what retention allows, now; with `before`, also every segment that ends at or before it. */
export async function clean(
  engine: Engine,
  options: { readonly before?: number | undefined } | undefined,
): Promise<{ readonly deletedSegmentCount: number; readonly freedBytes: number }> {
  engine.assertOpen();
  if (engine.log.failure !== undefined) throw engine.log.failure;
  checkOptions('clean', options, ['before']);
  const before = whole(options?.before, 'before', 0, Number.MAX_SAFE_INTEGER);
  return await engine.retention.run(before, Number.POSITIVE_INFINITY, engine.closingSignal);
}

/** Keeps everything from `offset` on until released. */
export function hold(engine: Engine, offset: number): { release(): void } {
  engine.assertOpen();
  if (whole(offset, 'offset', 0, Number.MAX_SAFE_INTEGER) === undefined) throw new TypeError('offset must be a number, not undefined');
  return engine.holds.add(offset);
}
