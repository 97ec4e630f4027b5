import { dirname } from 'node:path';
import type { FileSystem } from '../platform/platform.js';
import type { OpenFiles } from '../segment/open-files.js';
import type { QueueFiles } from './queue-files.js';
import type { QueueState } from './queue-state.js';
import type { QueueTable } from './queue-table.js';

/**
 * What was written since the last safe point and has to be made durable at the next.
 *
 * Invariants: one sync at a time, since syncs of other files delay those of the log; a file before the directory entry that
 * leads to it; folders from the bottom up, each once. The folders of a queue count as unsynced when this process first writes
 * to it: an earlier one may have made them and been killed before its safe point.
 */
export class UnsyncedQueues {
  readonly #files: QueueFiles;
  readonly #table: QueueTable;
  readonly #fs: FileSystem;
  readonly #openFiles: OpenFiles;
  #queues: QueueState[] = [];
  readonly #queueFolders = new Set<QueueState>();
  readonly #topicFolders = new Set<string>();
  /** Topics whose folder was once made durable by this process. */
  readonly #topicsDone = new Set<string>();
  #rootIsUnsynced = false;
  #parentIsUnsynced = true;

  constructor(table: QueueTable, files: QueueFiles, fs: FileSystem, openFiles: OpenFiles) {
    this.#table = table;
    this.#files = files;
    this.#fs = fs;
    this.#openFiles = openFiles;
  }

  /** Entries from `first` on were written. */
  noteWrite(queue: QueueState, first: number): void {
    if (queue.firstUnsynced < 0) {
      queue.firstUnsynced = first;
      this.#queues.push(queue);
    } else if (first < queue.firstUnsynced) {
      queue.firstUnsynced = first;
    }
    if (!queue.folderTouched) this.#touch(queue);
  }

  /** A file came into the queue's folder, or went. */
  noteFolder(queue: QueueState): void {
    this.#queueFolders.add(queue);
  }

  /**
   * All files of a queue were replaced, and its folders may have been made anew: their names are made durable at once. Where that fails
   * it is for the next safe point to do, which fails until it can be done: the files themselves are whole.
   */
  async syncFoldersOf(queue: QueueState): Promise<void> {
    const topic = this.#table.registry.topicOf(queue.slot);
    try {
      await this.#fs.syncDirectory(this.#files.queueFolder(queue.slot));
      await this.#fs.syncDirectory(this.#files.topicFolder(topic));
      await this.#syncRoot();
    } catch {
      this.#topicsDone.delete(topic);
      this.#touch(queue);
    }
  }

  /** Syncs all files written before the call. A queue whose sync fails is marked as damaged; the first failure is thrown at the end. */
  async syncFiles(): Promise<void> {
    const queues = this.#queues;
    this.#queues = [];
    let failed = false;
    let failure: unknown;
    for (const queue of queues) {
      const first = queue.firstUnsynced;
      const end = queue.written;
      queue.firstUnsynced = -1;
      // Rebuilt or cut meanwhile, and synced then.
      if (first < 0) continue;
      try {
        await this.#syncFilesOf(queue, first, end);
        queue.durable = Math.min(end, queue.written);
      } catch (error) {
        this.#table.markDamaged(queue, error);
        failure ??= error;
        failed = true;
      }
    }
    if (failed) throw failure;
  }

  async #syncFilesOf(queue: QueueState, first: number, end: number): Promise<void> {
    // Retention, which never runs during a safe point, may have removed all files below `min` but the last one.
    const from = Math.max(first, Math.min(queue.min, end - 1));
    for (let index = this.#files.indexOf(from); this.#files.firstEntryOf(index) < end; index += 1) {
      const path = this.#files.pathOf(queue.slot, index);
      await this.#openFiles.with(path, 'read-write', async (file) => {
        if (file.linkCount() === 0) throw new Error(`${path} was deleted while it was open`);
        await file.sync('data');
      });
    }
  }

  async syncFolders(): Promise<void> {
    await drain(this.#queueFolders, (queue) => this.#fs.syncDirectory(this.#files.queueFolder(queue.slot)));
    await drain(this.#topicFolders, async (topic) => {
      await this.#fs.syncDirectory(this.#files.topicFolder(topic));
      this.#topicsDone.add(topic);
    });
    if (!this.#rootIsUnsynced) return;
    this.#rootIsUnsynced = false;
    try {
      await this.#syncRoot();
    } catch (error) {
      this.#rootIsUnsynced = true;
      throw error;
    }
  }

  async #syncRoot(): Promise<void> {
    await this.#fs.syncDirectory(this.#files.directory);
    if (!this.#parentIsUnsynced) return;
    await this.#fs.syncDirectory(dirname(this.#files.directory));
    this.#parentIsUnsynced = false;
  }

  #touch(queue: QueueState): void {
    queue.folderTouched = true;
    const topic = this.#table.registry.topicOf(queue.slot);
    this.#queueFolders.add(queue);
    this.#topicFolders.add(topic);
    if (!this.#topicsDone.has(topic)) this.#rootIsUnsynced = true;
  }
}

/** Takes out what `work` succeeded with. What is added meanwhile, even once more, is not taken out unseen. */
async function drain<T>(items: Set<T>, work: (item: T) => Promise<void>): Promise<void> {
  for (const item of [...items]) {
    items.delete(item);
    try {
      await work(item);
    } catch (error) {
      items.add(item);
      throw error;
    }
  }
}
