import { StoreError, systemErrorCode } from '../base/errors.js';
import { parseSegmentName } from '../format/segment-name.js';
import type { FileSystem } from '../platform/platform.js';
import { decodeManifest, type Manifest } from './manifest.js';
import { readSmallFile, type StorePaths } from './side-files.js';
import { decodeState, type State } from './state.js';
import { newestWatermark, SLOT_BYTES, type Watermark } from './watermark.js';

export interface FoundSegment {
  readonly base: number;
  readonly sizeBytes: number;
}

/** What lies in the directory, before anything is decided or changed. */
export interface Examination {
  readonly manifest: Manifest | undefined;
  readonly watermark: Watermark | undefined;
  readonly state: State | undefined;
  readonly abortPresent: boolean;
  /** The first 40 bytes; undefined: there is no checkpoint. */
  readonly checkpoint: Buffer | undefined;
  /** Ascending. */
  readonly segments: readonly FoundSegment[];
  /** Names in `commitlog/` that are no segment's; left alone, and reported. */
  readonly strays: readonly string[];
  /** Segments made but not yet moved into `commitlog/`. */
  readonly making: readonly FoundSegment[];
  /** Whether there is a store here at all. */
  readonly isStore: boolean;
}

const CHECKPOINT_BYTES = 40;
/** What opening answers for a missing name, a directory, a link, a device and a socket. */
const noFileCodes: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EISDIR', 'ELOOP', 'EINVAL', 'ENXIO']);

export async function examine(fs: FileSystem, paths: StorePaths): Promise<Examination> {
  refuseForeignShapes(fs, paths);
  const manifest = decodeManifest(await readSmallFile(fs, paths.manifest));
  const watermark = newestWatermark(await readSmallFile(fs, paths.watermark, 16 * SLOT_BYTES));
  const state = decodeState(await readSmallFile(fs, paths.state));
  const own = (id: string | undefined): boolean => manifest !== undefined && id === manifest.storeId;
  const checkpoint = await readSmallFile(fs, paths.checkpoint, 1024 * 1024);
  const { found, strays } = await listSegments(fs, paths.commitLog);
  return {
    manifest,
    watermark: own(watermark?.storeId) ? watermark : undefined,
    state: own(state?.storeId) ? state : undefined,
    abortPresent: fs.exists(paths.abort),
    checkpoint: checkpoint === undefined || checkpoint.length < CHECKPOINT_BYTES ? undefined : checkpoint.subarray(0, CHECKPOINT_BYTES),
    segments: found,
    strays,
    making: (await listSegments(fs, paths.making)).found,
    isStore: manifest !== undefined || found.length > 0,
  };
}

async function listSegments(fs: FileSystem, directory: string): Promise<{ found: FoundSegment[]; strays: string[] }> {
  const found: FoundSegment[] = [];
  const strays: string[] = [];
  for (const name of listIfThere(fs, directory)) {
    const base = parseSegmentName(name);
    const sizeBytes = base === undefined ? undefined : await sizeOf(fs, `${directory}/${name}`);
    if (base === undefined || sizeBytes === undefined) strays.push(name);
    else found.push({ base, sizeBytes });
  }
  return { found, strays };
}

/**
 * Undefined for what is no file: a directory, a link, a device, a socket, or nothing (any more). What is there and cannot be opened now is no
 * such thing: whoever took it for one would leave it out.
 */
export async function sizeOf(fs: FileSystem, path: string): Promise<number | undefined> {
  try {
    const file = fs.open(path, 'read');
    try {
      return file.sizeBytes();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (noFileCodes.has(systemErrorCode(error))) return undefined;
    throw error;
  }
}

export function listIfThere(fs: FileSystem, directory: string): readonly string[] {
  return fs.exists(directory) ? fs.list(directory) : [];
}

/** Stores of Apache RocketMQ in a form that this engine cannot keep: refused before anything is touched. */
export function refuseForeignShapes(fs: FileSystem, paths: StorePaths): void {
  const names = listIfThere(fs, paths.root);
  const refuse = (shape: string, at: string): never => {
    throw new StoreError('FORMAT_UNSUPPORTED', `${at}: this is a store with ${shape}, which stratalog does not read; nothing was touched`);
  };
  const queueNames = listIfThere(fs, paths.consumeQueue);
  if (queueNames.includes('CURRENT') || queueNames.some((name) => /^MANIFEST-\d+$/.test(name)))
    refuse('RocksDB queues', paths.consumeQueue);
  for (const name of names) {
    const at = `${paths.root}/${name}`;
    if (name.startsWith('dledger-')) refuse('a DLedger log', at);
    if (name === 'batchconsumequeue' && listIfThere(fs, at).length > 0) refuse('batch queues', at);
    if (name === 'consumequeue_ext' && listIfThere(fs, at).length > 0) refuse('extended queues', at);
  }
}
