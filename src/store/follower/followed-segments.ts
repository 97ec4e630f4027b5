import { systemErrorCode } from '../../base/errors.js';
import { LogSegments, type LogSegmentsOptions } from '../../commit-log/log-segments.js';
import { parseSegmentName } from '../../format/segment-name.js';
import type { FileSystem } from '../../platform/platform.js';

/**
 * The files of a log that somebody else writes, rolls and deletes: what there is, is what the directory says. A file that turns out to be
 * gone while it is read has the directory looked at again before the reader hears of it.
 */
export class FollowedSegments extends LogSegments {
  readonly #fs: FileSystem;
  readonly #directory: string;

  constructor(options: LogSegmentsOptions) {
    super(options);
    this.#fs = options.fs;
    this.#directory = options.directory;
  }

  /** Lists the directory. Descriptors of segments that are gone are let go, so that their space is free. */
  look(): void {
    const bases: number[] = [];
    for (const name of this.#names()) {
      const base = parseSegmentName(name);
      if (base !== undefined && base % this.segmentBytes === 0) bases.push(base);
    }
    const present = new Set(bases);
    for (const base of this.bases) if (!present.has(base)) this.forgetSoon(base);
    this.setBases(bases);
  }

  /** Whether the oldest segment is still there: a cheaper question than the whole list. */
  get isFirstThere(): boolean {
    const first = this.bases[0];
    return first !== undefined && this.#fs.exists(this.pathOf(first));
  }

  /** The next read of the segment opens its file anew. Reads under way end as they began. */
  forgetSoon(base: number): void {
    this.forget(base).catch(() => undefined);
  }

  /** As `forgetSoon`, of the segment that lies there; false: none does. */
  forgetAt(path: string): boolean {
    const base = this.bases.find((each) => this.pathOf(each) === path);
    if (base !== undefined) this.forgetSoon(base);
    return base !== undefined;
  }

  override async read(into: Uint8Array, offset: number): Promise<number> {
    try {
      return await super.read(into, offset);
    } catch (error) {
      throw this.#noted(error);
    }
  }

  override readSync(into: Uint8Array, offset: number): number {
    try {
      return super.readSync(into, offset);
    } catch (error) {
      throw this.#noted(error);
    }
  }

  #noted(error: unknown): unknown {
    if (systemErrorCode(error) === 'ENOENT') this.look();
    return error;
  }

  #names(): readonly string[] {
    try {
      return this.#fs.list(this.#directory);
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return [];
      throw error;
    }
  }
}
