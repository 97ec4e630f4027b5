import type { Message } from '../../src/index.js';
import { openStore } from '../../src/index.js';
import type { Action } from './actions.js';
import type { Session } from './session.js';
import type { Sent } from './model.js';
import { collect } from './read-back.js';
import { root } from './small.js';
import { must } from './violation.js';

/** A message came out of the store: it is one that may come out now. */
function saw(session: Session, message: Message): Sent {
  const sent = session.model.saw(message);
  if (session.options.flush !== 'async') {
    const { flushedOffset } = session.store.stats();
    must(message.physicalOffset + message.recordBytes <= flushedOffset, () => `message ${sent.id} was read and is not durable`);
  }
  return sent;
}

function visible(session: Session): readonly Sent[] {
  return session.model.visible(session.options.flush ?? 'sync', session.store.stats().minOffset);
}

function anyVisible(session: Session): Sent | undefined {
  const found = visible(session);
  return found[session.random.below(Math.max(1, found.length))];
}

/** The beginning of the log may have moved meanwhile. */
function isDeleted(session: Session, sent: Sent): boolean {
  return (sent.receipt?.physicalOffset ?? 0) < session.store.stats().minOffset;
}

async function guarded(session: Session, what: string, call: () => Promise<void>): Promise<void> {
  try {
    await session.settle(call(), what);
  } catch (error) {
    session.permit(error, what);
  }
}

export async function get(session: Session): Promise<void> {
  const sent = anyVisible(session);
  const { receipt } = sent ?? {};
  if (sent === undefined || receipt === undefined) return;
  await guarded(session, 'get', async () => {
    const message = await session.store.get(session.random.chance(0.3) ? receipt.messageId : receipt.physicalOffset);
    if (message !== undefined) must(saw(session, message) === sent, () => `get of message ${sent.id} gives another one`);
    else must(isDeleted(session, sent), () => `get does not find message ${sent.id}`);
  });
}

export async function read(session: Session): Promise<void> {
  const sent = anyVisible(session);
  const { receipt } = sent ?? {};
  if (sent === undefined || receipt === undefined) return;
  const { queueOffset } = receipt;
  await guarded(session, 'read', async () => {
    try {
      const result = await session.store.read(receipt, { from: queueOffset, countMax: 1 + session.random.below(8) });
      const [first] = result.messages;
      must(first !== undefined && saw(session, first) === sent, () => `read from ${queueOffset} does not begin with message ${sent.id}`);
      result.messages.forEach((message, index) => {
        saw(session, message);
        must(message.queueOffset === queueOffset + index, () => `read leaves out ${queueOffset + index}`);
      });
    } catch (error) {
      session.permit(error, 'read', isDeleted(session, sent) ? ['OFFSET_OUT_OF_RANGE'] : []);
    }
  });
}

export async function find(session: Session): Promise<void> {
  const sent = anyVisible(session);
  const key = sent?.message.keys[0];
  if (sent === undefined || key === undefined || session.options.keyIndex === false) return;
  await guarded(session, 'findByKey', async () => {
    const found = await collect(session.store.findByKey({ topic: sent.message.topic, key }));
    let last = Number.POSITIVE_INFINITY;
    for (const message of found) {
      saw(session, message);
      must(message.physicalOffset < last, () => `findByKey ${key} is not newest first`);
      must(message.keys.includes(key), () => `findByKey ${key} gives a message without it`);
      last = message.physicalOffset;
    }
    const isFound = found.some((message) => message.physicalOffset === sent.receipt?.physicalOffset);
    must(isFound || isDeleted(session, sent), () => `findByKey ${key} leaves out message ${sent.id}`);
  });
}

export async function offsetAt(session: Session): Promise<void> {
  const sent = anyVisible(session);
  const { receipt } = sent ?? {};
  if (sent === undefined || receipt === undefined) return;
  await guarded(session, 'offsetAt', async () => {
    const offset = await session.store.offsetAt(receipt, receipt.storedAt);
    must(offset <= receipt.queueOffset || isDeleted(session, sent), () => `offsetAt leads behind message ${sent.id}`);
  });
}

async function longPoll(session: Session): Promise<void> {
  const { random } = session;
  const queue = { topic: 'A', queueId: random.below(2) };
  await guarded(session, 'a long poll', async () => {
    const { messages } = await session.store.read(queue, { from: 'latest', waitMs: 1 + random.below(100) });
    for (const message of messages) saw(session, message);
  });
}

