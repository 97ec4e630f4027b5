import type { Abortable, Watermarks } from './contract.js';
import type { Engine } from './engine.js';
import { checkOptions } from './options.js';
import { orAborted } from './or-aborted.js';
import { signalOf } from './read-options.js';

/** Everything appended before the call is durable and readable. Joins the group commit; aborting ends the waiting, not the flush. */
export async function flush(engine: Engine, options: Abortable | undefined): Promise<Watermarks> {
  engine.assertOpen();
  checkOptions('flush', options, ['signal']);
  const signal = signalOf(options?.signal);
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
