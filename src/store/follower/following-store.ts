import { StoreError } from '../../base/errors.js';
import type { EpochMs, PhysicalOffset, QueueOffset } from '../../base/quantities.js';
import type { Message } from '../../format/message.js';
import { countQueues } from '../count-queues.js';
import { bounds } from '../bounds.js';
import type {
  Abortable,
  KeyQuery,
  QueueRef,
  ReadOptions,
  ReadResult,
  RecoveryReport,
  StoreReader,
  StoreStats,
  StoreStatus,
  Tail,
  TailOptions,
  VerifyReport,
  Watermarks,
} from '../contract.js';
import { findByKey } from '../find-by-key.js';
import { get } from '../get.js';
import { offsetAt } from '../offset-at.js';
import { checkOptions, whole } from '../options.js';
import { read } from '../read.js';
import { followerSource, snapshotStore } from '../snapshot.js';
import { tailQueue } from '../tail.js';
import { tailLog } from '../tail-all.js';
import { topics } from '../topics.js';
import { type VerifyOptions, verifyStore } from '../verify.js';
import type { Follower } from './follower.js';
import type { OpenedFollower } from './open-follower.js';

/**
 * The store that only reads, and sees what others write within about 100 ms. Calls that can wait have everything fed first that the
 * writer has told of; those that cannot feed what can be fed at once.
 */
export class FollowingStore implements StoreReader {
  readonly recovery: RecoveryReport;
  readonly #follower: Follower;
  #closing: Promise<void> | undefined;

  constructor(opened: OpenedFollower) {
    this.#follower = opened.follower;
    this.recovery = opened.report;
  }

  get directory(): string {
    return this.#follower.directory;
  }

  get status(): StoreStatus {
    return this.#follower.status;
  }

  async get(at: PhysicalOffset | string): Promise<Message | undefined> {
    await this.#follower.refresh();
    return await get(this.#follower.view, at);
  }

  async read(queue: QueueRef, options: ReadOptions): Promise<ReadResult> {
    await this.#follower.refresh();
    return await read(this.#follower.view, queue, options);
  }

  tail(queue: QueueRef, options: TailOptions): Tail {
    this.#follower.glance();
    return tailQueue(this.#follower.view, queue, options);
  }

  tailAll(options: TailOptions<PhysicalOffset> & { readonly topics?: readonly string[] | undefined }): Tail<PhysicalOffset> {
    this.#follower.glance();
    return tailLog(this.#follower.view, options);
  }

  findByKey(query: KeyQuery): AsyncIterable<Message> {
    this.#follower.glance();
    return findByKey(this.#follower.view, query);
  }

  async offsetAt(queue: QueueRef, time: EpochMs | Date): Promise<QueueOffset> {
    await this.#follower.refresh();
    return await offsetAt(this.#follower.view, queue, time);
  }

  bounds(queue: QueueRef): { readonly min: QueueOffset; readonly max: QueueOffset } {
    this.#follower.glance();
    return bounds(this.#follower.view, queue);
  }

  topics(): readonly { readonly topic: string; readonly queueIds: readonly number[] }[] {
    this.#follower.glance();
    return topics(this.#follower.view);
  }

  async snapshot(directory: string, options?: Abortable & { readonly links?: boolean | undefined }): Promise<Watermarks> {
    return await snapshotStore(followerSource(this.#follower), directory, options);
  }

  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    await this.#follower.refresh();
    return await verifyStore(this.#follower.view, options);
  }

  stats(): StoreStats {
    const follower = this.#follower;
    if (follower.status === 'open') follower.glance();
    const { segments, visible } = follower;
    const { topicCount, queueCount, queueBytes } = countQueues(follower);
    return {
      minOffset: segments.minOffset,
      flushedOffset: follower.flushed,
      writtenOffset: follower.written,
      dispatchedOffset: visible,
      topicCount,
      queueCount,
      segmentCount: segments.bases.length,
      diskBytes: Math.max(0, visible - segments.minOffset) + queueBytes + follower.indexBytes,
      appendedCount: 0,
      appendedBytes: 0,
      readCount: follower.readCount,
      flushCount: 0,
      pendingBytes: 0,
    };
  }

  async close(options?: { readonly timeoutMs?: number | undefined }): Promise<void> {
    checkOptions('close', options, ['timeoutMs']);
    whole(options?.timeoutMs, 'timeoutMs', 0, 0x7fff_ffff);
    this.#closing ??= this.#follower.close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Not part of the type, but of what a program without types may call: better this than `undefined is not a function`. */
function refuse(name: string): never {
  throw new StoreError('STORE_READ_ONLY', `${name}: the store was opened with readOnly; open it without to write`);
}

for (const name of ['append', 'appendBatch', 'appendAll', 'flush', 'repair', 'clean']) {
  Object.defineProperty(FollowingStore.prototype, name, {
    value: async (): Promise<never> => await Promise.resolve().then(() => refuse(name)),
  });
}
for (const name of ['appendSync', 'hold']) {
  Object.defineProperty(FollowingStore.prototype, name, { value: (): never => refuse(name) });
}
