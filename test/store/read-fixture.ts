import { defined } from '../../src/base/assert.js';
import { StoreError } from '../../src/base/errors.js';
import { QueueRegistry } from '../../src/base/queue-registry.js';
import { LogScanner } from '../../src/commit-log/log-scanner.js';
import { LogSegments } from '../../src/commit-log/log-segments.js';
import { ConsumeQueues } from '../../src/consume-queue/consume-queues.js';
import type { NewMessage } from '../../src/format/message.js';
import { encodeBlank, RecordEncoder } from '../../src/format/record-encoder.js';
import { RecordFacts } from '../../src/format/record-facts.js';
import { encodeFiller, encodeTombstone, tombstoneBytes } from '../../src/format/repair-records.js';
import { KeyIndex } from '../../src/key-index/key-index.js';
import type { Clock, Platform } from '../../src/platform/platform.js';
import { pushFacts } from '../../src/commit-log/feed.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import type { ReadView } from '../../src/store/read-view.js';
import { SmallReads } from '../../src/store/small-reads.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';

export const storeHost = { address: '127.0.0.1', port: 10911 };
const blankBytes = 8;

/** A message in the log, as a model of the store remembers it. */
export interface Stored {
  readonly message: NewMessage;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly storedAt: number;
}

export interface FixtureOptions {
  readonly seed?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly segmentBytes?: number | undefined;
  readonly entriesPerFile?: number | undefined;
  readonly recordChecksum?: boolean | undefined;
  readonly keyIndex?: boolean | undefined;
  readonly platform?: ((base: Platform) => Platform) | undefined;
}

/** What reading needs of a store, over real files on a disk in memory, with a writer that is a straight line. */
export class ReadFixture {
  readonly platform: Platform;
  readonly segments: LogSegments;
  readonly registry: QueueRegistry = new QueueRegistry();
  readonly queues: ConsumeQueues;
  readonly index: KeyIndex | undefined;
  readonly view: ReadView;
  readonly stored: Stored[] = [];
  /** Calls of `mendQueue`, by slot. */
  readonly mendedSlots: number[] = [];
  mendedIndexCount = 0;
  readCount = 0;
  failure: StoreError | undefined;
  visible = 0;
  flushed: number = Number.POSITIVE_INFINITY;
  end = 0;
  readonly files: OpenFiles;
  readonly #recordChecksum: boolean;
  readonly #encoder: RecordEncoder;
  readonly #callbacks = new Set<() => void>();
  readonly #closing = new AbortController();
  /** Rows that readers are not told of yet. */
  readonly #held: RecordFacts = new RecordFacts(4096);
  isHolding = false;
  hasTombstones = false;

  static async open(options: FixtureOptions = {}): Promise<ReadFixture> {
    const memory = memoryPlatform({ seed: options.seed, clock: options.clock });
    const platform = options.platform?.(memory) ?? memory;
    for (const folder of ['commitlog', 'consumequeue', 'index', 'stratalog/tmp', 'stratalog/rebuild', 'stratalog/aside']) {
      await platform.fs.makeDirectory(`/store/${folder}`);
    }
    const fixture = new ReadFixture(platform, options);
    await fixture.index?.open([], true);
    return fixture;
  }

  private constructor(platform: Platform, options: FixtureOptions) {
    const { segmentBytes = 4096, entriesPerFile = 16, recordChecksum = true, keyIndex = true } = options;
    const { fs, clock } = platform;
    this.platform = platform;
    this.files = new OpenFiles(fs, 16);
    const files = this.files;
    this.segments = new LogSegments({
      fs,
      files,
      directory: '/store/commitlog',
      makingDirectory: '/store/stratalog/tmp',
      segmentBytes,
    });
    const directory = '/store/consumequeue';
    const rebuildDirectory = '/store/stratalog/rebuild';
    this.queues = new ConsumeQueues({ directory, rebuildDirectory, entriesPerFile, fs, files, registry: this.registry });
    const folders = { directory: '/store/index', asideDirectory: '/store/stratalog/aside' };
    const nowMs = (): number => clock.nowMs();
    this.index = keyIndex ? new KeyIndex({ ...folders, slotCount: 7, entryCount: 50, fs, files, nowMs }) : undefined;
    this.#recordChecksum = recordChecksum;
    this.#encoder = new RecordEncoder({ storeHost, recordChecksum, messageBytesMax: 2 ** 20, systemMessages: true });
    this.view = this.#makeView(clock);
  }

