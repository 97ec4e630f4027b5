import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { openStore, type FlushMode, type StoreOptions } from '../../src/index.js';
import { Latencies, type LatencyCurve, type LatencyUs } from '../common/latencies.js';
import { blockBytesWritten } from '../common/machine-counters.js';
import { perSecond } from '../common/numbers.js';
import { watchProcess, type ProcessUse } from '../common/process-use.js';
import { runRawWrites } from '../common/raw-writes.js';
import { appendInWay, Goal, type AppendWay } from './append-ways.js';
import { checkStored, type OpenForLoad } from './check-stored.js';
import { loadMessages, type LoadShape } from './load-messages.js';

export interface AppendLoadOptions extends LoadShape {
  readonly mode: FlushMode;
  readonly how: AppendWay;
  readonly callers: number;
  readonly batch: number;
  readonly batchesInFlight: number;
  readonly recordChecksum: boolean;
  readonly keyIndex: boolean;
  readonly count: number;
  readonly seconds: number;
  readonly sampleEvery: number;
  readonly rounds: number;
  readonly rawSeconds: number;
}

export interface AppendRound {
  readonly messageCount: number;
  readonly recordBytes: number;
  readonly durationMs: number;
  readonly messagesPerSecond: number;
  readonly recordBytesPerSecond: number;
  /** From the last receipt until the disk had everything. */
  readonly flushMs: number;
  readonly closeMs: number;
  readonly latencyUs: LatencyUs;
  readonly latencyCurve: LatencyCurve;
  /** Sent to the block device from opening until the store was closed, for each byte of a record; where the kernel tells. */
  readonly blockBytesPerRecordByte: number | undefined;
  /** All threads, user and system; steadier than a rate on a machine that does other things too. */
  readonly cpuUsPerMessage: number;
  readonly use: ProcessUse;
}

export interface RawRound {
  readonly pieceBytes: number;
  readonly pieceCount: number;
  readonly durationMs: number;
  readonly writesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly finalSyncMs: number;
}

/** Beside the store: a write for each message (async), or a write and an fdatasync for each (sync); and with large pieces what the disk takes. */
export interface RawRounds {
  readonly each: RawRound;
  readonly perMiB: RawRound;
}

const segmentBytes = 1024 ** 3;
const largePieceBytes = 1024 ** 2;
const noLimitMs = 1e12;

/** One fresh store, filled, checked and deleted. */
export async function runAppendRound(directory: string, options: AppendLoadOptions, open: OpenForLoad = openStore): Promise<AppendRound> {
  const path = join(directory, 'store');
  const storeOptions: StoreOptions = { flush: options.mode, recordChecksum: options.recordChecksum, keyIndex: options.keyIndex };
  const blockBytesBefore = blockBytesWritten() ?? 0;
  const store = await open(path, storeOptions);
  const latencies = new Latencies(options.sampleEvery);
  const durationMaxMs = options.seconds > 0 ? options.seconds * 1_000 : noLimitMs;
  const endWatch = watchProcess();
  const started = performance.now();
  const goal = new Goal(options.seconds > 0 ? Number.MAX_SAFE_INTEGER : options.count, durationMaxMs);
  const { count, recordBytes } = await appendInWay(options.how, store, { ...options, message: loadMessages(options), latencies, goal });
  const durationMs = performance.now() - started;
  const use = endWatch();
  const flushMs = await timed(() => store.flush());
  await checkStored(store, options, count, 1, options.keyIndex);
  const closeMs = await timed(() => store.close());
  const blockBytes = blockBytesWritten();
  await rm(path, { recursive: true });
  return {
    messageCount: count,
    recordBytes,
    durationMs,
    messagesPerSecond: perSecond(count, durationMs),
    recordBytesPerSecond: perSecond(recordBytes, durationMs),
    flushMs,
    closeMs,
    latencyUs: latencies.summary(),
    latencyCurve: latencies.curve(),
    blockBytesPerRecordByte: blockBytes === undefined ? undefined : (blockBytes - blockBytesBefore) / Math.max(1, recordBytes),
    cpuUsPerMessage: ((use.cpuUserMs + use.cpuSystemMs) * 1e3) / Math.max(1, count),
    use,
  };
}

/** As many bytes as the store's round wrote, so far as the time allows: a loop of syncs is slow. */
export async function runRawRounds(directory: string, options: AppendLoadOptions, beside: AppendRound): Promise<RawRounds> {
  const pieceBytes = Math.max(1, Math.round(beside.recordBytes / Math.max(1, beside.messageCount)));
  const common = { directory, totalBytes: beside.recordBytes, fileBytes: segmentBytes, durationMaxMs: options.rawSeconds * 1_000 };
  const raw = async (bytes: number, sync: 'each' | 'none'): Promise<RawRound> => {
    const result = await runRawWrites({ ...common, pieceBytes: bytes, sync });
    return {
      pieceBytes: bytes,
      pieceCount: result.pieceCount,
      durationMs: result.durationMs,
      writesPerSecond: perSecond(result.pieceCount, result.durationMs),
      bytesPerSecond: perSecond(result.bytes, result.durationMs),
      finalSyncMs: result.finalSyncMs,
    };
  };
  const sync = options.mode === 'sync' ? 'each' : 'none';
  return { each: await raw(pieceBytes, sync), perMiB: await raw(largePieceBytes, sync) };
}

/** What making the messages costs by itself, which every figure of the store includes. */
export function measureGenerator(options: AppendLoadOptions): number {
  const message = loadMessages(options);
  const count = 300_000;
  let kept = 0;
  let elapsedMs = 0;
  for (let pass = 0; pass < 2; pass += 1) {
    const started = performance.now();
    for (let ordinal = 0; ordinal < count; ordinal += 1) kept += message(ordinal).keys?.length ?? 0;
    elapsedMs = performance.now() - started;
  }
  return kept < 0 ? 0 : (elapsedMs * 1e6) / count;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
