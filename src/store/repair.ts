import { LogScanner } from '../commit-log/log-scanner.js';
import { NumbersBefore } from '../recovery/queue-numbers.js';
import { placesIn } from '../recovery/queue-places.js';
import { type DamageNote, skipDamage } from '../recovery/skip-damage.js';
import type { Abortable, RecoveryReport } from './contract.js';
import type { Engine } from './engine.js';
import { refuseUnknown } from './options.js';

/**
 * Applies the `skip` repair to damage found since opening: reads the durable part of the log, and where bytes do not verify puts them
 * aside and tombstones in their place. Appends and reads go on meanwhile.
 */
export async function repair(engine: Engine, options: Abortable | undefined): Promise<RecoveryReport> {
  engine.assertOpen();
  refuseUnknown(options ?? {}, ['signal'], 'repair option');
  const signal = options?.signal;
  signal?.throwIfAborted();
  if (engine.log.failure !== undefined) throw engine.log.failure;
  const { foundation, view, log } = engine;
  const { platform, segments, registry, queues, paths } = foundation;
  const startMs = platform.clock.monotonicMs();
  const limit = log.flushed;
  const progress = {
    numbersBefore: new NumbersBefore(segments.minOffset),
    resyncs: new Map<number, number>(),
    certainResyncs: new Map<number, number>(),
  };
  const queueEnds = endsOf(engine);
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
    const skipped = await skipDamage(
      {
        fs: platform.fs,
        paths,
        segments,
        signal,
        spans: engine.sideKeeper.manifest.spans,
        storeHost: foundation.options.storeHost,
        placesIn: (start, end) => placesIn(queues, registry, start, end),
        ...progress,
        queueEnds,
        durable: limit,
        goesOnAt: limit,
      },
      stopped,
    );
    damage.push(...skipped.notes);
    skippedBytes += skipped.bytes;
    for (const queue of skipped.queues) slots.add(registry.slotOf(queue.topic, queue.queueId));
    from = stopped.offset;
  }
  for (const slot of slots) await engine.rebuildQueue(slot);
  return {
    cleanShutdown: engine.recovery.cleanShutdown,
    durationMs: platform.clock.monotonicMs() - startMs,
    scannedBytes: Math.max(0, limit - segments.minOffset),
    truncatedBytes: 0,
    skippedBytes,
    damage: damage.slice(0, 1000),
    redispatchedCount: 0,
    brokersRefused: engine.recovery.brokersRefused,
  };
}

function endsOf(engine: Engine): ReadonlyMap<string, number> {
  const { registry, queues } = engine.foundation;
  const ends = new Map<string, number>();
  for (let slot = 0; slot < registry.count; slot += 1) {
    ends.set(`${registry.topicOf(slot)}/${registry.queueIdOf(slot)}`, queues.bounds(slot).max);
  }
  return ends;
}
