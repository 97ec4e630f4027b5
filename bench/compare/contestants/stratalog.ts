import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Store } from '../../../src/index.js';
import { repositoryRoot } from '../../common/repository.js';
import { compareTopic } from '../compare-messages.js';
import type { CompareMessage, Contestant, ContestantKind, ContestantOptions, FoundMessage } from '../contestant.js';

const readBatch = 500;

class StratalogContestant implements Contestant {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  append(message: CompareMessage): Promise<unknown> {
    return this.#store.append(message);
  }

  appendBatch(messages: readonly CompareMessage[]): Promise<unknown> {
    return this.#store.appendBatch(messages);
  }

  async readAt(queueId: number, offset: number): Promise<FoundMessage | undefined> {
    const queue = { topic: compareTopic, queueId };
    const { max } = this.#store.bounds(queue);
    if (offset >= max) return undefined;
    const { messages } = await this.#store.read(queue, { from: offset, countMax: 1 });
    return messages[0];
  }

  async findByKey(key: string): Promise<readonly FoundMessage[]> {
    const found: FoundMessage[] = [];
    for await (const message of this.#store.findByKey({ topic: compareTopic, key })) found.push(message);
    return found;
  }

  offsetAt(queueId: number, timeMs: number): Promise<number> {
    return this.#store.offsetAt({ topic: compareTopic, queueId }, timeMs);
  }

  async readAll(_queueCount: number, take: (message: FoundMessage) => void): Promise<void> {
    for await (const messages of this.#store.tailAll({ from: 'earliest', until: 'end' }).batches(readBatch)) {
      for (const message of messages) take(message);
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

export function stratalogKind(): ContestantKind {
  const { version } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as { readonly version: string };
  const open = async (directory: string, { durability, keyed }: ContestantOptions): Promise<Contestant> =>
    new StratalogContestant(await openStore(join(directory, 'store'), { flush: durability, keyIndex: keyed }));
  return { name: 'stratalog', version, finds: true, how: 'default settings, checksums of body and record included', open };
}
