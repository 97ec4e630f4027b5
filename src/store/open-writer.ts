import { dirname } from 'node:path';
import { ioError, StoreError, systemErrorCode } from '../base/errors.js';
import { parseSegmentName } from '../format/segment-name.js';
import type { DirectoryLock, FileSystem, Platform } from '../platform/platform.js';
import { examine, type Examination, listIfThere, refuseForeignShapes } from '../recovery/examine.js';
import { forgetFailedSyncs, noteFailedSyncs } from '../recovery/failed-syncs.js';
import type { KeptOptions } from '../recovery/manifest.js';
import { ownSegment } from '../recovery/own-segment.js';
import { recover, type Recovered } from '../recovery/recover.js';
import { StorePaths } from '../recovery/side-files.js';
import { WatermarkFile } from '../recovery/watermark-file.js';
import { endEngine, endFoundation } from './close.js';
import type { RecoveryReport } from './contract.js';
import { Engine } from './engine.js';
import { takeFirstSafePoint } from './first-safe-point.js';
import { foreignSizes } from './foreign-sizes.js';
import { reportedDamage } from './reported-damage.js';
import { storeLocked } from './store-locked.js';
import { buildFoundation, type Foundation } from './foundation.js';
import { Listening } from './listening.js';
import { DEFAULT_KEPT, type ResolvedOptions } from './options.js';

/** A directory that may be written to but not read cannot be synced by us, nor one of a file system that knows no such call. */
const unsyncableCodes: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'EINVAL', 'ENOTSUP', 'ENOSYS']);

/**
 * Opens a store for writing: lock, look, decide, and only then, if anything is to be changed, `abort` and the changes. A refusal
 * leaves every byte as it was.
 */
