import type { Abortable, Watermarks } from './contract.js';
import type { Engine } from './engine.js';
import { refuseUnknown } from './options.js';

/** Everything appended before the call is durable and readable. Joins the group commit; aborting ends the waiting, not the flush. */
export async function flush(engine: Engine, options: Abortable | undefined): Promise<Watermarks> {
  engine.assertOpen();
  refuseUnknown(options ?? {}, ['signal'], 'flush option');
  const signal = options?.signal;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
  signal?.throwIfAborted();
  const flushed = engine.log.flush();
  if (signal === undefined) await flushed;
  else await orAborted(flushed, signal);
  return watermarksOf(engine);
}

export function watermarksOf(engine: Engine): Watermarks {
  const { foundation, log, dispatcher } = engine;
  return {
    minOffset: foundation.segments.minOffset,
    flushedOffset: log.flushed,
    writtenOffset: log.written,
    dispatchedOffset: dispatcher.dispatched,
  };
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    // Somebody who has gone does not leave an unhandled rejection behind.
    work.catch(() => undefined);
  }
}
