import type { FileSystem, StoreFile } from '../platform/platform.js';
import { encodeWatermark, SLOT_BYTES, type Watermark } from './watermark.js';

/**
 * `stratalog/watermark`: two slots written in turn. A slot is written after every sync of the log, without a sync of its own; the
 * file is synced in the background, so it lags behind the log by a second at most.
 */
export class WatermarkFile {
  readonly #file: StoreFile;
  readonly #slot = Buffer.alloc(SLOT_BYTES);
  #sequence: number;
  #syncing: Promise<void> = Promise.resolve();

  private constructor(file: StoreFile, sequence: number) {
    this.#file = file;
    this.#sequence = sequence;
  }

  /** Opens the file, made where there is none; `sequence` is that of the newest slot in it. */
  static async open(fs: FileSystem, path: string, sequence: number): Promise<WatermarkFile> {
    const isThere = fs.exists(path);
    const file = fs.open(path, isThere ? 'read-write' : 'create');
    try {
      if (!isThere || file.sizeBytes() < 2 * SLOT_BYTES) file.writeSync([Buffer.alloc(2 * SLOT_BYTES)], 0);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    return new WatermarkFile(file, sequence);
  }

  /** Synchronous: a page of the page cache. Throws the system's error; the older slot stands then. */
  write(watermark: Omit<Watermark, 'sequence'>): void {
    const sequence = this.#sequence + 1;
    encodeWatermark({ ...watermark, sequence }, this.#slot);
    this.#file.writeSync([this.#slot], (sequence % 2) * SLOT_BYTES);
    // Only now: a write that failed may have torn its slot, so the next one goes there again and not to the good one.
    this.#sequence = sequence;
  }

  /** One at a time. */
  sync(): Promise<void> {
    this.#syncing = this.#syncing.then(
      async () => await this.#file.sync('data'),
      async () => await this.#file.sync('data'),
    );
    return this.#syncing;
  }

  async close(): Promise<void> {
    await this.#syncing.catch(() => undefined);
    await this.#file.close();
  }
}
