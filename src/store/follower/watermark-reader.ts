import { systemErrorCode } from '../../base/errors.js';
import type { FileSystem, StoreFile } from '../../platform/platform.js';
import { newestWatermark, SLOT_BYTES, type Watermark } from '../../recovery/watermark.js';
import type { KnownRecord } from './log-feed.js';

const TRIES_MAX = 8;

/** How far readers may see by it. */
export function limitOf(slot: Watermark): number {
  return slot.flush === 'sync' ? slot.flushedOffset : slot.writtenOffset;
}

/** The last record that it names. */
export function namedBy(slot: Watermark): KnownRecord | undefined {
  return slot.lastRecordStart < 0 ? undefined : { start: slot.lastRecordStart, end: slot.flushedOffset, hash: slot.lastRecordHash };
}

/** Reads the slots that a writer, of another process most likely, is writing. Synchronous: 8 KiB of the page cache. */
export class WatermarkReader {
  readonly #fs: FileSystem;
  readonly #path: string;
  #file: StoreFile | undefined;
  #bytes: Buffer = Buffer.alloc(2 * SLOT_BYTES);
  #again: Buffer = Buffer.alloc(2 * SLOT_BYTES);

  constructor(fs: FileSystem, path: string) {
    this.#fs = fs;
    this.#path = path;
  }

  /** The newer of two valid slots, read until it reads twice the same. Undefined: there is none (yet). */
  read(): Watermark | undefined {
    const file = this.#open();
    if (file === undefined) return undefined;
    let count = file.readSync(this.#bytes, 0);
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const countAgain = file.readSync(this.#again, 0);
      const isSame = count === countAgain && this.#bytes.equals(this.#again);
      [this.#bytes, this.#again] = [this.#again, this.#bytes];
      count = countAgain;
      if (isSame) break;
    }
    return newestWatermark(this.#bytes.subarray(0, count));
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #open(): StoreFile | undefined {
    if (this.#file !== undefined && this.#file.linkCount() === 0) {
      // Another file has taken its name, or will.
      this.#file.close().catch(() => undefined);
      this.#file = undefined;
    }
    try {
      this.#file ??= this.#fs.open(this.#path, 'read');
    } catch (error) {
      const code = systemErrorCode(error);
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    }
    return this.#file;
  }
}
