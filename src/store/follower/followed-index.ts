import { corrupt, systemErrorCode } from '../../base/errors.js';
import { indexEntryAt, indexKeyHash } from '../../format/index-layout.js';
import type { FactsTarget, RecordFacts } from '../../format/record-facts.js';
import { ChainWalk, fileMayHold, type KeyWish } from '../../key-index/chain-walk.js';
import { IndexFile } from '../../key-index/index-file.js';
import { IndexStorage } from '../../key-index/index-storage.js';
import { PendingEntries } from '../../key-index/pending-entries.js';
import type { FileSystem } from '../../platform/platform.js';
import type { IndexState } from '../../recovery/state.js';
import type { OpenFiles } from '../../segment/open-files.js';
import type { ReadableIndex } from '../read-view.js';
import { FollowedKeys } from './followed-keys.js';

export interface FollowedIndexOptions {
  readonly directory: string;
  readonly slotCount: number;
  readonly entryCount: number;
  readonly fs: FileSystem;
  readonly files: OpenFiles;
  readonly logMin: () => number;
  readonly nextTurn: (callback: () => void) => void;
}

const ENTRIES_PER_TURN = 256;

/**
 * The key index as somebody else writes it: of records below the newest state's safe offset from the files, of later ones from memory.
 *
 * The newest file goes on growing under the reader. What it has beyond the state is of later records and left out, for memory has it; a
 * slot never names an entry that is not in the file, since a writer writes entries before slots.
 */
export class FollowedIndex implements FactsTarget, ReadableIndex {
  readonly name: string = 'index of a follower';
  readonly #options: FollowedIndexOptions;
  readonly #storage: IndexStorage;
  readonly #keys = new FollowedKeys();
  #states: readonly IndexState[] | undefined = [];
  #safeOffset = 0;

  constructor(options: FollowedIndexOptions) {
    const { directory, fs, files, slotCount, entryCount } = options;
    this.#options = options;
    this.#storage = new IndexStorage(directory, fs, files, new PendingEntries(), slotCount, entryCount);
  }

  /** False: the writer keeps no index, so that of what is in the files nothing can be found by key. */
  get isWhole(): boolean {
    return this.#states !== undefined;
  }

  /** Of the files that the state names: header, slots and the entries it counts. */
  get usedBytes(): number {
    return (this.#states ?? []).reduce((bytes, state) => bytes + indexEntryAt(this.#options.slotCount, state.entryCount + 1), 0);
  }

  /** What the files hold, by a state with that safe offset; keys in memory that they cover are dropped. */
  takeOver(states: readonly IndexState[] | undefined, safeOffset: number): void {
    this.#states = states;
    this.#safeOffset = safeOffset;
    this.#keys.dropBelow(safeOffset);
  }

  accept(facts: RecordFacts, from: number, to: number): void {
    this.#keys.accept(facts, from, to);
  }

  /** CORRUPT where a chain in the files is broken: here nothing can be mended. */
  async *find(topic: string, key: string, since: number, until: number, before: number): AsyncGenerator<number, void, undefined> {
    const keyHash = indexKeyHash(topic, key);
    // Both as of now: a state taken over while the caller looks at what was found changes neither.
    const safeOffset = this.#safeOffset;
    const states = this.#states ?? [];
    yield* this.#keys.find(keyHash, before);
    const wish: KeyWish = { keyHash, since, until, before: Math.min(before, safeOffset) };
    for (let i = states.length - 1; i >= 0; i -= 1) {
      const state = states[i];
      if (state !== undefined) yield* this.#findIn(state, i === states.length - 1, wish);
    }
  }

  async *#findIn(state: IndexState, isNewest: boolean, wish: KeyWish): AsyncGenerator<number, void, undefined> {
    const found: number[] = [];
    let walk: ChainWalk | undefined;
    for (;;) {
      try {
        if (walk === undefined) {
          const file = this.#fileOf(state, isNewest);
          if (!fileMayHold(file, wish)) return;
          walk = new ChainWalk(this.#storage, file, wish);
        }
        if (!walk.isDone) walk.step(ENTRIES_PER_TURN, found);
      } catch (error) {
        this.#orDeleted(error, state);
        return;
      }
      yield* found.splice(0);
      if (walk.isDone) return;
      await new Promise<void>((resolve) => {
        this.#options.nextTurn(resolve);
      });
    }
  }

  #fileOf(state: IndexState, isNewest: boolean): IndexFile {
    const { usableEntryCount } = this.#storage;
    // A first sequence so low that no entry can be taken for one in memory.
    const file = new IndexFile(this.#options.directory, state.name, -2 * usableEntryCount - 1);
    file.onDisk = 'yes';
    const header = this.#storage.readHeader(file);
    if (header === undefined) throw corrupt(file.path, 0, 'the header is not that of an index file with entries');
    file.beginTime = header.beginTime;
    file.beginPhysicalOffset = header.beginOffset;
    file.entryCount = isNewest ? usableEntryCount : Math.min(state.entryCount, usableEntryCount);
    file.endTime = isNewest ? Number.POSITIVE_INFINITY : header.endTime;
    file.endPhysicalOffset = isNewest ? Number.MAX_SAFE_INTEGER : state.endPhysicalOffset;
    return file;
  }

  /** A file of which all records are deleted may be deleted as well. */
  #orDeleted(error: unknown, state: IndexState): void {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    if (state.endPhysicalOffset >= this.#options.logMin()) {
      throw corrupt(`${this.#options.directory}/${state.name}`, 0, 'the file is missing');
    }
  }
}
