import { StoreError } from '../base/errors.js';
import type { NewMessage } from '../format/message.js';
import type { Receipt } from '../format/receipt.js';
import type { AppendOptions, FlushMode } from './contract.js';
import type { Engine } from './engine.js';
import { checkOptions, oneOf } from './options.js';
import { signalOf } from './read-options.js';

export interface ResolvedAppend {
  readonly flush: FlushMode;
  readonly signal: AbortSignal | undefined;
}

/** Checks the options of an append; TypeError or RangeError naming the one that is wrong. */
export function resolveAppend(engine: Engine, options: AppendOptions | undefined, more: readonly string[] = []): ResolvedAppend {
  engine.assertOpen();
  if (options === undefined) return { flush: engine.foundation.options.flush, signal: undefined };
  checkOptions('append', options, ['flush', 'signal', ...more]);
  const flush = oneOf(options.flush, ['sync', 'async'], 'flush') ?? engine.foundation.options.flush;
  return { flush, signal: signalOf(options.signal) };
}

/** Throws what is refused at once. One promise a call, and not one a layer: at a million calls a second each costs. */
export function append(engine: Engine, message: NewMessage, options: AppendOptions | undefined): Promise<Receipt> {
  const { flush, signal } = resolveAppend(engine, options);
  return engine.log.append(admitted(engine, message), flush, signal);
}

export async function appendBatch(
  engine: Engine,
  messages: readonly NewMessage[],
  options: AppendOptions | undefined,
): Promise<readonly Receipt[]> {
  const { flush, signal } = resolveAppend(engine, options);
  if (!Array.isArray(messages)) throw new TypeError('messages must be an array');
  if (messages.length === 0) {
    const refusal = engine.refusal();
    if (refusal !== undefined) throw refusal;
    return [];
  }
  const { admit } = engine.foundation.options;
  return await engine.log.appendBatch(admit === undefined ? messages : messages.map((message) => admitted(engine, message)), flush, signal);
}

export function appendSync(engine: Engine, message: NewMessage): Receipt {
  engine.assertOpen();
  return engine.log.appendSync(admitted(engine, message));
}

/** What the layer above makes of a message; it may throw to refuse it. */
export function admitted(engine: Engine, message: NewMessage): NewMessage {
  const { admit } = engine.foundation.options;
  if (admit === undefined) return message;
  const rewritten = admit(message);
  if (typeof rewritten !== 'object' || rewritten === null) {
    throw new StoreError('MESSAGE_INVALID', 'admit must return a message, or throw to refuse it');
  }
  return rewritten;
}