  #makeView(clock: Clock): ReadView {
    return {
      segments: this.segments,
      smallReads: new SmallReads(this.segments, clock),
      registry: this.registry,
      queues: this.queues,
      index: this.index,
      clock,
      visible: () => this.visible,
      flushed: () => this.flushed,
      isOurs: () => this.#recordChecksum,
      assertReadable: () => {
        if (this.#closing.signal.aborted) throw new StoreError('STORE_CLOSED', 'the store is closed');
      },
      failure: () => this.failure,
      onChange: (callback) => {
        const each = (): void => callback();
        this.#callbacks.add(each);
        return () => this.#callbacks.delete(each);
      },
      mendQueue: async (slot) => await this.#mendQueue(slot),
      mendIndex: async () => await this.#mendIndex(),
      breathe: () => Promise.resolve(),
      countRead: (count) => {
        this.readCount += count;
      },
      closing: this.#closing.signal,
    };
  }

  /** Number of readers that wait. */
  get waitingCount(): number {
    return this.#callbacks.size;
  }

  append(message: NewMessage, storedAt: number = this.platform.clock.nowMs()): Stored {
    const encoder = this.#encoder;
    const recordBytes = encoder.stage(message, storedAt, false);
    const physicalOffset = this.#makeRoom(recordBytes);
    const slot = encoder.hasQueueOffset ? this.registry.slotOf(encoder.topic, encoder.queueId) : -1;
    const queueOffset = slot < 0 ? 0 : defined(this.registry.next[slot], 'next');
    const bytes = Buffer.alloc(recordBytes);
    encoder.write(bytes, 0, physicalOffset, queueOffset, storedAt);
    if (slot >= 0) this.registry.next[slot] = queueOffset + 1;
    this.poke(physicalOffset, bytes);
    const stored = { message, topic: encoder.topic, queueId: encoder.queueId, queueOffset, physicalOffset, recordBytes, storedAt };
    if (slot >= 0) this.stored.push(stored);
    this.#held.push(physicalOffset, recordBytes, slot, queueOffset, encoder.tagsCode, storedAt, encoder.keyHashes, encoder.keyCount);
    this.end = physicalOffset + recordBytes;
    if (!this.isHolding) this.show();
    return stored;
  }

