import type { FlushMode } from '../../../src/index.js';

/** Where in its work a process dies. */
export type PointName =
  | 'log-write'
  | 'log-sync'
  | 'roll'
  | 'retention'
  | 'safe-point'
  | 'watermark'
  | 'queue-write'
  | 'snapshot'
  | 'closing'
  | 'opening';

export interface KillPoint {
  readonly name: PointName;
  /** At the nth call that belongs to it; 1 is the first. */
  readonly nth: number;
  /** Before the call is made; when it is made and under way; after it has returned. */
  readonly moment: 'before' | 'during' | 'after';
}

/** Options of one store, the same in all of its lives. */
export interface World {
  readonly flush: FlushMode;
  readonly flushIntervalMs: number;
  readonly segmentBytes: number;
  readonly queueEntriesPerFile: number;
  readonly indexSlotCount: number;
  readonly indexEntryCount: number;
  readonly recordChecksum: boolean;
  readonly pendingBytesMax: number;
  readonly bodyBytesMax: number;
}

/** What one process does with the store until it dies or closes it. */
export interface WriterPlan {
  readonly directory: string;
  /** Not on the disk under test. */
  readonly notesPath: string;
  /** Where snapshots are made. */
  readonly snapshotFolder: string;
  readonly seed: number;
  readonly firstId: number;
  readonly world: World;
  readonly producerCount: number;
  /** After that long it closes the store by itself. */
  readonly lifeMs: number;
  /** Of the pause between two of flush, clean, snapshot, reading: the longest. */
  readonly chorePauseMs: number;
  readonly freeBytesMin: number;
  /** Whether it deletes old segments now and then. */
  readonly cleans: boolean;
  readonly point?: KillPoint | undefined;
  /** Steps of the wall clock, each taken at a moment of its own. */
  readonly clockStepsMs?: readonly number[] | undefined;
  /** What is broken on purpose. */
  readonly control?: 'early-acknowledgement' | 'claims-sync' | undefined;
  /** Descriptors left over for the store. */
  readonly descriptorsLeft?: number | undefined;
  /** Of the store. */
  readonly openFilesMax?: number | undefined;
}
