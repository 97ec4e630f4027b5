import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type FlushMode, openStore, type Store } from '../../src/index.js';
import { Latencies, type LatencyCurve, type LatencyUs } from '../common/latencies.js';
import { perSecond } from '../common/numbers.js';
import { type ProcessUse, watchProcess } from '../common/process-use.js';
import { checkStored, type OpenForLoad } from './check-stored.js';
import { loadMessages, type LoadShape } from './load-messages.js';

export interface OpenLoopOptions extends LoadShape {
  readonly mode: FlushMode;
  readonly messagesPerSecond: number;
  readonly seconds: number;
}

export interface OpenLoopRound {
  readonly messageCount: number;
  /** Until the last receipt; longer than was asked for if the store did not keep up. */
  readonly durationMs: number;
  readonly achievedPerSecond: number;
  /** Most messages that were on their way at a time. */
  readonly waitingMax: number;
  /** From the moment at which a message was *due* until its receipt: a store that stands still makes all that come meanwhile late. */
  readonly latencyUs: LatencyUs;
  readonly latencyCurve: LatencyCurve;
  readonly use: ProcessUse;
}

const warmUpCount = 20_000;
/** A sleep may take this much longer than asked; below it the loop only gives way to other turns. */
const sleepSlackMs = 2;

/** Messages come at a fixed rate whether or not the store keeps up, as they do from people and devices. */
export async function runOpenLoop(directory: string, options: OpenLoopOptions, open: OpenForLoad = openStore): Promise<OpenLoopRound> {
  const store = await open(join(directory, 'store'), { flush: options.mode });
  await warmUp(store, options);
  const endWatch = watchProcess();
  const latencies = new Latencies(1);
  const count = Math.max(1, Math.floor(options.messagesPerSecond * options.seconds));
  const started = performance.now();
  const waitingMax = await sendInTime(store, options, count, started, latencies);
  const durationMs = performance.now() - started;
  const use = endWatch();
  await store.flush();
  await checkStored(store, options, warmUpCount + count);
  await store.close();
  return {
    messageCount: count,
    durationMs,
    achievedPerSecond: perSecond(count, durationMs),
    waitingMax,
    latencyUs: latencies.summary(),
    latencyCurve: latencies.curve(),
    use,
  };
}

async function warmUp(store: Store, options: OpenLoopOptions): Promise<void> {
  const message = loadMessages(options);
  const step = 500;
  for (let first = 0; first < warmUpCount; first += step)
    await Promise.all(Array.from({ length: step }, (_, index) => store.append(message(first + index))));
  await store.flush();
}

/** Gives back how many were on their way at most. */
async function sendInTime(store: Store, options: OpenLoopOptions, count: number, started: number, latencies: Latencies): Promise<number> {
  const message = loadMessages(options);
  const betweenMs = 1_000 / options.messagesPerSecond;
  const progress: { sent: number; settled: number; failure?: { readonly error: unknown } } = { sent: 0, settled: 0 };
  let waitingMax = 0;
  const send = (dueMs: number): void => {
    store.append(message(warmUpCount + progress.sent)).then(
      () => {
        progress.settled += 1;
        latencies.record(performance.now() - dueMs);
      },
      (error: unknown) => {
        progress.failure ??= { error };
      },
    );
    progress.sent += 1;
  };
  while (progress.settled < count) {
    if (progress.failure !== undefined) throw progress.failure.error;
    const dueCount = Math.min(count, Math.floor((performance.now() - started) / betweenMs) + 1);
    for (let ordinal = progress.sent; ordinal < dueCount; ordinal += 1) send(started + ordinal * betweenMs);
    waitingMax = Math.max(waitingMax, progress.sent - progress.settled);
    const idleMs = started + progress.sent * betweenMs - performance.now();
    await (progress.sent < count && idleMs > sleepSlackMs ? sleep(idleMs - sleepSlackMs) : nextTurn());
  }
  return waitingMax;
}
