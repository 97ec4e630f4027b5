import { type Message, openStore, type Store, type StoreOptions, type StoreReader, StoreError } from '../../src/index.js';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { type Action, actionTable } from './actions.js';
import { anyFault } from './any-fault.js';
import { Deletions } from './deletions.js';
import { type Keep, Machine } from './machine.js';
import { Model } from './model.js';
import { collect, readBack } from './read-back.js';
import { pick, removeTree, root } from './small.js';
import { must, Violation } from './violation.js';

const operationsMin = 100;
const crashesMin = 2;
const livesMax = 40;
/** What a store may say when the machine has failed it. */
const faultCodes: ReadonlySet<string> = new Set(['IO', 'DISK_FULL', 'STORE_FAILED', 'STORE_CLOSED', 'OVERLOADED']);

/** A copy that was made and must outlive whatever happens to the store. */
interface Snapshot {
  readonly directory: string;
  readonly ids: readonly number[];
}

/** One store's fate, from its making to its last closing; the seed decides everything. */
export class History {
  readonly random: SeededRandom;
  readonly machine: Machine;
  readonly model: Model;
  readonly deletions: Deletions;
  readonly kept: Pick<StoreOptions, 'segmentBytes' | 'queueEntriesPerFile' | 'indexSlotCount' | 'indexEntryCount'>;
  readonly segmentBytes: number;
  /** How the power may go. A record whose properties no checksum covers may come out of a torn write with wrong ones, as the format has it. */
  readonly keeps: readonly Keep[];
  readonly #recordChecksum: boolean;
  readonly snapshots: Snapshot[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #lingering = new Set<Promise<void>>();
  #violation: unknown;
  #struckAtOpening = 0;
  #opened: Store | undefined;
  operations = 0;
  options: StoreOptions = {};
  follower: StoreReader | undefined;
  snapshotCount = 0;

  constructor(seed: number, onLine: ((line: string) => void) | undefined) {
    this.random = new SeededRandom(seed);
    const { random } = this;
    this.segmentBytes = pick(random, [1024, 2048, 4096, 8192, 16_384]);
    this.machine = new Machine({ seed, blockBytes: random.chance(0.7) ? 512 : 4096, onLine });
    this.#recordChecksum = random.chance(0.85);
    this.keeps = this.#recordChecksum ? ['synced', 'random', 'all'] : ['synced', 'all'];
    this.model = new Model(this.segmentBytes);
    this.deletions = new Deletions(this.segmentBytes);
    this.kept = {
      segmentBytes: this.segmentBytes,
      queueEntriesPerFile: random.chance(0.1) ? 1 + random.below(4) : 5 + random.below(40),
      indexSlotCount: 1 + random.below(20),
      indexEntryCount: random.chance(0.1) ? 2 + random.below(6) : 8 + random.below(60),
    };
  }

  /** The open store; actions are only run while there is one. */
  get store(): Store {
    if (this.#opened === undefined) throw new Error('no store is open');
    return this.#opened;
  }

  /** Something has gone wrong with the machine since the store was opened: it may fail, with a typed error. */
  get isDisturbed(): boolean {
    return this.machine.isDown || this.machine.struckCount > this.#struckAtOpening;
  }

  async run(): Promise<void> {
    await this.#open();
    for (let life = 0; life < livesMax && !this.#isLongEnough(); life += 1) {
      await this.#live();
      await this.#end(pick(this.random, ['close', 'crash', 'crash', 'leave'] as const));
      await this.#open();
    }
    must(this.#isLongEnough(), () => `after ${livesMax} lives: ${this.operations} operations, ${this.machine.struckCount} faults`);
    this.machine.clearFaults();
    await this.#end('close');
  }

  #isLongEnough(): boolean {
    return this.operations >= operationsMin && this.machine.crashCount >= crashesMin && this.machine.struckCount >= 1;
  }

  async #live(): Promise<void> {
    const count = 12 + this.random.below(20);
    if (this.random.chance(0.4)) this.machine.addFault(anyFault(this.random));
    for (let done = 0; done < count && !this.machine.isDown; done += 1) {
      if (this.store.status !== 'open' && this.random.chance(0.3)) break;
      await this.#act(pickAction(this.random));
    }
  }

  async #act({ name, run }: Action): Promise<void> {
    this.operations += 1;
    this.machine.tell(`> ${name}`);
    await run(this);
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
    must(StoreError.is(error), () => `${what} failed with an error without a code: ${error instanceof Error ? error.stack : String(error)}`);
    if (codes.includes(error.code)) return;
    must(this.isDisturbed, () => `${what} failed though nothing was wrong: ${error.code} ${error.message}`);
    must(faultCodes.has(error.code), () => `${what} failed with ${error.code}, ${error.message}`);
  }

