import { type Message, openStore, type Store, type StoreOptions, type StoreReader, StoreError } from '../../src/index.js';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { Deletions } from './deletions.js';
import { type Keep, Machine } from './machine.js';
import { Model, type Sent } from './model.js';
import { collect, readBack } from './read-back.js';
import { pick, removeTree, root } from './small.js';
import { must, Violation } from './violation.js';
import { WatchedTarget } from './watched-target.js';

/** What a store may say when the machine has failed it. */
const faultCodes: ReadonlySet<string> = new Set(['IO', 'DISK_FULL', 'STORE_FAILED', 'STORE_CLOSED', 'OVERLOADED']);

/** A copy that was made and must outlive whatever happens to the store. */
interface Snapshot {
  readonly directory: string;
  readonly ids: readonly number[];
}

export interface SessionOptions {
  readonly seed: number;
  readonly blockBytes: 512 | 4096;
  readonly segmentBytes: number;
  /** How the power may go. */
  readonly keeps: readonly Keep[];
  readonly onLine: ((line: string) => void) | undefined;
}

/** A store on a machine that fails, and the model that it is compared with, over as many openings as there are. */
export class Session {
  readonly random: SeededRandom;
  readonly machine: Machine;
  readonly model: Model;
  readonly deletions: Deletions;
  readonly segmentBytes: number;
  readonly keeps: readonly Keep[];
  readonly snapshots: Snapshot[] = [];
  readonly #target: WatchedTarget;
  /** The store was last closed with the target, as it should be, and nothing had gone wrong. */
  #isTargetWhole = false;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #lingering = new Set<Promise<void>>();
  #violation: unknown;
  #struckAtOpening = 0;
  /** Nothing may go wrong now. */
  #isChecking = false;
  /** As that, and not forgotten when what was found has been compared: what fails while a target is fed ends its feeding. */
  #struckBeforeOpening = 0;
  #opened: Store | undefined;
  /** Since the log was last compared with the model, the machine has kept whatever was written. */
  #writtenCounts = true;
  /** The mode of the newest life, and whether one before it, since the log was last compared with the model, was asynchronous. */
  #flush: 'sync' | 'async' = 'sync';
  #hasBeenAsync = false;
  operations = 0;
  options: StoreOptions = {};
  follower: StoreReader | undefined;
  snapshotCount = 0;

