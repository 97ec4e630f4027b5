import { ioError, StoreError } from '../../base/errors.js';
import { QueueRegistry } from '../../base/queue-registry.js';
import type { Platform } from '../../platform/platform.js';
import { decodeManifest, isInSpans, type KeptOptions, type Manifest } from '../../recovery/manifest.js';
import { readSmallFile, readSmallFileSync, StorePaths } from '../../recovery/side-files.js';
import { decodeState, type State } from '../../recovery/state.js';
import type { Watermark } from '../../recovery/watermark.js';
import { OpenFiles } from '../../segment/open-files.js';
import type { StoreStatus } from '../contract.js';
import type { ResolvedOptions } from '../options.js';
import type { ReadView } from '../read-view.js';
import { SmallReads } from '../small-reads.js';
import { FollowedIndex } from './followed-index.js';
import { FollowedQueues } from './followed-queues.js';
import { FollowedSegments } from './followed-segments.js';
import { type FeedBounds, isInPlace, LogFeed } from './log-feed.js';
import { PassedDamage } from './passed-damage.js';
import { limitOf, namedBy, WatermarkReader } from './watermark-reader.js';

/** The writer's slot is not looked at more often. */
const LOOK_MS = 50;
/** Fed at once, within a call; more is fed in turns of the event loop. */
const AT_ONCE_BYTES = 2 * 1024 * 1024;
/** Fed since the last state, before a newer one is looked for: what is in memory stays below some multiple of it. */
const STATE_BYTES = 16 * 1024 * 1024;
/** Where the log did not tell all, a newer state may: it is looked for so often. */
const DOUBTFUL_STATE_MS = 1000;

/**
 * Follows a store through its files, whoever writes it. Takes no lock and changes nothing on the disk.
 *
 * Below the safe offset of the newest state, queues and index are believed as they are in the files; from there up to what the writer's
 * slot names, they are fed from the log into memory. Nothing beyond the slot is ever looked at, since it may be half written.
 *
 * Invariants: `visible` is what has been fed, and never goes back; nothing above the slot is fed; a newer state is taken over only where
 * it reaches no further than what is fed, or else replaces all that is in memory.
 */
export class Follower {
  readonly directory: string;
  readonly paths: StorePaths;
  readonly kept: KeptOptions;
  readonly options: ResolvedOptions;
  readonly platform: Platform;
  readonly segments: FollowedSegments;
  readonly registry: QueueRegistry = new QueueRegistry();
  readonly queues: FollowedQueues;
  readonly view: ReadView;
  readCount = 0;
  readonly #logFiles: OpenFiles;
  readonly #derivedFiles: OpenFiles;
  readonly #index: FollowedIndex | undefined;
  readonly #feed: LogFeed;
  readonly #damage: PassedDamage;
  readonly #watermark: WatermarkReader;
  readonly #closing = new AbortController();
  readonly #changeCallbacks = new Set<() => void>();
  #status: StoreStatus = 'open';
  #failure: StoreError | undefined;
  #manifest: Manifest | undefined;
  #manifestsClosed: Promise<unknown> = Promise.resolve();
  #slot: Watermark | undefined;
  /** What may be fed. */
  #limit = 0;
  /** Durable, by slot or state. */
  #flushed = 0;
  /** Of a store without our side files: how far it was read before. */
  #verifiedTo = 0;
  #stateSequence = -1;
  /** Where the feed stood when a newer state was last looked for. */
  #stateSoughtAt = 0;
  #stateSoughtMs = Number.NEGATIVE_INFINITY;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #cancelPoll: (() => void) | undefined;
  #catchingUp: Promise<void> | undefined;

