import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Command } from 'commander';
import { openStore, type NewMessage, type Store } from '../../src/index.js';
import { readEnvironment } from '../common/environment.js';
import { Latencies, type LatencyUs } from '../common/latencies.js';
import { makeLoadDirectory } from '../common/load-directory.js';
import { formatBytes, formatCount, formatMs, median, perSecond } from '../common/numbers.js';
import { wholeNumber } from '../common/option-values.js';
import { watchProcess, type ProcessUse } from '../common/process-use.js';
import { seededRandom } from '../common/seeded-random.js';
import { loadMessages, type LoadShape } from './load-messages.js';
import { emptyFilled, noteReceipts, readWays, type Filled } from './read-ways.js';

/**
 * Load program for reading: fills a store, closes and opens it, then reads it in every way, round by round. JSON on the standard
 * output, a table for people on the error output. Beside it, bare reads of the same log. All of it comes from the page cache, if the machine has
 * the memory: what is measured is the store, not the disk.
 */
interface ReadLoadOptions extends LoadShape {
  readonly count: number;
  readonly batch: number;
  readonly calls: number;
  readonly callers: number;
  readonly recordChecksum: boolean;
  readonly rounds: number;
  readonly seed: number;
}

interface ReadRound {
  readonly messageCount: number;
  readonly durationMs: number;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly latencyUs: LatencyUs;
  readonly use: ProcessUse;
}

const fillBatch = 500;
const rawPieceBytes = 1024 ** 2;

function readOptions(): ReadLoadOptions & { readonly directory: string | undefined } {
  const program = new Command('read')
    .description('Fills a store and reads it in every way; prints rates, latencies and costs beside those of bare reads.')
    .option('--count <n>', 'messages in the store', wholeNumber(1), 1_000_000)
    .option('--body-bytes <n>', 'of each message', wholeNumber(0), 100)
    .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
    .option('--keys <n>', 'of each message, none twice; at least one', wholeNumber(1), 1)
    .option('--batch <n>', 'messages read at a time by the sequential ways', wholeNumber(1), 500)
    .option('--calls <n>', 'of each random way in a round', wholeNumber(1), 50_000)
    .option('--callers <n>', 'random calls on their way at a time', wholeNumber(1), 1)
    .option('--no-record-checksum', 'checksum over the body only')
    .option('--rounds <n>', 'of every way', wholeNumber(1), 3)
    .option('--seed <n>', 'chooses what the random ways ask for', wholeNumber(0), 1)
    .option('--directory <path>', 'must be empty or not there; deleted at the end (default: a fresh one in data/run-bench)')
    .allowExcessArguments(false);
  return program.parse().opts();
}

async function fill(store: Store, options: ReadLoadOptions): Promise<Filled> {
  const message = loadMessages(options);
  const columns = emptyFilled(options.count);
  let recordBytes = 0;
  for (let first = 0; first < options.count; first += fillBatch) {
    const messages: NewMessage[] = [];
    for (let ordinal = first; ordinal < Math.min(first + fillBatch, options.count); ordinal += 1) messages.push(message(ordinal));
    const receipts = await store.appendBatch(messages);
    noteReceipts(columns, first, receipts);
    for (const receipt of receipts) recordBytes += receipt.recordBytes;
  }
  return { count: options.count, recordBytes, ...columns };
}

async function runRound(name: string, store: Store, options: ReadLoadOptions, filled: Filled, round: number): Promise<ReadRound> {
  const latencies = new Latencies(1);
  const way = readWays[name];
  if (way === undefined) throw new Error(`there is no way ${name}`);
  const endWatch = watchProcess();
  const started = performance.now();
  const messageCount = await way({ ...options, store, filled, latencies, seed: options.seed + round });
  const durationMs = performance.now() - started;
  if (messageCount !== options.count && messageCount !== options.calls)
    throw new Error(`${name}: ${messageCount} of ${options.count} read`);
  const bytes = (messageCount * filled.recordBytes) / filled.count;
  return {
    messageCount,
    durationMs,
    messagesPerSecond: perSecond(messageCount, durationMs),
    bytesPerSecond: perSecond(bytes, durationMs),
    latencyUs: latencies.summary(),
    use: endWatch(),
  };
}

