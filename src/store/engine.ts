import { ioError, StoreError } from '../base/errors.js';
import { CommitLog } from '../commit-log/commit-log.js';
import { CustomFeeder, type FedLog } from '../dispatch/custom-feeder.js';
import { Dispatcher } from '../dispatch/dispatcher.js';
import { SafePoint } from '../dispatch/safe-point.js';
import { encodeHost } from '../format/host-address.js';
import { RecordEncoder } from '../format/record-encoder.js';
import type { Examination } from '../recovery/examine.js';
import { readOnBehind } from '../recovery/find-resync.js';
import { isInSpans } from '../recovery/manifest.js';
import type { Recovered } from '../recovery/recover.js';
import type { State } from '../recovery/state.js';
import { keepNumbersInState } from '../recovery/void-state.js';
import type { WatermarkFile } from '../recovery/watermark-file.js';
import { AgeClock } from '../retention/age-clock.js';
import { Holds } from '../retention/holds.js';
import { Retention } from '../retention/retention.js';
import type { RecoveryReport, StoreStatus } from './contract.js';
import { DerivedMending } from './derived-mending.js';
import { DiskGuard } from './disk-guard.js';
import type { Foundation } from './foundation.js';
import { KeptNumbers } from './kept-numbers.js';
import type { Listening } from './listening.js';
import { mayBePlaceOf, placeBehindRepair } from './log-places.js';
import type { ReadView } from './read-view.js';
import { RepairGate } from './repair-gate.js';
import { SmallReads } from './small-reads.js';
import { SideKeeper } from './side-keeper.js';

/** Entries of derived structures that the disk does not take: above it appends are refused. */
const FAILED_BYTES_MAX = 64 * 1024 * 1024;
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
  readonly mending: DerivedMending;
  readonly listening: Listening;
  readonly diskGuard: DiskGuard;
  /** Of the opening. */
  recovery: RecoveryReport;
  readonly view: ReadView;
  readonly sideKeeper: SideKeeper;
  readonly holds: Holds = new Holds();
  readonly retention: Retention;
  readonly #lock: { release(): void };
  readonly #customs: readonly CustomFeeder[];
  readonly #keptNumbers: KeptNumbers;
  readonly #changeCallbacks = new Set<() => void>();
  readonly repairGate: RepairGate = new RepairGate();
  readonly #closing = new AbortController();
  #status: StoreStatus = 'open';
  #isAbandoned = false;
  #cancelRetention: (() => void) | undefined;
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
    const { options, platform, segments, queues, index } = foundation;
    this.foundation = foundation;
    this.listening = listening;
    this.recovery = report;
    this.#lock = lock;
    this.diskGuard = new DiskGuard(platform, foundation.directory, options.freeBytesMin);
    this.log = this.#makeLog(recovered);
    this.sideKeeper = new SideKeeper(foundation, this.log, recovered.manifest, found, watermark);
    this.mending = new DerivedMending(foundation, {
      flushed: () => this.log.flushed,
      dispatched: () => this.dispatcher.dispatched,
      spans: () => this.sideKeeper.manifest.spans,
      isOurs: (offset) => this.view.isOurs(offset),
      assertOpen: () => this.assertOpen(),
    });
    this.dispatcher = new Dispatcher({ log: this.log, queues, index, indexFeeder: this.mending.indexFeeder, start: recovered.end });
    this.#customs = this.#makeCustoms();
    this.#keptNumbers = new KeptNumbers(queues, this.#numbersIn(found.state));
    this.safePoint = new SafePoint(
      {
        assertOpen: () => this.assertOpen(),
        segmentBytes: segments.segmentBytes,
        log: this.log,
        dispatched: () => this.dispatcher.dispatched,
        queues,
        index: this.mending.syncableIndex,
        customs: this.#customs,
        mend: async () => await this.mending.mendAll(),
        write: async (state) => {
          await this.sideKeeper.writeState(state);
          this.#keptNumbers.note(state.bounds);
        },
      },
      { offset: recovered.clean ? recovered.end : 0, dispatched: recovered.end },
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

  /** When nothing is at work in the background any more: who holds the lock next must not meet it. */
  async settled(): Promise<void> {
    await this.retention.settled();
    await this.safePoint.settled();
    await this.mending.settled();
    for (const custom of this.#customs) await custom.settled();
  }

  /** Nobody wants what is being made anew any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.mending.abandon(closedError(this.foundation.directory));
    for (const custom of this.#customs) custom.end();
  }

  ended(): void {
    this.#status = 'closed';
  }

  releaseLock(): void {
    this.#lock.release();
  }

  #assertFeeding(): void {
    if (this.#isAbandoned) throw closedError(this.foundation.directory);
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
      readOn: async (stopped) => await readOnBehind(this.mending.log(), stopped),
      // Closing waits for what is fed: only then is it at its end.
      placeBehindRepair: async (offset) => await placeBehindRepair({ ...this.view, assertReadable: () => this.#assertFeeding() }, offset),
    };
    return options.targets.map((target) => new CustomFeeder(target, log, onBroken));
  }

  /** The next numbers of all queues, as the state file says them. */
  #numbersIn(state: State | undefined): { readonly slot: number; readonly max: number }[] {
    const { registry } = this.foundation;
    return (state?.queues ?? []).map(({ topic, queueId, max }) => ({ slot: registry.slotOf(topic, queueId), max }));
  }

  /** In place of a safe point, which would lie below what is to be deleted: the next numbers of all queues. False: there is no state to hold them. */
  async #leaveNumbers(): Promise<boolean> {
    const { platform, paths, registry, queues } = this.foundation;
    const numbers = Array.from({ length: registry.count }, (_, slot) => ({
      slot,
      topic: registry.topicOf(slot),
      queueId: registry.queueIdOf(slot),
      ...queues.bounds(slot),
    }));
    let areKept = false;
    await this.safePoint.leave(async () => {
      areKept = await keepNumbersInState(platform, paths, numbers);
    });
    if (areKept) this.#keptNumbers.note(numbers);
    return areKept;
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
        for (const custom of this.#customs) await custom.outlive(end);
        // What cannot be read vouches for nothing, and is no reason to keep it.
        await queues.checkBelow(end, async (...entry) => await mayBePlaceOf(this.view, ...entry).catch(() => true));
        if (this.safePoint.offset >= end) return;
        try {
          await this.safePoint.take(false);
        } catch (error) {
          // Without one, the next recovery reads the whole log: slower, no worse. A full disk must not keep itself full.
          if (this.#keptNumbers.outlive(end, this.log.flushed)) return;
          const areKept = await this.#leaveNumbers().catch(() => false);
          if (!areKept) throw ioError('deleting a segment: no safe point', error);
        }
      },
      afterDelete: async (minOffset) => {
        await queues.trim(minOffset);
        await index?.trim(minOffset);
        // One that is damaged has not followed. Where it cannot be made anew, reads speak of it.
        for (const slot of [...queues.damagedSlots]) await this.mending.rebuildQueue(slot).catch(() => undefined);
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
    const { segments, registry, queues, platform, files } = this.foundation;
    return {
      segments,
      smallReads: new SmallReads(segments, platform.clock),
      registry,
      queues,
      index: this.mending.readableIndex,
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
      mendQueue: async (slot) => await this.mending.mendQueue(slot),
      mendIndex: async () => await this.mending.mendIndex(),
      breathe: async () => await files.breathe(),
      countRead: (count) => {
        this.readCount += count;
      },
      closing: this.#closing.signal,
    };
  }
}

function closedError(directory: string): StoreError {
  return new StoreError('STORE_CLOSED', `the store in ${directory} is closed`);
}
