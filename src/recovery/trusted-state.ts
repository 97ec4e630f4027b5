import type { LogSegments } from '../commit-log/log-segments.js';
import type { Examination } from './examine.js';
import type { RecoverOptions } from './recover.js';
import type { State } from './state.js';
import { voidState } from './void-state.js';

/** The state as far as it can be used after a crash or a foreign run: then every queue's last entry must be where it says. */
export function trustedState(options: RecoverOptions): State | undefined {
  const { found } = options;
  const { state } = found;
  if (state === undefined || foreignRan(found) || state.safeOffset < options.segments.minOffset) return undefined;
  const { segments } = options;
  // The state says nothing of a log that has lost something in its middle: that has to be found by reading it.
  if (!areContiguous(segments) || found.segments.slice(0, -1).some((file) => file.sizeBytes < segments.segmentBytes)) return undefined;
  // Nor if its last file ends below it.
  const last = found.segments.findLast((file) => segments.has(file.base));
  if (last !== undefined && last.base + last.sizeBytes < state.safeOffset) return undefined;
  const isInside = segments.has(segments.baseOf(state.safeOffset)) || state.safeOffset === segments.minOffset;
  const isBehindFull = state.safeOffset > 0 && segments.has(segments.baseOf(state.safeOffset - 1));
  return isInside || isBehindFull ? state : undefined;
}

/**
 * As `options`, for a recovery that does not trust the state: with the first change it is void on the disk as well. The changes may take
 * away the very reason not to trust it, and after a crash in their middle the next recovery would.
 */
export function voidingState(options: RecoverOptions): RecoverOptions {
  let isVoid = false;
  return {
    ...options,
    beforeChanges: async () => {
      await options.beforeChanges();
      if (isVoid) return;
      await voidState(options.platform, options.paths);
      isVoid = true;
    },
  };
}

/** Signs that another broker has used the directory since we last wrote our state. */
export function foreignRan(found: Examination): boolean {
  if (found.state === undefined) return true;
  const checkpoint = found.checkpoint?.toString('hex') ?? '';
  return checkpoint !== found.state.checkpointHex && checkpoint !== found.state.previousCheckpointHex;
}

/** Whether no segment is missing between the first and the last. */
export function areContiguous(segments: LogSegments): boolean {
  return segments.bases.every((base, i) => i === 0 || base === (segments.bases[i - 1] ?? 0) + segments.segmentBytes);
}
