import { dirname, relative, resolve, sep } from 'node:path';
import { asBuffer } from '../base/bytes.js';
import { corrupt, ioError, StoreError } from '../base/errors.js';
import { LogScanner } from '../commit-log/log-scanner.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import type { Platform } from '../platform/platform.js';
import { continueSpans, isInSpans, type KeptOptions, type Manifest } from '../recovery/manifest.js';
import { readSmallFile, StorePaths } from '../recovery/side-files.js';
import { decodeState, isVoid, type State } from '../recovery/state.js';
import { newestWatermark, SLOT_BYTES, type Watermark } from '../recovery/watermark.js';
import { closeEngine } from './close.js';
import type { Abortable, Watermarks } from './contract.js';
import type { Engine } from './engine.js';
import type { Follower } from './follower/follower.js';
import { openWriter } from './open-writer.js';
import { checkOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { copyStore, type CopiedLog } from './snapshot-copy.js';
import { SnapshotFiles } from './snapshot-files.js';
import { withSnapshotPlace } from './snapshot-place.js';

export interface SnapshotOptions extends Abortable {
  readonly links?: boolean | undefined;
}

/** What a copy is made of, be it a writer's store or a follower's. */
export interface SnapshotSource {
  readonly platform: Platform;
  readonly paths: StorePaths;
  readonly kept: KeptOptions;
  readonly options: ResolvedOptions;
  readonly segments: LogSegments;
  readonly manifest: () => Manifest | undefined;
  readonly closing: AbortSignal;
  readonly assertReadable: () => void;
  /** Has what is in memory written, where this is the store's to do, and the log kept from now on; the result ends that. */
  readonly begin: (signal: AbortSignal) => Promise<() => void>;
  /** Where the copy shall end: at or above all that the files spoke of when it is called. */
  readonly end: () => Promise<number>;
  /** Of a segment that was there when the copy began and is not any more: whether the store's writer has deleted it. */
  readonly isDeleted: (base: number) => boolean;
}

/** What the copy is made of, as of one moment. */
export interface Moment {
  readonly end: number;
  readonly state: State | undefined;
  readonly watermark: Watermark | undefined;
}

export function writerSource(engine: Engine): SnapshotSource {
  const { platform, paths, kept, options, segments } = engine.foundation;
  return {
    platform,
    paths,
    kept,
    options,
    segments,
    manifest: () => engine.sideKeeper.manifest,
    closing: engine.closingSignal,
    assertReadable: () => engine.assertOpen(),
    begin: async (signal) => {
      const hold = engine.holds.add(segments.minOffset);
      try {
        await engine.safePoint.take(false);
        // A segment that is linked must not be changed any more, and one that is copied not meanwhile.
        const release = await engine.repairGate.forCopying(signal);
        return () => {
          release();
          hold.release();
        };
      } catch (error) {
        hold.release();
        throw error;
      }
    },
    end: async () => await Promise.resolve(engine.log.flushed),
    // The hold keeps what was there at the beginning.
    isDeleted: () => false,
  };
}

export function followerSource(follower: Follower): SnapshotSource {
  const { platform, paths, kept, options, segments } = follower;
  return {
    platform,
    paths,
    kept,
    options,
    segments,
    manifest: () => follower.manifest,
    closing: follower.view.closing,
    assertReadable: () => follower.assertReadable(),
    begin: async () => await Promise.resolve(() => undefined),
    end: async () => {
      await follower.refresh(true);
      return follower.visible;
    },
    isDeleted: (base) => {
      segments.look();
      return base < segments.minOffset || segments.bases.length === 0;
    },
  };
}

/**
 * A consistent copy that opens by itself: everything up to one moment, nothing after it. It is made beside its final name, opened as a
 * store is after a crash (which makes queues and index end exactly where its log ends), read, closed, and only then renamed.
 */
export async function snapshotStore(source: SnapshotSource, directory: string, options: SnapshotOptions = {}): Promise<Watermarks> {
  source.assertReadable();
  const target = checkTarget(source, directory, options);
  options.signal?.throwIfAborted();
  try {
    return await new Snapshot(source, target, options).make();
  } catch (error) {
    if (options.signal?.aborted === true && error === options.signal.reason) throw error;
    throw ioError(`snapshot to ${target}`, error);
  }
}

function checkTarget(source: SnapshotSource, directory: string, options: SnapshotOptions): string {
  if (typeof directory !== 'string' || directory === '') throw new TypeError('directory must be a path');
  checkOptions('snapshot', options, ['signal', 'links']);
  if (options.links !== undefined && typeof options.links !== 'boolean') throw new TypeError('links must be a boolean');
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
  const target = resolve(directory);
  const within = relative(source.paths.root, target);
  if (within === '' || (within !== '..' && !within.startsWith(`..${sep}`) && resolve(within) !== within)) {
    throw new RangeError(`directory must not lie in the store itself: ${target}`);
  }
  return target;
}

class Snapshot {
  readonly #source: SnapshotSource;
  readonly #target: string;
  readonly #options: SnapshotOptions;
  readonly #platform: Platform;

  constructor(source: SnapshotSource, target: string, options: SnapshotOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#platform = source.platform;
  }

  async make(): Promise<Watermarks> {
    const { fs } = this.#platform;
    this.#assertFree();
    const watermarks = await withSnapshotPlace(fs, this.#target, async (copy) => {
      // Another one may have had the place until now.
      this.#assertFree();
      const opened = await this.#open(copy, await this.#copy(copy));
      this.#goOn();
      this.#assertFree();
      await fs.rename(copy, this.#target);
      return opened;
    });
    await fs.syncDirectory(dirname(this.#target));
    return watermarks;
  }

  #assertFree(): void {
    if (!this.#platform.fs.exists(this.#target)) return;
    throw new StoreError('IO', `${this.#target} is there already; a snapshot is only ever a new directory`);
  }

  #goOn(): void {
    this.#options.signal?.throwIfAborted();
    this.#source.assertReadable();
    this.#source.closing.throwIfAborted();
  }

  async #copy(to: string): Promise<{ readonly moment: Moment; readonly log: CopiedLog }> {
    const { signal } = this.#options;
    const release = await this.#source.begin(AbortSignal.any([this.#source.closing, ...(signal === undefined ? [] : [signal])]));
    try {
      this.#goOn();
      const moment = await this.#moment();
      const files = new SnapshotFiles(this.#platform.fs, to);
      const storeId = asBuffer(this.#platform.randomBytes(16)).toString('hex');
      const log = await copyStore({
        source: this.#source,
        moment,
        manifest: this.#manifest(storeId, moment.end),
        files,
        to: new StorePaths(to),
        links: this.#options.links === true,
        goOn: () => this.#goOn(),
      });
      await files.syncDirectories();
      return { moment, log };
    } finally {
      release();
    }
  }

  /** In this order: the log reaches at least as far as the state speaks, and as the slot does. */
  async #moment(): Promise<Moment> {
    const { paths } = this.#source;
    const { fs } = this.#platform;
    const own = (found: { readonly storeId: string } | undefined): boolean => found?.storeId === this.#source.manifest()?.storeId;
    const state = decodeState(await readSmallFile(fs, paths.state));
    const watermark = newestWatermark(await readSmallFile(fs, paths.watermark, 16 * SLOT_BYTES));
    const end = await this.#source.end();
    return {
      end,
      state: state !== undefined && own(state) && (state.safeOffset <= end || isVoid(state)) ? state : undefined,
      watermark: watermark !== undefined && own(watermark) && watermark.flushedOffset <= end ? watermark : undefined,
    };
  }

  #manifest(storeId: string, end: number): Manifest {
    const { kept } = this.#source;
    const spans = this.#source.manifest()?.spans ?? [];
    return { storeId, options: kept, spans: continueSpans(spans, end, false) };
  }

  async #open(copy: string, copied: { readonly moment: Moment; readonly log: CopiedLog }): Promise<Watermarks> {
    const { options } = this.#source;
    const { end } = copied.moment;
    const engine = await openWriter(
      copy,
      resolveOptions({
        keyIndex: options.keyIndex,
        recordChecksum: options.recordChecksum,
        storeHost: options.storeHost,
        freeBytesMin: 0,
        signal: this.#options.signal,
      }),
      this.#platform,
    );
    try {
      if (engine.log.assigned !== end) {
        throw this.#damage(engine.log.assigned, `the log cannot be read beyond this; it should end at ${end}`);
      }
      await this.#verify(engine, copied);
      const { minOffset } = engine.foundation.segments;
      return { minOffset, flushedOffset: end, writtenOffset: end, dispatchedOffset: end };
    } finally {
      await closeEngine(engine, undefined);
    }
  }

  /** Reads what was copied; linked segments are the store's own, and as good as they are there. */
  async #verify(engine: Engine, copied: { readonly moment: Moment; readonly log: CopiedLog }): Promise<void> {
    const { segments } = engine.foundation;
    const { spans } = engine.sideKeeper.manifest;
    const from = Math.max(segments.minOffset, copied.log.firstCopied);
    const stopped = await new LogScanner(segments).scan(
      {
        from,
        limit: copied.moment.end,
        verify: true,
        isOurs: (offset) => isInSpans(spans, offset),
        signal: this.#options.signal,
        onProgress: () => this.#goOn(),
      },
      () => undefined,
    );
    if (from < copied.moment.end && stopped.reason !== 'limit') throw this.#damage(stopped.offset, stopped.what);
  }

  /** Of the source: the copy is a copy of it. */
  #damage(offset: number, what: string): StoreError {
    const { segments } = this.#source;
    const base = segments.baseOf(offset);
    return corrupt(segments.pathOf(base), offset - base, what);
  }
}
