import { LogScanner } from '../commit-log/log-scanner.js';
import { type DamageNote, skipDamage } from '../recovery/skip-damage.js';
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
  engine.assertOpen();
  checkOptions('repair', options, ['signal']);
  const given = signalOf(options?.signal);
  const signal = AbortSignal.any([engine.closingSignal, ...(given === undefined ? [] : [given])]);
  signal.throwIfAborted();
  if (engine.log.failure !== undefined) throw engine.log.failure;
  // What is repaired must not be deleted meanwhile.
  const held = engine.holds.add(0);
  try {
    await engine.retention.settled();
    engine.assertOpen();
    return await engine.mending.repairing(async () => await repairHeld(engine, signal));
  } finally {
    held.release();
  }
}

async function repairHeld(engine: Engine, signal: AbortSignal): Promise<RecoveryReport> {
  signal.throwIfAborted();
  const { foundation, view, log } = engine;
  const { platform, segments, registry } = foundation;
  const startMs = platform.clock.monotonicMs();
  const limit = log.flushed;
  const mending = logMending(foundation, engine.sideKeeper.manifest.spans, limit, signal);
  const damage: DamageNote[] = [];
  const repairedAt = new Set<number>();
  const slots = new Set<number>();
  let skippedBytes = 0;
  for (let from = segments.minOffset; from < limit; ) {
    const stopped = await new LogScanner(segments).scan(
      { from, limit, verify: true, isOurs: (offset) => view.isOurs(offset), signal },
      () => undefined,
    );
    if (stopped.reason === 'limit' || stopped.reason === 'end') break;
    if (repairedAt.has(stopped.offset)) {
      from = segments.baseOf(stopped.offset) + segments.segmentBytes;
      continue;
    }
    repairedAt.add(stopped.offset);
    const skipped = await skipDamage(mending, stopped);
    damage.push(...skipped.notes);
    skippedBytes += skipped.bytes;
    for (const queue of skipped.queues) slots.add(registry.slotOf(queue.topic, queue.queueId));
    from = stopped.offset;
  }
  for (const slot of slots) {
    signal.throwIfAborted();
    await engine.mending.rebuildQueue(slot);
  }
  await mendDerived(engine, signal);
  return {
    cleanShutdown: engine.recovery.cleanShutdown,
    durationMs: platform.clock.monotonicMs() - startMs,
    scannedBytes: Math.max(0, limit - segments.minOffset),
    truncatedBytes: 0,
    skippedBytes,
    damage: reportedDamage(damage),
    redispatchedCount: 0,
    brokersRefused: engine.recovery.brokersRefused,
  };
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
