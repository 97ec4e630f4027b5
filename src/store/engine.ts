import { ioError, StoreError } from '../base/errors.js';
import { CommitLog } from '../commit-log/commit-log.js';
import { LogScanner } from '../commit-log/log-scanner.js';
import { CustomFeeder, type FedLog } from '../dispatch/custom-feeder.js';
import { Dispatcher } from '../dispatch/dispatcher.js';
import { IndexFeeder } from '../dispatch/index-feeder.js';
import { SafePoint } from '../dispatch/safe-point.js';
import { encodeHost } from '../format/host-address.js';
import { RecordEncoder } from '../format/record-encoder.js';
import type { KeyIndex } from '../key-index/key-index.js';
import type { Examination } from '../recovery/examine.js';
import { readOnBehind } from '../recovery/find-resync.js';
import { isInSpans } from '../recovery/manifest.js';
import type { Recovered } from '../recovery/recover.js';
import type { SkipOptions } from '../recovery/skip-damage.js';
import type { WatermarkFile } from '../recovery/watermark-file.js';
import { AgeClock } from '../retention/age-clock.js';
import { Holds } from '../retention/holds.js';
import { Retention } from '../retention/retention.js';
import type { RecoveryReport, StoreStatus } from './contract.js';
import { DiskGuard } from './disk-guard.js';
import type { Foundation } from './foundation.js';
import { KeptNumbers } from './kept-numbers.js';
import type { Listening } from './listening.js';
import { logMending } from './log-mending.js';
import type { ReadableIndex, ReadView } from './read-view.js';
import { SmallReads } from './small-reads.js';
import { SideKeeper } from './side-keeper.js';

