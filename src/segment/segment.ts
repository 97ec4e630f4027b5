import type { StoreFile } from '../platform/platform.js';

/**
 * One fixed-length file of the log that is open for writing.
 *
 * A new one is made at full length in `stratalog/tmp/` and appears in `commitlog/` (is *linked*) only once its first bytes are
 * in it and synced: a stock broker that meets an empty segment there deletes it.
 */
export class Segment {
  readonly baseOffset: number;
  readonly bytes: number;
  readonly file: StoreFile;
  path: string;
  linked: boolean;

  constructor(file: StoreFile, path: string, baseOffset: number, bytes: number, linked: boolean) {
    this.file = file;
    this.path = path;
    this.baseOffset = baseOffset;
    this.bytes = bytes;
    this.linked = linked;
  }

  get endOffset(): number {
    return this.baseOffset + this.bytes;
  }
}
