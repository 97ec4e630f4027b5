import type { Message, StoreReader } from '../../src/index.js';
import { openStore } from '../../src/index.js';
import type { Action } from './actions.js';
import type { History } from './history.js';
import type { Sent } from './model.js';
import { collect } from './read-back.js';
import { root } from './small.js';
import { must } from './violation.js';

/** A message came out of the store: it is one that may come out now. */
function saw(history: History, message: Message): Sent {
  const sent = history.model.saw(message);
  if (history.options.flush !== 'async') {
    const { flushedOffset } = history.store.stats();
    must(message.physicalOffset + message.recordBytes <= flushedOffset, () => `message ${sent.id} was read and is not durable`);
  }
  return sent;
}

function visible(history: History): readonly Sent[] {
  return history.model.visible(history.options.flush ?? 'sync', history.store.stats().minOffset);
}

function anyVisible(history: History): Sent | undefined {
  const found = visible(history);
  return found[history.random.below(Math.max(1, found.length))];
}

/** The beginning of the log may have moved meanwhile. */
function isDeleted(history: History, sent: Sent): boolean {
  return (sent.receipt?.physicalOffset ?? 0) < history.store.stats().minOffset;
}

async function guarded(history: History, what: string, read: () => Promise<void>): Promise<void> {
  try {
    await history.settle(read(), what);
  } catch (error) {
    history.permit(error, what);
  }
}

async function get(history: History): Promise<void> {
  const sent = anyVisible(history);
  const { receipt } = sent ?? {};
  if (sent === undefined || receipt === undefined) return;
  await guarded(history, 'get', async () => {
    const message = await history.store.get(history.random.chance(0.3) ? receipt.messageId : receipt.physicalOffset);
    if (message !== undefined) must(saw(history, message) === sent, () => `get of message ${sent.id} gives another one`);
    else must(isDeleted(history, sent), () => `get does not find message ${sent.id}`);
  });
}

async function read(history: History): Promise<void> {
  const sent = anyVisible(history);
  const { receipt } = sent ?? {};
  if (sent === undefined || receipt === undefined) return;
  const { queueOffset } = receipt;
  await guarded(history, 'read', async () => {
    try {
      const result = await history.store.read(receipt, { from: queueOffset, countMax: 1 + history.random.below(8) });
      const [first] = result.messages;
      must(first !== undefined && saw(history, first) === sent, () => `read from ${queueOffset} does not begin with message ${sent.id}`);
      result.messages.forEach((message, index) => {
        saw(history, message);
        must(message.queueOffset === queueOffset + index, () => `read leaves out ${queueOffset + index}`);
      });
    } catch (error) {
      history.permit(error, 'read', isDeleted(history, sent) ? ['OFFSET_OUT_OF_RANGE'] : []);
    }
  });
}

async function find(history: History): Promise<void> {
  const sent = anyVisible(history);
  const key = sent?.message.keys[0];
  if (sent === undefined || key === undefined || history.options.keyIndex === false) return;
  await guarded(history, 'findByKey', async () => {
    const found = await collect(history.store.findByKey({ topic: sent.message.topic, key }));
    let last = Number.POSITIVE_INFINITY;
    for (const message of found) {
      saw(history, message);
      must(message.physicalOffset < last, () => `findByKey ${key} is not newest first`);
      must(message.keys.includes(key), () => `findByKey ${key} gives a message without it`);
      last = message.physicalOffset;
    }
    const isFound = found.some((message) => message.physicalOffset === sent.receipt?.physicalOffset);
    must(isFound || isDeleted(history, sent), () => `findByKey ${key} leaves out message ${sent.id}`);
  });
}

async function offsetAt(history: History): Promise<void> {
  const sent = anyVisible(history);
  const { receipt } = sent ?? {};
  if (sent === undefined || receipt === undefined) return;
  await guarded(history, 'offsetAt', async () => {
    const offset = await history.store.offsetAt(receipt, receipt.storedAt);
    must(offset <= receipt.queueOffset || isDeleted(history, sent), () => `offsetAt leads behind message ${sent.id}`);
  });
}

