import { StoreError } from '../base/errors.js';
import type { QueueRegistry } from '../base/queue-registry.js';
import { xxh64Hex } from '../base/xxh64.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import type { FactsTarget, RecordFacts } from '../format/record-facts.js';
import type { Platform } from '../platform/platform.js';
import { adoptMade } from './adopt-made.js';
import type { Examination } from './examine.js';
import { hasFailedSyncs, makeAnew } from './failed-syncs.js';
import { findEnd, type FoundEnd } from './find-end.js';
import { continueSpans, isInSpans, type KeptOptions, type Manifest, type OwnSpan } from './manifest.js';
import { cutExcess, lengthenShort } from './cut-excess.js';
import { type CutTail, cutLog, goOnWithout, rewrite } from './mend-log.js';
import { feedFrom, missingQueues, openIndex, restoreDerived } from './restore-derived.js';
import type { OpenFiles } from '../segment/open-files.js';
import { NumbersBefore, NumbersBehind } from './queue-numbers.js';
import { givenPlaces, placesIn } from './queue-places.js';
import { recordAt } from './record-at.js';
import { type DamageNote, skipDamage, type SkipOptions } from './skip-damage.js';
import { type StorePaths } from './side-files.js';
import { stockStart } from './stock-start.js';
import { areContiguous, foreignRan, trustedState, voidingState } from './trusted-state.js';
import type { IndexState, State } from './state.js';
import type { Watermark } from './watermark.js';

/** What recovery needs of the queues. */
export interface RecoverableQueues extends FactsTarget {
  /** As `accept`, but entries on disk keep what the log does not tell. */
  acceptAgain(facts: RecordFacts, from: number, to: number): void;
  restore(slot: number, min: number, max: number, minPhysicalOffset?: number): void;
  /** As `restore`, of a queue whose files are not what they should be, in place of what has been added to it. */
  distrust(slot: number, min: number, max: number, minPhysicalOffset: number): Promise<void>;
  bounds(slot: number): { readonly min: number; readonly max: number };
  cut(slot: number, max: number): Promise<void>;
  /** Whether nothing stands on the disk behind entry `max`. */
  isCleanBehind(slot: number, max: number): boolean;
  listOnDisk(): readonly { readonly topic: string; readonly queueId: number; readonly fileStarts: readonly number[] }[];
  scanFiles(topic: string, queueId: number): { readonly min: number; readonly max: number };
  firstAtOrAbove(slot: number, physicalOffset: number): number;
  readEntries(slot: number, from: number, into: Buffer, count: number): number;
  firstHeld(slot: number, from: number): number;
  trim(minPhysicalOffset: number): Promise<number>;
  /** Files in front of the one of a queue's first entry, of records below `minPhysicalOffset` alone, are gone. */
  removeExpiredFiles(slot: number, minPhysicalOffset: number): Promise<void>;
  readonly pendingBytes: number;
  writePending(bytesMax: number): void;
}

/** What recovery needs of the key index. */
export interface RecoverableIndex extends FactsTarget {
  open(
    states: readonly IndexState[],
    clean: boolean,
    minPhysicalOffset: number,
  ): Promise<{ readonly refeedFrom: number | undefined; readonly asideCount: number }>;
  cut(end: number): Promise<void>;
  readonly pendingBytes: number;
  writePending(durableBefore: number, bytesMax: number): void;
}

export interface RecoverOptions {
  readonly platform: Platform;
  readonly paths: StorePaths;
  readonly files: OpenFiles;
  readonly segments: LogSegments;
  readonly registry: QueueRegistry;
  readonly queues: RecoverableQueues;
  readonly index: RecoverableIndex | undefined;
  readonly found: Examination;
  readonly kept: KeptOptions;
  readonly mode: 'strict' | 'skip' | 'truncate';
  readonly recordChecksum: boolean;
  readonly storeHost: { readonly address: string; readonly port: number };
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (scannedBytes: number, totalBytes: number) => void;
  /** Called before the first change on disk: makes the directories and `abort`. */
  readonly beforeChanges: () => Promise<void>;
}

