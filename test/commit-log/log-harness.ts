import { QueueRegistry } from '../../src/base/queue-registry.js';
import type { StoreError } from '../../src/base/errors.js';
import { CommitLog } from '../../src/commit-log/commit-log.js';
import type { CommitLogOptions, FlushInfo } from '../../src/commit-log/commit-log-options.js';
import { LogScanner } from '../../src/commit-log/log-scanner.js';
import { LogSegments } from '../../src/commit-log/log-segments.js';
import type { NewMessage } from '../../src/format/message.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import type { RecordFacts } from '../../src/format/record-facts.js';
import type { RecordView } from '../../src/format/record-view.js';
import { parseSegmentName, segmentName } from '../../src/format/segment-name.js';
import type { Platform } from '../../src/platform/platform.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { manualClock, type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';

export const root = '/store';
export const logDirectory = '/store/commitlog';
export const makingDirectory = '/store/stratalog/tmp';
export const KIB = 1024;
export const MIB: number = 1024 * KIB;

/** A disk on which the directories are durable, as opening a store makes them; its time stands still. */
export async function preparedPlatform(
  seed: number = 1,
  capacityBytes?: number,
): Promise<MemoryPlatform & { advance(ms: number): Promise<void> }> {
  const clock = manualClock();
  const platform = memoryPlatform({ seed, clock, capacityBytes });
  await platform.fs.makeDirectory(logDirectory);
  await platform.fs.makeDirectory(makingDirectory);
  for (const path of ['/store/stratalog', '/store', '/']) await platform.fs.syncDirectory(path);
  return { ...platform, advance: (ms) => clock.advance(ms) };
}

/** What the derived structures were given, as plain rows. */
export interface HandedRow {
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly slot: number;
  readonly queueOffset: number;
}

export interface LogHarness {
  readonly platform: Platform;
  readonly log: CommitLog;
  readonly segments: LogSegments;
  readonly files: OpenFiles;
  readonly registry: QueueRegistry;
  readonly handed: HandedRow[];
  readonly failures: StoreError[];
  readonly rolled: number[];
  readonly flushes: FlushInfo[];
  /** Set to refuse appends. */
  refusal: StoreError | undefined;
}

export interface HarnessOptions
  extends Partial<Pick<CommitLogOptions, 'flush' | 'flushIntervalMs' | 'pendingBytesMax' | 'unflushedBytesMax' | 'lastStoredAt'>> {
  readonly segmentBytes?: number;
  readonly systemMessages?: boolean;
  readonly onRolled?: (harness: LogHarness) => void;
  readonly onVisible?: (harness: LogHarness) => void;
}

/** A new log, or one that ends where the records on the disk do; all of it counts as durable. */
export async function openLog(platform: Platform, options: HarnessOptions = {}): Promise<LogHarness> {
  const segmentBytes = options.segmentBytes ?? 16 * MIB;
  const files = new OpenFiles(platform.fs, 64);
  const segments = new LogSegments({ fs: platform.fs, files, directory: logDirectory, makingDirectory, segmentBytes });
  segments.setBases(basesIn(platform, logDirectory));
  const registry = new QueueRegistry();
  const { end } = await new LogScanner(segments)
    .scan({ from: segments.minOffset, limit: Number.MAX_SAFE_INTEGER, verify: true, isOurs: () => true }, (view) => {
      registry.next[registry.slotOf(view.topic, view.queueId)] = view.queueOffset + 1;
    })
    .then((stopped) => ({ end: stopped.offset }));
  const storeHost = { address: '127.0.0.1', port: 10911 };
  const encoder = new RecordEncoder({
    storeHost,
    recordChecksum: true,
    messageBytesMax: 8 * MIB,
    systemMessages: options.systemMessages ?? false,
  });
  const harness: { -readonly [Key in keyof LogHarness]: LogHarness[Key] } = {
    platform,
    segments,
    files,
    registry,
    handed: [],
    failures: [],
    rolled: [],
    flushes: [],
    refusal: undefined,
    log: undefined as unknown as CommitLog,
  };
  const collect = {
    name: 'collected',
    accept: (facts: RecordFacts, from: number, to: number) => pushRows(harness.handed, facts, from, to),
  };
  harness.log = new CommitLog({
    segments,
    encoder,
    registry,
    clock: platform.clock,
    flush: options.flush ?? 'async',
    flushIntervalMs: options.flushIntervalMs ?? 500,
    pendingBytesMax: options.pendingBytesMax ?? 64 * MIB,
    unflushedBytesMax: options.unflushedBytesMax ?? 1024 * MIB,
    recordChecksum: true,
    hostHex: encoder.hostHex,
    end,
    lastStoredAt: options.lastStoredAt ?? 0,
    hooks: {
      refusal: () => harness.refusal,
      onVisible: () => {
        harness.log.handOver([collect]);
        options.onVisible?.(harness);
      },
      onFlushed: (info) => harness.flushes.push(info),
      onFailed: (error) => harness.failures.push(error),
      onRolled: (segment) => {
        harness.rolled.push(segment.baseOffset);
        options.onRolled?.(harness);
      },
    },
  });
  return harness;
}