async function longPoll(history: History): Promise<void> {
  const { random } = history;
  const queue = { topic: 'A', queueId: random.below(2) };
  await guarded(history, 'a long poll', async () => {
    const { messages } = await history.store.read(queue, { from: 'latest', waitMs: 1 + random.below(100) });
    for (const message of messages) saw(history, message);
  });
}

/** Follows the log in the background until the store ends; leaves nothing out. */
async function follow(history: History): Promise<void> {
  const { store, random, model } = history;
  const from = random.chance(0.5) ? 'earliest' : 'latest';
  try {
    let lastId: number | undefined;
    for await (const message of store.tailAll({ from, onExpired: 'skip' })) {
      const { id, stream } = saw(history, message);
      if (stream !== undefined) continue;
      const { minOffset } = store.stats();
      for (let between = (lastId ?? id) + 1; between < id; between += 1) {
        const left = model.sent[between];
        const isThere = left?.stream === undefined && left?.fate === 'acknowledged' && left.receipt !== undefined && left.receipt.physicalOffset >= minOffset;
        must(!isThere, () => `the tail goes from message ${lastId} to ${id} and leaves out ${between}`);
      }
      lastId = id;
      if (random.chance(0.02)) break;
    }
  } catch (error) {
    // Closing the store ends a tail without an error; a failed one says so.
    history.permit(error, 'a tail');
  }
}

async function followQueue(history: History): Promise<void> {
  const { store, random } = history;
  const queue = { topic: random.chance(0.5) ? 'A' : 'B', queueId: random.below(2) };
  try {
    let next: number | undefined;
    for await (const message of store.tail(queue, { from: random.chance(0.5) ? 'earliest' : 'latest', onExpired: 'skip' })) {
      saw(history, message);
      const expected = next;
      const { min } = store.bounds(queue);
      must(expected === undefined || message.queueOffset === expected || min > expected, () => `a tail leaves out ${expected}`);
      next = message.queueOffset + 1;
      if (random.chance(0.02)) break;
    }
  } catch (error) {
    history.permit(error, 'a tail');
  }
}

/** At rest, all ways of reading tell the same, and it is what was promised. */
async function readEverything(history: History): Promise<void> {
  const { store, model } = history;
  await history.settleAll();
  await guarded(history, 'reading everything', async () => {
    const count = model.sent.length;
    await store.flush();
    model.flushed(count);
    const log = await history.readAll(store);
    const present = model.inOrder(log);
    for (const sent of visible(history)) must(present.has(sent), () => `message ${sent.id} is not in the log`);
    model.checkBatches(present, store.stats().minOffset);
    for (const message of log) saw(history, message);
  });
}

async function verify(history: History): Promise<void> {
  const struck = history.machine.struckCount;
  await guarded(history, 'verify', async () => {
    const report = await history.store.verify();
    const isExcused = history.machine.struckCount > struck || history.machine.isDown;
    must(report.ok || isExcused, () => `verify: ${JSON.stringify(report.faults.slice(0, 3))}`);
  });
}

async function follower(history: History): Promise<void> {
  const { machine, model } = history;
  await guarded(history, 'a follower', async () => {
    history.follower ??= await openStore(root, { platform: machine.platform, readOnly: true });
    const { follower: reader } = history;
    const log = await collect((reader as StoreReader).tailAll({ from: 'earliest', until: 'end', onExpired: 'skip' }));
    model.inOrder(log);
    for (const message of log) saw(history, message);
    if (history.random.chance(0.4)) await history.settleReader();
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
    run: async (history) => {
      history.linger(follow(history));
      await Promise.resolve();
    },
  },
  {
    name: 'tail',
    weight: 1,
    run: async (history) => {
      history.linger(followQueue(history));
      await Promise.resolve();
    },
  },
  { name: 'read everything', weight: 1, run: readEverything },
  { name: 'verify', weight: 1, run: verify },
  { name: 'follower', weight: 3, run: follower },
];