export interface Recovered {
  readonly end: number;
  readonly lastRecord: { readonly start: number; readonly end: number } | undefined;
  readonly lastStoredAt: number;
  readonly manifest: Manifest;
  /** Nothing was changed and nothing had to be: the last close was clean. */
  readonly clean: boolean;
  readonly scannedBytes: number;
  readonly truncatedBytes: number;
  readonly skippedBytes: number;
  readonly damage: readonly DamageNote[];
  readonly redispatchedCount: number;
}

/** Decides what of the log survived, makes that durable, and brings queues and index up to it. */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { found, segments } = options;
  const bases = presentBases(options);
  segments.setBases(bases);
  const manifest: Manifest = found.manifest ?? {
    storeId: Buffer.from(options.platform.randomBytes(16)).toString('hex'),
    options: options.kept,
    spans: [],
  };
  if (bases.length === 0 && found.making.length === 0 && found.state === undefined) return await startFresh(options, manifest);
  const closed = await cleanState(options);
  if (closed !== undefined && missingQueues(options, closed).size === 0) return await openClean(options, closed, manifest);
  const state = trustedState(options);
  return await openUnclean(state === undefined ? voidingState(options) : options, manifest, state);
}

/** Bases of the files that can be segments; an empty last file is none (a kill between making and lengthening it). */
function presentBases(options: RecoverOptions): number[] {
  const { segmentBytes } = options.kept;
  const bases: number[] = [];
  const { segments: files } = options.found;
  for (const [i, file] of files.entries()) {
    const path = options.segments.pathOf(file.base);
    const isLast = i === files.length - 1;
    if (file.sizeBytes === 0 && isLast) continue;
    if (file.base % segmentBytes !== 0) {
      throw new StoreError('CORRUPT', `${path}: a segment that begins at no multiple of ${segmentBytes} bytes`, {
        details: { path, offset: 0, what: 'a segment that begins at the wrong place' },
      });
    }
    const isMisfit = file.sizeBytes > segmentBytes || (file.sizeBytes < segmentBytes && !isLast);
    if (isMisfit && options.mode === 'strict') {
      const what = `the segment has ${file.sizeBytes} bytes instead of ${segmentBytes}`;
      throw new StoreError('CORRUPT', `${path}: ${what}; recovery 'skip' puts aside what is too much and repairs what is missing`, {
        details: { path, offset: Math.min(file.sizeBytes, segmentBytes), what },
      });
    }
    bases.push(file.base);
  }
  return bases;
}

async function startFresh(options: RecoverOptions, manifest: Manifest): Promise<Recovered> {
  await options.beforeChanges();
  if (options.index !== undefined) await options.index.open([], false, 0);
  for (const queue of options.queues.listOnDisk()) {
    const { max } = options.queues.scanFiles(queue.topic, queue.queueId);
    const slot = options.registry.slotOf(queue.topic, queue.queueId);
    options.queues.restore(slot, max, max);
  }
  return report(options, manifest, { end: 0, lastRecord: undefined, lastStoredAt: 0 }, 0, { clean: true });
}

/** The state, if the last one here was us, closing cleanly, and nothing has changed since. Believed as a whole or not at all. */
async function cleanState(options: RecoverOptions): Promise<State | undefined> {
  const { state, abortPresent, checkpoint, manifest, segments: files, making } = options.found;
  if (state === undefined || manifest === undefined || !state.clean || abortPresent) return undefined;
  if (checkpoint === undefined || checkpoint.toString('hex') !== state.checkpointHex || making.length > 0) return undefined;
  if (files.some((file) => file.sizeBytes !== options.kept.segmentBytes)) return undefined;
  if (hasFailedSyncs(options.platform.fs, options.paths)) return undefined;
  const end = state.safeOffset;
  const { segments } = options;
  const last = segments.bases.at(-1);
  if (last === undefined ? end !== 0 : end <= last || end > last + segments.segmentBytes) return undefined;
  if (!areContiguous(segments)) return undefined;
  // Spans are left out: a broker's record may stand there.
  return (await recordAt(segments, [], end)).record === undefined ? state : undefined;
}

