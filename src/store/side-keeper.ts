import { asBuffer } from '../base/bytes.js';
import { xxh64Hex } from '../base/xxh64.js';
import type { CommitLog } from '../commit-log/commit-log.js';
import type { DerivedState } from '../dispatch/derived-state.js';
import { encodeCheckpoint } from '../format/checkpoint.js';
import type { Platform } from '../platform/platform.js';
import type { Examination } from '../recovery/examine.js';
import { continueSpans, encodeManifest, type Manifest } from '../recovery/manifest.js';
import { recordHash, type Recovered } from '../recovery/recover.js';
import { replaceFile } from '../recovery/side-files.js';
import { encodeState } from '../recovery/state.js';
import type { WatermarkFile } from '../recovery/watermark-file.js';
import type { Foundation } from './foundation.js';
import { TopicConfig } from './topic-config.js';

const HASHED_BYTES_MAX = 64 * 1024;
const CHECKPOINT_USED_BYTES = 40;
const WATERMARK_SYNC_MS = 1000;
/** How far a slot may be behind what is written, for the sake of those who follow. */
const WRITTEN_SLOT_MS = 10;

/** What a slot says of the end of what is durable. */
interface DurableEnd {
  readonly flushedOffset: number;
  readonly lastRecordStart: number;
  readonly lastRecordHash: string;
}

/**
 * Keeps the side files of an open store: manifest, watermark, state, `checkpoint`, `config/topics.json`.
 *
 * Invariant: none of them ever says more than what has been synced before it was written.
 */
export class SideKeeper {
  readonly #foundation: Foundation;
  readonly #log: CommitLog;
  readonly #watermark: WatermarkFile;
  readonly #runId: string;
  readonly #topicConfig: TopicConfig;
  readonly #hash = Buffer.alloc(HASHED_BYTES_MAX);
  #manifest: Manifest;
  #stateSequence: number;
  /** What `checkpoint` holds now. */
  #checkpointHex: string;
  /** What it should hold, where that could not be written or synced. */
  #checkpointDue: Buffer | undefined;
  #watermarkSyncedMs = 0;
  #slotWrittenMs = Number.NEGATIVE_INFINITY;
  #cancelSlot: (() => void) | undefined;
  #isWatermarkClosed = false;
  /** As in the newest slot. */
  #durableEnd: DurableEnd | undefined;

