import { performance } from 'node:perf_hooks';
import { Latencies, type LatencyUs } from '../common/latencies.js';
import { perSecond } from '../common/numbers.js';
import { watchProcess } from '../common/process-use.js';
import { checkFound } from './check-found.js';
import type { Column } from './columns.js';
import { CompareMessages, compareKey, compareQueueCount, ordinalOf } from './compare-messages.js';
import type { Contestant, ContestantKind, FoundMessage } from './contestant.js';
import { seededRandom } from '../common/seeded-random.js';

export interface CompareRound {
  readonly messageCount: number;
  readonly durationMs: number;
  readonly messagesPerSecond: number;
  /** Until all of them could be found, where that comes later than the answer to the last call. */
  readonly findablePerSecond?: number;
  /** Of a call: one message, or one batch. */
  readonly latencyUs: LatencyUs;
  readonly cpuUsPerMessage?: number;
  readonly rssBytesMax?: number;
  /** Not known where calls that return at once never gave the loop a turn. */
  readonly eventLoopDelayMsMax?: number;
  readonly finds?: FindRates | null;
}

export interface FindRates {
  readonly byOffsetPerSecond: number;
  readonly byKeyPerSecond: number;
  readonly byTimePerSecond?: number;
  readonly readPerSecond: number;
}

export interface RoundLimits {
  readonly count: number;
  readonly secondsMax: number;
}

const sampleEvery = 8;
const findCalls = 20_000;
const untilLook = 32;

/** One column, one contestant, one fresh directory. Throws if what was stored is not found again. */
export async function runCompareRound(kind: ContestantKind, column: Column, directory: string, limits: RoundLimits): Promise<CompareRound> {
  const { durability, keyed, callers } = column;
  const contestant = await kind.open(directory, { durability, keyed, callers });
  const latencies = new Latencies(sampleEvery);
  const endWatch = watchProcess();
  const started = performance.now();
  const messageCount = await appendAll(contestant, column, limits, latencies);
  const durationMs = performance.now() - started;
  const use = endWatch();
  if (kind.finds) await checkFound(contestant, column, messageCount);
  const readPerSecond = column.finds || !kind.finds ? await readEverything(contestant, column, messageCount) : 0;
  const finds = column.finds && kind.finds ? await measureFinds(contestant, messageCount, limits, readPerSecond) : null;
  await contestant.close();
  return {
    messageCount,
    durationMs,
    messagesPerSecond: perSecond(messageCount, durationMs),
    latencyUs: latencies.summary(),
    cpuUsPerMessage: ((use.cpuUserMs + use.cpuSystemMs) * 1e3) / Math.max(1, messageCount),
    rssBytesMax: use.rssBytesMax,
    ...(use.eventLoopDelayMs.max > 0 ? { eventLoopDelayMsMax: use.eventLoopDelayMs.max } : {}),
    finds,
  };
}

async function appendAll(contestant: Contestant, column: Column, limits: RoundLimits, latencies: Latencies): Promise<number> {
  const messages = new CompareMessages(column.bodyBytes, column.keyed);
  const deadline = performance.now() + limits.secondsMax * 1_000;
  let sent = 0;
  let over = false;
  const call = async (): Promise<void> => {
    for (let calls = 1; !over && sent + column.batch <= limits.count; calls += 1) {
      const first = sent;
      sent += column.batch;
      const begun = latencies.begin();
      if (column.batch === 1) await contestant.append(messages.message(first));
      else await contestant.appendBatch(Array.from({ length: column.batch }, (_, index) => messages.message(first + index)));
      latencies.end(begun);
      if (calls % untilLook === 0 && performance.now() > deadline) over = true;
    }
  };
  await Promise.all(Array.from({ length: column.callers }, call));
  return sent;
}

/** Every message once; bodies tell which one they belong to. */
async function readEverything(contestant: Contestant, column: Column, messageCount: number): Promise<number> {
  const seen = new Uint8Array(messageCount);
  let count = 0;
  const started = performance.now();
  await contestant.readAll(compareQueueCount, ({ body }: FoundMessage) => {
    const ordinal = ordinalOf(body);
    if (body.length !== column.bodyBytes || seen[ordinal] !== 0) throw new Error(`message ${ordinal} is read twice or not whole`);
    seen[ordinal] = 1;
    count += 1;
  });
  if (count !== messageCount) throw new Error(`${count} of ${messageCount} messages are read`);
  return perSecond(count, performance.now() - started);
}

async function measureFinds(contestant: Contestant, messageCount: number, limits: RoundLimits, readPerSecond: number): Promise<FindRates> {
  const random = seededRandom(7);
  const rate = async (call: (ordinal: number) => unknown): Promise<number> => {
    const started = performance.now();
    const deadline = started + (limits.secondsMax * 1_000) / 2;
    let calls = 0;
    for (; calls < Math.min(findCalls, 10 * messageCount); calls += 1) {
      if (calls % untilLook === 0 && performance.now() > deadline) break;
      await call(Math.floor(random() * messageCount));
    }
    return perSecond(calls, performance.now() - started);
  };
  const offsetOf = (ordinal: number): number => Math.floor(ordinal / compareQueueCount);
  const first = await contestant.readAt(0, 0);
  const last = await contestant.readAt((messageCount - 1) % compareQueueCount, offsetOf(messageCount - 1));
  const span = (last?.storedAt ?? 0) - (first?.storedAt ?? 0);
  return {
    byOffsetPerSecond: await rate(async (ordinal) => {
      const found = await contestant.readAt(ordinal % compareQueueCount, offsetOf(ordinal));
      if (found === undefined || ordinalOf(found.body) !== ordinal) throw new Error(`message ${ordinal} is not at its place`);
    }),
    byKeyPerSecond: await rate(async (ordinal) => {
      const [found, another] = await contestant.findByKey(compareKey(ordinal));
      if (found === undefined || another !== undefined || ordinalOf(found.body) !== ordinal)
        throw new Error(`message ${ordinal} is not found by its key`);
    }),
    byTimePerSecond: await rate((ordinal) =>
      contestant.offsetAt(ordinal % compareQueueCount, (first?.storedAt ?? 0) + Math.floor((span * ordinal) / messageCount)),
    ),
    readPerSecond,
  };
}