async function openClean(options: RecoverOptions, state: State, manifest: Manifest): Promise<Recovered> {
  const { queues, registry, segments, found } = options;
  const watermark = await validWatermark(options);
  await options.beforeChanges();
  for (const queue of state.queues) queues.restore(registry.slotOf(queue.topic, queue.queueId), queue.min, queue.max, state.trimmedTo);
  // The oldest segments may have been taken away by hand.
  if (segments.minOffset > 0) await queues.trim(segments.minOffset);
  const end = state.safeOffset;
  let count = 0;
  if (options.index !== undefined) {
    const refeedFrom = await openIndex(options, options.index, state, true);
    if (refeedFrom !== undefined) {
      const passing = feedingOver(options, end, manifest.spans);
      ({ count } = await feedFrom(options, Math.max(refeedFrom, segments.minOffset), end, end, passing));
    }
  }
  const lastRecord = watermark !== undefined && found.watermark !== undefined ? lastRecordOf(watermark) : undefined;
  return report(options, manifest, { end, lastRecord, lastStoredAt: state.lastStoredAt }, count, { clean: true });
}

async function openUnclean(options: RecoverOptions, manifest: Manifest, state: State | undefined): Promise<Recovered> {
  const { segments, found, mode } = options;
  const isForeign = foreignRan(found);
  const watermark = await validWatermark(options);
  const min = segments.minOffset;
  const durable = watermark?.flushedOffset ?? (await stockStart(segments, found.checkpoint));
  const spans = watermark === undefined ? [] : limitSpans(manifest.spans, isForeign ? durable : undefined);
  const from = Math.max(min, state?.safeOffset ?? min);
  const damage: DamageNote[] = await cutExcess(options);
  const skippedAt = new Set<number>();
  const skipping = skipOptions(options, { from, durable, spans, state, isForeign, watermark });
  let skippedBytes = 0;
  const total = (segments.bases.at(-1) ?? 0) + segments.segmentBytes - from;
  const search = async (start: number): Promise<FoundEnd> =>
    await findEnd({
      segments,
      from: start,
      watermark: durable,
      mode,
      isOurs: (offset) => isInSpans(spans, offset),
      believesBatches: (offset) => !isForeign || isInSpans(spans, offset),
      signal: options.signal,
      onProgress: (offset) => options.onProgress(Math.max(0, offset - from), total),
      skip: async (stopped) => {
        await options.beforeChanges();
        if (skippedAt.has(stopped.offset)) return undefined;
        skippedAt.add(stopped.offset);
        if (stopped.reason === 'end' && (await adoptMade(options, stopped.offset))) return stopped.offset;
        // Nothing is left of the log: where it began is not known, only where it ended.
        const lost = segments.bases.length === 0 ? { ...stopped, offset: segments.baseOf(durable - 1) } : stopped;
        // What it holds tells which numbers were lost in front of it.
        await adoptMade(options, segments.baseOf(stopped.offset) + segments.segmentBytes);
        const skipped = await skipDamage(skipping, lost);
        damage.push(...skipped.notes);
        skippedBytes += skipped.bytes;
        return skipped.next;
      },
    });
  // A refusal changes nothing, so whoever may refuse looks first.
  if (mode === 'strict' && hasFailedSyncs(options.platform.fs, options.paths)) await search(from);
  await makeAnew(options, watermark === undefined ? min : durable);
  let log = await search(from);
  for (let next = log.end; (await adoptMade(options, next)) && next === log.end; next = log.end) log = await search(next);
  await options.beforeChanges();
  const readableEnd = Math.max(log.end, min);
  await rewrite(
    { ...options, fs: options.platform.fs },
    watermark === undefined ? secondLastBase(segments) : durable - (durable % 4096),
    readableEnd,
  );
  const cuts = await cutLog({ ...options, fs: options.platform.fs }, readableEnd);
  const end = goOnWithout(segments, readableEnd);
  await lengthenShort(options);
  // A killed process may have moved a segment in without living to make its name durable.
  await options.platform.fs.syncDirectory(options.paths.commitLog);
  noteCuts(damage, cuts, log, options);
  const usable = state !== undefined && state.safeOffset <= end ? state : undefined;
  const count = await restoreDerived(options, usable, Math.min(from, end), end, feedingOver(options, end, spans));
  await cutQueues(options);
  await dropExpired(options);
  const lastStoredAt = Math.max(log.lastStoredAt, watermark?.lastStoredAt ?? 0, found.state?.lastStoredAt ?? 0);
  const lastRecord = log.lastRecord ?? (watermark !== undefined && watermark.flushedOffset <= end ? lastRecordOf(watermark) : undefined);
  return report(options, { ...manifest, spans }, { end, lastRecord, lastStoredAt }, count, {
    clean: false,
    scannedBytes: Math.max(0, end - from),
    truncatedBytes: cuts.reduce((sum, cut) => sum + cut.bytes, 0),
    skippedBytes,
    damage,
  });
}

