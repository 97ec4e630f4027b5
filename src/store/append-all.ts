import { StoreError } from '../base/errors.js';
import type { NewMessage } from '../format/message.js';
import type { Receipt } from '../format/receipt.js';
import { admitted, resolveAppend } from './append.js';
import type { AppendOptions } from './contract.js';
import type { Engine } from './engine.js';

export interface AppendAllOptions extends AppendOptions {
  readonly onProgress?: ((done: { readonly count: number; readonly last: Receipt }) => void) | undefined;
}

/** Encoded between two turns of the event loop. */
const TURN_BYTES = 512 * 1024;
const TURN_COUNT = 4096;
/** Parts not yet acknowledged: enough to keep the disk busy, little enough to report progress. */
const PARTS_MAX = 4;

interface Part {
  readonly count: number;
  readonly last: Receipt;
  readonly reached: Promise<void>;
}

/** Imports any number of messages, part after part, as fast as the disk takes them. On error a prefix is stored. */
export async function appendAll(
  engine: Engine,
  messages: Iterable<NewMessage> | AsyncIterable<NewMessage>,
  options: AppendAllOptions | undefined,
): Promise<{ readonly count: number }> {
  const { flush, signal } = resolveAppend(engine, options, ['onProgress']);
  const onProgress = options?.onProgress;
  if (onProgress !== undefined && typeof onProgress !== 'function') throw new TypeError('onProgress must be a function');
  const { log } = engine;
  const parts: Part[] = [];
  let count = 0;
  let last: Receipt | undefined;
  let partBytes = 0;
  let partStart = 0;
  let undoneBefore = log.undone.count;
  const settleOldest = async (): Promise<void> => {
    const part = parts.shift();
    if (part === undefined) return;
    await part.reached;
    if (log.flushed >= endOf(part.last)) part.last.durable = true;
    onProgress?.({ count: part.count, last: part.last });
  };
  // Nobody waits for a part while it is being put together: if the disk was full meanwhile, nobody has been told. And what follows
  // something that was undone must not be stored either, or what is would be no prefix.
  const assertNotUndone = (): void => {
    if (count === 0) undoneBefore = log.undone.count;
    else if (log.undone.count !== undoneBefore) throw log.undone.reason ?? new StoreError('DISK_FULL', 'the disk is full');
  };
  const endPart = async (): Promise<void> => {
    if (last === undefined || count === partStart) return;
    assertNotUndone();
    const reached = log.reach(endOf(last), flush);
    // Awaited in order below; until then nobody else answers for it.
    reached.catch(() => undefined);
    parts.push({ count, last, reached });
    partBytes = 0;
    partStart = count;
    if (parts.length >= PARTS_MAX) await settleOldest();
    await new Promise<void>((resolve) => {
      engine.foundation.platform.clock.nextTurn(resolve);
    });
  };
  try {
    for await (const message of toIterable(messages)) {
      signal?.throwIfAborted();
      const receipt = await take(engine, admitted(engine, message), assertNotUndone, signal);
      last = receipt;
      count += 1;
      partBytes += receipt.recordBytes;
      if (partBytes >= TURN_BYTES || count - partStart >= TURN_COUNT) await endPart();
    }
  } finally {
    await endPart();
    while (parts.length > 0) await settleOldest();
  }
  return { count };
}

function endOf(receipt: Receipt): number {
  return receipt.physicalOffset + receipt.recordBytes;
}

async function take(engine: Engine, message: NewMessage, assertWanted: () => void, signal: AbortSignal | undefined): Promise<Receipt> {
  for (;;) {
    engine.assertOpen();
    const refusal = engine.refusal();
    if (refusal !== undefined) throw refusal;
    assertWanted();
    const receipt = engine.log.encodeNow(message);
    if (receipt !== undefined) return receipt;
    await engine.log.waitForRoom(signal);
  }
}

function toIterable(messages: Iterable<NewMessage> | AsyncIterable<NewMessage>): Iterable<NewMessage> | AsyncIterable<NewMessage> {
  if (typeof messages === 'object' && messages !== null && (Symbol.iterator in messages || Symbol.asyncIterator in messages))
    return messages;
  throw new TypeError('messages must be an iterable or an async iterable');
}