function pushRows(rows: HandedRow[], facts: RecordFacts, from: number, to: number): void {
  for (let i = from; i < to; i += 1) {
    rows.push({
      physicalOffset: facts.physicalOffset[i] ?? -1,
      recordBytes: facts.recordBytes[i] ?? -1,
      slot: facts.slot[i] ?? -1,
      queueOffset: facts.queueOffset[i] ?? -1,
    });
  }
}

export async function closeLog({ log, segments, files }: LogHarness): Promise<void> {
  await log.drain();
  await log.end();
  await segments.close();
  await files.closeAll();
}

/** A message whose body begins with its name and has that many bytes in all. */
export function message(name: string, bodyBytes: number = name.length, queueId: number = 0): NewMessage {
  return { topic: 'T', queueId, body: name.padEnd(bodyBytes, '.') };
}

export function messages(count: number, bodyBytes: number = 0, name: string = 'm'): NewMessage[] {
  return Array.from({ length: count }, (_, i) => message(`${name}${i}`, bodyBytes === 0 ? `${name}${i}`.length : bodyBytes));
}

export interface FoundRecord {
  readonly name: string;
  readonly offset: number;
  readonly recordBytes: number;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly storedAt: number;
}

/** What opening the disk would find: records up to the first byte that is none, and segments behind them that were not moved yet. */
export async function recordsOn(platform: Platform, segmentBytes: number = 16 * MIB): Promise<FoundRecord[]> {
  const files = new OpenFiles(platform.fs, 64);
  const found: FoundRecord[] = [];
  const bases = basesIn(platform, logDirectory);
  let end = 0;
  const visit = (view: RecordView, offset: number): void => {
    found.push({
      name: view.bytes.subarray(view.bodyStart, view.bodyEnd).toString('latin1').replace(/\.+$/, ''),
      offset,
      recordBytes: view.recordBytes,
      queueId: view.queueId,
      queueOffset: view.queueOffset,
      storedAt: view.storedAt,
    });
  };
  for (const directory of [logDirectory, makingDirectory]) {
    const segments = new LogSegments({ fs: platform.fs, files, directory, makingDirectory, segmentBytes });
    segments.setBases(directory === logDirectory ? bases : basesIn(platform, makingDirectory));
    if (directory === makingDirectory && !segments.has(end)) break;
    const scan = { from: end, limit: Number.MAX_SAFE_INTEGER, verify: true, isOurs: () => true };
    end = (await new LogScanner(segments).scan(scan, visit)).offset;
  }
  await files.closeAll();
  return found;
}

export function namesOf(records: readonly FoundRecord[]): string[] {
  return records.map((record) => record.name);
}

function basesIn(platform: Platform, directory: string): number[] {
  return platform.fs
    .list(directory)
    .map((name) => parseSegmentName(name))
    .filter((base) => base !== undefined);
}

export function segmentPath(base: number): string {
  return `${logDirectory}/${segmentName(base)}`;
}

export function makingPath(base: number): string {
  return `${makingDirectory}/${segmentName(base)}`;
}

/** Bytes [from, to) of a file. */
export function bytesOf(platform: Platform, path: string, from: number, to: number): Buffer {
  const file = platform.fs.open(path, 'read');
  const bytes = Buffer.alloc(to - from);
  const count = file.readSync(bytes, from);
  file.close().catch(() => undefined);
  return bytes.subarray(0, count);
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}

/** Lets what is under way on a disk in memory come to its end. */
export async function turns(count: number = 60): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Each call's outcome, told when it is known; `undefined` until then. */
export interface Watched<T> {
  value: T | undefined;
  error: unknown;
  settled: boolean;
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { value: undefined, error: undefined, settled: false };
  promise.then(
    (value) => Object.assign(watched, { value, settled: true }),
    (error: unknown) => Object.assign(watched, { error, settled: true }),
  );
  return watched;
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error;
}