/** Entries of derived structures that the disk does not take: above it appends are refused. */
const FAILED_BYTES_MAX = 64 * 1024 * 1024;
const MEND_PAUSE_MS = 10_000;
const RETENTION_INTERVAL_MS = 10_000;

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
  /** Of the opening. */
  recovery: RecoveryReport;
  readonly view: ReadView;
  readonly sideKeeper: SideKeeper;
  readonly holds: Holds = new Holds();
  readonly retention: Retention;
  readonly #lock: { release(): void };
  readonly #indexFeeder: IndexFeeder | undefined;
  readonly #customs: readonly CustomFeeder[];
  readonly #keptNumbers: KeptNumbers;
  readonly #changeCallbacks = new Set<() => void>();
  readonly #closing = new AbortController();
  readonly #mendedAtMs = new Map<number, number>();
  #status: StoreStatus = 'open';
  #cancelRetention: (() => void) | undefined;
  #indexMendedMs = Number.NEGATIVE_INFINITY;
  readCount = 0;

  constructor(
    foundation: Foundation,
    recovered: Recovered,
    report: RecoveryReport,
    listening: Listening,
    found: Examination,
    watermark: WatermarkFile,
    lock: { release(): void },
  ) {
    const { options, platform, segments, registry, queues, index } = foundation;
    this.foundation = foundation;
    this.listening = listening;
    this.recovery = report;
    this.#lock = lock;
    this.diskGuard = new DiskGuard(platform, foundation.directory, options.freeBytesMin);
    this.log = this.#makeLog(recovered);
    this.sideKeeper = new SideKeeper(foundation, this.log, recovered.manifest, found, watermark);
    this.#indexFeeder =
      index === undefined
        ? undefined
        : new IndexFeeder(
            index,
            segments,
            registry,
            () => this.dispatcher.dispatched,
            () => this.log.flushed,
            {
              isOurs: (offset) => this.view.isOurs(offset),
              readOn: async (stopped) => await readOnBehind(this.#logMending(), stopped),
            },
          );
    this.dispatcher = new Dispatcher({ log: this.log, queues, index, indexFeeder: this.#indexFeeder, start: recovered.end });
    this.#customs = this.#makeCustoms();
    this.#keptNumbers = new KeptNumbers(queues);
    this.safePoint = new SafePoint(
      {
        segmentBytes: segments.segmentBytes,
        log: this.log,
        dispatched: () => this.dispatcher.dispatched,
        queues,
        index: this.#wholeIndex(),
        customs: this.#customs,
        mend: async () => await this.mendAll(),
        write: async (state) => {
          await this.sideKeeper.writeState(state);
          this.#keptNumbers.note(state.bounds);
        },
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

  /** Why appends are refused now, a failed log included. */
  get writeError(): StoreError | undefined {
    return this.log.failure ?? this.refusal() ?? this.log.diskFull;
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
    for (const slot of [...queues.damagedSlots]) await this.rebuildQueue(slot);
    await index?.look();
    // While it is being made anew it is not damaged any more, and not whole yet.
    if (index?.damaged === true || this.#indexFeeder?.isRebuilding === true) await this.#indexFeeder?.rebuild();
  }

  #onVisible(): void {
    this.dispatcher.run();
    if (this.foundation.options.flush === 'async') this.sideKeeper.written();
    for (const custom of this.#customs) custom.wake();
    this.#changed();
    this.safePoint.maybe();
  }

  #onFlushed(info: { bytes: number; durationMs: number; waiterCount: number }): void {
    this.sideKeeper.flushed();
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

  /** Makes the entries of a queue anew from the log. */
  async rebuildQueue(slot: number): Promise<void> {
    const { queues, segments, registry } = this.foundation;
    const topic = registry.topicOf(slot);
    const queueId = registry.queueIdOf(slot);
    await queues.rebuild(slot, async (put) => {
      const limit = this.dispatcher.dispatched;
      const mending = this.#logMending();
      for (let from = segments.minOffset; from < limit; ) {
        const stopped = await new LogScanner(segments).scan(
          { from, limit, verify: true, isOurs: (at) => this.view.isOurs(at) },
          (view, offset) => {
            if (!view.hasQueueOffset || view.queueId !== queueId || view.topic !== topic) return;
            const { queueOffset, recordBytes } = view;
            put(
              queueOffset,
              offset,
              recordBytes,
              queues.keptTagsCode(slot, queueOffset, offset, recordBytes, view.storedAt, view.tagsCode()),
            );
          },
        );
        from = stopped.reason === 'limit' || stopped.reason === 'end' ? limit : await readOnBehind(mending, stopped);
      }
    });
  }

  /** What is known of the log where it is damaged. */
  #logMending(): SkipOptions {
    return logMending(this.foundation, this.sideKeeper.manifest.spans, this.dispatcher.dispatched);
  }

  /** Makes the key index anew from the log, if there is one. */
  async rebuildIndex(): Promise<void> {
    await this.#indexFeeder?.rebuild();
  }

  #makeLog(recovered: Recovered): CommitLog {
    const { options, platform, segments, registry } = this.foundation;
    const encoder = new RecordEncoder(options);
    return new CommitLog({
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
          this.listening.tell('onSegmentRolled', { path: segment.path, baseOffset: segment.baseOffset });
          platform.clock.nextTurn(() => this.#runRetention());
        },
      },
    });
  }

  #makeCustoms(): CustomFeeder[] {
    const { options, segments } = this.foundation;
    const onBroken = (name: string, error: unknown): void => this.listening.targetFailed(name, error);
    const log: FedLog = {
      segments,
      visible: () => this.log.visible,
      flushed: () => this.log.flushed,
      isOurs: (offset) => this.view.isOurs(offset),
      readOn: async (stopped) => await readOnBehind(this.#logMending(), stopped),
    };
    return options.targets.map((target) => new CustomFeeder(target, log, onBroken));
  }

  /** The index as a safe point sees it: none while it is being made anew, which a query may have begun in the meantime. */
  #wholeIndex(): Pick<KeyIndex, 'sync'> | undefined {
    const { index } = this.foundation;
    if (index === undefined) return undefined;
    return {
      sync: async (durableBefore) => {
        const states = await index.sync(durableBefore);
        return this.#indexFeeder?.isRebuilding === true ? undefined : states;
      },
    };
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
        if (this.safePoint.offset >= end) return;
        try {
          await this.safePoint.take(false);
        } catch (error) {
          // Without one, the next recovery reads the whole log: slower, no worse. A full disk must not keep itself full.
          if (!this.#keptNumbers.outlive(end, this.log.flushed)) throw ioError('deleting a segment: no safe point', error);
        }
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

  #readableIndex(index: KeyIndex): ReadableIndex {
    const notWhole = new StoreError('CORRUPT', `${this.foundation.paths.index}: the key index is being made anew`);
    const isRebuilding = (): boolean => this.#indexFeeder?.isRebuilding === true;
    return {
      find: (topic, key, since, until, before) => index.find(topic, key, since, until, before),
      get damage() {
        return index.damage ?? (isRebuilding() ? notWhole : undefined);
      },
      get resetCount() {
        return index.resetCount;
      },
      checker: (report) => index.checker(report),
    };
  }

  #makeView(): ReadView {
    const { segments, registry, queues, index, platform, files } = this.foundation;
    return {
      segments,
      smallReads: new SmallReads(segments, platform.clock),
      registry,
      queues,
      index: index === undefined ? undefined : this.#readableIndex(index),
      clock: platform.clock,
      visible: () => this.log.visible,
      flushed: () => this.log.flushed,
      isOurs: (offset) => isInSpans(this.sideKeeper.manifest.spans, offset),
      assertReadable: () => this.assertOpen(),
      failure: () => this.log.failure,
      onChange: (callback) => {
        const each = (): void => callback();
        this.#changeCallbacks.add(each);
        return () => this.#changeCallbacks.delete(each);
      },
      mendQueue: async (slot) => await this.#mendQueue(slot),
      mendIndex: async () => await this.#mendIndex(),
      breathe: async () => await files.breathe(),
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
    await this.rebuildQueue(slot);
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

function closedError(directory: string): StoreError {
  return new StoreError('STORE_CLOSED', `the store in ${directory} is closed`);
}
