import { ioError, StoreError } from '../../base/errors.js';
import { LogScanner } from '../../commit-log/log-scanner.js';
import type { LogSegments } from '../../commit-log/log-segments.js';
import type { Platform } from '../../platform/platform.js';
import { examine, type Examination } from '../../recovery/examine.js';
import { StorePaths } from '../../recovery/side-files.js';
import type { State } from '../../recovery/state.js';
import type { RecoveryReport } from '../contract.js';
import { keepOptions } from '../open-writer.js';
import type { ResolvedOptions } from '../options.js';
import { Follower } from './follower.js';

export interface OpenedFollower {
  readonly follower: Follower;
  readonly report: RecoveryReport;
}

/**
 * Opens a store to read what others write: no lock, no byte changed, no recovery, so that damage is no reason to refuse.
 *
 * A store without our side files (Apache RocketMQ's own) is read as far as its records verify at this moment, and does not grow; its
 * queues and keys are kept in memory, 20 bytes a message and 20 a key.
 */
export async function openFollower(directory: string, options: ResolvedOptions, platform: Platform): Promise<OpenedFollower> {
  const startMs = platform.clock.monotonicMs();
  options.signal?.throwIfAborted();
  const paths = new StorePaths(directory);
  let follower: Follower | undefined;
  try {
    const found = await examine(platform.fs, paths);
    if (!found.isStore) throw new StoreError('STORE_NOT_FOUND', `${directory}: there is no store; open it without readOnly to make one`);
    const kept = await keepOptions(platform, paths, options, found);
    const opened = new Follower(directory, options, kept, platform, found.manifest);
    follower = opened;
    const from = opened.segments.minOffset;
    const state = usableState(found, kept.segmentBytes);
    await opened.start(state, async () => await endByReading(opened.segments, options.signal));
    opened.queues.keepEnds(found.state?.queues ?? []);
    const scannedFrom = Math.max(from, opened.segments.minOffset, state?.safeOffset ?? 0);
    return { follower, report: reportOf(found, opened, scannedFrom, platform.clock.monotonicMs() - startMs) };
  } catch (error) {
    await follower?.close();
    throw options.signal?.aborted === true && error === options.signal.reason ? error : ioError(`opening ${directory}`, error);
  }
}

/** A state that speaks of more than there is, is none. */
function usableState(found: Examination, segmentBytes: number): State | undefined {
  const { state, segments } = found;
  const last = segments.at(-1);
  const end = last === undefined ? 0 : last.base + segmentBytes;
  return state !== undefined && state.safeOffset <= end ? state : undefined;
}

/** Where the records end that verify. Damage ends only its own segment, if there are records in one behind it. */
async function endByReading(segments: LogSegments, signal: AbortSignal | undefined): Promise<number> {
  let from = segments.minOffset;
  let end = from;
  for (;;) {
    const stopped = await new LogScanner(segments).scan(
      { from, limit: Number.MAX_SAFE_INTEGER, verify: true, isOurs: () => false, signal },
      () => undefined,
    );
    // A segment that was made in advance has none.
    if (stopped.offset > from) end = stopped.offset;
    const next = segments.bases.find((base) => base > stopped.offset);
    if (next === undefined) return end;
    from = next;
  }
}

function reportOf(found: Examination, follower: Follower, from: number, durationMs: number): RecoveryReport {
  return {
    cleanShutdown: found.state?.clean === true && !found.abortPresent,
    durationMs,
    scannedBytes: Math.max(0, follower.visible - from),
    truncatedBytes: 0,
    skippedBytes: 0,
    damage: [],
    redispatchedCount: follower.fedCount,
    brokersRefused: false,
  };
}
