import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import { type DamageNote, skipDamage, type SkipOptions } from '../recovery/skip-damage.js';
import { voidState } from '../recovery/void-state.js';
import type { Abortable, RecoveryReport } from './contract.js';
import type { Engine } from './engine.js';
import { logMending } from './log-mending.js';
import { checkOptions } from './options.js';
import { signalOf } from './read-options.js';
import { reportedDamage } from './reported-damage.js';
import { verifyStore } from './verify.js';

/**
 * Applies the `skip` repair to damage found since opening: reads the durable part of the log, and where bytes do not verify puts them
 * aside and tombstones in their place. Then queues and index are held against it, and made anew where they do not fit. Appends and reads
 * go on meanwhile.
 */
export async function repair(engine: Engine, options: Abortable | undefined): Promise<RecoveryReport> {
  assertWorking(engine);
  checkOptions('repair', options, ['signal']);
  const given = signalOf(options?.signal);
  const signal = AbortSignal.any([engine.closingSignal, ...(given === undefined ? [] : [given])]);
  signal.throwIfAborted();
  // What is repaired must not be deleted meanwhile.
  const held = engine.holds.add(0);
  try {
    await engine.retention.settled();
    assertWorking(engine);
    const leave = await engine.repairGate.forRepair(signal);
    try {
      return await engine.mending.working(repairHeld(engine, signal));
    } finally {
      leave();
    }
  } finally {
    held.release();
  }
}

async function repairHeld(engine: Engine, signal: AbortSignal): Promise<RecoveryReport> {
  signal.throwIfAborted();
  const { foundation, log } = engine;
  const { platform, segments } = foundation;
  const startMs = platform.clock.monotonicMs();
  const limit = log.flushed;
  const mending = logMending(foundation, engine.sideKeeper.manifest.spans, limit, signal);
  const repairs = new LogRepairs(engine, mending, limit);
  try {
    await repairs.make(signal);
    if (repairs.hasBegun) await engine.mending.rebuildsEnded(signal);
    for (const slot of repairs.slots) {
      signal.throwIfAborted();
      await engine.mending.rebuildQueue(slot);
    }
    await mendDerived(engine, signal);
  } finally {
    // Without one, the next recovery reads more of the log: slower, no worse.
    if (repairs.hasBegun) await engine.safePoint.take(false).catch(() => undefined);
  }
  return {
    cleanShutdown: engine.recovery.cleanShutdown,
    durationMs: platform.clock.monotonicMs() - startMs,
    scannedBytes: Math.max(0, limit - segments.minOffset),
    truncatedBytes: 0,
    skippedBytes: repairs.skippedBytes,
    damage: reportedDamage(repairs.damage),
    redispatchedCount: 0,
    brokersRefused: engine.recovery.brokersRefused,
  };
}

/** Of a log that has failed nobody knows what is on the disk: nothing is laid over it before it has been opened again. */
function assertWorking(engine: Engine): void {
  engine.assertOpen();
  if (engine.log.failure !== undefined) throw engine.log.failure;
}

/** One pass over the log up to `limit`, and what it has found and repaired. */
class LogRepairs {
  readonly damage: DamageNote[] = [];
  /** Queues that led to what is lost. */
  readonly slots: Set<number> = new Set();
  skippedBytes = 0;
  /** Something has been changed, or was about to be. */
  hasBegun = false;
  readonly #engine: Engine;
  readonly #mending: SkipOptions;
  readonly #limit: number;

  constructor(engine: Engine, mending: SkipOptions, limit: number) {
    this.#engine = engine;
    this.#mending = mending;
    this.#limit = limit;
  }

  async make(signal: AbortSignal): Promise<void> {
    const { view, foundation, sideKeeper } = this.#engine;
    const { segments } = foundation;
    const repairedAt = new Set<number>();
    for (let from = segments.minOffset; from < this.#limit; ) {
      const stopped = await new LogScanner(segments).scan(
        { from, limit: this.#limit, verify: true, isOurs: (offset) => view.isOurs(offset), signal },
        () => undefined,
      );
      if (stopped.reason === 'limit' || stopped.reason === 'end') break;
      if (repairedAt.has(stopped.offset)) {
        from = segments.baseOf(stopped.offset) + segments.segmentBytes;
        continue;
      }
      if (!this.hasBegun) {
        this.hasBegun = true;
        await leaveSafePoint(this.#engine, this.#limit);
      }
      assertWorking(this.#engine);
      repairedAt.add(stopped.offset);
      from = await this.#repair(stopped);
    }
    if (this.hasBegun) sideKeeper.renewWatermark();
  }

  async #repair(stopped: ScanEnd): Promise<number> {
    const { registry } = this.#engine.foundation;
    const skipped = await skipDamage(this.#mending, stopped);
    this.damage.push(...skipped.notes);
    this.skippedBytes += skipped.bytes;
    for (const queue of skipped.queues) this.slots.add(registry.slotOf(queue.topic, queue.queueId));
    return skipped.next ?? stopped.offset;
  }
}

/**
 * Before the first change below `limit`: no safe point may stay in there, for after a crash it would be read from in the middle of what
 * stands there now, and its numbers would not be those that are left below it. One above is best. Where none can be taken, because queues
 * lead into the damage, the one that there is becomes void, and the next recovery reads the whole log.
 */
async function leaveSafePoint(engine: Engine, limit: number): Promise<void> {
  const { safePoint, foundation, sideKeeper } = engine;
  const { platform, paths, queues, index } = foundation;
  // What is damaged would be made anew from a log that is not whole, and could not tell any more what was lost.
  if (queues.damagedSlots.size === 0 && index?.damaged !== true) {
    const taken = await safePoint.take(false).then(
      () => true,
      () => false,
    );
    if (taken && safePoint.offset >= limit) return;
  }
  assertWorking(engine);
  // What is half repaired shall not pass for a torn tail either.
  await sideKeeper.syncWatermark();
  // Entries tell where records begin behind damage, as the safe point has done; those of damaged queues stay what they are.
  await queues.sync().catch(() => undefined);
  await safePoint.leave(async () => await voidState(platform, paths));
}

/** Queues and index as they do not fit the log, now that it is whole, are made anew: they may have been made while it was not. */
async function mendDerived(engine: Engine, signal: AbortSignal): Promise<void> {
  const { registry } = engine.foundation;
  signal.throwIfAborted();
  await engine.mending.mendAll();
  const { faults, faultCount } = await verifyStore(engine.view, { signal });
  if (faultCount === 0) return;
  const places = new Set(faults.map((fault) => fault.where));
  for (let slot = 0; slot < registry.count; slot += 1) {
    const isFaulty = places.delete(`${registry.topicOf(slot)}/${registry.queueIdOf(slot)}`);
    signal.throwIfAborted();
    if (isFaulty || faultCount > faults.length) await engine.mending.rebuildQueue(slot);
  }
  // What is left of them are paths: of the index, for the log has just been read.
  if (places.size > 0 || faultCount > faults.length) await engine.mending.rebuildIndex();
}
