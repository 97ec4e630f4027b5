import { deferred } from '../base/deferred.js';
import { corrupt, type StoreError } from '../base/errors.js';
import type { ReadOn } from '../commit-log/feed.js';
import { LogScanner, type ScanEnd } from '../commit-log/log-scanner.js';
import type { LogSegments } from '../commit-log/log-segments.js';
import { decodeMessage } from '../format/decode-message.js';
import type { Message } from '../format/message.js';

/** A derived structure of the user's own, as the public contract has it. */
export interface MessageTarget {
  readonly name: string;
  from(): number | undefined;
  dispatch(message: Message): void;
  sync(end: number): Promise<void>;
}

/** The log as a feeder reads it. */
export interface FedLog {
  readonly segments: LogSegments;
  visible(): number;
  flushed(): number;
  /** Whether a record at `offset` must carry our checksum. */
  isOurs(offset: number): boolean;
  /** Where the log can be read again behind damage. */
  readonly readOn: ReadOn;
  /** Where who has kept `offset` goes on, if a repair has laid something over it. */
  placeBehindRepair(offset: number): Promise<number | undefined>;
}

/**
 * Feeds a user's own structure from the log, in order, as far as readers see. It reads behind the appender, so that a slow target
 * holds nobody up. What a target throws ends its feeding until the store is opened again, and is reported.
 */
export class CustomFeeder {
  readonly #target: MessageTarget;
  readonly #log: FedLog;
  readonly #onBroken: (name: string, error: unknown) => void;
  #position: number;
  /** What lies below it the target has made durable, or did not ask for. */
  #durable: number;
  /** One after the other: a safe point and a deletion may ask at the same time. */
  #syncing: Promise<void> = Promise.resolve();
  /** Where the target asked to begin. No record there is its mistake, or damage that it must hear of: messages would be left out. */
  readonly #givenStart: number | undefined;
  #running: Promise<void> | undefined;
  #broken = false;

  constructor(target: MessageTarget, log: FedLog, onBroken: (name: string, error: unknown) => void) {
    this.#target = target;
    this.#log = log;
    this.#onBroken = onBroken;
    const from = target.from();
    // What is no offset at all would never be reached.
    const { minOffset } = log.segments;
    const start = from !== undefined && Number.isSafeInteger(from) ? from : minOffset;
    this.#position = Math.max(minOffset, Math.min(start, log.visible()));
    this.#durable = this.#position;
    this.#givenStart = this.#position === from ? from : undefined;
  }

  /** More may be visible. */
  wake(): void {
    if (this.#broken || this.#running !== undefined || this.#position >= this.#log.visible()) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.wake();
    });
  }

  /** It is fed nothing more. */
  end(): void {
    this.#broken = true;
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  /** Before what lies below `end` is deleted: the target has it for good, unless its feeding has ended, which has been told. */
  async outlive(end: number): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#durable < end) await this.#sync(end);
    });
  }

  /** Everything below `end` has been dispatched and made durable by the target. */
  async sync(end: number): Promise<void> {
    // What it was given never goes back: it is where the target begins the next time.
    await this.#inTurn(async () => await this.#sync(Math.max(end, this.#durable)));
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    this.#syncing = this.#syncing.then(work);
    await this.#syncing;
  }

  async #sync(end: number): Promise<void> {
    this.wake();
    while (this.#running !== undefined && this.#position < end) await this.#running;
    if (this.#broken) return;
    try {
      await this.#target.sync(end);
      this.#durable = end;
    } catch (error) {
      this.#break(error);
    }
  }

  async #run(): Promise<void> {
    // In the next turn, so that the appends of this one are done before the log is read back.
    const turn = deferred();
    queueMicrotask(() => turn.resolve());
    await turn.promise;
    const limit = this.#log.visible();
    try {
      const stopped = await new LogScanner(this.#log.segments).scan(
        { from: this.#position, limit, verify: true, isOurs: (offset) => this.#log.isOurs(offset) },
        (view, offset, bytes) => {
          if (this.#broken) return false;
          if (view.hasQueueOffset && !view.isTombstone) {
            this.#target.dispatch(decodeMessage(view, bytes, offset + view.recordBytes <= this.#log.flushed()));
          }
          this.#position = offset + view.recordBytes;
          return true;
        },
      );
      if (stopped.reason === 'limit' || stopped.reason === 'end') this.#position = Math.max(this.#position, stopped.offset);
      else await this.#goOnBehind(stopped);
    } catch (error) {
      this.#break(error);
    }
  }

  async #goOnBehind(stopped: ScanEnd): Promise<void> {
    const { offset } = stopped;
    const isGiven = offset === this.#givenStart && stopped.count === 0;
    // No record has led here: a repair may have laid one over the place that was kept.
    const behind = isGiven ? await this.#log.placeBehindRepair(offset) : undefined;
    if (isGiven && behind === undefined) this.#break(this.#noRecordAt(offset, stopped.what));
    else this.#position = Math.max(this.#position, behind ?? (await this.#log.readOn(stopped)));
  }

  #noRecordAt(offset: number, what: string): StoreError {
    const { segments } = this.#log;
    const base = segments.baseOf(offset);
    const reason = `the target '${this.#target.name}' asked to begin here, and no record does (${what}): use a place that sync() was given`;
    return corrupt(segments.pathOf(base), offset - base, reason);
  }

  #break(error: unknown): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#onBroken(this.#target.name, error);
  }
}