/** The whole log front to back in large pieces, and single records where they lie, with nothing done to the bytes. */
function runRawRound(directory: string, options: ReadLoadOptions, filled: Filled, round: number): Record<string, number> {
  const folder = join(directory, 'store', 'commitlog');
  const names = readdirSync(folder).sort();
  const descriptors = names.map((name) => openSync(join(folder, name), 'r'));
  const into = Buffer.alloc(rawPieceBytes);
  try {
    const sequential = performance.now();
    for (let at = 0; at < filled.recordBytes; at += into.length) readSync(descriptors[0] as number, into, 0, into.length, at % 1024 ** 3);
    const sequentialMs = performance.now() - sequential;
    const random = seededRandom(options.seed + round);
    const recordBytes = Math.round(filled.recordBytes / filled.count);
    const started = performance.now();
    for (let call = 0; call < options.calls; call += 1) {
      const at = filled.physicalOffset[Math.floor(random() * filled.count)] as number;
      const file = names.findLastIndex((name) => Number(name) <= at);
      readSync(descriptors[file] as number, into, 0, recordBytes, at - Number(names[file]));
    }
    return {
      sequentialBytesPerSecond: perSecond(filled.recordBytes, sequentialMs),
      randomReadsPerSecond: perSecond(options.calls, performance.now() - started),
    };
  } finally {
    for (const fd of descriptors) closeSync(fd);
  }
}

async function main(): Promise<void> {
  const { directory: asked, ...options } = readOptions();
  const { directory, remove } = makeLoadDirectory(asked);
  try {
    const environment = readEnvironment(directory);
    const storeOptions = { flush: 'async', recordChecksum: options.recordChecksum } as const;
    const filling = await openStore(join(directory, 'store'), storeOptions);
    const filled = await fill(filling, options);
    await filling.close();
    const store = await openStore(join(directory, 'store'), storeOptions);
    const rounds: Record<string, ReadRound[]> = {};
    const raw: Record<string, number>[] = [];
    for (let round = 0; round < options.rounds; round += 1) {
      for (const name of Object.keys(readWays)) (rounds[name] ??= []).push(await runRound(name, store, options, filled, round));
      raw.push(runRawRound(directory, options, filled, round));
    }
    await store.close();
    const medians = Object.fromEntries(
      Object.entries(rounds).map(([name, each]) => [name, median(each.map((one) => one.messagesPerSecond))]),
    );
    console.log(JSON.stringify({ program: 'read', options, environment, medians, rounds, raw }, null, 2));
    describe(options, filled, rounds, raw);
  } finally {
    await remove();
  }
}

function describe(
  options: ReadLoadOptions,
  filled: Filled,
  rounds: Readonly<Record<string, ReadRound[]>>,
  raw: readonly Record<string, number>[],
): void {
  console.error(`${formatCount(filled.count)} messages, ${formatBytes(filled.recordBytes)}: medians of ${options.rounds}`);
  for (const [name, each] of Object.entries(rounds)) {
    const of = (value: (round: ReadRound) => number): number => median(each.map(value));
    const calls = of((round) => round.latencyUs.sampleCount) > 0;
    const latency = [of((one) => one.latencyUs.p50), of((one) => one.latencyUs.p99), of((one) => one.latencyUs.max)].map((us) =>
      formatMs(us / 1e3),
    );
    const rate = `${formatCount(of((round) => round.messagesPerSecond)).padStart(11)}/s`;
    const late = `event loop late by ${formatMs(of((round) => round.use.eventLoopDelayMs.max))} at most`;
    const detail = calls
      ? `p50 ${latency[0]}, p99 ${latency[1]}, max ${latency[2]}`
      : `${formatBytes(of((round) => round.bytesPerSecond))}/s`;
    console.error(`  ${name.padEnd(20)}${rate}  ${detail}; ${late}`);
  }
  const rawOf = (name: string): number => median(raw.map((round) => round[name] ?? 0));
  console.error(`  ${'bare reads, 1 MiB'.padEnd(20)}${formatBytes(rawOf('sequentialBytesPerSecond'))}/s in order`);
  console.error(`  ${'bare reads, 1 record'.padEnd(20)}${formatCount(rawOf('randomReadsPerSecond')).padStart(11)}/s at random`);
}

await main();
