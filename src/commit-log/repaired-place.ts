import { LogScanner } from './log-scanner.js';
import type { LogSegments } from './log-segments.js';

/**
 * Where that ends which a repair has laid over `offset`; undefined: nothing of that kind lies there. A repair may lay one record, or the
 * blank at a segment's end, over a place between two records: who has kept that place goes on behind it and has missed nothing.
 *
 * @param from a place in front of it, in the same segment, at which a record is known to begin.
 */
export async function endOfRepairAt(
  segments: LogSegments,
  from: number,
  offset: number,
  isOurs: (offset: number) => boolean,
): Promise<number | undefined> {
  let isRepair = true;
  const stopped = await new LogScanner(segments).scan({ from, limit: offset, verify: true, isOurs }, (view, at) => {
    // Of a blank nothing is told: behind it the scan is beyond the end of what was visited last.
    isRepair = view.isTombstone || view.isFiller || at + view.recordBytes <= offset;
  });
  return stopped.reason === 'limit' && stopped.offset > offset && isRepair ? stopped.offset : undefined;
}
