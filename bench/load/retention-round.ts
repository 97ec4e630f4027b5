import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { openStore, type Store } from '../../src/index.js';
import { Latencies, type LatencyUs } from '../common/latencies.js';
import { perSecond } from '../common/numbers.js';
import { type ProcessUse, watchProcess } from '../common/process-use.js';
import type { OpenForLoad } from './check-stored.js';
import { loadKey, loadMessages, loadTopic, type LoadShape } from './load-messages.js';

export interface RetentionOptions extends LoadShape {
  readonly callers: number;
  readonly segmentBytes: number;
  /** Of the log, kept. */
  readonly maxBytes: number;
  /** Appended in all. */
  readonly totalBytes: number;
}

export interface RetentionRound {
  readonly messageCount: number;
  readonly messagesPerSecond: number;
  readonly deletedSegmentCount: number;
  readonly logBytesAtEnd: number;
  /** The most that the segments of the log held while messages came. */
  readonly logBytesMax: number;
  readonly latencyUs: LatencyUs;
  readonly use: ProcessUse;
}

const sampleMs = 50;
const cleanEvery = 20_000;

/** Appends many times what may be kept. The log must stay near its bound, and what is left must be the newest messages, without a gap. */
export async function runRetention(directory: string, options: RetentionOptions, open: OpenForLoad = openStore): Promise<RetentionRound> {
  const path = join(directory, 'store');
  let deletedSegmentCount = 0;
  const store = await open(path, {
    flush: 'async',
    segmentBytes: options.segmentBytes,
    retention: { maxBytes: options.maxBytes },
    listener: { onSegmentDeleted: () => (deletedSegmentCount += 1) },
  });
  let logBytesMax = 0;
  const sample = (): void => {
    logBytesMax = Math.max(logBytesMax, logBytes(path));
  };
  const timer = setInterval(sample, sampleMs);
  const endWatch = watchProcess();
  const latencies = new Latencies(1);
  const started = performance.now();
  const messageCount = await appendAll(store, options, latencies);
  const durationMs = performance.now() - started;
  const use = endWatch();
  clearInterval(timer);
  // Only what is on the disk may be deleted, and a short run has ended before the first sync by interval.
  await store.flush();
  await store.clean();
  await checkNewest(store, options, messageCount);
  const logBytesAtEnd = logBytes(path);
  const boundBytes = options.maxBytes + 2 * options.segmentBytes;
  if (logBytesAtEnd > boundBytes) throw new Error(`the log holds ${logBytesAtEnd} bytes at the end, more than ${boundBytes}`);
  if (deletedSegmentCount === 0) throw new Error('no segment was deleted: there was nothing to measure');
  await store.close();
  return {
    messageCount,
    messagesPerSecond: perSecond(messageCount, durationMs),
    deletedSegmentCount,
    logBytesAtEnd,
    logBytesMax,
    latencyUs: latencies.summary(),
    use,
  };
}

/** Cleans now and then beside the appends, so that deleting meets them also where the store would do so rarely by itself. */
async function appendAll(store: Store, options: RetentionOptions, latencies: Latencies): Promise<number> {
  const message = loadMessages(options);
  let sent = 0;
  let bytes = 0;
  let cleaning: Promise<unknown> = Promise.resolve();
  const call = async (): Promise<void> => {
    while (bytes < options.totalBytes) {
      const begun = performance.now();
      sent += 1;
      if (sent % cleanEvery === 0) cleaning = cleaning.then(() => store.clean());
      const { recordBytes } = await store.append(message(sent - 1));
      bytes += recordBytes;
      latencies.record(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: options.callers }, call));
  await cleaning;
  return sent;
}

async function checkNewest(store: Store, options: RetentionOptions, count: number): Promise<void> {
  for (let queueId = 0; queueId < options.queues; queueId += 1) {
    const { min, max } = store.bounds({ topic: loadTopic, queueId });
    const expected = Math.floor((count - queueId + options.queues - 1) / options.queues);
    if (max !== expected) throw new Error(`queue ${queueId} ends at ${max} in place of ${expected}`);
    let at = min;
    for await (const message of store.tail({ topic: loadTopic, queueId }, { from: min, until: 'end' })) {
      const key = loadKey(at * options.queues + queueId, 0);
      if (message.queueOffset !== at || message.keys[0] !== key) throw new Error(`queue ${queueId} has a gap at ${at}`);
      at += 1;
    }
    if (at !== max) throw new Error(`queue ${queueId} could be read to ${at} only, not to ${max}`);
  }
}

function logBytes(path: string): number {
  const folder = join(path, 'commitlog');
  let bytes = 0;
  for (const name of readdirSync(folder)) bytes += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}