  constructor(directory: string, options: ResolvedOptions, kept: KeptOptions, platform: Platform, manifest: Manifest | undefined) {
    const { fs, clock } = platform;
    this.directory = directory;
    this.paths = new StorePaths(directory);
    this.kept = kept;
    this.options = options;
    this.platform = platform;
    this.#manifest = manifest;
    this.#logFiles = new OpenFiles(fs, Math.max(4, Math.floor(options.openFilesMax / 2)));
    this.#derivedFiles = new OpenFiles(fs, Math.max(4, Math.floor(options.openFilesMax / 2)));
    const { commitLog, making, consumeQueue, index } = this.paths;
    this.segments = new FollowedSegments({
      fs,
      files: this.#logFiles,
      directory: commitLog,
      makingDirectory: making,
      segmentBytes: kept.segmentBytes,
    });
    const logMin = (): number => this.segments.minOffset;
    this.queues = new FollowedQueues({
      directory: consumeQueue,
      entriesPerFile: kept.queueEntriesPerFile,
      registry: this.registry,
      files: this.#derivedFiles,
      fs,
      logMin,
      visible: () => this.visible,
    });
    this.#index = options.keyIndex
      ? new FollowedIndex({
          directory: index,
          slotCount: kept.indexSlotCount,
          entryCount: kept.indexEntryCount,
          fs,
          files: this.#derivedFiles,
          logMin,
          nextTurn: (callback) => clock.nextTurn(callback),
        })
      : undefined;
    this.#damage = new PassedDamage(this, this.#closing.signal);
    const targets = this.#index === undefined ? [this.queues] : [this.queues, this.#index];
    this.#feed = new LogFeed(this.segments, this.registry, targets);
    this.#watermark = new WatermarkReader(fs, this.paths.watermark);
    this.view = this.#makeView();
  }

  get status(): StoreStatus {
    return this.#status;
  }

  get visible(): number {
    return this.#feed.position;
  }