  constructor({ seed, blockBytes, segmentBytes, keeps, onLine }: SessionOptions) {
    this.random = new SeededRandom(seed);
    this.segmentBytes = segmentBytes;
    this.keeps = keeps;
    this.machine = new Machine({ seed, blockBytes, onLine });
    this.model = new Model(segmentBytes);
    this.deletions = new Deletions(segmentBytes);
    const powerCut = (): Keep | undefined => (!this.#isChecking && this.random.chance(0.1) ? pick(this.random, this.keeps) : undefined);
    this.#target = new WatchedTarget(this.machine, this.model, powerCut, (error) => {
      this.#violation ??= error;
    });
  }

  /** The open store; actions are only run while there is one. */
  get store(): Store {
    if (this.#opened === undefined) throw new Error('no store is open');
    return this.#opened;
  }

  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /** Something has gone wrong with the machine since the store was opened: it may fail, with a typed error. */
  get isDisturbed(): boolean {
    return this.machine.isDown || this.machine.struckCount > this.#struckAtOpening;
  }

  /** The machine runs again, if it does not. */
  restart(): void {
    if (this.machine.isDown) this.#writtenCounts &&= this.machine.kept === 'all';
    this.machine.restart();
  }

  /** One attempt. False: the machine has kept it from opening, or has gone down meanwhile. */
  async tryOpen(options: StoreOptions, hasTarget: boolean = false): Promise<boolean> {
    const { machine } = this;
    this.options = {
      ...options,
      platform: machine.platform,
      listener: { onSegmentDeleted: (info) => this.#onDeleted(info) },
      targets: hasTarget ? [this.#target] : [],
    };
    this.deletions.configured(options.retention);
    this.#struckAtOpening = this.#struckBeforeOpening = machine.struckCount;
    machine.tell(`> open ${JSON.stringify({ ...options, hasTarget })}`);
    let store: Store;
    try {
      store = await this.settle(openStore(root, { ...this.options, readOnly: false }), 'openStore');
    } catch (error) {
      this.permit(error, 'openStore');
      if (!machine.isDown) must(machine.openPaths.length === 0, () => `a failed opening leaves open: ${machine.openPaths.join(' ')}`);
      return false;
    }
    this.#opened = store;
    this.#hasBeenAsync ||= this.#flush === 'async';
    this.#flush = options.flush ?? 'sync';
    this.model.life += 1;
    if (!machine.isDown) return true;
    await this.end('close');
    return false;
  }

  throwViolation(): void {
    if (this.#violation !== undefined) throw this.#violation;
  }

  /** Goes on beside what follows; what it finds is found at the latest when the life ends. */
  float(work: Promise<void>): void {
    this.#track(work, this.#inFlight);
  }

  /** Goes on until the store ends. */
  linger(work: Promise<void>): void {
    this.#track(work, this.#lingering);
  }

  #track(work: Promise<void>, into: Set<Promise<void>>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#violation ??= error;
      })
      .finally(() => into.delete(tracked));
    into.add(tracked);
  }

  async settle<T>(work: Promise<T>, what: string): Promise<T> {
    return await this.machine.clock.settle(work, what);
  }

  /** Everything that was begun has ended. */
  async settleAll(): Promise<void> {
    while (this.#inFlight.size > 0) await this.settle(Promise.all(this.#inFlight), 'what was begun');
    if (this.#violation !== undefined) throw this.#violation;
  }

  /** What calls that the store had not accepted yet are told when it is closed. */
  get codesOfClosing(): readonly string[] {
    return this.#opened === undefined || this.#opened.status === 'open' ? [] : ['STORE_CLOSED'];
  }

  /** Whether a failure is one that the store may give: typed, and only after something went wrong or for a reason of `codes`. */
  permit(error: unknown, what: string, codes: readonly string[] = []): void {
    if (error instanceof Violation) throw error;
    must(
      StoreError.is(error),
      () => `${what} failed with an error without a code: ${error instanceof Error ? error.stack : String(error)}`,
    );
    if (codes.includes(error.code)) return;
    must(this.isDisturbed, () => `${what} failed though nothing was wrong: ${error.code} ${error.message}`);
    // A file that seems to have been cut is damage, as far as anybody can tell.
    if (error.code === 'CORRUPT' && this.machine.hasCutReads) return;
    must(faultCodes.has(error.code), () => `${what} failed with ${error.code}, ${error.message}`);
  }

  async end(how: 'close' | 'crash' | 'leave'): Promise<void> {
    this.machine.tell(`> end by ${how}`);
    const { store, model, machine } = this;
    const flushedOffset = store.stats().flushedOffset;
    if (how === 'crash') machine.crash(pick(this.random, this.keeps));
    if (machine.isDown) model.durableBelow(flushedOffset);
    const { taken } = model;
    const wasOpen = store.status === 'open';
    // Everything that waits must end by itself when its store does, in whatever order.
    const closings = [this.settleReader(), this.#closeStore(taken, wasOpen)];
    await this.settle(Promise.all(closings), 'close');
    await this.settleAll();
    while (this.#lingering.size > 0) await this.settle(Promise.all(this.#lingering), 'a tail of a closed store');
    must(machine.underWayCount === 0, () => `${machine.underWayCount} calls of the file system are under way after close`);
    const { callCount } = machine;
    await machine.clock.quiet();
    must(machine.callCount === callCount, () => `${machine.callCount - callCount} calls of the file system after close`);
    if (!machine.isDown) {
      must(machine.openPaths.length === 0, () => `after close these files are open: ${machine.openPaths.join(' ')}`);
      if (how === 'leave') machine.crash(pick(this.random, this.keeps));
    }
    this.#opened = undefined;
  }

  async settleReader(): Promise<void> {
    const { follower } = this;
    this.follower = undefined;
    try {
      await follower?.close();
    } catch (error) {
      this.permit(error, 'closing a follower');
    }
  }

  async #closeStore(taken: readonly Sent[], wasOpen: boolean): Promise<void> {
    try {
      await this.store.close();
      must(wasOpen, () => 'close() succeeded though the store had failed');
      this.model.flushed(taken);
      this.#isTargetWhole = this.options.targets?.length === 1 && this.machine.struckCount === this.#struckBeforeOpening;
    } catch (error) {
      this.permit(error, 'close()');
    }
  }

  /** Compares what was found at opening with what was promised, every way of reading. Nothing may go wrong meanwhile. */
  async check(): Promise<void> {
    const { model, deletions, store } = this;
    this.machine.clearFaults();
    this.machine.restart();
    this.#isChecking = true;
    this.#struckAtOpening = this.machine.struckCount;
    const { flushedOffset, writtenOffset } = store.stats();
    must(flushedOffset === writtenOffset, () => `opened with written ${writtenOffset} beyond flushed ${flushedOffset}`);
    must(store.recovery.skippedBytes === 0, () => `opening skipped ${store.recovery.skippedBytes} bytes of an undamaged log`);
    const log = await this.settle(this.readAll(store), 'reading everything');
    const { minOffset } = store.stats();
    deletions.checkBeginning(minOffset);
    const writtenCounts = this.#writtenCounts;
    model.reopened(log, { writtenCounts, seenCounts: writtenCounts || !this.#hasBeenAsync, minOffset });
    this.#writtenCounts = true;
    this.#hasBeenAsync = false;
    this.#target.compare(model.inOrder(log), minOffset, writtenOffset, this.#isTargetWhole);
    this.#isTargetWhole = false;
    for (const queue of model.queues) {
      const [topic = '', queueId = '0'] = queue.split('/');
      const { max } = store.bounds({ topic, queueId: Number(queueId) });
      const next = model.nextAtLeast(topic, Number(queueId));
      must(max >= next, () => `queue ${queue} goes on at ${max}, ${next} was reached`);
    }
    const report = await this.settle(store.verify(), 'verify');
    must(report.ok, () => `verify after opening: ${JSON.stringify(report.faults.slice(0, 3))}`);
    await this.#checkSnapshots();
    deletions.opened(minOffset);
    this.#isChecking = false;
  }

  /** Everything that is there now, whatever retention would do meanwhile. */
  async readAll(store: Store): Promise<readonly Message[]> {
    const held = store.hold(0);
    const forget = this.deletions.hold(store.stats().minOffset);
    try {
      // After a pass of retention that had begun before: until it ends, queues still name what has gone.
      await store.clean();
      return await readBack(store, this.random, this.options.keyIndex !== false);
    } finally {
      forget();
      held.release();
    }
  }

  /** What was copied before is still whole, and is thrown away. */
  async #checkSnapshots(): Promise<void> {
    for (const { directory, ids } of this.snapshots.splice(0)) {
      const copy = await this.settle(openStore(directory, { platform: this.machine.bare, readOnly: true }), 'opening a snapshot');
      const log = await this.settle(collect(copy.tailAll({ from: 'earliest', until: 'end' })), 'reading a snapshot');
      const found = log.map((message) => this.model.recognize(message).id);
      must(found.join() === ids.join(), () => `snapshot ${directory}: ${found.length} messages in place of ${ids.length}`);
      await this.settle(copy.close(), 'closing a snapshot');
      await this.settle(removeTree(this.machine.bare.fs, directory), 'removing a snapshot');
    }
  }

  #onDeleted(info: { readonly baseOffset: number; readonly reason: string }): void {
    try {
      this.deletions.deleted(info, this.model, this.machine.clock, !this.isDisturbed);
    } catch (error) {
      this.#violation ??= error;
    }
  }
}