  /** Something of the store's own at the end of the log. Returns where. */
  appendRepair(kind: 'tombstone' | 'filler', topic = 'orders', queueId = 0): number {
    const options = { storeHost, recordChecksum: this.#recordChecksum };
    const recordBytes = kind === 'filler' ? 200 : tombstoneBytes(topic, options);
    const physicalOffset = this.#makeRoom(recordBytes);
    this.hasTombstones ||= kind === 'tombstone';
    const slot = kind === 'filler' ? -1 : this.registry.slotOf(topic, queueId);
    const queueOffset = slot < 0 ? 0 : defined(this.registry.next[slot], 'next');
    const bytes = Buffer.alloc(recordBytes);
    const storedAt = this.stored.at(-1)?.storedAt ?? 0;
    if (kind === 'filler') encodeFiller(bytes, 0, recordBytes, physicalOffset, storedAt, options);
    else encodeTombstone(bytes, 0, recordBytes, { topic, queueId, queueOffset, physicalOffset, storedAt }, options);
    if (slot >= 0) this.registry.next[slot] = queueOffset + 1;
    this.poke(physicalOffset, bytes);
    this.#held.push(physicalOffset, recordBytes, slot, queueOffset, 0, storedAt, new Int32Array(0), 0);
    this.end = physicalOffset + recordBytes;
    this.show();
    return physicalOffset;
  }

  /** Readers see what was appended while `isHolding`. */
  show(): void {
    this.visible = this.end;
    this.queues.accept(this.#held, 0, this.#held.count);
    this.index?.accept(this.#held, 0, this.#held.count);
    this.#held.truncate(0);
    this.change();
  }

  change(): void {
    for (const callback of [...this.#callbacks]) callback();
  }

  /** Puts bytes into the log, whatever is there. */
  poke(offset: number, bytes: Uint8Array): void {
    const base = this.segments.baseOf(offset);
    this.files.use(this.segments.pathOf(base), 'read-write').writeSync([bytes], offset - base);
  }

  peek(offset: number, count: number): Buffer {
    const bytes = Buffer.alloc(count);
    this.segments.readSync(bytes, offset);
    return bytes;
  }

  /** Changes one byte of the log. */
  damage(offset: number): void {
    this.poke(offset, Buffer.from([defined(this.peek(offset, 1)[0], 'byte') ^ 0xff]));
  }

  /** Entries to the files, so that they can be damaged there. */
  async writeQueues(): Promise<void> {
    await this.queues.sync();
  }

  queuePath(topic: string, queueId: number, fileStart = 0): string {
    return `/store/consumequeue/${topic}/${queueId}/${String(fileStart).padStart(20, '0')}`;
  }

  pokeFile(path: string, at: number, bytes: Uint8Array): void {
    this.files.use(path, 'read-write').writeSync([bytes], at);
  }

  /** As retention does, with the queues trimmed after it, or not yet. */
  async expireFirst(trims = true): Promise<void> {
    await this.segments.removeFirst();
    if (trims) await this.trim();
  }

  async trim(): Promise<void> {
    await this.queues.trim(this.segments.minOffset);
  }

  fail(): void {
    this.failure = new StoreError('STORE_FAILED', 'made up');
    this.change();
  }

  close(): void {
    this.#closing.abort();
    this.change();
  }

  slotOf(topic: string, queueId = 0): number {
    return this.registry.slotOf(topic, queueId);
  }

  #makeRoom(recordBytes: number): number {
    const { segmentBytes, bases } = this.segments;
    const left = bases.length === 0 ? 0 : defined(bases.at(-1), 'base') + segmentBytes - this.end;
    if (recordBytes + blankBytes <= left) return this.end;
    if (left > 0) {
      const blank = Buffer.alloc(blankBytes);
      encodeBlank(blank, 0, left);
      this.poke(this.end, blank);
    }
    const base = bases.length === 0 ? 0 : defined(bases.at(-1), 'base') + segmentBytes;
    const path = this.segments.pathOf(base);
    const file = this.platform.fs.open(path, 'create');
    file.writeSync([new Uint8Array(1)], segmentBytes - 1);
    void file.close();
    this.segments.setBases([...bases, base]);
    this.end = base;
    return base;
  }

  async #mendQueue(slot: number): Promise<boolean> {
    this.mendedSlots.push(slot);
    await this.queues.rebuild(slot, async (put) => {
      const topic = this.registry.topicOf(slot);
      const queueId = this.registry.queueIdOf(slot);
      const options = { from: this.segments.minOffset, limit: this.visible, verify: false, isOurs: () => false };
      await new LogScanner(this.segments).scan(options, (view, offset) => {
        if (view.topic === topic && view.queueId === queueId && view.hasQueueOffset) {
          put(view.queueOffset, offset, view.recordBytes, view.tagsCode());
        }
      });
    });
    return true;
  }

  async #mendIndex(): Promise<boolean> {
    this.mendedIndexCount += 1;
    await this.index?.reset();
    const facts = new RecordFacts(4096);
    const options = { from: this.segments.minOffset, limit: this.visible, verify: false, isOurs: () => false };
    await new LogScanner(this.segments).scan(options, (view, offset) => pushFacts(facts, this.registry, view, offset));
    this.index?.accept(facts, 0, facts.count);
    return true;
  }
}

export async function collect<T>(messages: AsyncIterable<T>, countMax: number = Number.POSITIVE_INFINITY): Promise<T[]> {
  const found: T[] = [];
  for await (const message of messages) {
    found.push(message);
    if (found.length >= countMax) break;
  }
  return found;
}

/** What the promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}

/** So many turns of the event loop, in which what was set off can happen. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
