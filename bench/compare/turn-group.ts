/**
 * What a careful program does in front of a database whose transactions belong to one caller: the messages of all who call in one turn of
 * the event loop, or while a transaction is on its way, go into one transaction.
 */
export class TurnGroup<Item> {
  readonly #write: (items: readonly Item[]) => unknown;
  #items: Item[] = [];
  #done: { readonly promise: Promise<void>; resolve(): void; reject(error: unknown): void } | undefined;
  #busy = false;

  constructor(write: (items: readonly Item[]) => unknown) {
    this.#write = write;
  }

  add(item: Item): Promise<void> {
    this.#items.push(item);
    if (this.#done === undefined) {
      this.#done = deferred();
      if (!this.#busy) setImmediate(() => void this.#run());
    }
    return this.#done.promise;
  }

  async #run(): Promise<void> {
    const items = this.#items;
    const done = this.#done;
    if (done === undefined) return;
    this.#items = [];
    this.#done = undefined;
    this.#busy = true;
    try {
      await this.#write(items);
      done.resolve();
    } catch (error) {
      done.reject(error);
    }
    this.#busy = false;
    if (this.#items.length > 0) setImmediate(() => void this.#run());
  }
}

function deferred(): { readonly promise: Promise<void>; resolve(): void; reject(error: unknown): void } {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  return { promise, resolve, reject };
}
