import { StoreError } from '../base/errors.js';

const WAITING_COUNT_MAX = 65_536;

interface Call {
  /** True once it has been taken; it has settled its own promise then. */
  readonly take: () => boolean;
  readonly reject: (reason: unknown) => void;
  readonly stopListening: () => void;
  gone: boolean;
}

/** Calls that wait until the disk has taken enough of what is pending; served in order. */
export class RoomQueue {
  #calls: Call[] = [];
  #serving = false;

  get isEmpty(): boolean {
    return this.#calls.length === 0;
  }

  /** `take` is tried now or later, in turn, until it returns true. Aborting `signal` takes the call out. */
  add(take: () => boolean, reject: (reason: unknown) => void, signal: AbortSignal | undefined): void {
    if (this.#calls.length >= WAITING_COUNT_MAX) {
      throw new StoreError('OVERLOADED', `${WAITING_COUNT_MAX} calls are waiting for the disk already; await appends before making more`);
    }
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      call.gone = true;
      this.#calls = this.#calls.filter((each) => each !== call);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const call: Call = { take, reject, stopListening: () => signal?.removeEventListener('abort', onAbort), gone: false };
    this.#calls.push(call);
  }

  /** Serves from the front as many as can be taken now. */
  serve(): void {
    if (this.#serving || this.#calls.length === 0) return;
    this.#serving = true;
    try {
      let served = 0;
      for (const call of [...this.#calls]) {
        if (call.gone) continue;
        if (!call.take()) break;
        call.stopListening();
        served += 1;
      }
      if (served > 0) this.#calls = this.#calls.slice(served);
    } finally {
      this.#serving = false;
    }
  }

  rejectAll(reason: unknown): void {
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) {
      call.stopListening();
      call.reject(reason);
    }
  }
}
