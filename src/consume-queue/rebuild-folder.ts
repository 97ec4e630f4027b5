import type { FileSystem } from '../platform/platform.js';

/**
 * Where files of queues are made before they are renamed in, so that a file never stands under a RocketMQ name before it has
 * its full length and its first entries. What an earlier process left there is worth nothing and is removed at the first use.
 *
 *   new-<n>            one file of a queue, its first entries in it
 *   queue-<n>/         all files of a queue that is rebuilt, under their final names
 */
export class RebuildFolder {
  readonly #fs: FileSystem;
  readonly #path: string;
  #ready: Promise<void> | undefined;
  #nameCount = 0;

  constructor(fs: FileSystem, path: string) {
    this.#fs = fs;
    this.#path = path;
  }

  /** A path of that kind that nothing stands at. */
  async freshPath(kind: 'new' | 'queue'): Promise<string> {
    this.#ready ??= this.#prepare();
    try {
      await this.#ready;
    } catch (error) {
      this.#ready = undefined;
      throw error;
    }
    this.#nameCount += 1;
    return `${this.#path}/${kind}-${this.#nameCount}`;
  }

  /** Removes what is at a path from `freshPath`; what cannot be removed stays until the next process. */
  async discard(path: string): Promise<void> {
    if (!this.#fs.exists(path)) return;
    try {
      if (!/\/new-\d+$/.test(path)) {
        for (const name of this.#fs.list(path)) await this.#fs.remove(`${path}/${name}`);
      }
      await this.#fs.remove(path);
    } catch {
      // Nobody reads it, and the next process tries again.
    }
  }

  async #prepare(): Promise<void> {
    await this.#fs.makeDirectory(this.#path);
    for (const name of this.#fs.list(this.#path)) {
      if (/^(?:new|queue)-\d+$/.test(name)) await this.discard(`${this.#path}/${name}`);
    }
    // Not beyond what could not be removed.
    for (const name of this.#fs.list(this.#path)) {
      const number = /^(?:new|queue)-(\d+)$/.exec(name)?.[1];
      if (number !== undefined) this.#nameCount = Math.max(this.#nameCount, Number(number));
    }
  }
}
