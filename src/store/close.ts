import { deferred } from '../base/deferred.js';
import { ioError, StoreError } from '../base/errors.js';
import type { Engine } from './engine.js';
import type { Foundation } from './foundation.js';

/**
 * Closes in the order that makes the next opening a clean one: drain; log; queues, index, checkpoint, topics, state; then `abort`
 * goes, last of all the lock. Whatever fails on the way leaves `abort` where it is, so that the next opening looks for itself.
 */
export async function closeEngine(engine: Engine, timeoutMs: number | undefined): Promise<void> {
  const { platform } = engine.foundation;
  engine.beginClosing();
  let failure: unknown;
  const expired = deferred();
  const cancel =
    timeoutMs === undefined
      ? undefined
      : platform.clock.schedule(
          timeoutMs,
          () => expired.reject(new StoreError('IO', `close: not all of it reached the disk within ${timeoutMs} ms`)),
          true,
        );
  expired.promise.catch(() => undefined);
  const finishing = finish(engine);
  try {
    await Promise.race([finishing, expired.promise]);
  } catch (error) {
    failure = error;
  }
  const released = release(engine, finishing);
  // After a time-out the disk may never answer: descriptors and lock are given up when it does, for until then we may still write.
  await (failure === undefined ? released : Promise.race([released, expired.promise]).catch(() => undefined));
  cancel?.();
  engine.ended();
  if (failure !== undefined) throw ioError('close', failure);
}

async function finish(engine: Engine): Promise<void> {
  const { foundation, log, safePoint } = engine;
  const { platform, paths, segments } = foundation;
  const { fs } = platform;
  if (log.failure !== undefined) throw log.failure;
  await log.drain();
  await engine.settled();
  engine.dispatcher.run();
  await safePoint.take(true);
  await engine.sideKeeper.writeManifest(log.assigned);
  await segments.close();
  await fs.remove(paths.abort);
  await fs.syncDirectory(paths.root);
}

async function release(engine: Engine, finishing: Promise<void>): Promise<void> {
  // After a time-out it may still be at work, and the next one to hold the lock must not meet it.
  await finishing.catch(() => undefined);
  await endEngine(engine);
  engine.releaseLock();
}

/** Ends what it does in the background, and closes its files: before the lock is given up. */
export async function endEngine(engine: Engine): Promise<void> {
  engine.abandon();
  await engine.settled();
  await engine.log.end();
  await engine.sideKeeper.closeWatermark().catch(() => undefined);
  await endFoundation(engine.foundation);
}

/** As `endEngine`, where there is no engine (yet): files of queues are made in the background also while a store is opened. */
export async function endFoundation({ queues, index, segments, files }: Foundation): Promise<void> {
  await queues.close().catch(() => undefined);
  await index?.close().catch(() => undefined);
  await segments.close().catch(() => undefined);
  await files.end();
}
