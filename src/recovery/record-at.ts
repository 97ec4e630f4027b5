import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import { isInSpans, type OwnSpan } from './manifest.js';

export interface RecordAt {
  readonly topic: string;
  readonly queueId: number;
  readonly recordBytes: number;
}

/** The record that begins at `offset` and verifies, if there is one, and what the scan for it met. */
export async function recordAt(
  segments: LogSegments,
  spans: readonly OwnSpan[],
  offset: number,
): Promise<{ readonly record: RecordAt | undefined; readonly stopped: ScanEnd }> {
  let record: RecordAt | undefined;
  const stopped = await new LogScanner(segments).scan(
    { from: offset, limit: offset + 1, verify: true, isOurs: (at) => isInSpans(spans, at) },
    (view) => {
      record = { topic: view.topic, queueId: view.queueId, recordBytes: view.recordBytes };
      return false;
    },
  );
  return { record, stopped };
}
