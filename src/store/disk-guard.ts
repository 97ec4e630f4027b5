import { StoreError } from '../base/errors.js';
import type { Platform } from '../platform/platform.js';

/** Between looks at the disk's free space. */
const LOOK_INTERVAL_MS = 1000;
/** Appended between looks at the clock. */
const CHECK_BYTES = 64 * 1024;
const EDGE_BYTES_MAX = 1024 * 1024;

/**
 * Refuses writes while less than `freeBytesMin` is left on the disk, and lets them through again by itself.
 *
 * The free space is asked for once a second, and more often as it runs short: at the latest when what has been written since could
 * have used up half of what was left.
 */
export class DiskGuard {
  readonly #platform: Platform;
  readonly #directory: string;
  readonly #freeBytesMin: number;
  #availableBytes = Number.POSITIVE_INFINITY;
  /** Log bytes appended when the space was last asked for. */
  #lookedAtBytes = 0;
  #wasShort = false;
  #nextCheckBytes = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(platform: Platform, directory: string, freeBytesMin: number) {
    this.#platform = platform;
    this.#directory = directory;
    this.#freeBytesMin = freeBytesMin;
  }

  /** The refusal, if there is too little space; starts a new look where one is due. */
  check(appendedBytes: number): StoreError | undefined {
    if (this.#freeBytesMin === 0 || appendedBytes < this.#nextCheckBytes) return undefined;
    const usedSince = appendedBytes - this.#lookedAtBytes;
    const left = this.#availableBytes - usedSince - this.#freeBytesMin;
    // Once it was short, a little more than nothing must be free again: no going back and forth at the edge.
    const isShort = left < (this.#wasShort ? Math.min(this.#freeBytesMin / 8, EDGE_BYTES_MAX) : 0);
    this.#wasShort = isShort;
    if (this.#looking === undefined && (isShort || usedSince > left / 2 || this.#isDue())) void this.look(appendedBytes);
    if (isShort) return this.#refusal();
    // The clock is asked once in a while, not for every message.
    this.#nextCheckBytes = appendedBytes + Math.min(CHECK_BYTES, left / 4);
    return undefined;
  }

  async look(appendedBytes: number): Promise<void> {
    this.#looking ??= this.#look(appendedBytes).finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #look(appendedBytes: number): Promise<void> {
    this.#lookedAtMs = this.#platform.clock.monotonicMs();
    try {
      const { availableBytes } = await this.#platform.fs.diskUsage(this.#directory);
      this.#availableBytes = availableBytes;
      this.#lookedAtBytes = appendedBytes;
    } catch {
      // A disk that does not say is not full for that; a write will tell.
      this.#availableBytes = Number.POSITIVE_INFINITY;
    }
  }

  #isDue(): boolean {
    return this.#platform.clock.monotonicMs() - this.#lookedAtMs >= LOOK_INTERVAL_MS;
  }

  #refusal(): StoreError {
    return new StoreError(
      'DISK_FULL',
      `${this.#directory}: less than freeBytesMin (${this.#freeBytesMin} bytes) is left on the disk; free some, writes go on by themselves`,
    );
  }
}
