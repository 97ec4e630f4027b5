import type { AppendReceipt, FlushMode, NewMessage } from '../../src/index.js';
import type { Action } from './actions.js';
import type { History } from './history.js';
import type { Sent } from './model.js';
import { must } from './violation.js';

function compose(history: History, flush: Sent['flush'], { batch, stream }: { batch?: number; stream?: number } = {}): Sent {
  const tooLate = history.store.status === 'failed';
  const sent = history.model.compose(history.random, { batch, stream, flush, tooLate, sentMs: history.machine.clock.passedMs }, batch !== undefined);
  history.machine.tell(`> message ${sent.id} ${sent.message.topic}/${sent.message.queueId} +${sent.message.body.length} ${flush}`);
  return sent;
}

function askedFlush(history: History): { readonly given: FlushMode | undefined; readonly flush: FlushMode } {
  const { random, options } = history;
  const given = random.chance(0.6) ? undefined : random.chance(0.5) ? 'sync' : 'async';
  return { given, flush: given ?? options.flush ?? 'sync' };
}

/** Whether what was begun is waited for before anything else is done. */
async function awaited(history: History, work: Promise<void>, chance: number): Promise<void> {
  if (history.random.chance(chance)) await history.settle(work, 'an append');
  else history.float(work);
}

function refuse(history: History, sent: readonly Sent[], error: unknown): void {
  history.permit(error, `message ${sent[0]?.id}`);
  for (const one of sent) history.model.refuse(one, error);
}

async function append(history: History): Promise<void> {
  const { given, flush } = askedFlush(history);
  const sent = compose(history, flush);
  try {
    history.model.acknowledge(sent, await history.store.append(sent.message, given === undefined ? {} : { flush: given }));
  } catch (error) {
    refuse(history, [sent], error);
  }
}

async function appendBatch(history: History): Promise<void> {
  const { given, flush } = askedFlush(history);
  const count = 1 + history.random.below(history.segmentBytes >= 4096 ? 6 : 2);
  const batch = history.model.newBatch();
  const sent = Array.from({ length: count }, () => compose(history, flush, { batch }));
  try {
    const receipts = await history.store.appendBatch<readonly NewMessage[]>(
      sent.map(({ message }) => message),
      given === undefined ? {} : { flush: given },
    );
    must(receipts.length === count, () => `a batch of ${count} has ${receipts.length} receipts`);
    sent.forEach((one, index) => history.model.acknowledge(one, receipts[index] as AppendReceipt));
  } catch (error) {
    if (isTooLarge(error) && history.segmentBytes < 4096) for (const one of sent) one.fate = 'refused';
    else refuse(history, sent, error);
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MESSAGE_TOO_LARGE';
}

function appendSync(history: History): void {
  const sent = compose(history, 'now');
  try {
    history.model.acknowledge(sent, history.store.appendSync(sent.message));
  } catch (error) {
    history.permit(error, 'appendSync', ['OVERLOADED']);
    history.model.refuse(sent, error);
  }
}

async function appendAll(history: History): Promise<void> {
  const { given, flush } = askedFlush(history);
  const stream = history.model.newStream();
  const wanted = history.random.below(12);
  const sent: Sent[] = [];
  const { clock } = history.machine;
  const source = async function* (): AsyncGenerator<NewMessage> {
    while (sent.length < wanted) {
      if (history.random.chance(0.1)) await new Promise<void>((resolve) => clock.nextTurn(resolve));
      const one = compose(history, flush, { stream });
      sent.push(one);
      yield one.message;
    }
  };
  const stored = (count: number): void => {
    for (const one of sent.slice(0, count)) history.model.imported(one, flush === 'sync');
  };
  try {
    const { count } = await history.store.appendAll(source(), {
      ...(given === undefined ? {} : { flush: given }),
      onProgress: (done) => stored(done.count),
    });
    must(count === wanted, () => `appendAll took ${count} of ${wanted}`);
    stored(count);
  } catch (error) {
    history.permit(error, 'appendAll', history.codesOfClosing);
    // Which of the rest it has taken, it does not say.
    for (const one of sent) if (one.fate === 'pending') one.fate = 'unknown';
  }
}

async function flush(history: History): Promise<void> {
  const count = history.model.sent.length;
  try {
    const { flushedOffset } = await history.store.flush();
    history.model.flushed(count);
    history.model.durableBelow(flushedOffset);
  } catch (error) {
    history.permit(error, 'flush');
  }
}

/** Without any more calls, everything written is on the disk within the interval. */
async function idle(history: History): Promise<void> {
  const { store, machine, options } = history;
  await history.settleAll();
  await machine.clock.pass(2 * (options.flushIntervalMs ?? 500) + 5);
  if (history.isDisturbed) return;
  const { flushedOffset, writtenOffset, dispatchedOffset } = store.stats();
  must(flushedOffset === writtenOffset, () => `idle store: flushed ${flushedOffset} of ${writtenOffset}`);
  must(dispatchedOffset === writtenOffset, () => `idle store: dispatched ${dispatchedOffset} of ${writtenOffset}`);
  history.model.durableBelow(flushedOffset);
}

export const writeActions: readonly Action[] = [
  { name: 'append', weight: 30, run: async (history) => await awaited(history, append(history), 0.6) },
  {
    name: 'burst',
    weight: 8,
    async run(history) {
      const count = 2 + history.random.below(8);
      for (let done = 0; done < count; done += 1) history.float(append(history));
      history.operations += count - 1;
      if (history.random.chance(0.5)) await history.machine.clock.turn();
    },
  },
  { name: 'appendBatch', weight: 8, run: async (history) => await awaited(history, appendBatch(history), 0.6) },
  {
    name: 'appendSync',
    weight: 8,
    run: async (history) => {
      appendSync(history);
      await Promise.resolve();
    },
  },
  { name: 'appendAll', weight: 3, run: async (history) => await awaited(history, appendAll(history), 0.6) },
  { name: 'flush', weight: 5, run: async (history) => await awaited(history, flush(history), 0.6) },
  { name: 'idle', weight: 2, run: idle },
];
