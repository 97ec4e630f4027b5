import { TRUSTED_RECORD_BYTES } from '../commit-log/large-record.js';
import { RecordView } from '../format/record-view.js';
import type { RecoverOptions } from './recover.js';

/**
 * A kill in the middle of a roll can leave a segment that is written but not yet moved into `commitlog/`: if the log ends where it
 * begins and it begins with a record, it belongs to the log.
 */
export async function adoptMade(options: RecoverOptions, end: number): Promise<boolean> {
  const { segments, found, platform, paths } = options;
  const made = found.making.find((file) => file.base === end);
  if (made === undefined || made.sizeBytes !== segments.segmentBytes || segments.has(end)) return false;
  if (segments.bases.length > 0 && end !== (segments.bases.at(-1) ?? 0) + segments.segmentBytes) return false;
  const path = segments.makingPathOf(end);
  const file = platform.fs.open(path, 'read-write');
  try {
    const head = Buffer.alloc(Math.min(segments.segmentBytes, TRUSTED_RECORD_BYTES));
    const view = new RecordView();
    const kind = view.read(head, 0, await file.read(head, 0));
    if (kind !== 'record' || view.physicalOffset !== end || !view.verify(false)) return false;
    await options.beforeChanges();
    await file.sync('all');
  } finally {
    await file.close();
  }
  await platform.fs.rename(path, segments.pathOf(end));
  await platform.fs.syncDirectory(paths.commitLog);
  segments.setBases([...segments.bases, end]);
  return true;
}
