import type { Message, StoreReader } from '../../../src/index.js';
import type { Dice } from '../common/dice.js';
import { difference, idOf, keyOf, messageOf, queueCount, topics } from './messages.js';
import { type Promises, readLog, type Sent } from './promises.js';

export interface CompareOptions {
  /** The machine died, not only the process: what was only written may be lost. */
  readonly powerCut: boolean;
  readonly bodyBytesMax: number;
  readonly dice: Dice;
}

const findingsMax = 12;
const newestLookedUp = 60;
const othersLookedUp = 30;

/** What a store that was opened again tells, against what was promised. Empty: all is as it must be. */
export async function compare(store: StoreReader, promises: Promises, options: CompareOptions): Promise<readonly string[]> {
  const findings: string[] = [];
  const find = (what: string): void => {
    if (findings.length < findingsMax) findings.push(what);
  };
  const { log, present } = await readLog(store, (id) => find(`message ${id} is there twice`));
  const { minOffset } = store.stats();
  if (minOffset > promises.cleanedBefore)
    find(`the log begins at ${minOffset}, cleaning was asked for up to ${promises.cleanedBefore} only`);
  for (const message of log) checkMessage(message, promises, options.bodyBytesMax, find);
  checkOrder(log, promises, find);
  checkPromised(promises, present, minOffset, options.powerCut, find);
  checkSuffix(promises, present, minOffset, find);
  checkCalls(promises, present, minOffset, find);
  await checkQueues(store, log, promises, options.powerCut, find);
  await lookUp(store, log, options.dice, find);
  const report = await store.verify();
  for (const fault of report.faults.slice(0, 3)) find(`verify: ${fault.where} at ${fault.offset}: ${fault.what}`);
  if (!report.ok && report.faults.length === 0) find('verify is not content and names no fault');
  if (report.recordCount < log.length) find(`verify counts ${report.recordCount} records, ${log.length} were read`);
  promises.settle(present, minOffset);
  return findings;
}

type Find = (what: string) => void;

function checkMessage(message: Message, promises: Promises, bodyBytesMax: number, find: Find): void {
  const id = idOf(message);
  const sent = promises.get(id);
  if (sent === undefined) return find(`a message at ${message.physicalOffset} that nobody sent (${id})`);
  const wrong = difference(message, messageOf(id, bodyBytesMax));
  if (wrong !== undefined) find(`message ${id} at ${message.physicalOffset}: ${wrong}`);
  if (sent.fate === 'refused') find(`message ${id} was refused as not stored and is there`);
  if (sent.fate === 'gone') find(`message ${id} was absent after an earlier opening and has come back`);
  if (sent.fate === 'expired') find(`message ${id} had been deleted and has come back`);
  if (sent.physicalOffset !== undefined && sent.physicalOffset !== message.physicalOffset)
    find(`message ${id} is at ${message.physicalOffset}, its receipt said ${sent.physicalOffset}`);
  if (sent.queueOffset !== undefined && sent.queueOffset !== message.queueOffset)
    find(`message ${id} has queue offset ${message.queueOffset}, its receipt said ${sent.queueOffset}`);
}

/** `appendAll` takes a message some time after it was asked for, so its messages have no place in the order of the calls. */
const isOrdered = (sent: Sent): boolean => sent.kind !== 'all';

function lowestOrdered(promises: Promises, present: ReadonlyMap<number, Message>): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const id of present.keys()) {
    const sent = promises.get(id);
    if (id < lowest && sent !== undefined && isOrdered(sent)) lowest = id;
  }
  return lowest;
}

function checkOrder(log: readonly Message[], promises: Promises, find: Find): void {
  let last = -1;
  for (const message of log) {
    const id = idOf(message);
    const sent = promises.get(id);
    if (sent === undefined || !isOrdered(sent)) continue;
    if (id < last) find(`message ${id} lies behind message ${last}, which was appended later`);
    last = Math.max(last, id);
  }
}

function checkPromised(promises: Promises, present: ReadonlyMap<number, Message>, minOffset: number, powerCut: boolean, find: Find): void {
  const lowest = lowestOrdered(promises, present);
  for (const sent of promises.sent.values()) {
    if (sent.fate === 'gone' || sent.fate === 'expired' || present.has(sent.id)) continue;
    const isPromised = sent.fate === 'kept' || sent.level === 'durable' || (!powerCut && sent.level === 'written');
    if (!isPromised) continue;
    // Deleted because it was asked for. Without a place in its receipt: nothing that was appended before it is left either.
    const isDeleted = sent.physicalOffset === undefined ? minOffset > 0 && sent.id < lowest : sent.physicalOffset < minOffset;
    if (isDeleted) continue;
    const where = sent.physicalOffset === undefined ? '' : ` at ${sent.physicalOffset}`;
    find(`LOST: message ${sent.id}${where} (${sent.kind}, life ${sent.life}, ${sent.level}${sent.seen ? ', was read' : ''}, ${sent.fate})`);
  }
}