/** Follows the log in the background until the store ends; leaves nothing out. */
export async function follow(session: Session): Promise<void> {
  const { store, random, model } = session;
  const from = random.chance(0.5) ? 'earliest' : 'latest';
  try {
    let lastId: number | undefined;
    for await (const message of store.tailAll({ from, onExpired: 'skip' })) {
      const { id, stream } = saw(session, message);
      if (stream !== undefined) continue;
      const { minOffset } = store.stats();
      for (let between = (lastId ?? id) + 1; between < id; between += 1) {
        const left = model.sent[between];
        const isThere =
          left?.stream === undefined &&
          left?.fate === 'acknowledged' &&
          left.receipt !== undefined &&
          left.receipt.physicalOffset >= minOffset;
        must(!isThere, () => `the tail goes from message ${lastId} to ${id} and leaves out ${between}`);
      }
      lastId = id;
      if (random.chance(0.02)) break;
    }
  } catch (error) {
    // Closing the store ends a tail without an error; a failed one says so.
    session.permit(error, 'a tail');
  }
}

async function followQueue(session: Session): Promise<void> {
  const { store, random } = session;
  const queue = { topic: random.chance(0.5) ? 'A' : 'B', queueId: random.below(2) };
  try {
    let next: number | undefined;
    for await (const message of store.tail(queue, { from: random.chance(0.5) ? 'earliest' : 'latest', onExpired: 'skip' })) {
      saw(session, message);
      const expected = next;
      // A store that is closing tells no bounds any more; the tail hands out what it had read.
      const min = store.status === 'open' || store.status === 'failed' ? store.bounds(queue).min : Number.POSITIVE_INFINITY;
      must(expected === undefined || message.queueOffset === expected || min > expected, () => `a tail leaves out ${expected}`);
      next = message.queueOffset + 1;
      if (random.chance(0.02)) break;
    }
  } catch (error) {
    session.permit(error, 'a tail');
  }
}

/** At rest, all ways of reading tell the same, and it is what was promised. */
async function readEverything(session: Session): Promise<void> {
  const { store, model } = session;
  await session.settleAll();
  await guarded(session, 'reading everything', async () => {
    const { taken } = model;
    await store.flush();
    model.flushed(taken);
    const log = await session.readAll(store);
    const present = model.inOrder(log);
    for (const sent of visible(session)) must(present.has(sent), () => `message ${sent.id} is not in the log`);
    model.checkBatches(present, store.stats().minOffset);
    for (const message of log) saw(session, message);
  });
}

export async function verify(session: Session): Promise<void> {
  const struck = session.machine.struckCount;
  await guarded(session, 'verify', async () => {
    const report = await session.store.verify();
    const isExcused = session.machine.struckCount > struck || session.machine.isDown;
    must(report.ok || isExcused, () => `verify: ${JSON.stringify(report.faults.slice(0, 3))}`);
  });
}

export async function follower(session: Session): Promise<void> {
  const { machine, model } = session;
  await guarded(session, 'a follower', async () => {
    session.follower ??= await openStore(root, { platform: machine.platform, readOnly: true });
    const { follower: reader } = session;
    const log = await collect(reader.tailAll({ from: 'earliest', until: 'end', onExpired: 'skip' }));
    model.inOrder(log);
    for (const message of log) saw(session, message);
    if (session.random.chance(0.4)) await session.settleReader();
  });
}

export const readActions: readonly Action[] = [
  { name: 'get', weight: 4, run: get },
  { name: 'read', weight: 6, run: read },
  { name: 'findByKey', weight: 4, run: find },
  { name: 'offsetAt', weight: 3, run: offsetAt },
  { name: 'long poll', weight: 2, run: longPoll },
  {
    name: 'tail of all',
    weight: 2,
    run: async (session) => {
      session.linger(follow(session));
      await Promise.resolve();
    },
  },
  {
    name: 'tail',
    weight: 1,
    run: async (session) => {
      session.linger(followQueue(session));
      await Promise.resolve();
    },
  },
  { name: 'read everything', weight: 1, run: readEverything },
  { name: 'verify', weight: 1, run: verify },
  { name: 'follower', weight: 3, run: follower },
];
