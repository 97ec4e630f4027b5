/**
 * Directories of a disk in memory, and which changes of names would outlive a power cut.
 *
 * Every creation, renaming and removal is one `NameChange` that sets one or two names at once. It is durable after a sync of
 * the directory it was made in (of a rename: the directory of the new name), never by a sync of the file. Until then a power
 * cut keeps it or not. Two things always hold: a rename is kept as a whole or not at all, and a change of a name is never
 * kept without the earlier changes of that name.
 */
import type { MemoryContent } from './memory-content.js';

export class MemoryFileNode {
  readonly kind = 'file';
  readonly content: MemoryContent;
  linkCount = 0;
  openCount = 0;

  constructor(content: MemoryContent) {
    this.content = content;
  }

  /** Its last name is gone and nobody has it open: its blocks are free. */
  freeIfUnused(): void {
    if (this.linkCount === 0 && this.openCount === 0) this.content.free();
  }
}

let directoryCount = 0;

export class MemoryDirectory {
  readonly kind = 'directory';
  readonly number: number;
  readonly current: Map<string, MemoryNode> = new Map();
  readonly durable: Map<string, MemoryNode> = new Map();

  constructor() {
    directoryCount += 1;
    this.number = directoryCount;
  }
}

export type MemoryNode = MemoryFileNode | MemoryDirectory;

export interface NameSlot {
  readonly directory: MemoryDirectory;
  readonly name: string;
  /** What the name stands for afterwards; `undefined`: nothing. */
  readonly node: MemoryNode | undefined;
}

export interface NameChange {
  readonly slots: readonly NameSlot[];
  /** A sync of this directory makes it durable. */
  readonly directory: MemoryDirectory;
}

export class MemoryNames {
  readonly root: MemoryDirectory = new MemoryDirectory();
  /** Not yet durable, oldest first. */
  #pending: NameChange[] = [];

  /** Sets the names now; the last slot's directory is the one to sync. */
  change(slots: readonly [NameSlot, ...NameSlot[]]): void {
    let directory = slots[0].directory;
    for (const slot of slots) {
      directory = slot.directory;
      if (slot.node === undefined) directory.current.delete(slot.name);
      else directory.current.set(slot.name, slot.node);
    }
    this.#pending.push({ slots, directory });
  }

  /** A sync of a directory is issued: it covers the changes made until now. The returned function is its completion. */
  beginSync(directory: MemoryDirectory): () => void {
    const covered = this.#withEarlier((change) => change.directory === directory);
    return () => {
      if (covered.size === 0) return;
      this.#pending = this.#pending.filter((change) => {
        if (!covered.has(change)) return true;
        for (const { directory: at, name, node } of change.slots) set(at.durable, name, node);
        return false;
      });
    };
  }

  /** The names of a directory after a power cut that keeps the pending changes which `kept` says, and what they rest on. */
  afterPowerCut(kept: (change: NameChange) => boolean): (directory: MemoryDirectory) => ReadonlyMap<string, MemoryNode> {
    const survivors = this.#withEarlier(kept);
    const changed = new Map<MemoryDirectory, Map<string, MemoryNode>>();
    for (const change of this.#pending) {
      if (!survivors.has(change)) continue;
      for (const { directory, name, node } of change.slots) {
        let names = changed.get(directory);
        if (names === undefined) {
          names = new Map(directory.durable);
          changed.set(directory, names);
        }
        set(names, name, node);
      }
    }
    return (directory) => changed.get(directory) ?? directory.durable;
  }

  #withEarlier(wanted: (change: NameChange) => boolean): ReadonlySet<NameChange> {
    const chosen = new Set<NameChange>();
    const names = new Set<string>();
    for (let index = this.#pending.length - 1; index >= 0; index -= 1) {
      const change = this.#pending[index];
      if (change === undefined) continue;
      const keys = change.slots.map(({ directory, name }) => `${directory.number}/${name}`);
      if (!wanted(change) && !keys.some((key) => names.has(key))) continue;
      chosen.add(change);
      for (const key of keys) names.add(key);
    }
    return chosen;
  }
}

function set(names: Map<string, MemoryNode>, name: string, node: MemoryNode | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}