/** What is lost of a life is its end: no gap, whatever was acknowledged. */
function checkSuffix(promises: Promises, present: ReadonlyMap<number, Message>, minOffset: number, find: Find): void {
  const lowest = lowestOrdered(promises, present);
  const firstLost = new Map<number, number>();
  for (const sent of [...promises.sent.values()].sort((a, b) => a.id - b.id)) {
    if (!isOrdered(sent) || sent.fate === 'refused' || sent.fate === 'gone' || sent.fate === 'expired') continue;
    if (!present.has(sent.id)) {
      if ((minOffset === 0 || sent.id > lowest) && !firstLost.has(sent.life)) firstLost.set(sent.life, sent.id);
    } else if (firstLost.has(sent.life)) {
      find(`a gap: message ${sent.id} is there, message ${firstLost.get(sent.life)} of the same life is not`);
      firstLost.delete(sent.life);
    }
  }
}

function checkCalls(promises: Promises, present: ReadonlyMap<number, Message>, minOffset: number, find: Find): void {
  const batches = new Map<number, Set<boolean>>();
  for (const sent of promises.sent.values()) {
    if (sent.kind !== 'batch' || sent.fate === 'expired') continue;
    if (sent.physicalOffset !== undefined && sent.physicalOffset < minOffset) continue;
    batches.set(sent.callId, (batches.get(sent.callId) ?? new Set()).add(present.has(sent.id)));
  }
  for (const [callId, states] of batches) if (states.size > 1) find(`the batch that begins with message ${callId} is torn`);
}

async function checkQueues(store: StoreReader, log: readonly Message[], promises: Promises, powerCut: boolean, find: Find): Promise<void> {
  const ends = new Map<string, number>();
  for (const sent of promises.sent.values()) {
    const isPromised = sent.level === 'durable' || sent.fate === 'expired' || (!powerCut && sent.level === 'written');
    if (!isPromised || sent.queueOffset === undefined) continue;
    const { topic, queueId } = messageOf(sent.id, 16);
    const name = `${topic}/${queueId}`;
    ends.set(name, Math.max(ends.get(name) ?? 0, sent.queueOffset + 1));
  }
  for (const topic of topics) {
    for (let queueId = 0; queueId < queueCount; queueId += 1) {
      const name = `${topic}/${queueId}`;
      const expected = log.filter((message) => message.topic === topic && message.queueId === queueId);
      const { min, max } = store.bounds({ topic, queueId });
      if (max < (ends.get(name) ?? 0)) find(`queue ${name} ends at ${max}, receipts said ${ends.get(name)}`);
      const found: Message[] = [];
      for await (const message of store.tail({ topic, queueId }, { from: 'earliest', until: 'end' })) found.push(message);
      if (found.map(idOf).join() !== expected.map(idOf).join())
        find(`queue ${name} holds ${found.length} messages in another order or number than the log, which has ${expected.length}`);
      const dense = found.every((message, index) => message.queueOffset === min + index);
      if (!dense || max !== min + found.length) find(`queue ${name} is not dense: ${found.length} messages in [${min}, ${max})`);
    }
  }
}

/** By offset, by key and by time: all of the newest, some of the others. */
async function lookUp(store: StoreReader, log: readonly Message[], dice: Dice, find: Find): Promise<void> {
  const others = log.slice(0, -newestLookedUp);
  const chosen = [
    ...log.slice(-newestLookedUp),
    ...Array.from({ length: others.length > 0 ? othersLookedUp : 0 }, () => dice.pick(others)),
  ];
  for (const message of chosen) {
    const id = idOf(message);
    const got = await store.get(message.physicalOffset);
    if (got === undefined || idOf(got) !== id) find(`message ${id} is not got by its offset ${message.physicalOffset}`);
    const byKey: number[] = [];
    for await (const found of store.findByKey({ topic: message.topic, key: keyOf(id) })) byKey.push(idOf(found));
    if (byKey.join() !== String(id)) find(`message ${id} is not found by its key: ${byKey.length === 0 ? 'nothing' : byKey.join()}`);
    const at = await store.offsetAt(message, message.storedAt);
    if (at > message.queueOffset) find(`message ${id}: the search by its time ends behind it (${at} > ${message.queueOffset})`);
  }
}
