import { assert, defined } from '../base/assert.js';
import { systemErrorCode } from '../base/errors.js';
import { segmentName } from '../format/segment-name.js';
import type { FileSystem, StoreFile } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import { Segment } from '../segment/segment.js';

export interface LogSegmentsOptions {
  readonly fs: FileSystem;
  readonly files: OpenFiles;
  /** `commitlog/` */
  readonly directory: string;
  /** `stratalog/tmp/` */
  readonly makingDirectory: string;
  readonly segmentBytes: number;
}

/**
 * The files of the commit log: which there are, how a new one comes to be, and reading from any of them.
 *
 * Invariants:
 * - `bases` ascends; each is a multiple of `segmentBytes`; the last is the segment being written.
 * - A file appears in `commitlog/` only with synced bytes of its first write, and its name is synced before anything in it
 *   is acknowledged. Until then it lies in `stratalog/tmp/` under the same name, where recovery finds it.
 * - Segments not yet wholly synced are pinned in `files`; the others come and go with the descriptors' LRU.
 */
export class LogSegments {
  readonly segmentBytes: number;
  readonly #fs: FileSystem;
  readonly #files: OpenFiles;
  readonly #directory: string;
  readonly #makingDirectory: string;
  /** Ascending. */
  #bases: number[] = [];
  #firstBase = 0;
  /** Not wholly synced yet, by base. */
  readonly #open = new Map<number, Segment>();
  /** Made and not used yet, by base: one ahead of need, or what could not be given its length. */
  readonly #made = new Map<number, StoreFile>();
  #linking: Promise<void> = Promise.resolve();
  /** Of a file that was in the way of a new segment. */
  #removing: Promise<void> = Promise.resolve();
  #removalToSync = false;

  constructor(options: LogSegmentsOptions) {
    this.segmentBytes = options.segmentBytes;
    this.#fs = options.fs;
    this.#files = options.files;
    this.#directory = options.directory;
    this.#makingDirectory = options.makingDirectory;
  }

  get bases(): readonly number[] {
    return this.#bases;
  }

  /** Where the log begins; without a segment, where the first one will. */
  get minOffset(): number {
    return this.#bases[0] ?? this.#firstBase;
  }

  /** What recovery or the follower found to be there. `firstBase`: where the log goes on if that is nothing. */
  setBases(bases: readonly number[], firstBase: number = 0): void {
    this.#bases = [...bases];
    this.#firstBase = firstBase;
  }

  baseOf(offset: number): number {
    return offset - (offset % this.segmentBytes);
  }

  has(base: number): boolean {
    return this.#bases.includes(base);
  }

  pathOf(base: number): string {
    return `${this.#directory}/${segmentName(base)}`;
  }

  makingPathOf(base: number): string {
    return `${this.#makingDirectory}/${segmentName(base)}`;
  }

