import { asBuffer } from '../base/bytes.js';
import { StoreError } from '../base/errors.js';
import { QueueRegistry } from '../base/queue-registry.js';
import { xxh64Hex } from '../base/xxh64.js';
import { CommitLog } from '../commit-log/commit-log.js';
import { LogScanner } from '../commit-log/log-scanner.js';
import { LogSegments } from '../commit-log/log-segments.js';
import { ConsumeQueues } from '../consume-queue/consume-queues.js';
import { CustomFeeder } from '../dispatch/custom-feeder.js';
import type { DerivedState } from '../dispatch/derived-state.js';
import { Dispatcher } from '../dispatch/dispatcher.js';
import { IndexFeeder } from '../dispatch/index-feeder.js';
import { SafePoint } from '../dispatch/safe-point.js';
import { encodeCheckpoint } from '../format/checkpoint.js';
import { encodeHost } from '../format/host-address.js';
import { RecordEncoder } from '../format/record-encoder.js';
import { KeyIndex } from '../key-index/key-index.js';
import type { Platform } from '../platform/platform.js';
import type { Examination } from '../recovery/examine.js';
import { continueSpans, encodeManifest, isInSpans, type KeptOptions, type Manifest } from '../recovery/manifest.js';
import { recordHash, type Recovered } from '../recovery/recover.js';
import { replaceFile, StorePaths } from '../recovery/side-files.js';
import { encodeState } from '../recovery/state.js';
import { WatermarkFile } from '../recovery/watermark-file.js';
import { AgeClock } from '../retention/age-clock.js';
import { Holds } from '../retention/holds.js';
import { Retention } from '../retention/retention.js';
import { OpenFiles } from '../segment/open-files.js';
import type { RecoveryReport, StoreStatus } from './contract.js';
import { DiskGuard } from './disk-guard.js';
import { Listening } from './listening.js';
import type { ResolvedOptions } from './options.js';
import type { ReadView } from './read-view.js';
import { TopicConfig } from './topic-config.js';

/** Entries of derived structures that the disk does not take: above it appends are refused. */
const FAILED_BYTES_MAX = 64 * 1024 * 1024;
const HASHED_BYTES_MAX = 64 * 1024;
const CHECKPOINT_USED_BYTES = 40;
const MEND_PAUSE_MS = 10_000;
const RETENTION_INTERVAL_MS = 10_000;

/** What both the writer and recovery stand on. */
export interface Foundation {
  readonly directory: string;
  readonly options: ResolvedOptions;
  readonly kept: KeptOptions;
  readonly platform: Platform;
  readonly paths: StorePaths;
  readonly files: OpenFiles;
  readonly registry: QueueRegistry;
  readonly segments: LogSegments;
  readonly queues: ConsumeQueues;
  readonly index: KeyIndex | undefined;
}

export function buildFoundation(directory: string, options: ResolvedOptions, kept: KeptOptions, platform: Platform): Foundation {
  const paths = new StorePaths(directory);
  const { fs, clock } = platform;
  const files = new OpenFiles(fs, options.openFilesMax);
  const registry = new QueueRegistry();
  const segments = new LogSegments({ fs, files, directory: paths.commitLog, makingDirectory: paths.making, segmentBytes: kept.segmentBytes });
  const queues = new ConsumeQueues({
    directory: paths.consumeQueue,
    rebuildDirectory: paths.rebuild,
    entriesPerFile: kept.queueEntriesPerFile,
    fs,
    files,
    registry,
  });
  const index = options.keyIndex
    ? new KeyIndex({
        directory: paths.index,
        asideDirectory: paths.aside,
        slotCount: kept.indexSlotCount,
        entryCount: kept.indexEntryCount,
        fs,
        files,
        nowMs: () => clock.nowMs(),
        nextTurn: (callback) => clock.nextTurn(callback),
      })
    : undefined;
  return { directory, options, kept, platform, paths, files, registry, segments, queues, index };
}

/**
 * The writer's store at work: log, dispatcher, queues, index and side files, wired to each other. What users call stands in the
 * files beside this one.
 *
 * Order after a sync of the log: watermark slot, dispatch, receipts.
 */