function lastRecordOf({ lastRecordStart, flushedOffset }: Watermark): { readonly start: number; readonly end: number } | undefined {
  return lastRecordStart < 0 ? undefined : { start: lastRecordStart, end: flushedOffset };
}

/** Nothing is left on the disk behind the last entry of a queue. */
async function cutQueues(options: RecoverOptions): Promise<void> {
  for (let slot = 0; slot < options.registry.count; slot += 1) {
    const { max } = options.queues.bounds(slot);
    if (!options.queues.isCleanBehind(slot, max)) await options.queues.cut(slot, max);
    await options.files.breathe();
  }
}

/** What the log has lost at its beginning, and what a deletion that the crash has cut off has left in front of the queues. */
async function dropExpired({ registry, queues, segments, files }: RecoverOptions): Promise<void> {
  await queues.trim(segments.minOffset);
  if (segments.minOffset === 0) return;
  for (let slot = 0; slot < registry.count; slot += 1) {
    await queues.removeExpiredFiles(slot, segments.minOffset);
    await files.breathe();
  }
}

interface Findings {
  readonly from: number;
  readonly durable: number;
  readonly spans: readonly OwnSpan[];
  readonly state: State | undefined;
  readonly isForeign: boolean;
  readonly watermark: Watermark | undefined;
}

/** What is known when damage is to be skipped, for all of one recovery. */
function skipOptions(options: RecoverOptions, findings: Findings): SkipOptions {
  const { from, durable, spans, state, isForeign, watermark } = findings;
  const endsOf = (queues: State['queues'] = []): Map<string, number> =>
    new Map(queues.map((each) => [`${each.topic}/${each.queueId}`, each.max]));
  return {
    ...options,
    fs: options.platform.fs,
    spans,
    durable,
    placesIn: isForeign ? placesOnDisk(options) : givenPlaces(placesOnDisk(options), options.found.state),
    numbersBefore: new NumbersBefore(from, endsOf(state?.queues), state?.lastStoredAt),
    numbersBehind: new NumbersBehind(),
    queueEnds: endsOf(isForeign ? [] : options.found.state?.queues),
    resyncs: new Map(),
    certainResyncs: new Map(),
    lastRecordStart: watermark?.lastRecordStart,
  };
}

/** As `skipOptions`, once the queues have been restored, to pass over older damage that is not repaired now. */
function feedingOver(options: RecoverOptions, end: number, spans: readonly OwnSpan[]): SkipOptions {
  const { segments, queues, registry } = options;
  const skipping = skipOptions(options, {
    from: segments.minOffset,
    durable: end,
    spans,
    state: undefined,
    isForeign: true,
    watermark: undefined,
  });
  return { ...skipping, placesIn: (from, to) => placesIn(queues, registry, from, to), goesOnAt: end };
}

