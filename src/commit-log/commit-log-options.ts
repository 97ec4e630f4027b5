import type { StoreError } from '../base/errors.js';
import type { QueueRegistry } from '../base/queue-registry.js';
import type { RecordEncoder } from '../format/record-encoder.js';
import type { Clock } from '../platform/platform.js';
import type { Segment } from '../segment/segment.js';
import type { LogSegments } from './log-segments.js';

export interface CommitLogOptions {
  readonly segments: LogSegments;
  readonly encoder: RecordEncoder;
  readonly registry: QueueRegistry;
  readonly clock: Clock;
  readonly flush: 'sync' | 'async';
  readonly flushIntervalMs: number;
  readonly pendingBytesMax: number;
  readonly unflushedBytesMax: number;
  readonly recordChecksum: boolean;
  readonly hostHex: string;
  /** Where recovery found the end; all below it is durable. */
  readonly end: number;
  readonly lastStoredAt: number;
  readonly hooks: CommitLogHooks;
}

export interface FlushInfo {
  readonly bytes: number;
  readonly durationMs: number;
  readonly waiterCount: number;
}

export interface CommitLogHooks {
  /** Why appends are refused now, if they are. */
  readonly refusal: () => StoreError | undefined;
  /** `visible` may have moved: derived structures are fed now, before any receipt. */
  readonly onVisible: () => void;
  /** `flushed` has moved: side files hear of it before anybody else. */
  readonly onFlushed: (info: FlushInfo) => void;
  readonly onFailed: (error: StoreError) => void;
  /** A new segment lies in `commitlog/`. */
  readonly onRolled: (segment: Segment) => void;
}
