import type { NewMessage } from '../../../src/index.js';
import { randomFrom } from '../../contract/harness.js';
import type { Dialect } from '../maven/class-path.js';
import { capacities } from './capacities.js';

/** What is put into both stores, in this order: one message, or a batch of several; after a pause, so that seconds pass in the index. */
export interface Step {
  readonly messages: readonly NewMessage[];
  readonly isBatch: boolean;
  readonly pauseMs: number;
}

export interface Wishes {
  readonly dialect: Dialect;
  readonly seed: number;
  readonly stepCount: number;
  /** 5.5 indexes tags, older versions and stratalog do not: without tags all index files must be equal. */
  readonly hasTags: boolean;
}

const firstBornAt = 1_700_000_000_000;
/** Seconds pass between two messages: before some step, and in the middle between two index files. */
const pauseMs = 1_100;
const pauseBeforeStep = 40;
/** No transaction, prepared, committed, rolled back; compressed; compressed with zstd; more tags than one. */
export const rolledBack = 0xc;
const sysFlags: readonly number[] = [0, 0, 0, 0, 0x4, 0x8, rolledBack, 0x1, 0x201, 0x2];
const words: readonly string[] = ['', 'a', 'blue', 'Grüße', '订单', '🚀 launch', 'x'.repeat(300), 'two words', 'a=b;c', '0'];

/** The same list for the same wishes, always. */
export function stepsFor(wishes: Wishes): readonly Step[] {
  const make = new MessageMaker(wishes);
  const steps: Step[] = [];
  let isFresh = false;
  for (let i = 0; steps.length < wishes.stepCount; i += 1) {
    const isBatch = i % 11 === 7;
    const messages = isBatch ? make.batch() : [i % 13 === 5 ? make.delayed(i) : make.single()];
    // A message with just as many keys as the newest index file has room for; what follows begins the next one, a second later.
    const room = indexEntriesPerFile - (entryCount(steps.flatMap((step) => step.messages)) % indexEntriesPerFile);
    if (entryCount(messages) > room) {
      steps.push({ messages: [make.withKeys(room)], isBatch: false, pauseMs: 0 });
      isFresh = true;
    }
    steps.push({ messages, isBatch, pauseMs: isFresh || i === pauseBeforeStep ? pauseMs : 0 });
    isFresh = false;
  }
  return steps;
}

const indexEntriesPerFile = capacities.indexEntryCount - 1;

function entryCount(messages: readonly NewMessage[]): number {
  return messages.reduce((count, { keys, properties, system }) => {
    if (system?.sysFlag === rolledBack) return count;
    return count + (keys?.length ?? 0) + (properties?.['UNIQ_KEY'] === undefined ? 0 : 1);
  }, 0);
}

class MessageMaker {
  readonly #wishes: Wishes;
  readonly #below: (below: number) => number;
  #count = 0;

  constructor(wishes: Wishes) {
    this.#wishes = wishes;
    this.#below = randomFrom(wishes.seed);
  }

  single(): NewMessage {
    return {
      ...this.#content(),
      topic: this.#topic(),
      queueId: this.#below(3),
      system: {
        sysFlag: this.#oneOf(sysFlags),
        reconsumeTimes: this.#below(4) === 0 ? this.#below(17) : 0,
        preparedTransactionOffset: this.#below(5) === 0 ? this.#below(2 ** 31) * 4096 : 0,
        bornHost: this.#host(),
      },
    };
  }

  withKeys(count: number): NewMessage {
    return {
      topic: 'Orders',
      body: 'fills an index file',
      bornAt: this.#bornAt(),
      keys: Array.from({ length: count }, (_, i) => `filling-${i}`),
    };
  }

  /** A client sends a batch for one queue, and as from one host at one time. */
  batch(): readonly NewMessage[] {
    const count = 2 + this.#below(6);
    const common = { topic: this.#topic(), queueId: this.#below(3), bornAt: this.#bornAt(), system: { bornHost: this.#host() } };
    return Array.from({ length: count }, () => ({ ...this.#content(), ...common }));
  }

  /** As a broker keeps them until they are due: the queue is that of the level, its entry holds the time. Far enough not to fall due meanwhile. */
  delayed(i: number): NewMessage {
    const level = [5, 18, 17, 25, 9][i % 5] ?? 5;
    const content = this.#content();
    return {
      ...content,
      topic: 'SCHEDULE_TOPIC_XXXX',
      queueId: Math.min(level, 18) - 1,
      properties: { ...content.properties, DELAY: String(level), REAL_TOPIC: 'Orders', REAL_QID: '1' },
    };
  }

  #content(): Omit<NewMessage, 'topic' | 'queueId'> {
    this.#count += 1;
    const count = this.#count;
    const keyCount = this.#below(5);
    const properties: Record<string, string> = {};
    if (this.#below(2) === 0) properties['UNIQ_KEY'] = `7F0000010001070DEA4E${count.toString(16).toUpperCase().padStart(12, '0')}`;
    for (let i = this.#below(4); i > 0; i -= 1) properties[`name-${this.#below(40)}`] = this.#oneOf(words.slice(1));
    if (count % 111 === 0) properties['large'] = 'p'.repeat(20_000);
    return {
      body: this.#body(),
      ...(keyCount === 0 ? {} : { keys: Array.from({ length: keyCount }, () => `key-${this.#below(90)}`) }),
      ...(this.#wishes.hasTags && this.#below(3) > 0 ? { tag: this.#oneOf(['TagA', 'create', '订单', 'polygenelubricants']) } : {}),
      properties,
      flag: this.#below(3) === 0 ? this.#below(2 ** 31) - 2 ** 30 : 0,
      bornAt: this.#bornAt(),
    };
  }

  /** Repeats itself, so that a store of these can be kept small. */
  #body(): Buffer {
    const bytes = [0, 1, 30, 300, 3_000, 9_000][this.#below(6)] ?? 0;
    const pattern = Buffer.from(Array.from({ length: 12 }, () => this.#below(256)));
    return Buffer.alloc(bytes, pattern);
  }

  #topic(): string {
    const topics = ['Orders', 'orders', '%DLQ%group', `%RETRY%${'g'.repeat(120)}`, 'a', 'Payments_2-x|y'];
    // The version of a record with room for a longer name came with 5.1.
    if (this.#wishes.dialect === 'v5') topics.push(`%RETRY%${'g'.repeat(121)}`, `%RETRY%${'h'.repeat(240)}`);
    return this.#oneOf(topics);
  }

  #host(): { readonly address: string; readonly port: number } {
    const addresses = ['10.1.2.3', '192.168.200.254', '2001:db8::7', 'fe80::1:2'];
    return { address: this.#oneOf(addresses), port: this.#oneOf([1, 10_911, 65_535]) };
  }

  #bornAt(): number {
    return firstBornAt + this.#below(10 ** 9);
  }

  #oneOf<T>(values: readonly T[]): T {
    const value = values[this.#below(values.length)];
    if (value === undefined) throw new Error('nothing to choose from');
    return value;
  }
}
