import { Command } from 'commander';
import { readEnvironment } from '../common/environment.js';
import { makeLoadDirectory } from '../common/load-directory.js';
import { formatBytes, formatCount, formatMs, median } from '../common/numbers.js';
import { oneOf, wholeNumber } from '../common/option-values.js';
import {
  measureGenerator,
  runAppendRound,
  runRawRounds,
  type AppendLoadOptions,
  type AppendRound,
  type RawRounds,
} from './append-round.js';
import { appendWays } from './append-ways.js';

/**
 * Load program for appending. JSON on the standard output, a few lines for people on the error output. Rounds of the store and of bare
 * loops over the same bytes take turns, each in fresh files, so that both meet the same disk; what is reported is the median.
 */
function readOptions(): AppendLoadOptions & { readonly directory: string | undefined } {
  const program = new Command('append')
    .description('Appends messages as fast as the store takes them; prints rates, latencies and costs beside those of a bare write loop.')
    .option('--mode <mode>', 'async or sync', oneOf(['async', 'sync']), 'async')
    .option('--how <way>', `one of ${appendWays.join(', ')}`, oneOf(appendWays), 'batch')
    .option('--callers <n>', 'with append: how many await at a time', wholeNumber(1), 64)
    .option('--batch <n>', 'with batch: messages in one', wholeNumber(1), 100)
    .option('--batches-in-flight <n>', 'with batch: how many are on their way at a time', wholeNumber(1), 4)
    .option('--body-bytes <n>', 'of each message', wholeNumber(0), 100)
    .option('--queues <n>', 'of the one topic', wholeNumber(1), 16)
    .option('--keys <n>', 'of each message, none twice', wholeNumber(0), 1)
    .option('--no-record-checksum', 'checksum over the body only')
    .option('--no-key-index', 'no key index')
    .option('--count <n>', 'messages of a round', wholeNumber(1), 1_000_000)
    .option('--seconds <n>', 'length of a round, in place of a number of messages', wholeNumber(0), 0)
    .option('--sample-every <n>', 'calls of which one is measured for the latencies', wholeNumber(1), 16)
    .option('--rounds <n>', 'of the store, and as many of the bare loops', wholeNumber(1), 3)
    .option('--raw-seconds <n>', 'longest time of a bare loop', wholeNumber(0), 5)
    .option('--directory <path>', 'must be empty or not there; deleted at the end (default: a fresh one in data/run-bench)')
    .allowExcessArguments(false);
  return program.parse().opts();
}

async function main(): Promise<void> {
  const { directory: asked, ...options } = readOptions();
  const { directory, remove } = makeLoadDirectory(asked);
  try {
    const environment = readEnvironment(directory);
    const generatorNsPerMessage = measureGenerator(options);
    const warmUp: AppendLoadOptions = {
      ...options,
      seconds: 0,
      count: Math.min(options.count, 20_000),
      queues: Math.min(options.queues, 64),
    };
    await runAppendRound(directory, warmUp);
    const store: AppendRound[] = [];
    const raw: RawRounds[] = [];
    for (let round = 0; round < options.rounds; round += 1) {
      const result = await runAppendRound(directory, options);
      store.push(result);
      raw.push(await runRawRounds(directory, options, result));
      console.error(`round ${round + 1}: ${describe(result)}`);
    }
    const medians = mediansOf(store, raw);
    console.log(JSON.stringify({ program: 'append', options, environment, generatorNsPerMessage, medians, store, raw }, null, 2));
    describeMedians(options, medians, generatorNsPerMessage);
  } finally {
    await remove();
  }
}

type Medians = ReturnType<typeof mediansOf>;

