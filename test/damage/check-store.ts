import { type Message, openStore, type RecoveryReport, type Store, StoreError, type VerifyReport } from '../../src/index.js';
import { manualClock, type MemoryPlatform } from '../../src/testing/index.js';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { crashWithin } from './crash-within.js';
import { areEqual, diskOf, type Image, imageOf, root } from './image.js';
import type { MadeStore } from './made-store.js';
import { type Answers, readAll } from './read-all.js';
import { queueFaults } from './queue-faults.js';
import { changedInLog, touchedMessages } from './touched.js';

export const modes = ['strict', 'skip', 'truncate'] as const;
export type Mode = (typeof modes)[number];

export interface Outcome {
  readonly mode: Mode;
  readonly opened: boolean;
  readonly touchedCount: number;
  /** Of those that were readable before, after repair. */
  readonly lostCount: number;
  /** Of these, not touched: cut with a torn tail, or between damaged places that nothing vouches for. */
  readonly cutCount: number;
  readonly betweenCount: number;
  /** Spans in the report of the opening. */
  readonly notedCount: number;
  /** Whether what is lost is the end of the log. */
  readonly isEndLost: boolean;
  readonly failures: readonly string[];
}

/**
 * Opens a damaged store in one mode and asks it everything. What it must not do is in `failures`. `seed` says whether the machine goes
 * down while it is mended, and how it ends; undefined: it does not, and is closed.
 */
export async function checkStore(made: MadeStore, damaged: Image, mode: Mode, seed?: number): Promise<Outcome> {
  return await new Check(made, damaged, mode, seed).run();
}

/** Of the mending: the machine goes down before it has come to its end. */
const CRASH_WITHIN_CHANCE = 0.3;
const CRASH_WITHIN_CALLS = 250;
/** Messages are appended before the mending too. */
const APPEND_CHANCE = 0.3;

const refusalCodes: ReadonlySet<string> = new Set(['CORRUPT', 'OPTIONS_INCOMPATIBLE', 'FORMAT_UNSUPPORTED']);

class Check {
  readonly #made: MadeStore;
  readonly #damaged: Image;
  readonly #mode: Mode;
  readonly #originals: ReadonlyMap<number, Message>;
  readonly #unacknowledged: ReadonlyMap<number, Message>;
  readonly #changed: readonly (readonly [number, number])[];
  readonly #touched: ReadonlySet<Message>;
  readonly #keys: readonly (readonly [string, string])[];
  readonly #failures: string[] = [];
  /** Where messages stand that the check has appended itself. */
  readonly #appended = new Set<number>();
  readonly #random: SeededRandom | undefined;
  /** What was mended before a crash is not spoken of again. */
  #isMendedInPart = false;
  /** The record checksum may not count: nothing says any more that the records are ours. */
  readonly #isWeak: boolean;
  readonly #isSideDamaged: boolean;
  #cutCount = 0;
  #betweenCount = 0;
  #firstLost = Number.POSITIVE_INFINITY;
  #lastKept = -1;

