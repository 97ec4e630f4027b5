import type { LogSegments } from '../commit-log/log-segments.js';
import { checkpointMinTime, decodeCheckpoint } from '../format/checkpoint.js';
import { recordHeadBytesMax } from '../format/record-layout.js';
import { RecordView } from '../format/record-view.js';

/** Where RocketMQ itself would begin: the last segment whose first record is older than its checkpoint. The record's head tells. */
export async function stockStart(segments: LogSegments, checkpoint: Buffer | undefined): Promise<number> {
  const decoded = checkpoint === undefined ? undefined : decodeCheckpoint(checkpoint);
  const time = decoded === undefined ? 0 : checkpointMinTime(decoded);
  const bytes = Buffer.alloc(recordHeadBytesMax);
  const view = new RecordView();
  for (const base of [...segments.bases].reverse()) {
    const count = await segments.read(bytes, base);
    const kind = view.read(bytes, 0, count);
    const isRecord = kind === 'record' || (kind === 'invalid' && view.bytesNeeded > count && count === recordHeadBytesMax);
    if (isRecord && view.storedAt !== 0 && view.storedAt <= time) return base;
  }
  return segments.minOffset;
}