  constructor(foundation: Foundation, log: CommitLog, manifest: Manifest, found: Examination, watermark: WatermarkFile) {
    this.#foundation = foundation;
    this.#log = log;
    this.#manifest = manifest;
    this.#watermark = watermark;
    this.#runId = asBuffer(foundation.platform.randomBytes(16)).toString('hex');
    this.#topicConfig = new TopicConfig(foundation.platform, foundation.paths);
    this.#stateSequence = found.state?.sequence ?? 0;
    this.#checkpointHex = found.checkpoint?.toString('hex') ?? '';
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** After a sync of the log: a slot at once, the file's own sync in the background. */
  flushed(): void {
    try {
      this.writeWatermark();
    } catch {
      // It may lag: the older slot stands, and the next recovery rewrites more.
      return;
    }
    const nowMs = this.#foundation.platform.clock.monotonicMs();
    if (nowMs - this.#watermarkSyncedMs < WATERMARK_SYNC_MS) return;
    this.#watermarkSyncedMs = nowMs;
    this.#watermark.sync().catch(() => undefined);
  }

  /**
   * `written` has moved, and those who read the store by the slot (async mode) want to hear of it: a slot at most every 10 ms, and one
   * after the last move. A slot that cannot be written only makes them wait.
   */
  written(): void {
    if (this.#cancelSlot !== undefined || this.#isWatermarkClosed) return;
    const { clock } = this.#foundation.platform;
    const dueInMs = this.#slotWrittenMs + WRITTEN_SLOT_MS - clock.monotonicMs();
    if (dueInMs <= 0) return this.#writeWrittenSlot();
    this.#cancelSlot = clock.schedule(Math.ceil(dueInMs), () => {
      this.#cancelSlot = undefined;
      this.#writeWrittenSlot();
    });
  }

  /** The last record known to be synced goes into the watermark's next slot. */
  writeWatermark(): void {
    const last = this.#log.lastSyncedRecord;
    if (last !== undefined && last.end !== this.#durableEnd?.flushedOffset) {
      const end = this.#endAt(last.start, last.end);
      if (end === undefined) return;
      this.#durableEnd = end;
    }
    if (this.#durableEnd !== undefined) this.#writeSlot(this.#durableEnd, this.#log.written, this.#log.lastStoredAt);
  }

  /** The log has been repaired: the record that the newest slot names may consist of other bytes now. */
  renewWatermark(): void {
    const known = this.#durableEnd;
    try {
      if (known !== undefined && known.lastRecordStart >= 0)
        this.#durableEnd = this.#endAt(known.lastRecordStart, known.flushedOffset) ?? known;
      this.writeWatermark();
    } catch {
      // It counts with another hash too, unless another broker comes in between.
    }
  }

  /** The first slot of this run, durable before anything is served. */
  async writeFirstWatermark(recovered: Recovered): Promise<void> {
    const { segments } = this.#foundation;
    const last = recovered.lastRecord;
    const hash = last === undefined ? undefined : await recordHash(segments, last.start, last.end);
    // Always: an older slot may speak of more than recovery has left.
    this.#durableEnd =
      last === undefined || hash === undefined
        ? { flushedOffset: recovered.end, lastRecordStart: -1, lastRecordHash: '' }
        : { flushedOffset: last.end, lastRecordStart: last.start, lastRecordHash: hash };
    this.#writeSlot(this.#durableEnd, recovered.end, recovered.lastStoredAt);
    await this.#watermark.sync();
  }

  async syncWatermark(): Promise<void> {
    await this.#watermark.sync();
  }

  async closeWatermark(): Promise<void> {
    this.#isWatermarkClosed = true;
    this.#cancelSlot?.();
    await this.#watermark.close();
  }

  /** At close: the span of our records that has been growing ends where the log ends. */
  async writeManifest(end: number | undefined): Promise<void> {
    const { platform, paths, options } = this.#foundation;
    if (end !== undefined) this.#manifest = { ...this.#manifest, spans: continueSpans(this.#manifest.spans, end, false) };
    else if (this.#manifest.spans.length === 0 && options.recordChecksum) {
      this.#manifest = { ...this.#manifest, spans: continueSpans([], this.#log.assigned, true) };
    }
    await replaceFile(platform, paths, paths.manifest, encodeManifest(this.#manifest));
  }

  /** `config/topics.json` as of now. */
  async writeTopics(): Promise<void> {
    const { registry, queues } = this.#foundation;
    const counts = new Map<string, number>();
    for (let slot = 0; slot < registry.count; slot += 1) {
      if (queues.bounds(slot).max === 0) continue;
      const topic = registry.topicOf(slot);
      counts.set(topic, Math.max(counts.get(topic) ?? 0, registry.queueIdOf(slot) + 1));
    }
    await this.#topicConfig.update(counts);
  }

  async writeState(state: DerivedState): Promise<void> {
    const { platform, paths, registry } = this.#foundation;
    const checkpoint = encodeCheckpoint({
      logTime: this.#log.lastStoredAt,
      queuesTime: this.#log.lastStoredAt,
      indexTime: this.#log.lastStoredAt,
      masterFlushedOffset: 0,
      confirmedOffset: state.safeOffset,
    });
    await this.writeTopics();
    await this.syncWatermark();
    // A state names two of them, and one has to stand there whenever we die: else it would look as if somebody else had been here.
    if (this.#checkpointDue !== undefined) await this.#writeCheckpoint(this.#checkpointDue);
    const checkpointHex = checkpoint.toString('hex', 0, CHECKPOINT_USED_BYTES);
    this.#stateSequence += 1;
    const bytes = encodeState({
      storeId: this.#manifest.storeId,
      safeOffset: state.safeOffset,
      clean: state.clean,
      trimmedTo: state.trimmedTo,
      lastStoredAt: this.#log.lastStoredAt,
      queues: state.bounds.map((queue) => ({
        topic: registry.topicOf(queue.slot),
        queueId: registry.queueIdOf(queue.slot),
        min: queue.min,
        max: queue.max,
      })),
      index: state.index,
      checkpointHex,
      previousCheckpointHex: this.#checkpointHex,
      sequence: this.#stateSequence,
    });
    await replaceFile(platform, paths, paths.state, bytes);
    await this.#writeCheckpoint(checkpoint);
  }

  async #writeCheckpoint(checkpoint: Buffer): Promise<void> {
    const { platform, paths } = this.#foundation;
    this.#checkpointDue = checkpoint;
    await writeInPlace(platform, paths.checkpoint, checkpoint);
    this.#checkpointHex = checkpoint.toString('hex', 0, CHECKPOINT_USED_BYTES);
    this.#checkpointDue = undefined;
  }

  #endAt(start: number, end: number): DurableEnd | undefined {
    const bytes = this.#hash.subarray(0, Math.min(end - start, HASHED_BYTES_MAX));
    if (this.#foundation.segments.readSync(bytes, start) !== bytes.length) return undefined;
    return { flushedOffset: end, lastRecordStart: start, lastRecordHash: xxh64Hex(bytes) };
  }

  #writeWrittenSlot(): void {
    if (this.#isWatermarkClosed) return;
    try {
      this.writeWatermark();
    } catch {
      // The older slot stands; the next sync of the log writes one again, or finds out what is wrong.
    }
  }

  #writeSlot(durable: DurableEnd, writtenOffset: number, lastStoredAt: number): void {
    this.#slotWrittenMs = this.#foundation.platform.clock.monotonicMs();
    this.#watermark.write({
      ...durable,
      storeId: this.#manifest.storeId,
      runId: this.#runId,
      writtenOffset,
      lastStoredAt,
      flush: this.#foundation.options.flush,
    });
  }
}

async function writeInPlace(platform: Platform, path: string, bytes: Buffer): Promise<void> {
  const { fs } = platform;
  const isThere = fs.exists(path);
  const file = fs.open(path, isThere ? 'read-write' : 'create');
  try {
    await file.write([bytes], 0);
    await file.sync('all');
  } finally {
    await file.close();
  }
  if (!isThere) await fs.syncDirectory(path.slice(0, path.lastIndexOf('/')));
}
