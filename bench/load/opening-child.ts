import { writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { type NewMessage, openStore } from '../../src/index.js';
import { watchProcess } from '../common/process-use.js';
import { checkStored } from './check-stored.js';
import { loadMessages, loadTopic } from './load-messages.js';

/**
 * One life of a process with the store: it opens, does what it is told and ends as it is told. Prints one line of JSON.
 * Parameters: directory, shape as JSON, messages that must be there, messages to append, `close` or `kill`.
 */
export interface OpeningShape {
  readonly bodyBytes: number;
  readonly queues: number;
  readonly keys: number;
}

/** What that process tells of its life. */
export interface OpeningLife {
  readonly openMs: number;
  /** Until one message had been read, too. */
  readonly firstReadMs: number;
  readonly rssBytes: number;
  readonly storedCount: number;
  readonly logBytes: number;
  readonly recovery: {
    readonly cleanShutdown: boolean;
    readonly durationMs: number;
    readonly scannedBytes: number;
    readonly redispatchedCount: number;
  };
  readonly eventLoopDelayMsMax: number;
}

const batch = 500;

async function live(directory: string, shape: OpeningShape, expectedCount: number, appendCount: number, end: string): Promise<void> {
  const endWatch = watchProcess();
  const started = performance.now();
  const store = await openStore(directory, { flush: 'async' });
  const openMs = performance.now() - started;
  if (expectedCount > 0) await store.read({ topic: loadTopic, queueId: 0 }, { from: 'earliest', countMax: 1 });
  const firstReadMs = performance.now() - started;
  const use = endWatch();
  await checkStored(store, shape, expectedCount);
  const message = loadMessages(shape);
  const endCount = expectedCount + appendCount;
  for (let first = expectedCount; first < endCount; first += batch) {
    const messages: NewMessage[] = [];
    for (let ordinal = first; ordinal < Math.min(first + batch, endCount); ordinal += 1) messages.push(message(ordinal));
    await store.appendBatch(messages);
  }
  const { cleanShutdown, durationMs, scannedBytes, redispatchedCount } = store.recovery;
  const { writtenOffset, minOffset } = store.stats();
  const life: OpeningLife = {
    openMs,
    firstReadMs,
    rssBytes: process.memoryUsage().rss,
    storedCount: endCount,
    logBytes: writtenOffset - minOffset,
    recovery: { cleanShutdown, durationMs, scannedBytes, redispatchedCount },
    eventLoopDelayMsMax: use.eventLoopDelayMs.max,
  };
  if (end === 'close') await store.close();
  writeSync(1, `${JSON.stringify(life)}\n`);
  if (end === 'kill') process.kill(process.pid, 'SIGKILL');
}

const [directory = '', shape = '', expectedCount = '', appendCount = '', end = ''] = process.argv.slice(2);
await live(directory, JSON.parse(shape) as OpeningShape, Number(expectedCount), Number(appendCount), end);