export class Engine {
  readonly foundation: Foundation;
  readonly log: CommitLog;
  readonly dispatcher: Dispatcher;
  readonly safePoint: SafePoint;
  readonly listening: Listening;
  readonly diskGuard: DiskGuard;
  readonly recovery: RecoveryReport;
  readonly view: ReadView;
  readonly holds: Holds = new Holds();
  readonly retention: Retention;
  readonly #watermark: WatermarkFile;
  readonly #lock: { release(): void };
  readonly #runId: string;
  readonly #topicConfig: TopicConfig;
  readonly #indexFeeder: IndexFeeder | undefined;
  readonly #customs: readonly CustomFeeder[];
  readonly #changeCallbacks = new Set<() => void>();
  readonly #closing = new AbortController();
  readonly #mendedAtMs = new Map<number, number>();
  readonly #hash = Buffer.alloc(HASHED_BYTES_MAX);
  #manifest: Manifest;
  #stateSequence: number;
  /** What `checkpoint` holds now. */
  #checkpointHex: string;
  #status: StoreStatus = 'open';
  #watermarkSyncedMs = 0;
  #cancelRetention: (() => void) | undefined;
  #indexMendedMs = Number.NEGATIVE_INFINITY;
  readCount = 0;

  constructor(foundation: Foundation, recovered: Recovered, report: RecoveryReport, listening: Listening, found: Examination, watermark: WatermarkFile, lock: { release(): void }) {
    const { options, platform, segments, registry, queues, index } = foundation;
    this.foundation = foundation;
    this.listening = listening;
    this.recovery = report;
    this.#manifest = recovered.manifest;
    this.#stateSequence = found.state?.sequence ?? 0;
    this.#checkpointHex = found.checkpoint?.toString('hex') ?? '';
    this.#watermark = watermark;
    this.#lock = lock;
    this.#runId = asBuffer(platform.randomBytes(16)).toString('hex');
    this.#topicConfig = new TopicConfig(platform, foundation.paths);
    this.diskGuard = new DiskGuard(platform, foundation.directory, options.freeBytesMin);
    const encoder = new RecordEncoder(options);
    this.log = new CommitLog({
      ...options,
      segments,
      encoder,
      registry,
      clock: platform.clock,
      hostHex: encodeHost(options.storeHost, 'storeHost').hex,
      end: recovered.end,
      lastStoredAt: recovered.lastStoredAt,
      hooks: {
        refusal: () => this.refusal(),
        onVisible: () => this.#onVisible(),
        onFlushed: (info) => this.#onFlushed(info),
        onFailed: (error) => this.#onFailed(error),
        onRolled: (segment) => {
          listening.tell('onSegmentRolled', { path: segment.path, baseOffset: segment.baseOffset });
          platform.clock.nextTurn(() => this.#runRetention());
        },
      },
    });
    this.#indexFeeder =
      index === undefined ? undefined : new IndexFeeder(index, segments, registry, () => this.dispatcher.dispatched, () => this.log.flushed);
    this.dispatcher = new Dispatcher({ log: this.log, queues, index, indexFeeder: this.#indexFeeder, start: recovered.end });
    const onBroken = (name: string, error: unknown): void => listening.targetFailed(name, error);
    this.#customs = options.targets.map(
      (target) => new CustomFeeder(target, segments, () => this.log.visible, () => this.log.flushed, onBroken),
    );
    this.safePoint = new SafePoint(
      {
        log: this.log,
        dispatched: () => this.dispatcher.dispatched,
        queues,
        index,
        customs: this.#customs,
        mend: async () => await this.mendAll(),
        write: async (state) => await this.#writeState(state),
      },
      recovered.end,
    );
    this.view = this.#makeView();
    this.retention = this.#makeRetention();
    this.#scheduleRetention();
    for (const custom of this.#customs) custom.wake();
  }

  get status(): StoreStatus {
    return this.#status;
  }

  get closingSignal(): AbortSignal {
    return this.#closing.signal;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** Why appends are refused now, a failed log included. */
  get writeError(): StoreError | undefined {
    return this.log.failure ?? this.refusal();
  }

  /** Why appends are refused now. */
  refusal(): StoreError | undefined {
    if (this.#status !== 'open') return this.#status === 'failed' ? this.log.failure : closedError(this.foundation.directory);
    const { queues, index } = this.foundation;
    if (queues.failedBytes + (index?.failedBytes ?? 0) > FAILED_BYTES_MAX) {
      return new StoreError('DISK_FULL', 'the disk takes no more queue and index entries; free space, writes go on by themselves');
    }
    return this.diskGuard.check(this.log.appendedBytes);
  }

  assertOpen(): void {
    if (this.#status === 'closing' || this.#status === 'closed') throw closedError(this.foundation.directory);
  }

  /** No new calls from now on; tails and long polls end. */
  beginClosing(): void {
    this.#status = 'closing';
    this.#cancelRetention?.();
    this.#closing.abort(closedError(this.foundation.directory));
    this.#changed();
  }

  ended(): void {
    this.#status = 'closed';
  }

  releaseLock(): void {
    this.#lock.release();
  }

  /** Makes anew whatever derived structure is damaged. */
  async mendAll(): Promise<void> {
    const { queues, index } = this.foundation;
    for (const slot of [...queues.damagedSlots]) await this.#rebuildQueue(slot);
    if (index?.damaged === true) await this.#indexFeeder?.rebuild();
  }

  /** The last record known to be synced goes into the watermark's next slot. */
  writeWatermark(): void {
    const { segments } = this.foundation;
    const last = this.log.lastSyncedRecord;
    if (last === undefined) return;
    const bytes = this.#hash.subarray(0, Math.min(last.end - last.start, HASHED_BYTES_MAX));
    if (segments.readSync(bytes, last.start) !== bytes.length) return;
    this.#watermark.write({
      storeId: this.#manifest.storeId,
      runId: this.#runId,
      flushedOffset: last.end,
      writtenOffset: this.log.written,
      lastRecordStart: last.start,
      lastRecordHash: xxh64Hex(bytes),
      lastStoredAt: this.log.lastStoredAt,
      flush: this.foundation.options.flush,
    });
  }

  /** The first slot of this run, durable before anything is served. */
  async writeFirstWatermark(recovered: Recovered): Promise<void> {
    const { segments, options } = this.foundation;
    const last = recovered.lastRecord;
    const hash = last === undefined ? undefined : await recordHash(segments, last.start, last.end);
    if (hash === undefined && recovered.end !== 0 && recovered.end !== segments.minOffset) return;
    this.#watermark.write({
      storeId: this.#manifest.storeId,
      runId: this.#runId,
      flushedOffset: last?.end ?? recovered.end,
      writtenOffset: recovered.end,
      lastRecordStart: last?.start ?? -1,
      lastRecordHash: hash ?? '',
      lastStoredAt: recovered.lastStoredAt,
      flush: options.flush,
    });
    await this.#watermark.sync();
  }

  async syncWatermark(): Promise<void> {
    await this.#watermark.sync();
  }

  async closeWatermark(): Promise<void> {
    await this.#watermark.close();
  }

  /** At close: the span of our records that has been growing ends where the log ends. */
  async writeManifest(end: number | undefined): Promise<void> {
    const { platform, paths, options } = this.foundation;
    if (end !== undefined) this.#manifest = { ...this.#manifest, spans: continueSpans(this.#manifest.spans, end, false) };
    else if (this.#manifest.spans.length === 0 && options.recordChecksum) {
      this.#manifest = { ...this.#manifest, spans: continueSpans([], this.log.assigned, true) };
    }
    await replaceFile(platform, paths, paths.manifest, encodeManifest(this.#manifest));
  }

  /** `config/topics.json` as of now. */
  async writeTopics(): Promise<void> {
    const { registry, queues } = this.foundation;
    const counts = new Map<string, number>();
    for (let slot = 0; slot < registry.count; slot += 1) {
      if (queues.bounds(slot).max === 0) continue;
      const topic = registry.topicOf(slot);
      counts.set(topic, Math.max(counts.get(topic) ?? 0, registry.queueIdOf(slot) + 1));
    }
    await this.#topicConfig.update(counts);
  }

  #onVisible(): void {
    this.dispatcher.run();
    for (const custom of this.#customs) custom.wake();
    this.#changed();
    this.safePoint.maybe();
  }

  #onFlushed(info: { bytes: number; durationMs: number; waiterCount: number }): void {
    this.writeWatermark();
    const nowMs = this.foundation.platform.clock.monotonicMs();
    if (nowMs - this.#watermarkSyncedMs >= 1000) {
      this.#watermarkSyncedMs = nowMs;
      // It may lag; a failing one only makes the next recovery rewrite more.
      this.#watermark.sync().catch(() => undefined);
    }
    this.listening.tell('onFlushed', info);
  }

  #onFailed(error: StoreError): void {
    if (this.#status === 'open') this.#status = 'failed';
    this.listening.tell('onFailed', { error });
    this.#changed();
  }

  #changed(): void {
    for (const callback of [...this.#changeCallbacks]) callback();
  }

  async #writeState(state: DerivedState): Promise<void> {
    const { platform, paths, registry } = this.foundation;
    const checkpoint = encodeCheckpoint({
      logTime: this.log.lastStoredAt,
      queuesTime: this.log.lastStoredAt,
      indexTime: this.log.lastStoredAt,
      masterFlushedOffset: 0,
      confirmedOffset: state.safeOffset,
    });
    await this.writeTopics();
    await this.syncWatermark();
    const checkpointHex = checkpoint.toString('hex', 0, CHECKPOINT_USED_BYTES);
    this.#stateSequence += 1;
    const bytes = encodeState({
      storeId: this.#manifest.storeId,
      safeOffset: state.safeOffset,
      clean: state.clean,
      lastStoredAt: this.log.lastStoredAt,
      queues: state.bounds.map((queue) => ({
        topic: registry.topicOf(queue.slot),
        queueId: registry.queueIdOf(queue.slot),
        min: queue.min,
        max: queue.max,
      })),
      index: state.index,
      checkpointHex,
      previousCheckpointHex: this.#checkpointHex,
      sequence: this.#stateSequence,
    });
    await replaceFile(platform, paths, paths.state, bytes);
    await writeInPlace(platform, paths.checkpoint, checkpoint);
    this.#checkpointHex = checkpointHex;
  }

  async #rebuildQueue(slot: number): Promise<void> {
    const { queues, segments, registry } = this.foundation;
    const topic = registry.topicOf(slot);
    const queueId = registry.queueIdOf(slot);
    await queues.rebuild(slot, async (put) => {
      const limit = this.dispatcher.dispatched;
      for (let from = segments.minOffset; from < limit; ) {
        const stopped = await new LogScanner(segments).scan({ from, limit, verify: false, isOurs: () => false }, (view, offset) => {
          if (view.hasQueueOffset && view.queueId === queueId && view.topic === topic) put(view.queueOffset, offset, view.recordBytes, view.tagsCode());
        });
        from = stopped.reason === 'limit' || stopped.reason === 'end' ? limit : segments.baseOf(stopped.offset) + segments.segmentBytes;
      }
    });
  }

  #makeRetention(): Retention {
    const { platform, directory, segments, options, queues, index } = this.foundation;
    return new Retention({
      platform,
      directory,
      segments,
      holds: this.holds,
      ageClock: new AgeClock(platform.clock),
      bounds: options.retention,
      flushed: () => this.log.flushed,
      assigned: () => this.log.assigned,
      beforeDelete: async (end) => {
        if (this.safePoint.offset < end) await this.safePoint.take(false);
      },
      afterDelete: async (minOffset) => {
        await queues.trim(minOffset);
        await index?.trim(minOffset);
      },
      onDeleted: (info) => this.listening.tell('onSegmentDeleted', info),
    });
  }

  #scheduleRetention(): void {
    if (!this.retention.isBounded || this.#status !== 'open') return;
    this.#cancelRetention = this.foundation.platform.clock.schedule(RETENTION_INTERVAL_MS, () => {
      this.#runRetention();
      this.#scheduleRetention();
    });
  }

  /** One segment a pass; a pass that fails is followed by another. */
  #runRetention(): void {
    if (!this.retention.isBounded || this.#status !== 'open') return;
    this.retention.run(undefined, 1, this.#closing.signal).catch(() => undefined);
  }

  #makeView(): ReadView {
    const { segments, registry, queues, index, platform } = this.foundation;
    return {
      segments,
      registry,
      queues,
      index,
      clock: platform.clock,
      visible: () => this.log.visible,
      flushed: () => this.log.flushed,
      isOurs: (offset) => isInSpans(this.#manifest.spans, offset),
      assertReadable: () => this.assertOpen(),
      failure: () => this.log.failure,
      onChange: (callback) => {
        const each = (): void => callback();
        this.#changeCallbacks.add(each);
        return () => this.#changeCallbacks.delete(each);
      },
      mendQueue: async (slot) => await this.#mendQueue(slot),
      mendIndex: async () => await this.#mendIndex(),
      countRead: (count) => {
        this.readCount += count;
      },
      closing: this.#closing.signal,
    };
  }

  async #mendQueue(slot: number): Promise<boolean> {
    const { queues, platform } = this.foundation;
    const running = queues.rebuilding(slot);
    if (running !== undefined) {
      await running;
      return true;
    }
    const nowMs = platform.clock.monotonicMs();
    const last = this.#mendedAtMs.get(slot);
    if (last !== undefined && nowMs - last < MEND_PAUSE_MS) return false;
    this.#mendedAtMs.set(slot, nowMs);
    await this.#rebuildQueue(slot);
    return true;
  }

  async #mendIndex(): Promise<boolean> {
    const { index, platform } = this.foundation;
    if (index === undefined || this.#indexFeeder === undefined) return false;
    const nowMs = platform.clock.monotonicMs();
    if (!this.#indexFeeder.isRebuilding && nowMs - this.#indexMendedMs < MEND_PAUSE_MS) return false;
    this.#indexMendedMs = nowMs;
    await this.#indexFeeder.rebuild();
    return true;
  }
}

export function closedError(directory: string): StoreError {
  return new StoreError('STORE_CLOSED', `the store in ${directory} is closed`);
}

async function writeInPlace(platform: Platform, path: string, bytes: Buffer): Promise<void> {
  const { fs } = platform;
  const isThere = fs.exists(path);
  const file = fs.open(path, isThere ? 'read-write' : 'create');
  try {
    await file.write([bytes], 0);
    await file.sync('all');
  } finally {
    await file.close();
  }
  if (!isThere) await fs.syncDirectory(path.slice(0, path.lastIndexOf('/')));
}
