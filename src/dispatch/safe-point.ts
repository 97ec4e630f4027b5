import type { DerivedState } from './derived-state.js';

export interface SyncableIndex {
  /** Undefined: it is damaged. */
  sync(durableBefore: number): Promise<DerivedState['index']>;
  /** What was found first. */
  readonly damage: unknown;
}

export interface SafePointOptions {
  /** Throws once the store is closing. */
  readonly assertOpen: () => void;
  readonly segmentBytes: number;
  readonly log: { readonly flushed: number; readonly assigned: number; flush(): Promise<void> };
  readonly dispatched: () => number;
  readonly queues: {
    sync(): Promise<void>;
    snapshotBounds(): readonly { slot: number; min: number; max: number }[];
    readonly trimmedTo: number;
    readonly damagedSlots: ReadonlySet<number>;
  };
  readonly index: SyncableIndex | undefined;
  readonly customs: readonly { sync(end: number): Promise<void> }[];
  /** A queue or the index is damaged: makes it anew before the safe point is tried. */
  readonly mend: () => Promise<void>;
  /** Writes checkpoint and state, atomically. */
  readonly write: (state: DerivedState) => Promise<void>;
}

/** Log bytes from one safe point to the next: what recovery has to read at most, beside what is not flushed. */
const INTERVAL_BYTES_MAX = 256 * 1024 * 1024;
const INTERVAL_BYTES_MIN = 1024 * 1024;
/** A broker of RocketMQ 5.5 that takes over after a crash replays the last ten segments and no more, whatever its queues hold. */
const INTERVAL_SEGMENT_COUNT_MAX = 4;

/**
 * Safe points: moments at which queues, index and users' own structures are on the disk up to an offset S, and a state file says so.
 * After a crash the log is read from S.
 *
 * Order: derived files written and synced; the log synced as far as they speak of it; then the state. A safe point that fails leaves
 * the older one standing; nothing but the time of the next recovery depends on it.
 */
export class SafePoint {
  readonly #options: SafePointOptions;
  #last: number;
  readonly #intervalBytes: number;
  /** Of the last try, whatever came of it. */
  #tried: number;
  #running: Promise<void> | undefined;

  /** @param opened `offset`: of the one that the store was opened by; 0: none that counts. `dispatched`: what was dispatched then. */
  constructor(options: SafePointOptions, opened: { readonly offset: number; readonly dispatched: number }) {
    this.#options = options;
    this.#last = opened.offset;
    this.#tried = opened.dispatched;
    const intervalBytes = Math.max(INTERVAL_BYTES_MIN, INTERVAL_SEGMENT_COUNT_MAX * options.segmentBytes);
    this.#intervalBytes = Math.min(INTERVAL_BYTES_MAX, intervalBytes);
  }

  /** Of the last one. */
  get offset(): number {
    return this.#last;
  }

  /** Takes one in the background where the log has grown enough. */
  maybe(): void {
    if (this.#running !== undefined || this.#options.dispatched() - this.#tried < this.#intervalBytes) return;
    this.#tried = this.#options.dispatched();
    // One that fails is tried again when as much has been appended again.
    this.take(false).catch(() => undefined);
  }

  /**
   * Takes one that covers everything dispatched at the time of the call. Once the store is closing only the clean one, which ends it: any
   * other may come to its turn when the lock has been given up, and somebody else writes these files.
   */
  async take(clean: boolean): Promise<void> {
    await this.#inTurn(clean, async () => await this.#take(clean));
  }

  /** `makeVoid` takes away what the last one has written: nobody shall begin to read there until another has been taken. */
  async leave(makeVoid: () => Promise<void>): Promise<void> {
    await this.#inTurn(false, async () => {
      await makeVoid();
      this.#last = 0;
    });
  }

  /** Settles when none is being taken, nor waits for its turn. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
  }

  async #inTurn(clean: boolean, work: () => Promise<void>): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    if (!clean) this.#options.assertOpen();
    this.#running = work().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #take(clean: boolean): Promise<void> {
    const synced = await this.#sync().catch(async (error: unknown) => {
      const { queues, index } = this.#options;
      if (queues.damagedSlots.size === 0 && index?.damage === undefined) throw error;
      // What could not be brought to the disk is damaged only now. The reason may have been one of that moment, and this the last try.
      return await this.#sync();
    });
    await this.#options.write({ ...synced, clean });
    this.#last = synced.safeOffset;
  }

  async #sync(): Promise<Omit<DerivedState, 'clean'>> {
    const { log, queues, index, customs, mend } = this.#options;
    await mend();
    const safeOffset = this.#options.dispatched();
    // A user's own structure must not be ahead of the log after a power cut.
    if (customs.length > 0) await log.flush();
    for (const custom of customs) await custom.sync(safeOffset);
    await queues.sync();
    const bounds = queues.snapshotBounds();
    const { trimmedTo } = queues;
    // The entries just synced may speak of records that are not durable yet.
    await log.flush();
    const files = await index?.sync(Math.min(log.flushed, this.#options.dispatched()));
    if (index !== undefined && files === undefined) throw new Error('the key index is damaged', { cause: index.damage });
    return { safeOffset, trimmedTo, bounds, index: files };
  }
}