  get flushed(): number {
    return Math.min(this.#flushed, this.visible);
  }

  /** What the writer has written, whether readers may see it or not. */
  get written(): number {
    return Math.max(this.visible, this.#slot?.writtenOffset ?? 0);
  }

  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  get indexBytes(): number {
    return this.#index?.usedBytes ?? 0;
  }

  get fedCount(): number {
    return this.#feed.recordCount;
  }

  /**
   * Begins: with a state, if there is one; up to the slot, or, where there is neither, to `scanEnd` (how far the log could be read).
   */
  async start(state: State | undefined, scanEnd: () => Promise<number>): Promise<void> {
    this.segments.look();
    this.#lookedMs = this.platform.clock.monotonicMs();
    this.#slot = this.#ownSlot();
    // The one read before the slot may be that of the run before.
    if (this.#slot !== undefined) this.#reloadManifest();
    const from = this.segments.minOffset;
    this.#feed.restart(from);
    if (state !== undefined) this.#flushed = state.safeOffset;
    if (this.#slot !== undefined) this.#flushed = Math.max(this.#flushed, this.#slot.flushedOffset);
    this.#limit = Math.max(from, state?.safeOffset ?? 0, this.#slot === undefined ? 0 : limitOf(this.#slot));
    const isForeign = this.#slot === undefined && state === undefined;
    if (isForeign) {
      this.#limit = Math.max(from, await scanEnd());
      this.#verifiedTo = this.#limit;
    }
    if (state !== undefined && state.safeOffset >= from) this.#jump(state);
    await this.#catchUp();
    if (isForeign) this.queues.keepNumbers();
  }

  /** Before a call that can wait: looks at the slot, if the last look is old (or `now`), and has fed all of what it names when it resolves. */
  async refresh(now: boolean = false): Promise<void> {
    this.assertReadable();
    try {
      if (now) this.#lookedMs = Number.NEGATIVE_INFINITY;
      this.#lookIfOld();
      if (this.#feed.position < this.#limit || this.#wantsState()) await this.#catchUp();
    } catch (error) {
      this.assertReadable();
      throw ioError(`following ${this.directory}`, error);
    }
  }

  /** Before a call that cannot wait: feeds what can be fed at once, and leaves the rest to later. */
  glance(): void {
    this.assertReadable();
    try {
      this.#lookIfOld();
    } catch (error) {
      throw ioError(`following ${this.directory}`, error);
    }
  }

  assertReadable(): void {
    if (this.#failure !== undefined && this.#status === 'failed') throw this.#failure;
    if (this.#status !== 'open') throw new StoreError('STORE_CLOSED', `the store in ${this.directory} is closed`);
  }

  async close(): Promise<void> {
    this.#status = 'closing';
    this.#cancelPoll?.();
    this.#closing.abort(new StoreError('STORE_CLOSED', `the store in ${this.directory} is closed`));
    this.#changed();
    this.queues.close();
    await this.#catchingUp?.catch(() => undefined);
    // A reader has nothing to lose: a descriptor that does not close well is no reason to keep the others open, or to complain.
    await Promise.allSettled([this.#manifestsClosed, this.#watermark.close()]);
    await this.#logFiles.end();
    await this.#derivedFiles.end();
    this.#status = 'closed';
  }

  #lookIfOld(): void {
    const nowMs = this.platform.clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    this.#look();
    this.#feedSome();
  }

  /** Synchronous: the slot, and whether the log's beginning has gone. */
  #look(): void {
    if (!this.segments.isFirstThere) this.segments.look();
    const slot = this.#watermark.read();
    if (slot === undefined) return;
    // Written by another broker before, and now a writer of ours has come to it: the store that was opened is not the same any more.
    if (this.#manifest === undefined) return this.#reloadManifest();
    if (slot.storeId !== this.#manifest.storeId) return this.#fail('another store has taken its place');
    const known = this.#slot;
    const isNewRun = known !== undefined && slot.runId !== known.runId;
    if ((isNewRun || limitOf(slot) < this.#feed.position) && !this.#isStillThere()) {
      return this.#fail('the log was cut below what this reader had read, and goes on differently');
    }
    // Before anything of the new run is fed: whether its records must carry our checksum, only its own manifest tells.
    if (slot.runId !== known?.runId) this.#reloadManifest();
    this.#slot = slot;
    this.#limit = Math.max(isNewRun ? this.#feed.position : this.#limit, limitOf(slot));
    this.#flushed = isNewRun ? slot.flushedOffset : Math.max(this.#flushed, slot.flushedOffset);
    if (!isNewRun) return;
    // Recovery may have replaced files under their names.
    for (const base of this.segments.bases) this.segments.forgetSoon(base);
    void this.#derivedFiles.closeAll();
  }

  #ownSlot(): Watermark | undefined {
    const slot = this.#watermark.read();
    return slot !== undefined && slot.storeId === this.#manifest?.storeId ? slot : undefined;
  }

  #reloadManifest(): void {
    const closing = (closed: Promise<void>): unknown => (this.#manifestsClosed = Promise.all([this.#manifestsClosed, closed]));
    const manifest = decodeManifest(readSmallFileSync(this.platform.fs, this.paths.manifest, closing));
    if (manifest !== undefined) this.#manifest = manifest;
  }

  /** Whether the last record that was read is in its place. */
  #isStillThere(): boolean {
    const last = this.#feed.last ?? (this.#slot === undefined ? undefined : namedBy(this.#slot));
    return last === undefined || isInPlace(this.segments, last);
  }

  #fail(what: string): void {
    this.#failure = new StoreError('STORE_FAILED', `${this.directory}: ${what}; open it again to read what is there now`);
    this.#status = 'failed';
    this.#changed();
  }

  #feedSome(): void {
    if (this.#status !== 'open') return;
    const before = this.#feed.position;
    if (this.#limit - before > AT_ONCE_BYTES || this.#feed.isNextDeleted(this.#limit)) {
      this.#catchUp().catch(() => undefined);
      return;
    }
    let step = this.#feed.advance(this.#feedBounds());
    while (step === 'more') step = this.#feed.advance(this.#feedBounds());
    if (this.#feed.position !== before) this.#changed();
    if (step === 'damaged' || this.#wantsState()) this.#catchUp().catch(() => undefined);
  }

  #feedBounds(): FeedBounds {
    return { limit: this.#limit, durable: Math.max(this.#flushed, this.#verifiedTo), isOurs: (offset) => this.view.isOurs(offset) };
  }

  /** Feeds up to the limit, in turns. One at a time: all who ask wait for the same. */
  #catchUp(): Promise<void> {
    this.#catchingUp ??= this.#feedAll().finally(() => {
      this.#catchingUp = undefined;
    });
    return this.#catchingUp;
  }

  async #feedAll(): Promise<void> {
    let piece: Buffer = Buffer.allocUnsafeSlow(0);
    let isFar = this.#limit - this.#feed.position > STATE_BYTES;
    for (;;) {
      const before = this.#feed.position;
      if ((isFar || this.#feed.isNextDeleted(this.#limit) || this.#wantsState()) && this.#manifest !== undefined) await this.#seekState();
      isFar = false;
      if (this.#status === 'closing' || this.#status === 'closed' || this.#status === 'failed') return;
      const fed = await this.#feed.advanceSlowly(this.#feedBounds(), piece);
      piece = fed.piece;
      if (fed.step === 'damaged') await this.#passDamage();
      if (this.#feed.position !== before) this.#changed();
      if (fed.step !== 'more' && fed.step !== 'damaged') return;
      await new Promise<void>((resolve) => {
        this.platform.clock.nextTurn(resolve);
      });
    }
  }

  async #passDamage(): Promise<void> {
    const from = this.#feed.position;
    const runId = this.#slot?.runId;
    const stretch = await this.#damage.lookAt(from, this.#feedBounds());
    // Meanwhile the writer may have mended it, or another one is there, to whose manifest it is none.
    if (stretch.to === from || runId !== this.#slot?.runId || this.#status !== 'open' || this.#feed.position !== from) return;
    this.#damage.passOver(stretch);
    this.#feed.passTo(stretch.to);
  }

  #wantsState(): boolean {
    if (this.#feed.position - this.#stateSoughtAt > STATE_BYTES) return true;
    return this.queues.isDoubtful && this.platform.clock.monotonicMs() - this.#stateSoughtMs >= DOUBTFUL_STATE_MS;
  }

  /** A newer state makes memory free, and jumps over what need not be read. */
  async #seekState(): Promise<void> {
    this.#stateSoughtAt = this.#feed.position;
    this.#stateSoughtMs = this.platform.clock.monotonicMs();
    const state = decodeState(await readSmallFile(this.platform.fs, this.paths.state));
    if (state === undefined || state.storeId !== this.#manifest?.storeId || state.sequence <= this.#stateSequence) return;
    // What the state vouches for was in the log when it was written: the slot read now says at least as much.
    this.#look();
    if (this.#status !== 'open') return;
    if (state.safeOffset > this.#feed.position) {
      if (state.safeOffset <= this.#limit) this.#jump(state);
      return;
    }
    this.#stateSequence = state.sequence;
    void this.#derivedFiles.closeAll();
    this.queues.takeOver(state.queues, state.safeOffset, this.#limit);
    this.#index?.takeOver(state.index, state.safeOffset);
  }

  #jump(state: State): void {
    this.#stateSequence = state.sequence;
    this.#stateSoughtAt = state.safeOffset;
    this.#feed.restart(state.safeOffset);
    this.queues.restore(state.queues, this.#limit, state.trimmedTo);
    this.#index?.takeOver(state.index, state.safeOffset);
  }

  #changed(): void {
    for (const callback of [...this.#changeCallbacks]) callback();
  }

  /** While somebody waits, the slot is looked at again and again. */
  #poll(): void {
    if (this.#cancelPoll !== undefined || this.#changeCallbacks.size === 0 || this.#status !== 'open') return;
    this.#cancelPoll = this.platform.clock.schedule(LOOK_MS, () => {
      this.#cancelPoll = undefined;
      try {
        this.#lookedMs = this.platform.clock.monotonicMs();
        this.#look();
        this.#feedSome();
      } catch {
        // Whoever reads meets it again and is told.
      }
      this.#poll();
    });
  }

  async #mend(): Promise<boolean> {
    void this.#derivedFiles.closeAll();
    this.segments.look();
    this.#look();
    if (this.#manifest !== undefined) await this.#seekState();
    return false;
  }

  #makeView(): ReadView {
    const { segments, registry, queues, platform } = this;
    const index = (): FollowedIndex | undefined => (this.#index?.isWhole === true ? this.#index : undefined);
    return {
      segments,
      smallReads: new SmallReads(segments, platform.clock),
      registry,
      queues,
      get index() {
        return index();
      },
      clock: platform.clock,
      visible: () => this.visible,
      flushed: () => this.flushed,
      isOurs: (offset) => this.#manifest !== undefined && isInSpans(this.#manifest.spans, offset),
      assertReadable: () => this.assertReadable(),
      failure: () => this.#failure,
      onChange: (callback) => {
        const each = (): void => callback();
        this.#changeCallbacks.add(each);
        this.#poll();
        return () => this.#changeCallbacks.delete(each);
      },
      mendQueue: async () => await this.#mend(),
      mendIndex: async () => await this.#mend(),
      reopenLog: (damage) => StoreError.is(damage, 'CORRUPT') && segments.forgetAt(damage.path),
      passedOver: (offset) => this.#damage.stretchAt(offset),
      breathe: async () => await this.#derivedFiles.breathe(),
      countRead: (count) => {
        this.readCount += count;
      },
      closing: this.#closing.signal,
    };
  }
}
