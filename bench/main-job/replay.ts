import { performance } from 'node:perf_hooks';
import type { AppendReceipt, NewMessage, Store } from '../../src/index.js';
import { formatCount } from '../common/numbers.js';
import { printHeading, printLine, startProgress, type Progress } from './print.js';
import { roundMax } from './event-templates.js';
import type { StoredSoFar } from './stored-so-far.js';

/** Of every store with default settings. */
export const defaultSegmentBytes: number = 1024 ** 3;
const defaultCountMin = 1_000_000;
const batchCount = 200;
const batchesInFlightMax = 8;
/** How far into the second segment a run goes that is asked for no number. */
const secondSegmentBytes = 8 * 1024 ** 2;

export interface ReplayResult {
  readonly count: number;
  readonly recordBytes: number;
  readonly durationMs: number;
  /** Until the disk had it all too. */
  readonly flushMs: number;
  readonly recordBytesMean: number;
}

/** Step 2: the feed again and again. `countMin` is what the log holds at the end, with what it holds already. */
export async function replay(store: Store, stored: StoredSoFar, countMin: number | undefined): Promise<ReplayResult> {
  printHeading(
    '2. A replay at full speed',
    `The same week again and again, ids made unique, in batches of ${batchCount}: ` +
      (countMin === undefined
        ? 'a million messages, and past the end of the first segment of 1 GiB.'
        : `until ${formatCount(countMin)} messages are stored.`),
  );
  const progress = startProgress(countMin ?? guessCount(stored), 'messages');
  const before = { count: stored.count, recordBytes: stored.recordBytes };
  const started = performance.now();
  try {
    await appendRounds(store, stored, countMin, progress);
  } finally {
    progress.stop();
  }
  const appended = performance.now();
  const { writtenOffset } = await store.flush();
  const flushMs = performance.now() - appended;
  const count = stored.count - before.count;
  const recordBytes = stored.recordBytes - before.recordBytes;
  if (countMin !== undefined && writtenOffset <= defaultSegmentBytes) {
    printLine('With this --count the log stays inside its first segment; without the option it goes on into the second.');
  }
  return { count, recordBytes, durationMs: appended - started, flushMs, recordBytesMean: Math.round(recordBytes / Math.max(1, count)) };
}

/** How many messages of the feed fill what a run without `--count` fills. */
function guessCount(stored: StoredSoFar): number {
  const recordBytesMean = stored.recordBytes / stored.count;
  return Math.max(defaultCountMin, Math.ceil((defaultSegmentBytes + secondSegmentBytes) / recordBytesMean));
}

/** A few batches are on their way at a time; the order of the calls is the order of the log. */
async function appendRounds(store: Store, stored: StoredSoFar, countMin: number | undefined, progress: Progress): Promise<void> {
  const inFlight: Promise<readonly AppendReceipt[]>[] = [];
  let next = stored.count;
  let end = 0;
  const settle = async (): Promise<void> => {
    const receipts = await inFlight.shift();
    const first = receipts?.[0];
    const last = receipts?.at(-1);
    if (receipts === undefined || first === undefined || last === undefined) return;
    end = last.physicalOffset + last.recordBytes;
    stored.count += receipts.length;
    stored.recordBytes += end - first.physicalOffset; // a batch is adjacent in the log
    stored.lastStoredAt = last.storedAt;
    progress.update(stored.count);
  };
  const goesOn = (): boolean =>
    countMin === undefined ? next < defaultCountMin || end < defaultSegmentBytes + secondSegmentBytes : next < countMin;
  try {
    while (goesOn()) {
      const batch = nextBatch(stored, next, countMin ?? Number.POSITIVE_INFINITY);
      next += batch.length;
      inFlight.push(store.appendBatch(batch));
      if (inFlight.length >= batchesInFlightMax) await settle();
    }
    while (inFlight.length > 0) await settle();
  } catch (error) {
    await Promise.allSettled(inFlight);
    throw error;
  }
}

/** No longer than the feed, or two messages of one batch would share a body. */
function nextBatch(stored: StoredSoFar, from: number, to: number): NewMessage[] {
  const templates = stored.templates;
  const batch: NewMessage[] = [];
  const length = Math.min(batchCount, templates.length, to - from);
  for (let ordinal = from; ordinal < from + length; ordinal += 1) {
    const round = Math.floor(ordinal / templates.length);
    if (round > roundMax) throw new RangeError(`no more than ${roundMax} replays have unique ids`);
    const template = templates[ordinal % templates.length];
    if (template !== undefined) batch.push(template.replayed(round));
  }
  return batch;
}