function mediansOf(store: readonly AppendRound[], raw: readonly RawRounds[]) {
  const of = <Round>(rounds: readonly Round[], value: (round: Round) => number): number => median(rounds.map(value));
  return {
    messagesPerSecond: of(store, (round) => round.messagesPerSecond),
    recordBytesPerSecond: of(store, (round) => round.recordBytesPerSecond),
    rawWritesPerSecond: of(raw, (round) => round.each.writesPerSecond),
    rawBytesPerSecond: of(raw, (round) => round.each.bytesPerSecond),
    rawPerMiBBytesPerSecond: of(raw, (round) => round.perMiB.bytesPerSecond),
    p50Us: of(store, (round) => round.latencyUs.p50),
    p99Us: of(store, (round) => round.latencyUs.p99),
    p999Us: of(store, (round) => round.latencyUs.p999),
    p9999Us: of(store, (round) => round.latencyUs.p9999),
    maxUs: of(store, (round) => round.latencyUs.max),
    eventLoopP99Ms: of(store, (round) => round.use.eventLoopDelayMs.p99),
    eventLoopMaxMs: of(store, (round) => round.use.eventLoopDelayMs.max),
    rssBytesMax: of(store, (round) => round.use.rssBytesMax),
    openFilesMax: of(store, (round) => round.use.openFilesMax ?? 0),
    collectionsTotalMs: of(store, (round) => round.use.garbageCollection.totalMs),
    collectionsMaxMs: of(store, (round) => round.use.garbageCollection.maxMs),
    blockBytesPerRecordByte: of(store, (round) => round.blockBytesPerRecordByte ?? 0),
    heapUsedBytesMax: of(store, (round) => round.use.heapUsedBytesMax),
    cpuUsPerMessage: of(store, (round) => round.cpuUsPerMessage),
    cpuUserMs: of(store, (round) => round.use.cpuUserMs),
    cpuSystemMs: of(store, (round) => round.use.cpuSystemMs),
    flushMs: of(store, (round) => round.flushMs),
    closeMs: of(store, (round) => round.closeMs),
  };
}

function describe(round: AppendRound): string {
  return `${formatCount(round.messagesPerSecond)} messages/s, ${formatBytes(round.recordBytesPerSecond)}/s, ${formatCount(round.messageCount)} in ${formatMs(round.durationMs)}`;
}

function describeMedians(options: AppendLoadOptions, medians: Medians, generatorNsPerMessage: number): void {
  const { mode, how, callers, batch, bodyBytes } = options;
  const shape = how === 'append' ? `${callers} callers` : how === 'batch' ? `batches of ${batch}` : 'one loop';
  console.error(`${mode}, ${how}, ${shape}, ${bodyBytes} B bodies: median of ${options.rounds}`);
  console.error(`  store     ${formatCount(medians.messagesPerSecond)} messages/s  ${formatBytes(medians.recordBytesPerSecond)}/s`);
  const sync = mode === 'sync' ? ' + fdatasync' : '';
  console.error(
    `  bare loop ${formatCount(medians.rawWritesPerSecond)} writes${sync}/s  ${formatBytes(medians.rawBytesPerSecond)}/s, one for each message`,
  );
  console.error(`  bare loop ${formatBytes(medians.rawPerMiBBytesPerSecond)}/s in pieces of 1 MiB${sync}`);
  if (how !== 'all') {
    const { p50Us, p99Us, p999Us, p9999Us, maxUs } = medians;
    const each = [p50Us, p99Us, p999Us, p9999Us, maxUs].map((us) => formatMs(us / 1e3)).join('  ');
    console.error(`  latency   ${each}  (p50, p99, p99.9, p99.99, max of a ${how === 'batch' ? 'batch' : 'call'})`);
  }
  console.error(`  event loop late by ${formatMs(medians.eventLoopP99Ms)} (p99), ${formatMs(medians.eventLoopMaxMs)} (max)`);
  console.error(
    `  memory    ${formatBytes(medians.rssBytesMax)} resident, ${formatBytes(medians.heapUsedBytesMax)} heap; processor ${formatMs(medians.cpuUserMs)} user, ${formatMs(medians.cpuSystemMs)} system, ${medians.cpuUsPerMessage.toFixed(2)} us a message`,
  );
  console.error(
    `  disk      ${medians.blockBytesPerRecordByte.toFixed(2)} bytes to the device for a byte of a record (0: not known); ${formatCount(medians.openFilesMax)} files open; collections ${formatMs(medians.collectionsTotalMs)}, longest ${formatMs(medians.collectionsMaxMs)}`,
  );
  console.error(`  making the messages took ${generatorNsPerMessage.toFixed(0)} ns each, which is part of the store's figures`);
}

await main();
