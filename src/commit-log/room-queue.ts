import { StoreError } from '../base/errors.js';

const WAITING_COUNT_MAX = 65_536;

interface Call {
  /** True once it has been taken; it has settled its own promise then. */
  readonly take: () => boolean;
  readonly reject: (reason: unknown) => void;
  readonly stopListening: () => void;
}

/** Calls that wait until the disk has taken enough of what is pending; served in order. */
export class RoomQueue {
  /** In order of arrival. */
  readonly #calls = new Set<Call>();
  #serving = false;

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }

  assertNotFull(): void {
    if (this.#calls.size < WAITING_COUNT_MAX) return;
    throw new StoreError('OVERLOADED', `${WAITING_COUNT_MAX} calls are waiting for the disk already; await appends before making more`);
  }

  /** `take` is tried later, in turn, until it returns true. Aborting `signal` takes the call out; its reason if that has happened. */
  add(take: () => boolean, reject: (reason: unknown) => void, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    const onAbort = (): void => {
      this.#calls.delete(call);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const call: Call = { take, reject, stopListening: () => signal?.removeEventListener('abort', onAbort) };
    this.#calls.add(call);
  }

  /** Serves from the front as many as can be taken now. */
  serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    try {
      for (const call of this.#calls) {
        if (!call.take()) break;
        this.#calls.delete(call);
        call.stopListening();
      }
    } finally {
      this.#serving = false;
    }
  }

  rejectAll(reason: unknown): void {
    const calls = [...this.#calls];
    this.#calls.clear();
    for (const call of calls) {
      call.stopListening();
      call.reject(reason);
    }
  }
}
