import type { LogSegments } from '../commit-log/log-segments.js';
import type { Platform } from '../platform/platform.js';
import type { Examination } from './examine.js';
import { keepAside } from './mend-log.js';
import { withOwnSegment } from './own-segment.js';
import type { StorePaths } from './side-files.js';
import type { DamageNote } from './skip-damage.js';

export interface CutExcessOptions {
  readonly platform: Platform;
  readonly paths: StorePaths;
  readonly segments: LogSegments;
  readonly found: Examination;
  readonly beforeChanges: () => Promise<void>;
}

/**
 * Gives segments that are longer than a segment their length again. What stands behind it belongs to no record, and a stock broker
 * refuses to load such a file; the bytes are kept aside.
 */
export async function cutExcess(options: CutExcessOptions): Promise<DamageNote[]> {
  const { segments, found, paths } = options;
  const { fs } = options.platform;
  const { segmentBytes } = segments;
  const notes: DamageNote[] = [];
  for (const { base, sizeBytes } of found.segments) {
    if (sizeBytes <= segmentBytes) continue;
    await options.beforeChanges();
    await withOwnSegment({ fs, paths, segments }, base, async (file) => {
      const quarantinePath = await keepAside({ fs, paths, segments }, file, base, segmentBytes, sizeBytes);
      await file.truncate(segmentBytes);
      await file.sync('all');
      const what = `the segment had ${sizeBytes} bytes instead of ${segmentBytes}`;
      notes.push({ path: segments.pathOf(base), offset: segmentBytes, bytes: sizeBytes - segmentBytes, what, quarantinePath });
    });
  }
  return notes;
}

/** Gives segments that are shorter than a segment their length, once all that was missing in them has been repaired. */
export async function lengthenShort(options: Omit<CutExcessOptions, 'beforeChanges'>): Promise<void> {
  const { segments, found, paths } = options;
  const { fs } = options.platform;
  for (const { base, sizeBytes } of found.segments) {
    if (sizeBytes >= segments.segmentBytes || !segments.has(base)) continue;
    await withOwnSegment({ fs, paths, segments }, base, async (file) => {
      if (file.sizeBytes() >= segments.segmentBytes) return;
      await file.truncate(segments.segmentBytes);
      await file.sync('all');
    });
  }
}