  constructor(made: MadeStore, damaged: Image, mode: Mode, seed: number | undefined) {
    this.#random = seed === undefined ? undefined : new SeededRandom(seed * 104_729 + 11);
    this.#made = made;
    this.#damaged = damaged;
    this.#mode = mode;
    this.#originals = new Map(made.messages.map((message) => [message.physicalOffset, message]));
    this.#unacknowledged = new Map(made.unacknowledged.map((message) => [message.physicalOffset, message]));
    this.#changed = changedInLog(made, damaged);
    this.#touched = touchedMessages(made.messages, this.#changed);
    const keyed = made.options.keyIndex === false ? [] : made.messages;
    this.#keys = [...new Set(keyed.flatMap(({ topic, keys }) => keys.map((key) => `${topic}#${key}`)))].map((each) => {
      const split = each.indexOf('#');
      return [each.slice(0, split), each.slice(split + 1)];
    });
    const side = ['stratalog/manifest', 'stratalog/watermark', 'stratalog/state', 'checkpoint'];
    this.#isSideDamaged = side.some((path) => made.image.get(path) !== damaged.get(path));
    this.#isWeak = made.options.recordChecksum === false || this.#isSideDamaged;
  }

  async run(): Promise<Outcome> {
    const platform = await this.#disk();
    const found = imageOf(platform);
    const options = { ...this.#made.options, platform, recovery: this.#mode };
    let store: Store;
    try {
      store = await openStore(root, options);
    } catch (error) {
      this.#refused(error, found, imageOf(platform));
      return this.#outcome(false, 0, 0);
    }
    const end = store.stats().writtenOffset;
    const notedCount = store.recovery.damage.length;
    const before = await this.#ask(store, true);
    const verified = await store.verify();
    this.#allNamed(store, before, verified, end);
    // A changed number of a record without a checksum of its own cannot be told from a good one, nor what it leads to be put right.
    if (this.#isWeak && this.#touched.size > 0) return await this.#runUnsure(store, notedCount);
    if (this.#random?.chance(APPEND_CHANCE) === true) await this.#appendOn(store);
    const repaired = await store.repair();
    await this.#appendOn(store);
    const after = await this.#ask(store, false);
    await this.#repairedWhole(store, after);
    const lostCount = this.#lost(after, end, repaired);
    await this.#ended(store, platform, after);
    return this.#outcome(true, lostCount, notedCount);
  }

  /** One message in each queue: no number or place is given out again that a store which was closed has given. */
  async #appendOn(store: Store): Promise<void> {
    const { messages, ending } = this.#made;
    const isKnown = ending === 'closed' && this.#mode !== 'truncate' && !this.#isSideDamaged;
    const nextOf = new Map(messages.map(({ topic, queueId, queueOffset }) => [`${topic}/${queueId}`, queueOffset + 1]));
    const end = messages.at(-1)?.physicalOffset ?? -1;
    for (const [name, next] of nextOf) {
      const split = name.lastIndexOf('/');
      const queue = { topic: name.slice(0, split), queueId: Number(name.slice(split + 1)) };
      const { physicalOffset, queueOffset } = await store.append({ ...queue, body: 'appended to what was damaged', keys: ['after'] });
      this.#appended.add(physicalOffset);
      if (!isKnown) continue;
      if (queueOffset < next) this.#fail(`number ${queueOffset} of ${name} is given again, after ${next - 1}`);
      if (physicalOffset <= end) this.#fail(`a message is put to ${physicalOffset}, where the log has come to ${end}`);
    }
  }

  /** The damaged store, or what a first try of mending it has left when the machine went down. */
  async #disk(): Promise<MemoryPlatform> {
    const disk = await diskOf(this.#damaged, this.#made.seed, manualClock());
    const random = this.#random;
    if (random === undefined || this.#mode === 'strict' || !random.chance(CRASH_WITHIN_CHANCE)) return disk;
    const calls = 1 + random.below(CRASH_WITHIN_CALLS);
    const keep = (['all', 'synced', 'random'] as const)[random.below(3)] ?? 'all';
    const successor = await crashWithin(disk, calls, keep, async (platform) => {
      const store = await openStore(root, { ...this.#made.options, platform, recovery: this.#mode });
      await store.repair();
    });
    this.#isMendedInPart = successor !== undefined;
    return successor ?? (await diskOf(this.#damaged, this.#made.seed, manualClock()));
  }

  /** After the mending: whatever comes then, it is not to be done again. */
  async #ended(store: Store, platform: MemoryPlatform, after: Answers): Promise<void> {
    const ending = (['closed', 'killed', 'power cut'] as const)[this.#random?.below(3) ?? 0] ?? 'closed';
    let disk = platform;
    if (ending === 'closed') await store.close();
    else {
      await store.flush();
      disk = platform.crash(ending === 'killed' ? 'all' : 'random');
    }
    if (ending === 'closed')
      for (const fault of queueFaults(imageOf(disk), this.#made.options)) this.#fail(`queue files after close: ${fault}`);
    await this.#reopened(disk, ending, after);
  }

  async #runUnsure(store: Store, notedCount: number): Promise<Outcome> {
    const typed = (error: unknown): void => {
      if (!StoreError.is(error)) throw error;
    };
    await store.repair().catch(typed);
    const after = await this.#ask(store, true);
    await store.close().catch(typed);
    return this.#outcome(true, this.#made.messages.filter((message) => !after.got.has(message.physicalOffset)).length, notedCount);
  }

  #outcome(opened: boolean, lostCount: number, notedCount: number): Outcome {
    return {
      mode: this.#mode,
      opened,
      touchedCount: this.#touched.size,
      lostCount,
      cutCount: this.#cutCount,
      betweenCount: this.#betweenCount,
      notedCount,
      isEndLost: this.#firstLost > this.#lastKept,
      failures: this.#failures,
    };
  }

  #fail(what: string): void {
    if (this.#failures.length < 20) this.#failures.push(what.slice(0, 500));
  }

  #refused(error: unknown, found: Image, now: Image): void {
    if (!StoreError.is(error)) throw error;
    if (!refusalCodes.has(error.code)) this.#fail(`refused with ${error.code}: ${error.message}`);
    if (this.#mode !== 'strict' && error.code !== 'OPTIONS_INCOMPATIBLE')
      this.#fail(`refused in mode ${this.#mode}: ${error.code}: ${error.message}`);
    now.delete('lock');
    const was = new Map(found);
    was.delete('lock');
    if (!areEqual(was, now)) this.#fail('a refusal changed files');
  }

  async #ask(store: Store, skips: boolean): Promise<Answers> {
    const answers = await readAll(store, { offsets: [...this.#originals.keys()], keys: this.#keys, skips });
    for (const [way, messages] of Object.entries({ log: answers.log, queues: answers.queues, get: [...answers.got.values()] })) {
      for (const message of messages) this.#asStored(way, message);
    }
    for (const [key, messages] of answers.byKey) {
      for (const message of messages) {
        this.#asStored(`key ${key}`, message);
        if (!message.keys.some((each) => `${message.topic}#${each}` === key))
          this.#fail(`key ${key}: a message without it at ${message.physicalOffset}`);
      }
    }
    return answers;
  }

  /** What is returned is what was stored there, to the last field. */
  #asStored(way: string, message: Message): void {
    if (this.#appended.has(message.physicalOffset)) return;
    const original = this.#originals.get(message.physicalOffset) ?? this.#unacknowledged.get(message.physicalOffset);
    if (original === undefined) return this.#fail(`${way}: a message at ${message.physicalOffset} that was never written`);
    if (!message.body.equals(original.body)) return this.#fail(`${way}: another body at ${message.physicalOffset}`);
    if (this.#isWeak && this.#touched.has(original)) return;
    for (const field of ['topic', 'queueId', 'queueOffset', 'tag', 'flag', 'bornAt', 'storedAt', 'recordBytes', 'messageId'] as const) {
      if (message[field] !== original[field])
        this.#fail(`${way}: ${field} at ${message.physicalOffset} is ${String(message[field])}, was ${String(original[field])}`);
    }
    if (JSON.stringify([message.keys, message.properties]) !== JSON.stringify([original.keys, original.properties]))
      this.#fail(`${way}: other keys or properties at ${message.physicalOffset}`);
  }

  /** Whatever cannot be read any more is spoken of: by the report of the opening, by `verify`, or it is beyond the end. */
  #allNamed(store: Store, answers: Answers, verified: VerifyReport, end: number): void {
    if (this.#isMendedInPart) return;
    const { damage, truncatedBytes } = store.recovery;
    const { segmentBytes } = this.#made.options;
    for (const message of this.#made.messages) {
      const { physicalOffset: offset, recordBytes } = message;
      // Segments taken away at the beginning are what retention does too.
      const got = answers.got.get(offset);
      if (got !== undefined || offset < store.stats().minOffset) continue;
      const base = offset - (offset % segmentBytes);
      const path = `${root}/commitlog/${String(base).padStart(20, '0')}`;
      const isNoted = damage.some(
        (note) => note.path === path && note.offset < offset - base + recordBytes && note.offset + note.bytes > offset - base,
      );
      // Nothing says that what was touched had ever been durable: the log ends there, as where it was torn.
      const isTorn = [...this.#touched].some((touched) => touched.physicalOffset >= end && touched.physicalOffset <= offset);
      const isCut = offset >= end && (truncatedBytes > 0 || damage.length > 0 || isTorn);
      // Without a checksum over the whole record nothing tells a message of which one flag was changed from one that has no place in a queue.
      const hasLostItsPlace = this.#isWeak && this.#isChangedIn(offset + 36, offset + 40);
      if (isNoted || isCut || !verified.ok || hasLostItsPlace) continue;
      this.#fail(`message at ${offset} is not readable and nothing says so`);
    }
  }

  #isChangedIn(from: number, to: number): boolean {
    return this.#changed.some(([start, end]) => start < to && end > from);
  }

  async #repairedWhole(store: Store, answers: Answers): Promise<void> {
    for (const refusal of answers.refusals) this.#fail(`after repair: ${refusal}`);
    const verified = await store.verify();
    for (const fault of verified.faults) this.#fail(`verify after repair: ${fault.where} ${fault.offset}: ${fault.what}`);
    const inLog = new Set(answers.log.map((message) => message.physicalOffset));
    const inQueues = new Set(answers.queues.map((message) => message.physicalOffset));
    for (const offset of this.#appended)
      if (!inLog.has(offset) || !inQueues.has(offset)) this.#fail(`what was appended at ${offset} is not there after the repair`);
    for (const offset of inLog) {
      if (!inQueues.has(offset)) this.#fail(`message at ${offset} is in the log and in no queue`);
      if (this.#originals.has(offset) && !answers.got.has(offset))
        this.#fail(`message at ${offset} is in the log, and get does not give it`);
    }
    for (const offset of inQueues) if (!inLog.has(offset)) this.#fail(`message at ${offset} is in a queue and not in the log`);
    for (const offset of answers.got.keys())
      if (!inLog.has(offset)) this.#fail(`get gives a message at ${offset} that the log does not hold`);
    if (this.#made.options.keyIndex === false) return;
    for (const [key, found] of answers.byKey) {
      const expected = answers.log.filter((message) => message.keys.some((each) => `${message.topic}#${each}` === key));
      const has = new Set(found.map((message) => message.physicalOffset));
      for (const { physicalOffset } of expected)
        if (!has.has(physicalOffset)) this.#fail(`key ${key} does not find the message at ${physicalOffset}`);
      if (has.size !== found.length) this.#fail(`key ${key} finds a message twice`);
    }
  }

  /** No more is lost than was touched, but for what the rules allow: what follows a torn place at the end, or a cut that was asked for. */
  #lost(answers: Answers, end: number, repaired: RecoveryReport): number {
    let count = 0;
    // What was appended since may stand where a message was that has been cut.
    const inLog = new Set(
      answers.log.filter((message) => !this.#appended.has(message.physicalOffset)).map((message) => message.physicalOffset),
    );
    for (const message of this.#made.messages) {
      const offset = message.physicalOffset;
      if (inLog.has(offset)) {
        this.#lastKept = Math.max(this.#lastKept, offset);
        continue;
      }
      this.#firstLost = Math.min(this.#firstLost, offset);
      count += 1;
      if (this.#touched.has(message)) continue;
      if (offset >= end && this.#mayBeCut(end)) this.#cutCount += 1;
      else if (this.#isBetween(message)) this.#betweenCount += 1;
      else
        this.#fail(
          `message at ${offset} was not touched and is lost (end ${end}, durable ${this.#made.durable}, repaired ${repaired.damage.length})`,
        );
    }
    return count;
  }

  #mayBeCut(end: number): boolean {
    return this.#mode === 'truncate' || end >= this.#made.durable || this.#isSideDamaged;
  }

  /** In one segment between two damaged places, and no entry on the disk that names it. */
  #isBetween({ topic, queueId, queueOffset, physicalOffset }: Message): boolean {
    const { segmentBytes, queueEntriesPerFile = 1 } = this.#made.options;
    const segment = Math.floor(physicalOffset / segmentBytes);
    const isNear = ([from]: readonly [number, number]): boolean => Math.floor(from / segmentBytes) === segment;
    const [before, after] = [(at: number) => at < physicalOffset, (at: number) => at > physicalOffset].map((side) =>
      this.#changed.some((range) => isNear(range) && side(range[0])),
    );
    if (before !== true || after !== true) return false;
    const file = Math.floor(queueOffset / queueEntriesPerFile);
    const path = `consumequeue/${topic}/${queueId}/${String(file * queueEntriesPerFile * 20).padStart(20, '0')}`;
    const at = 20 * (queueOffset % queueEntriesPerFile);
    const entry = this.#damaged.get(path)?.subarray(at, at + 20);
    return entry?.length !== 20 || Number(entry.readBigInt64BE(0)) !== physicalOffset || path === '';
  }

  async #reopened(disk: MemoryPlatform, ending: string, before: Answers): Promise<void> {
    let store: Store;
    try {
      store = await openStore(root, { ...this.#made.options, platform: disk, recovery: 'strict' });
    } catch (error) {
      if (!StoreError.is(error)) throw error;
      return this.#fail(`opened again (${ending}): ${error.message}`);
    }
    const { cleanShutdown, damage } = store.recovery;
    if (cleanShutdown !== (ending === 'closed')) this.#fail(`opened again (${ending}): cleanShutdown is ${cleanShutdown}`);
    const end = Math.max(-1, ...before.log.map(({ physicalOffset, recordBytes }) => physicalOffset + recordBytes));
    for (const { what, path, offset } of damage) {
      // Bytes behind the end that look like records are damage that nobody had to notice before.
      if (Number(path.slice(path.lastIndexOf('/') + 1)) + offset < end)
        this.#fail(`opened again (${ending}): ${what} at ${offset} of ${path}`);
    }
    const again = await readAll(store, { offsets: [], keys: this.#keys.slice(0, 4), skips: false });
    const same = (one: readonly Message[], other: readonly Message[]): boolean =>
      one.map((message) => message.physicalOffset).join() === other.map((message) => message.physicalOffset).join();
    if (!same(before.log, again.log) || !same(before.queues, again.queues)) this.#fail(`opened again (${ending}): other messages`);
    for (const refusal of again.refusals) this.#fail(`opened again (${ending}): ${refusal}`);
    for (const fault of (await store.verify()).faults)
      this.#fail(`opened again (${ending}): ${fault.where} ${fault.offset}: ${fault.what}`);
    await store.close();
  }
}
