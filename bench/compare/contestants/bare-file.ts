import { closeSync, fdatasyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { CompareMessage, Contestant, ContestantKind, ContestantOptions, FoundMessage } from '../contestant.js';
import { TurnGroup } from '../turn-group.js';
import { decodeValue, encodeValue } from './stored-value.js';

const fileBytes = 1024 ** 3;
const lengthBytes = 4;

/** The floor: the same bytes one after another in one file, and nothing that could find them again. */
class BareFileContestant implements Contestant {
  readonly #fd: number;
  readonly #sync: boolean;
  readonly #group: TurnGroup<CompareMessage> | undefined;
  #end = 0;

  constructor(directory: string, options: ContestantOptions) {
    this.#fd = openSync(join(directory, 'bare.tmp'), 'wx+');
    ftruncateSync(this.#fd, fileBytes);
    this.#sync = options.durability === 'sync';
    this.#group = options.callers > 1 ? new TurnGroup((messages) => this.appendBatch(messages)) : undefined;
  }

  append(message: CompareMessage): unknown {
    return this.#group === undefined ? this.appendBatch([message]) : this.#group.add(message);
  }

  appendBatch(messages: readonly CompareMessage[]): void {
    const pieces: Buffer[] = [];
    const storedAt = Date.now();
    for (const message of messages) {
      const value = encodeValue(message, storedAt);
      const length = Buffer.allocUnsafe(lengthBytes);
      length.writeUInt32LE(value.length);
      pieces.push(length, value);
    }
    const all = Buffer.concat(pieces);
    writeSync(this.#fd, all, 0, all.length, this.#end);
    if (this.#sync) fdatasyncSync(this.#fd);
    this.#end += all.length;
  }

  readAt(): never {
    throw new Error('a bare file finds nothing');
  }

  findByKey(): never {
    throw new Error('a bare file finds nothing');
  }

  offsetAt(): never {
    throw new Error('a bare file finds nothing');
  }

  readAll(_queueCount: number, take: (message: FoundMessage) => void): void {
    const all = Buffer.allocUnsafe(this.#end);
    readSync(this.#fd, all, 0, all.length, 0);
    for (let at = 0; at < all.length; ) {
      const end = at + lengthBytes + all.readUInt32LE(at);
      take(decodeValue(all.subarray(at + lengthBytes, end)));
      at = end;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export function bareFileKind(): ContestantKind {
  return {
    name: 'bare file',
    version: process.version,
    finds: false,
    how: 'the floor: one write (and fdatasync) for a batch or for all who call in one turn, into one sparse file; nothing can be found again',
    open: async (directory, options) => new BareFileContestant(directory, options),
  };
}