  /** Opens an existing segment to go on writing in it. */
  openForWriting(base: number): Segment {
    const path = this.pathOf(base);
    const segment = new Segment(this.#fs.open(path, 'read-write'), path, base, this.segmentBytes, true);
    this.#files.adopt(segment.file, path, true);
    this.#open.set(base, segment);
    return segment;
  }

  /** Makes the segment after the next one ahead of need. Failing changes nothing: it is tried again when it is needed. */
  prepareNext(base: number): void {
    try {
      this.#make(base);
    } catch {
      // Nobody needs it yet.
    }
  }

  /** The segment at `base`, at full length, in the making directory; throws the system's error, and may be tried again then. */
  create(base: number): Segment {
    const last = this.#bases.at(-1);
    assert(last === undefined || base === last + this.segmentBytes, 'segments are made one after the other');
    const file = this.#make(base);
    this.#made.delete(base);
    const segment = new Segment(file, this.pathOf(base), base, this.segmentBytes, false);
    this.#files.adopt(file, segment.path, true);
    this.#open.set(base, segment);
    this.#bases.push(base);
    return segment;
  }

  /** Moves a new segment, whose first bytes have been written, into `commitlog/`. In order; rejects with the system's error. */
  link(segment: Segment): Promise<void> {
    const linked = this.#linking.then(async () => {
      await segment.file.sync('all');
      await this.#fs.rename(this.makingPathOf(segment.baseOffset), segment.path);
      await this.#fs.syncDirectory(this.#directory);
      segment.linked = true;
    });
    // A segment that could not be linked keeps all later ones out: `commitlog/` has no gaps.
    this.#linking = linked;
    linked.catch(() => undefined);
    return linked;
  }

  /** Settles when no segment is being moved. */
  linkingSettled(): Promise<void> {
    return this.#linking.catch(() => undefined);
  }

  /** Takes back segments that were made but never linked, from `base` on. */
  async discardFrom(base: number): Promise<void> {
    const discarded = this.#bases.filter((candidate) => candidate >= base).reverse();
    for (const each of discarded) {
      const segment = defined(this.#open.get(each), 'a segment to discard');
      assert(!segment.linked, 'a linked segment is never discarded');
      this.#bases.pop();
      this.#open.delete(each);
      await this.#files.forget(segment.path);
      await this.#fs.remove(this.makingPathOf(each));
    }
    if (discarded.length > 0) await this.#syncMaking();
  }

  /** The segment being written that holds `offset`; undefined: there is none yet. */
  activeAt(offset: number): Segment | undefined {
    return this.#open.get(this.baseOf(offset));
  }

  /** The segments not wholly synced that begin below `end`, ascending. */
  unsyncedBelow(end: number): readonly Segment[] {
    return [...this.#open.values()].filter((segment) => segment.baseOffset < end).sort((a, b) => a.baseOffset - b.baseOffset);
  }

  /** Everything below `flushed` is on the disk: full segments below it need not be held open any more. */
  release(flushed: number): void {
    for (const segment of this.#open.values()) {
      if (!segment.linked || segment.endOffset > flushed) continue;
      this.#open.delete(segment.baseOffset);
      this.#files.unpin(segment.path);
    }
  }

  /** Reads into `into` from `offset`, within one segment; fewer bytes only at the file's end. ENOENT: there is no such segment. */
  async read(into: Uint8Array, offset: number): Promise<number> {
    const base = this.baseOf(offset);
    const bytes = Math.min(into.length, base + this.segmentBytes - offset);
    return await this.#files.with(this.pathOf(base), 'read', (file) => file.read(into.subarray(0, bytes), offset - base));
  }

  /** As `read`, without giving up the turn: for a few bytes that are most likely cached. */
  readSync(into: Uint8Array, offset: number): number {
    const base = this.baseOf(offset);
    const bytes = Math.min(into.length, base + this.segmentBytes - offset);
    return this.#files.use(this.pathOf(base), 'read').readSync(into.subarray(0, bytes), offset - base);
  }

  /** Deletes the first segment; `syncRemoval` makes that durable. */
  async removeFirst(): Promise<string> {
    // The disk may keep a later removal and not an earlier one: never two that are not durable.
    if (this.#removalToSync) await this.syncRemoval();
    const base = defined(this.#bases[0], 'the segment to delete');
    assert(!this.#open.has(base), 'a segment being written is never deleted');
    const path = this.pathOf(base);
    this.#bases.shift();
    await this.#files.forget(path).catch(() => undefined);
    try {
      await this.#fs.remove(path);
    } catch (error) {
      if (mayBeThere(this.#fs, path)) {
        // What is deleted is a prefix of the log: nothing behind it goes as long as this one is there.
        this.#bases.unshift(base);
        throw error;
      }
    }
    this.#removalToSync = true;
    return path;
  }

  /** Makes the last removal durable. */
  async syncRemoval(): Promise<void> {
    if (!this.#removalToSync) return;
    await this.#fs.syncDirectory(this.#directory);
    this.#removalToSync = false;
  }

  /** Closes a segment that is about to be changed or removed by other means. */
  async forget(base: number): Promise<void> {
    await this.#files.forget(this.pathOf(base));
  }

  /** Removes what was made ahead; the others are closed with `files`. */
  async close(): Promise<void> {
    await this.linkingSettled();
    await this.#removing;
    const made = [...this.#made];
    this.#made.clear();
    for (const [base, file] of made) {
      await file.close();
      await this.#fs.remove(this.makingPathOf(base));
    }
    if (made.length > 0) await this.#syncMaking();
  }

  /** A removed segment that is back after a power cut would look as if we had been killed while rolling, and be taken into the log. */
  async #syncMaking(): Promise<void> {
    await this.#fs.syncDirectory(this.#makingDirectory);
  }

  async #removeMade(path: string): Promise<void> {
    try {
      await this.#fs.remove(path);
      await this.#syncMaking();
    } catch {
      // Then it is in the way again, at the next try.
    }
  }

  #make(base: number): StoreFile {
    const file = this.#made.get(base) ?? this.#createFile(this.makingPathOf(base));
    this.#made.set(base, file);
    // One byte at the end gives the file its length in one synchronous call and leaves the rest a hole.
    file.writeSync([new Uint8Array(1)], this.segmentBytes - 1);
    return file;
  }

  #createFile(path: string): StoreFile {
    try {
      return this.#fs.open(path, 'create');
    } catch (error) {
      // Left by somebody else. It may hold records that were rejected, so it is never used: away with it, for the next try.
      if (systemErrorCode(error) === 'EEXIST') this.#removing = this.#removeMade(path);
      throw error;
    }
  }
}

function mayBeThere(fs: FileSystem, path: string): boolean {
  try {
    return fs.exists(path);
  } catch {
    return true;
  }
}