/** What the queue files on the disk say, before anything of them is believed; leaves no trace in the queues. */
function placesOnDisk(options: RecoverOptions): SkipOptions['placesIn'] {
  const { queues, registry } = options;
  let scanned: readonly { readonly slot: number; readonly min: number; readonly max: number }[] | undefined;
  return (from, to) => {
    scanned ??= queues
      .listOnDisk()
      .map(({ topic, queueId }) => ({ slot: registry.slotOf(topic, queueId), ...queues.scanFiles(topic, queueId) }));
    for (const { slot, min, max } of scanned) queues.restore(slot, min, max);
    const places = placesIn(queues, registry, from, to);
    for (const { slot } of scanned) {
      queues.restore(slot, 0, 0);
      registry.next[slot] = 0;
    }
    return places;
  };
}

/**
 * The watermark counts if the record that it names is in its place with its hash. Where nobody but us has written here it counts in any
 * case: then another hash is damage of that record, and a damaged last record must not pass for a torn tail.
 */
async function validWatermark(options: RecoverOptions): Promise<Watermark | undefined> {
  const { watermark } = options.found;
  const { segments } = options;
  if (watermark === undefined) return undefined;
  // It names no record where recovery ended at a place without one that it had read.
  if (watermark.lastRecordStart < 0)
    return watermark.flushedOffset === 0 || watermark.flushedOffset === segments.minOffset || !foreignRan(options.found)
      ? watermark
      : undefined;
  // A segment that is gone is no reason to forget how far the log was durable: that is what tells that it is gone.
  if (!segments.has(segments.baseOf(watermark.lastRecordStart))) return watermark;
  const hash = await recordHash(segments, watermark.lastRecordStart, watermark.flushedOffset);
  return hash === watermark.lastRecordHash || !foreignRan(options.found) ? watermark : undefined;
}

/** XXH64 of the first 64 KiB of a record; undefined: the bytes are not there. */
export async function recordHash(segments: LogSegments, start: number, end: number): Promise<string | undefined> {
  if (end <= start || segments.baseOf(start) !== segments.baseOf(end - 1) || !segments.has(segments.baseOf(start))) return undefined;
  const bytes = Buffer.alloc(Math.min(end - start, 64 * 1024));
  return (await segments.read(bytes, start)) === bytes.length ? xxh64Hex(bytes) : undefined;
}

function secondLastBase(segments: LogSegments): number {
  return segments.bases.at(-2) ?? segments.minOffset;
}

function limitSpans(spans: readonly OwnSpan[], end: number | undefined): readonly OwnSpan[] {
  return end === undefined ? spans : continueSpans(spans, end, false);
}

function noteCuts(damage: DamageNote[], cuts: readonly CutTail[], log: FoundEnd, options: RecoverOptions): void {
  const { segments } = options;
  if (log.damage !== undefined) {
    const base = segments.baseOf(log.damage.offset);
    damage.push({
      path: segments.pathOf(base),
      offset: log.damage.offset - base,
      bytes: cuts.reduce((sum, cut) => sum + cut.bytes, 0),
      what: log.damage.what,
      quarantinePath: cuts.at(-1)?.asidePath,
    });
    return;
  }
  for (const cut of cuts) {
    if (cut.asidePath === undefined) continue;
    damage.push({
      path: cut.path,
      offset: cut.offset,
      bytes: cut.bytes,
      what: 'records behind the end of the log',
      quarantinePath: cut.asidePath,
    });
  }
}

function report(
  options: RecoverOptions,
  manifest: Manifest,
  log: Pick<Recovered, 'end' | 'lastRecord' | 'lastStoredAt'>,
  redispatchedCount: number,
  more: Partial<Recovered> & { readonly clean: boolean },
): Recovered {
  return {
    scannedBytes: 0,
    truncatedBytes: 0,
    skippedBytes: 0,
    damage: [],
    ...log,
    ...more,
    redispatchedCount,
    manifest: { ...manifest, options: options.kept, spans: continueSpans(manifest.spans, log.end, options.recordChecksum) },
  };
}