export async function openWriter(directory: string, options: ResolvedOptions, machine: Platform): Promise<Engine> {
  const platform: Platform = {
    fs: noteFailedSyncs(machine.fs, new StorePaths(directory)),
    clock: machine.clock,
    randomBytes: (count) => machine.randomBytes(count),
  };
  const { fs, clock } = platform;
  const startMs = clock.monotonicMs();
  options.signal?.throwIfAborted();
  await attempt(`creating ${directory}`, async () => await makeDurableDirectory(fs, directory));
  attemptSync(`reading ${directory}`, () => refuseForeignShapes(fs, new StorePaths(directory)));
  const lock = attemptSync(`locking ${directory}`, () => fs.lockDirectory(directory));
  if (lock === undefined) throw storeLocked(platform, directory, 'close that one, or open this with readOnly: true');
  try {
    const paths = new StorePaths(directory);
    const found = await attempt(`reading ${directory}`, async () => await examine(fs, paths));
    const kept = await attempt(`opening ${directory}`, async () => await keepOptions(platform, paths, options, found));
    const foundation = buildFoundation(directory, options, kept, platform);
    try {
      return await start(foundation, found, startMs, lock);
    } catch (error) {
      await endFoundation(foundation);
      throw options.signal?.aborted === true && error === options.signal.reason ? error : ioError(`opening ${directory}`, error);
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * A directory is no safer than its entry in its parent, and that one's in its own. As long as there is no manifest, which comes after
 * this, it may have been made by somebody who did not live to sync it: then every one on the way down is synced.
 */
export async function makeDurableDirectory(fs: FileSystem, directory: string): Promise<void> {
  const ancestors: string[] = [];
  for (let path = directory; dirname(path) !== path; path = dirname(path)) ancestors.push(dirname(path));
  const isNew = !fs.exists(directory);
  await fs.makeDirectory(directory);
  if (!isNew && fs.exists(new StorePaths(directory).manifest)) return;
  for (const path of ancestors.reverse()) {
    try {
      await fs.syncDirectory(path);
    } catch (error) {
      if (!unsyncableCodes.has(systemErrorCode(error) ?? '')) throw error;
    }
  }
}

async function start(foundation: Foundation, found: Examination, startMs: number, lock: DirectoryLock): Promise<Engine> {
  const { platform, paths, options, directory } = foundation;
  const listening = new Listening(directory, options.listener);
  let isChanging = false;
  const recovered = await recover({
    ...foundation,
    found,
    mode: options.recovery,
    recordChecksum: options.recordChecksum,
    storeHost: options.storeHost,
    signal: options.signal,
    onProgress: (scannedBytes, totalBytes) => listening.tell('onRecoveryProgress', { scannedBytes, totalBytes }),
    beforeChanges: async () => {
      if (isChanging) return;
      isChanging = true;
      await prepareDirectories(platform, paths);
    },
  });
  await ownLastSegment(foundation, recovered.end);
  await clearMaking(foundation);
  const report = reportOf(recovered, platform.clock.monotonicMs() - startMs, lock);
  const watermark = await WatermarkFile.open(platform.fs, paths.watermark, found.watermark?.sequence ?? 0);
  let engine: Engine;
  try {
    engine = new Engine(foundation, recovered, report, listening, found, watermark, lock);
  } catch (error) {
    await watermark.close().catch(() => undefined);
    throw error;
  }
  try {
    await engine.sideKeeper.writeManifest(undefined);
    await engine.sideKeeper.writeFirstWatermark(recovered);
    await platform.fs.syncDirectory(paths.own);
    const isWhole = foundation.queues.damagedSlots.size === 0;
    if (!recovered.clean || found.state === undefined || !isWhole) await takeFirstSafePoint(engine);
    await forgetFailedSyncs(platform.fs, paths);
    await engine.diskGuard.look(0);
  } catch (error) {
    engine.beginClosing();
    await endEngine(engine);
    throw error;
  }
  listening.recovered(engine.recovery);
  return engine;
}

/** The directories, and `abort` with our process id: from here on, until a clean close, this store is in use. */
async function prepareDirectories(platform: Platform, paths: StorePaths): Promise<void> {
  const { fs } = platform;
  for (const path of [
    paths.commitLog,
    paths.consumeQueue,
    paths.index,
    paths.config,
    paths.own,
    paths.making,
    paths.aside,
    paths.rebuild,
  ]) {
    await fs.makeDirectory(path);
  }
  const abort = fs.open(paths.abort, fs.exists(paths.abort) ? 'read-write' : 'create');
  try {
    const pid = Buffer.from(String(process.pid), 'latin1');
    await abort.truncate(0);
    await abort.write([pid], 0);
    await abort.sync('all');
  } finally {
    await abort.close();
  }
  await fs.syncDirectory(paths.own);
  await fs.syncDirectory(paths.root);
}

/** What is about to be appended must not appear in a backup that was made by links. */
async function ownLastSegment(foundation: Foundation, end: number): Promise<void> {
  const { segments, platform, paths } = foundation;
  const last = segments.bases.at(-1);
  if (last !== undefined && end < last + segments.segmentBytes) await ownSegment({ fs: platform.fs, paths, segments }, last);
}

/**
 * What an earlier run left half made. A segment may hold records that were rejected, and its name will be needed: it must not stay, nor
 * come back after a power cut, when the log may have grown up to where it begins. What else stands there is in nobody's way.
 */
async function clearMaking(foundation: Foundation): Promise<void> {
  const { fs } = foundation.platform;
  const { making } = foundation.paths;
  let isSegmentGone = false;
  for (const name of listIfThere(fs, making)) {
    const isSegment = parseSegmentName(name) !== undefined;
    try {
      await fs.remove(`${making}/${name}`);
      isSegmentGone ||= isSegment;
    } catch (error) {
      if (isSegment) throw error;
    }
  }
  if (isSegmentGone) await fs.syncDirectory(making);
}

/** The kept options of the store; what was asked for must agree with them. */
export async function keepOptions(
  platform: Platform,
  paths: StorePaths,
  options: ResolvedOptions,
  found: Examination,
): Promise<KeptOptions> {
  const known: Partial<KeptOptions> = found.manifest?.options ?? (await foreignSizes(platform.fs, paths, found));
  for (const name of ['segmentBytes', 'queueEntriesPerFile', 'indexSlotCount', 'indexEntryCount'] as const) {
    const asked = options.kept[name];
    const has = known[name];
    if (asked !== undefined && has !== undefined && asked !== has) {
      throw new StoreError(
        'OPTIONS_INCOMPATIBLE',
        `${paths.root}: ${name} is ${has} in this store, not ${asked}; leave the option out to use what it has`,
        {
          details: { option: name, stored: has, given: asked },
        },
      );
    }
  }
  const kept = { ...DEFAULT_KEPT, ...options.kept, ...known };
  const needed = 8 + 91;
  if (kept.segmentBytes < needed) throw new RangeError(`segmentBytes must be at least ${needed}`);
  return kept;
}

function reportOf(recovered: Recovered, durationMs: number, lock: DirectoryLock): RecoveryReport {
  return {
    cleanShutdown: recovered.clean,
    durationMs,
    scannedBytes: recovered.scannedBytes,
    truncatedBytes: recovered.truncatedBytes,
    skippedBytes: recovered.skippedBytes,
    damage: reportedDamage(recovered.damage),
    redispatchedCount: recovered.redispatchedCount,
    brokersRefused: lock.refusesBrokers ?? true,
  };
}

async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw ioError(doing, error);
  }
}

function attemptSync<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw ioError(doing, error);
  }
}
