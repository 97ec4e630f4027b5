import type { AppendReceipt, FlushMode, NewMessage } from '../../src/index.js';
import type { Action } from './actions.js';
import type { Session } from './session.js';
import type { Sent } from './model.js';
import { must } from './violation.js';

function compose(session: Session, flush: Sent['flush'], { batch, stream }: { batch?: number; stream?: number } = {}): Sent {
  const tooLate = session.store.status === 'failed';
  const sent = session.model.compose(
    session.random,
    { batch, stream, flush, tooLate, sentMs: session.machine.clock.passedMs },
    batch !== undefined,
  );
  session.machine.tell(`> message ${sent.id} ${sent.message.topic}/${sent.message.queueId} +${sent.message.body.length} ${flush}`);
  return sent;
}

function askedFlush(session: Session): { readonly given: FlushMode | undefined; readonly flush: FlushMode } {
  const { random, options } = session;
  const given = random.chance(0.6) ? undefined : random.chance(0.5) ? 'sync' : 'async';
  return { given, flush: given ?? options.flush ?? 'sync' };
}

/** Whether what was begun is waited for before anything else is done. */
async function awaited(session: Session, work: Promise<void>, chance: number): Promise<void> {
  if (session.random.chance(chance)) await session.settle(work, 'an append');
  else session.float(work);
}

function refuse(session: Session, sent: readonly Sent[], error: unknown): void {
  session.permit(error, `message ${sent[0]?.id}`);
  for (const one of sent) session.model.refuse(one, error);
}

export async function append(session: Session): Promise<void> {
  const { given, flush } = askedFlush(session);
  const sent = compose(session, flush);
  try {
    session.model.acknowledge(sent, await session.store.append(sent.message, given === undefined ? {} : { flush: given }));
  } catch (error) {
    refuse(session, [sent], error);
  }
}

export async function appendBatch(session: Session): Promise<void> {
  const { given, flush } = askedFlush(session);
  const count = 1 + session.random.below(session.segmentBytes >= 4096 ? 6 : 2);
  const batch = session.model.newBatch();
  const sent = Array.from({ length: count }, () => compose(session, flush, { batch }));
  try {
    const receipts = await session.store.appendBatch<readonly NewMessage[]>(
      sent.map(({ message }) => message),
      given === undefined ? {} : { flush: given },
    );
    must(receipts.length === count, () => `a batch of ${count} has ${receipts.length} receipts`);
    sent.forEach((one, index) => session.model.acknowledge(one, receipts[index] as AppendReceipt));
  } catch (error) {
    if (isTooLarge(error) && session.segmentBytes < 4096) for (const one of sent) one.fate = 'refused';
    else refuse(session, sent, error);
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MESSAGE_TOO_LARGE';
}

export function appendSync(session: Session): void {
  const sent = compose(session, 'now');
  try {
    session.model.acknowledge(sent, session.store.appendSync(sent.message));
  } catch (error) {
    session.permit(error, 'appendSync', ['OVERLOADED']);
    session.model.refuse(sent, error);
  }
}

export async function appendAll(session: Session): Promise<void> {
  const { given, flush } = askedFlush(session);
  const stream = session.model.newStream();
  const wanted = session.random.below(12);
  const sent: Sent[] = [];
  const { clock } = session.machine;
  const source = async function* (): AsyncGenerator<NewMessage> {
    while (sent.length < wanted) {
      if (session.random.chance(0.1)) await new Promise<void>((resolve) => clock.nextTurn(resolve));
      const one = compose(session, flush, { stream });
      sent.push(one);
      yield one.message;
      one.isTaken = true;
    }
  };
  const stored = (count: number): void => {
    for (const one of sent.slice(0, count)) session.model.imported(one, flush === 'sync');
  };
  try {
    const { count } = await session.store.appendAll(source(), {
      ...(given === undefined ? {} : { flush: given }),
      onProgress: (done) => stored(done.count),
    });
    must(count === wanted, () => `appendAll took ${count} of ${wanted}`);
    stored(count);
  } catch (error) {
    session.permit(error, 'appendAll', session.codesOfClosing);
    // Which of the rest it has taken, it does not say.
    for (const one of sent) if (one.fate === 'pending') one.fate = 'unknown';
  }
}

export async function flushNow(session: Session): Promise<void> {
  const { taken } = session.model;
  try {
    const { flushedOffset } = await session.store.flush();
    session.model.flushed(taken);
    session.model.durableBelow(flushedOffset);
  } catch (error) {
    session.permit(error, 'flush');
  }
}

/** Without any more calls, everything written is on the disk within the interval. */
async function idle(session: Session): Promise<void> {
  const { store, machine, options } = session;
  await session.settleAll();
  await machine.clock.pass(2 * (options.flushIntervalMs ?? 500) + 5);
  if (session.isDisturbed) return;
  const { flushedOffset, writtenOffset, dispatchedOffset } = store.stats();
  must(flushedOffset === writtenOffset, () => `idle store: flushed ${flushedOffset} of ${writtenOffset}`);
  must(dispatchedOffset === writtenOffset, () => `idle store: dispatched ${dispatchedOffset} of ${writtenOffset}`);
  session.model.durableBelow(flushedOffset);
}

export const writeActions: readonly Action[] = [
  { name: 'append', weight: 30, run: async (session) => await awaited(session, append(session), 0.6) },
  {
    name: 'burst',
    weight: 8,
    async run(session) {
      const count = 2 + session.random.below(8);
      for (let done = 0; done < count; done += 1) session.float(append(session));
      session.operations += count - 1;
      if (session.random.chance(0.5)) await session.machine.clock.turn();
    },
  },
  { name: 'appendBatch', weight: 8, run: async (session) => await awaited(session, appendBatch(session), 0.6) },
  {
    name: 'appendSync',
    weight: 8,
    run: async (session) => {
      appendSync(session);
      await Promise.resolve();
    },
  },
  { name: 'appendAll', weight: 3, run: async (session) => await awaited(session, appendAll(session), 0.6) },
  { name: 'flush', weight: 5, run: async (session) => await awaited(session, flushNow(session), 0.6) },
  { name: 'idle', weight: 2, run: idle },
];
