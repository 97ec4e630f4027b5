import { defined } from '../base/assert.js';
import { StoreError } from '../base/errors.js';
import { indexEntryBytes } from '../format/index-layout.js';
import type { IndexFile } from './index-file.js';
import type { IndexStorage } from './index-storage.js';
import { isDiskFull, makeDurable } from './safe-point.js';

const entriesPerTurn = Math.floor((1024 * 1024) / indexEntryBytes);
/** While slots are written, new entries stay in memory up to here: a slot's older entries are then found without reading the file. */
const heldBytesMax = 32 * 1024 * 1024;

/**
 * Brings pending entries to disk, and at a safe point what belongs to them.
 *
 * Invariants: entries go to disk in their order; after a failure other than a full disk nothing is written until `restart`; what makes
 * files durable looks only at entries that were written when it began.
 */
export class IndexWriter {
  readonly #storage: IndexStorage;
  /** Oldest first; the owner's list, which changes. */
  readonly #files: readonly IndexFile[];
  readonly #nextTurn: () => Promise<void>;
  #hasFailed = false;
  #hasEnded = false;
  #holdsEntries = false;
  #hasNewNames = false;
  /** Opening may have made the directory. */
  #isParentSynced = false;

  constructor(storage: IndexStorage, files: readonly IndexFile[], nextTurn: () => Promise<void>) {
    this.#storage = storage;
    this.#files = files;
    this.#nextTurn = nextTurn;
  }

  /** The last write failed. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  restart(): void {
    this.#hasFailed = false;
    this.#hasEnded = false;
  }

  noteFailure(error: unknown): void {
    this.#hasFailed = true;
    if (!isDiskFull(error)) this.#hasEnded = true;
  }

  /** Throws what the file system throws. */
  writePending(durableBefore: number, bytesMax: number): void {
    const pending = this.#storage.pending;
    if (this.#hasEnded || (this.#holdsEntries && pending.byteCount <= heldBytesMax)) return;
    this.#write(pending.lowerBound(durableBefore), Math.floor(bytesMax / indexEntryBytes));
  }

  /** In pieces of 1 MiB. */
  async writeAllBelow(durableBefore: number): Promise<void> {
    const pending = this.#storage.pending;
    const limit = pending.lowerBound(durableBefore);
    while (pending.first < limit) {
      if (this.#hasEnded) throw new StoreError('IO', `${this.#storage.directory}: writing has failed`);
      this.#write(limit, entriesPerTurn);
      if (pending.first < limit) await this.#nextTurn();
    }
  }

  /** Files that are behind, oldest first, then their names. */
  async makeDurable(): Promise<void> {
    const marks = this.#files
      .filter((file) => file.written.entryCount > 0 && !file.isSealed)
      .map((file) => ({ file, mark: file.written }))
      .filter(({ file, mark }) => file.synced !== mark || file.slots?.isDirty === true);
    this.#holdsEntries = marks.length > 0;
    let leftCount = marks.length;
    const onSlotsWritten = (): void => {
      leftCount -= 1;
      if (leftCount === 0) this.#holdsEntries = false;
    };
    try {
      for (const { file, mark } of marks) await makeDurable(this.#storage, file, mark, onSlotsWritten);
    } finally {
      this.#holdsEntries = false;
    }
    await this.#syncNames();
  }

  /** Up to sequence `limit`, and `countMax` entries. */
  #write(limit: number, countMax: number): void {
    const { pending, files } = this.#storage;
    let left = countMax;
    while (pending.first < limit && left > 0) {
      const file = this.#fileToWrite();
      if (file.onDisk !== 'yes') {
        this.#hasNewNames = true;
        this.#storage.create(file);
      }
      const from = pending.first;
      const to = Math.min(limit, from + left, file.sequenceOf(file.entryCount) + 1);
      const position = this.#storage.entryPosition(file.written.entryCount + 1);
      files.use(file.path, 'read-write').writeSync(pending.slices(from, to), position);
      file.written = {
        entryCount: file.written.entryCount + to - from,
        slotsUsed: file.written.slotsUsed + pending.countChainEnds(from, to),
        endTime: pending.storedAtAt(to - 1),
        endPhysicalOffset: pending.physicalOffsetAt(to - 1),
      };
      pending.dropBelow(to);
      left -= to - from;
    }
    this.#hasFailed = false;
  }

  /** The oldest file with pending entries. */
  #fileToWrite(): IndexFile {
    let i = this.#files.length - 1;
    while (i > 0 && defined(this.#files[i], 'index file').firstSequence > this.#storage.pending.first) i -= 1;
    return defined(this.#files[i], 'index file of a pending entry');
  }

  async #syncNames(): Promise<void> {
    if (!this.#hasNewNames) return;
    const { fs, directory } = this.#storage;
    this.#hasNewNames = false;
    try {
      await fs.syncDirectory(directory);
      if (!this.#isParentSynced) await fs.syncDirectory(parentOf(directory));
      this.#isParentSynced = true;
    } catch (error) {
      this.#hasNewNames = true;
      throw error;
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}
