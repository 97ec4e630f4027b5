import type { NewMessage } from '../format/message.js';
import type { Receipt } from '../format/receipt.js';
import type { LogWaiter } from './waiters.js';

/** One `append` that was taken at once, as nearly all are. */
export class SingleAppend implements LogWaiter {
  readonly end: number;
  readonly #receipt: Receipt;
  readonly #log: { readonly flushed: number };
  readonly #resolve: (receipt: Receipt) => void;
  readonly reject: (reason: unknown) => void;

  constructor(receipt: Receipt, log: { readonly flushed: number }, resolve: (receipt: Receipt) => void, reject: (reason: unknown) => void) {
    this.end = receipt.physicalOffset + receipt.recordBytes;
    this.#receipt = receipt;
    this.#log = log;
    this.#resolve = resolve;
    this.reject = reject;
  }

  settle(): void {
    if (this.#log.flushed >= this.end) this.#receipt.durable = true;
    this.#resolve(this.#receipt);
  }
}

/** An `appendBatch` on its way, or an `append` that has to wait for room. */
export class AppendCall implements LogWaiter {
  messages: readonly NewMessage[];
  readonly flush: 'sync' | 'async';
  receipts: readonly Receipt[] = [];
  end = 0;
  log: { readonly flushed: number } | undefined;
  readonly #resolve: (receipts: readonly Receipt[]) => void;
  readonly reject: (reason: unknown) => void;

  constructor(
    messages: readonly NewMessage[],
    flush: 'sync' | 'async',
    resolve: (receipts: readonly Receipt[]) => void,
    reject: (reason: unknown) => void,
  ) {
    this.messages = messages;
    this.flush = flush;
    this.#resolve = resolve;
    this.reject = reject;
  }

  settle(): void {
    if (this.log !== undefined && this.log.flushed >= this.end) for (const receipt of this.receipts) receipt.durable = true;
    this.#resolve(this.receipts);
  }

  /** As `take`, but what it throws rejects this call alone. */
  attempt(take: () => boolean): boolean {
    try {
      return take();
    } catch (error) {
      this.reject(error);
      return true;
    }
  }
}
