import { asBuffer } from '../base/bytes.js';
import { corrupt, StoreError, systemErrorCode } from '../base/errors.js';
import type { FileSystem, Platform, StoreFile } from '../platform/platform.js';

const SMALL_FILE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Where everything of a store lies.
 *
 *   commitlog/  consumequeue/  index/  config/  checkpoint  abort  lock     Apache RocketMQ's
 *   stratalog/  manifest  watermark  state  unsynced  tmp/  aside/  rebuild/    ours; a broker does not look into it
 */
export class StorePaths {
  readonly root: string;
  readonly commitLog: string;
  readonly consumeQueue: string;
  readonly index: string;
  readonly config: string;
  readonly checkpoint: string;
  readonly abort: string;
  readonly own: string;
  readonly manifest: string;
  readonly watermark: string;
  readonly state: string;
  readonly unsynced: string;
  readonly making: string;
  readonly aside: string;
  readonly rebuild: string;

  constructor(root: string) {
    this.root = root;
    this.commitLog = `${root}/commitlog`;
    this.consumeQueue = `${root}/consumequeue`;
    this.index = `${root}/index`;
    this.config = `${root}/config`;
    this.checkpoint = `${root}/checkpoint`;
    this.abort = `${root}/abort`;
    this.own = `${root}/stratalog`;
    this.manifest = `${this.own}/manifest`;
    this.watermark = `${this.own}/watermark`;
    this.state = `${this.own}/state`;
    this.unsynced = `${this.own}/unsynced`;
    this.making = `${this.own}/tmp`;
    this.aside = `${this.own}/aside`;
    this.rebuild = `${this.own}/rebuild`;
  }
}

/** A small file of our own, whole; undefined: there is none, or it is too large to be one, which is as good as none. */
export async function readSmallFile(fs: FileSystem, path: string, bytesMax: number = SMALL_FILE_BYTES_MAX): Promise<Buffer | undefined> {
  try {
    return await readWholeFile(fs, path, bytesMax);
  } catch (error) {
    return noneIfTooLarge(error);
  }
}

/** As `readSmallFile`, within the turn: only closing it is left to later, and `onClosing` is told of that. */
export function readSmallFileSync(fs: FileSystem, path: string, onClosing: (closed: Promise<void>) => void): Buffer | undefined {
  const file = openIfThere(fs, path);
  if (file === undefined) return undefined;
  try {
    return bytesOf(file, path, SMALL_FILE_BYTES_MAX);
  } catch (error) {
    return noneIfTooLarge(error);
  } finally {
    onClosing(file.close().catch(() => undefined));
  }
}

/** A file that others write too, whole; undefined: there is none. CORRUPT where it is larger than `bytesMax`: it holds something. */
export async function readWholeFile(fs: FileSystem, path: string, bytesMax: number): Promise<Buffer | undefined> {
  const file = openIfThere(fs, path);
  if (file === undefined) return undefined;
  try {
    return bytesOf(file, path, bytesMax);
  } finally {
    await file.close();
  }
}

function openIfThere(fs: FileSystem, path: string): StoreFile | undefined {
  try {
    return fs.open(path, 'read');
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function bytesOf(file: StoreFile, path: string, bytesMax: number): Buffer {
  const size = file.sizeBytes();
  if (size > bytesMax) throw corrupt(path, bytesMax, `the file has ${size} bytes, and more than ${bytesMax} are not read`);
  const bytes = Buffer.alloc(size);
  const count = file.readSync(bytes, 0);
  return bytes.subarray(0, count);
}

function noneIfTooLarge(error: unknown): undefined {
  if (!StoreError.is(error, 'CORRUPT')) throw error;
}

/** Replaces a small file: temporary in `stratalog/tmp/`, sync, rename, directory sync. A crash leaves the old one or the new one. */
export async function replaceFile(platform: Platform, paths: StorePaths, path: string, bytes: Uint8Array): Promise<void> {
  const { fs } = platform;
  const temporary = `${paths.making}/${asBuffer(platform.randomBytes(8)).toString('hex')}`;
  const file = fs.open(temporary, 'create');
  try {
    if (bytes.length > 0) await file.write([bytes], 0);
    await file.sync('all');
  } catch (error) {
    await file.close();
    await fs.remove(temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
  await fs.rename(temporary, path);
  await fs.syncDirectory(path.slice(0, path.lastIndexOf('/')));
}
