import { clean, repair, snapshot } from '../actions-machine.js';
import { find, follow, follower, get, offsetAt, read, verify } from '../actions-read.js';
import { append, appendAll, appendBatch, appendSync, flushNow } from '../actions-write.js';
import { Session, type SessionOptions } from '../session.js';

/** Files so small that every one of them is rolled. */
const tiny = { segmentBytes: 2048, queueEntriesPerFile: 4, indexSlotCount: 5, indexEntryCount: 8, freeBytesMin: 0 } as const;

export function newSession(options: Pick<SessionOptions, 'seed' | 'blockBytes' | 'onLine'>): Session {
  return new Session({ ...options, segmentBytes: tiny.segmentBytes, keeps: ['synced', 'random', 'all'] });
}

type Step = (session: Session) => Promise<void>;

async function sync(session: Session): Promise<void> {
  appendSync(session);
  await Promise.resolve();
}

async function burst(session: Session): Promise<void> {
  for (let i = 0; i < 5; i += 1) session.float(append(session));
  await session.settleAll();
}

async function tail(session: Session): Promise<void> {
  session.linger(follow(session));
  await session.machine.clock.turn();
}

async function pass(session: Session): Promise<void> {
  await session.machine.clock.pass(30);
}

/** For what does not wait by itself. */
function waited(step: Step): Step {
  return async (session) => await session.settle(step(session), step.name);
}

/** Everything that a store does in its life, once at least. */
const steps: readonly Step[] = [
  waited(append),
  tail,
  burst,
  waited(appendBatch),
  sync,
  waited(flushNow),
  read,
  get,
  find,
  waited(appendAll),
  pass,
  offsetAt,
  follower,
  burst,
  clean,
  snapshot,
  burst,
  verify,
  repair,
  clean,
  waited(append),
];

/** Two lives of a store; whatever goes wrong on the way, each step is tried. */
export async function runScenario(session: Session, flush: 'sync' | 'async'): Promise<void> {
  for (let life = 0; life < 2 && !session.machine.isDown; life += 1) {
    if (!(await session.tryOpen({ ...tiny, flush, flushIntervalMs: 10 }))) continue;
    for (const step of life === 0 ? steps : [burst, read, clean]) {
      if (session.machine.isDown) break;
      session.operations += 1;
      await step(session);
      session.throwViolation();
    }
    await session.end('close');
  }
}

/** After all of it: the store opens, has what it must have, and works. */
export async function runAftermath(session: Session, flush: 'sync' | 'async'): Promise<void> {
  session.restart();
  session.machine.clearFaults();
  if (!(await session.tryOpen({ ...tiny, flush }))) throw new Error('the store does not open though nothing is wrong any more');
  await session.check();
  await burst(session);
  await session.end('close');
}
