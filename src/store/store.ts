import type { NewMessage, Message, AppendReceipt } from '../format/message.js';
import { append, appendBatch, appendSync } from './append.js';
import { appendAll, type AppendAllOptions } from './append-all.js';
import { clean, hold } from './clean.js';
import { closeEngine } from './close.js';
import { countQueues } from './count-queues.js';
import type {
  Abortable,
  AppendOptions,
  KeyQuery,
  QueueRef,
  ReadOptions,
  ReadResult,
  RecoveryReport,
  Store,
  StoreStats,
  StoreStatus,
  Tail,
  TailOptions,
  VerifyReport,
  Watermarks,
} from './contract.js';
import type { EpochMs, PhysicalOffset, QueueOffset } from '../base/quantities.js';
import type { StoreError } from '../base/errors.js';
import type { Engine } from './engine.js';
import { findByKey } from './find-by-key.js';
import { flush, watermarksOf } from './flush.js';
import { get } from './get.js';
import { offsetAt } from './offset-at.js';
import { checkOptions, whole } from './options.js';
import { bounds } from './bounds.js';
import { read } from './read.js';
import { repair } from './repair.js';
import { type SnapshotOptions, snapshotStore, writerSource } from './snapshot.js';
import { tailQueue } from './tail.js';
import { tailLog } from './tail-all.js';
import { topics } from './topics.js';
import { typed } from './typed-errors.js';
import { type VerifyOptions, verifyStore } from './verify.js';

/** The store that writes. Each method stands in a file of its own name beside this one. */
export class WritingStore implements Store {
  readonly #engine: Engine;
  #closing: Promise<void> | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get directory(): string {
    return this.#engine.foundation.directory;
  }

  get status(): StoreStatus {
    return this.#engine.status;
  }

  get recovery(): RecoveryReport {
    return this.#engine.recovery;
  }

  get writeError(): StoreError | undefined {
    return this.#engine.writeError;
  }

  async append(message: NewMessage, options?: AppendOptions): Promise<AppendReceipt> {
    return await append(this.#engine, message, options);
  }

  async appendBatch<const T extends readonly NewMessage[]>(
    messages: T,
    options?: AppendOptions,
  ): Promise<{ readonly [K in keyof T]: AppendReceipt }> {
    return (await appendBatch(this.#engine, messages, options)) as { readonly [K in keyof T]: AppendReceipt };
  }

  async appendAll(
    messages: Iterable<NewMessage> | AsyncIterable<NewMessage>,
    options?: AppendAllOptions,
  ): Promise<{ readonly count: number }> {
    return await appendAll(this.#engine, messages, options);
  }

  appendSync(message: NewMessage): AppendReceipt {
    return appendSync(this.#engine, message);
  }

  async flush(options?: Abortable): Promise<Watermarks> {
    return await typed('flush', flush(this.#engine, options));
  }

  async get(at: PhysicalOffset | string): Promise<Message | undefined> {
    return await typed('get', get(this.#engine.view, at));
  }

  async read(queue: QueueRef, options: ReadOptions): Promise<ReadResult> {
    return await typed('read', read(this.#engine.view, queue, options));
  }

  tail(queue: QueueRef, options: TailOptions): Tail {
    return tailQueue(this.#engine.view, queue, options);
  }

  tailAll(options: TailOptions<PhysicalOffset> & { readonly topics?: readonly string[] | undefined }): Tail<PhysicalOffset> {
    return tailLog(this.#engine.view, options);
  }

  findByKey(query: KeyQuery): AsyncIterable<Message> {
    return findByKey(this.#engine.view, query);
  }

  async offsetAt(queue: QueueRef, time: EpochMs | Date): Promise<QueueOffset> {
    return await typed('offsetAt', offsetAt(this.#engine.view, queue, time));
  }

  bounds(queue: QueueRef): { readonly min: QueueOffset; readonly max: QueueOffset } {
    return bounds(this.#engine.view, queue);
  }

  topics(): readonly { readonly topic: string; readonly queueIds: readonly number[] }[] {
    return topics(this.#engine.view);
  }

  hold(offset: PhysicalOffset): { release(): void } {
    return hold(this.#engine, offset);
  }

  async repair(options?: Abortable): Promise<RecoveryReport> {
    return await typed('repair', repair(this.#engine, options));
  }

  async clean(options?: {
    readonly before?: PhysicalOffset | undefined;
  }): Promise<{ readonly deletedSegmentCount: number; readonly freedBytes: number }> {
    return await typed('clean', clean(this.#engine, options));
  }

  async snapshot(directory: string, options?: SnapshotOptions): Promise<Watermarks> {
    return await typed('snapshot', snapshotStore(writerSource(this.#engine), directory, options));
  }

  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    return await typed('verify', verifyStore(this.#engine.view, options));
  }

  stats(): StoreStats {
    const { foundation, log, readCount } = this.#engine;
    const { segments, index } = foundation;
    const { topicCount, queueCount, queueBytes } = countQueues(foundation);
    return {
      ...watermarksOf(this.#engine),
      topicCount,
      queueCount,
      segmentCount: segments.bases.length,
      diskBytes: Math.max(0, log.written - segments.minOffset) + queueBytes + (index?.usedBytes ?? 0),
      appendedCount: log.appendedCount,
      appendedBytes: log.appendedBytes,
      readCount,
      flushCount: log.flushCount,
      pendingBytes: log.pendingBytes,
    };
  }

  async close(options?: { readonly timeoutMs?: number | undefined }): Promise<void> {
    checkOptions('close', options, ['timeoutMs']);
    const timeoutMs = whole(options?.timeoutMs, 'timeoutMs', 0, 0x7fff_ffff);
    this.#closing ??= closeEngine(this.#engine, timeoutMs);
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
