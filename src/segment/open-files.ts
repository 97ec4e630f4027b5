import type { FileSystem, StoreFile } from '../platform/platform.js';
import { systemError } from '../platform/system-error.js';

/** Evicted files whose descriptors are not free yet: as many as loops over files let pile up. */
const CLOSING_COUNT_MAX = 32;

interface Entry {
  readonly path: string;
  readonly writable: boolean;
  readonly file: StoreFile;
  pinCount: number;
  /** Replaced or evicted: whoever unpins it last closes it. */
  retired: boolean;
}

/**
 * The descriptors of queue, index and full segment files: at most `countMax` of them, the least recently used closed first.
 *
 * Invariants: one descriptor a path; a pinned one is never closed, so an asynchronous call never meets a descriptor that was
 * closed (and given to another file) under it.
 */
export class OpenFiles {
  readonly #fs: FileSystem;
  readonly #countMax: number;
  /** In order of use, oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new Set<Promise<void>>();
  #ended = false;

  constructor(fs: FileSystem, countMax: number) {
    this.#fs = fs;
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** For synchronous calls made before the next `await`; ENOENT where there is no such file. */
  use(path: string, mode: 'read' | 'read-write'): StoreFile {
    return this.#entry(path, mode).file;
  }

  /** For asynchronous calls: the file stays open until `work` has settled. */
  async with<T>(path: string, mode: 'read' | 'read-write', work: (file: StoreFile) => Promise<T>): Promise<T> {
    const entry = this.#entry(path, mode);
    entry.pinCount += 1;
    try {
      return await work(entry.file);
    } finally {
      entry.pinCount -= 1;
      if (entry.retired && entry.pinCount === 0) this.#close(entry);
    }
  }

  /** Takes over a writable file that the caller has created, under the path it has or will have; `pinned` until `unpin`. */
  adopt(file: StoreFile, path: string, pinned: boolean): void {
    if (this.#ended) {
      file.close().catch(() => undefined);
      return;
    }
    const known = this.#entries.get(path);
    const adopted = { path, writable: true, file, pinCount: pinned ? 1 : 0, retired: false };
    this.#put(adopted, known);
  }

  unpin(path: string): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined && entry.pinCount > 0) entry.pinCount -= 1;
    this.#evict(undefined);
  }

  /** Closes the file, if it is open, before it is renamed or removed. Nobody may be using it. */
  async forget(path: string): Promise<void> {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    await entry.file.close();
  }

  /** For loops over many files: where many wait to be closed, settles when they are, and their descriptors free. */
  async breathe(): Promise<void> {
    if (this.#closing.size >= CLOSING_COUNT_MAX) await Promise.allSettled([...this.#closing]);
  }

  /** All are closed, and none is opened again: who is still at work, because nobody could wait for him, meets EBADF. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.closeAll();
  }

  async closeAll(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.allSettled([...this.#closing, ...entries.map((entry) => entry.file.close())]);
  }

  #entry(path: string, mode: 'read' | 'read-write'): Entry {
    const known = this.#entries.get(path);
    if (known !== undefined && (known.writable || mode === 'read')) {
      this.#entries.delete(path);
      this.#entries.set(path, known);
      return known;
    }
    if (this.#ended) throw systemError('EBADF', 'open', path);
    const opened = { path, writable: mode === 'read-write', file: this.#fs.open(path, mode), pinCount: 0, retired: false };
    this.#put(opened, known);
    return opened;
  }

  /** In the place of the one known under its path, as the one used last. */
  #put(entry: Entry, known: Entry | undefined): void {
    this.#entries.delete(entry.path);
    this.#entries.set(entry.path, entry);
    if (known !== undefined) this.#retire(known);
    this.#evict(entry);
  }

  /** `kept` stays, however many others cannot be closed: its caller is about to use it. */
  #evict(kept: Entry | undefined): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= this.#countMax) return;
      if (entry.pinCount > 0 || entry === kept) continue;
      this.#entries.delete(entry.path);
      this.#retire(entry);
    }
  }

  #retire(entry: Entry): void {
    entry.retired = true;
    if (entry.pinCount === 0) this.#close(entry);
  }

  #close(entry: Entry): void {
    const closing = entry.file.close().catch(() => undefined);
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }
}
