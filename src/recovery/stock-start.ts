import type { LogSegments } from '../commit-log/log-segments.js';
import { checkpointMinTime, decodeCheckpoint } from '../format/checkpoint.js';
import { RecordView } from '../format/record-view.js';

/** Of a record, whatever its hosts: all before its body. */
const HEAD_BYTES = 112;

/** Where RocketMQ itself would begin: the last segment whose first record is older than its checkpoint. The record's head tells. */
export async function stockStart(segments: LogSegments, checkpoint: Buffer | undefined): Promise<number> {
  const decoded = checkpoint === undefined ? undefined : decodeCheckpoint(checkpoint);
  const time = decoded === undefined ? 0 : checkpointMinTime(decoded);
  const bytes = Buffer.alloc(HEAD_BYTES);
  const view = new RecordView();
  for (const base of [...segments.bases].reverse()) {
    const count = await segments.read(bytes, base);
    const kind = view.read(bytes, 0, count);
    const isRecord = kind === 'record' || (kind === 'invalid' && view.bytesNeeded > count && count === HEAD_BYTES);
    if (isRecord && view.storedAt !== 0 && view.storedAt <= time) return base;
  }
  return segments.minOffset;
}