  async #end(how: 'close' | 'crash' | 'leave'): Promise<void> {
    this.machine.tell(`> end by ${how}`);
    const { store, model, machine } = this;
    const flushedOffset = store.stats().flushedOffset;
    if (how === 'crash') machine.crash(pick(this.random, this.keeps));
    if (machine.isDown) model.durableBelow(flushedOffset);
    const sentCount = model.sent.length;
    const wasOpen = store.status === 'open';
    // Everything that waits must end by itself when its store does, in whatever order.
    const closings = [this.settleReader(), this.#closeStore(sentCount, wasOpen)];
    await this.settle(Promise.all(closings), 'close');
    await this.settleAll();
    while (this.#lingering.size > 0) await this.settle(Promise.all(this.#lingering), 'a tail of a closed store');
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

  async #closeStore(sentCount: number, wasOpen: boolean): Promise<void> {
    try {
      await this.store.close();
      must(wasOpen, () => 'close() succeeded though the store had failed');
      this.model.flushed(sentCount);
    } catch (error) {
      this.permit(error, 'close()');
    }
  }

  async #open(): Promise<void> {
    const since = { writtenCounts: true, flush: this.options.flush ?? 'sync' };
    for (let attempt = 0; ; attempt += 1) {
      if (this.machine.isDown) since.writtenCounts &&= this.machine.kept === 'all';
      this.machine.restart();
      const isCalm = attempt > 6;
      if (isCalm || this.random.chance(0.7)) this.machine.clearFaults();
      else if (this.random.chance(0.5)) this.machine.addFault({ fault: { kind: 'error', code: 'EIO' }, from: 1 + this.random.below(150) });
      if (!isCalm && this.random.chance(0.2)) this.machine.armBomb(1 + this.random.below(150), pick(this.random, this.keeps));
      if (await this.#tryOpen(since)) return;
      must(!isCalm, () => 'the store does not open though nothing is wrong any more');
    }
  }

  async #tryOpen(since: { writtenCounts: boolean; flush: 'sync' | 'async' }): Promise<boolean> {
    const { machine } = this;
    this.options = this.#randomOptions();
    this.#struckAtOpening = machine.struckCount;
    machine.tell(`> open ${JSON.stringify({ ...this.options, platform: undefined, listener: undefined })}`);
    let store: Store;
    try {
      store = await this.settle(openStore(root, { ...this.options, readOnly: false }), 'openStore');
    } catch (error) {
      this.permit(error, 'openStore');
      if (!machine.isDown) must(machine.openPaths.length === 0, () => `a failed opening leaves open: ${machine.openPaths.join(' ')}`);
      return false;
    }
    this.#opened = store;
    if (machine.isDown) {
      await this.#end('close');
      return false;
    }
    // From here on nothing goes wrong until everything was compared.
    machine.clearFaults();
    machine.restart();
    this.model.life += 1;
    this.#struckAtOpening = machine.struckCount;
    await this.#check(store, since);
    return true;
  }

  async #check(store: Store, since: { readonly writtenCounts: boolean; readonly flush: 'sync' | 'async' }): Promise<void> {
    const { model, deletions } = this;
    const { flushedOffset, writtenOffset } = store.stats();
    must(flushedOffset === writtenOffset, () => `opened with written ${writtenOffset} beyond flushed ${flushedOffset}`);
    must(store.recovery.skippedBytes === 0, () => `opening skipped ${store.recovery.skippedBytes} bytes of an undamaged log`);
    const log = await this.settle(this.readAll(store), 'reading everything');
    const { minOffset } = store.stats();
    deletions.checkBeginning(minOffset);
    const { writtenCounts, flush } = since;
    model.reopened(log, { writtenCounts, seenCounts: writtenCounts || flush === 'sync', minOffset });
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

  #randomOptions(): StoreOptions {
    const { random } = this;
    const retention = random.chance(0.25)
      ? random.chance(0.5)
        ? { maxBytes: this.segmentBytes * (1 + random.below(6)) }
        : { maxAgeMs: pick(random, [5_000, 60_000]) }
      : undefined;
    this.deletions.configured(retention);
    return {
      ...(random.chance(0.7) ? this.kept : {}),
      ...(this.model.life === 0 ? this.kept : {}),
      platform: this.machine.platform,
      flush: random.chance(0.6) ? 'sync' : 'async',
      flushIntervalMs: pick(random, [1, 10, 500]),
      recovery: pick(random, ['strict', 'skip', 'truncate']),
      recordChecksum: this.#recordChecksum || random.chance(0.5),
      openFilesMax: pick(random, random.chance(0.15) ? [4, 6, 16] : [256]),
      freeBytesMin: 0,
      pendingBytesMax: pick(random, [1, 2000, 64 * 1024 * 1024]),
      unflushedBytesMax: pick(random, [1, 3000, 1024 * 1024 * 1024]),
      retention,
      listener: { onSegmentDeleted: (info) => this.#onDeleted(info) },
    };
  }

  #onDeleted(info: { readonly baseOffset: number; readonly reason: string }): void {
    try {
      this.deletions.deleted(info, this.model, this.machine.clock);
    } catch (error) {
      this.#violation ??= error;
    }
  }
}

function pickAction(random: SeededRandom): Action {
  const total = actionTable.reduce((sum, { weight }) => sum + weight, 0);
  let left = random.fraction() * total;
  for (const action of actionTable) {
    left -= action.weight;
    if (left < 0) return action;
  }
  return actionTable[0] as Action;
}
