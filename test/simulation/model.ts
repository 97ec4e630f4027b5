import type { AppendReceipt, FlushMode, Message, NewMessage } from '../../src/index.js';
import { StoreError } from '../../src/index.js';
import type { SeededRandom } from '../../src/testing/seeded-random.js';
import { must } from './violation.js';

/** What the store has said about a message. `gone`: deleted, or lost without a promise broken; it must not come back. */
export type Fate = 'pending' | 'acknowledged' | 'refused' | 'unknown' | 'gone';

/** One message that was given to the store. */
export interface Sent {
  readonly id: number;
  readonly life: number;
  readonly batch: number | undefined;
  /** Which import it is part of; those are in order among themselves alone. */
  readonly stream: number | undefined;
  readonly message: NewMessage & { readonly body: Buffer; readonly queueId: number; readonly keys: readonly string[] };
  /** As asked for; `now`: by appendSync. */
  readonly flush: FlushMode | 'now';
  readonly sentMs: number;
  /** When it was sent the store had already failed. */
  readonly tooLate: boolean;
  /** Lower numbers of its queue belonged to durable messages when it was sent. */
  readonly queueOffsetMin: number;
  /** The store has it from its caller: of an import only once that has been asked for the next one. */
  isTaken: boolean;
  fate: Fate;
  durable: boolean;
  /** A reader was given it. */
  seen: boolean;
  receipt: AppendReceipt | undefined;
}

/** What a log that was opened again must hold. */
export interface Expectation {
  /** The process died and the machine did not: what was written counts too. */
  readonly writtenCounts: boolean;
  /** What a reader saw counts: it was durable. */
  readonly seenCounts: boolean;
  /** Where the log begins now. */
  readonly minOffset: number;
}

const topics = ['A', 'B', 'C-%x'] as const;
const idDigits = 6;

/** Everything that the store has promised, kept outside of it. */
export class Model {
  readonly sent: Sent[] = [];
  readonly #bodyBytesMax: number;
  life = 0;
  #batchCount = 0;
  #streamCount = 0;
  /** The places at which each queue has certainly had a durable message: its next number is above. */
  readonly #durableNext = new Map<string, number>();

  constructor(segmentBytes: number) {
    // Room for the record's other fields, keys and properties.
    this.#bodyBytesMax = segmentBytes - 440;
  }

  get acknowledgedCount(): number {
    return this.sent.reduce((count, { receipt }) => count + (receipt === undefined ? 0 : 1), 0);
  }

  newBatch(): number {
    this.#batchCount += 1;
    return this.#batchCount;
  }

  newStream(): number {
    this.#streamCount += 1;
    return this.#streamCount;
  }

  /** A message that was never sent before; its body says which one it is. */
  compose(random: SeededRandom, how: Pick<Sent, 'batch' | 'stream' | 'flush' | 'sentMs' | 'tooLate'>, smallOnly = false): Sent {
    const id = this.sent.length;
    const large = !smallOnly && random.chance(0.06);
    const bytes =
      idDigits + random.below(large ? Math.max(1, this.#bodyBytesMax - idDigits) : Math.min(160, this.#bodyBytesMax - idDigits));
    const body = random.bytes(bytes);
    body.write(String(id).padStart(idDigits, '0'), 0, 'latin1');
    const topic = topics[random.below(topics.length)] ?? 'A';
    const keys = [...(random.chance(0.25) ? [`k${id}`] : []), ...(random.chance(0.35) ? [random.chance(0.5) ? 'Aa' : 'BB'] : [])];
    const queueId = random.below(random.chance(0.85) ? 2 : 4);
    const sent: Sent = {
      id,
      life: this.life,
      ...how,
      queueOffsetMin: this.nextAtLeast(topic, queueId),
      message: {
        topic,
        queueId,
        body,
        keys,
        ...(random.chance(0.4) ? { tag: `t${random.below(3)}` } : {}),
        ...(random.chance(0.2) ? { properties: { 'p q': `v ${id}` } } : {}),
        ...(random.chance(0.1) ? { flag: random.below(1000) } : {}),
      },
      isTaken: how.stream === undefined,
      fate: 'pending',
      durable: false,
      seen: false,
      receipt: undefined,
    };
    this.sent.push(sent);
    return sent;
  }

  acknowledge(sent: Sent, receipt: AppendReceipt): void {
    const name = `message ${sent.id}`;
    must(!sent.tooLate, () => `${name} was acknowledged by a store that had failed before it was sent`);
    must(receipt.topic === sent.message.topic && receipt.queueId === sent.message.queueId, () => `${name}: receipt of another queue`);
    must(receipt.durable || sent.flush !== 'sync', () => `${name} was acknowledged with sync and is not durable`);
    sent.receipt = receipt;
    sent.fate = 'acknowledged';
    sent.durable = receipt.durable;
    this.#checkNeighbours(sent, receipt);
    if (receipt.durable) this.#noteDurable(sent);
  }

  /** Stored as part of an import: where, nobody has said. */
  imported(sent: Sent, durable: boolean): void {
    must(!sent.tooLate, () => `message ${sent.id} was imported by a store that had failed before`);
    if (sent.fate !== 'pending') return;
    sent.fate = 'acknowledged';
    sent.durable = durable;
  }

  refuse(sent: Sent, error: unknown): void {
    must(StoreError.is(error), () => `message ${sent.id} was refused with an error without a code: ${String(error)}`);
    must(!sent.seen || error.stored === 'unknown', () => `message ${sent.id} was refused and a reader had been given it`);
    sent.fate = error.stored === 'unknown' ? 'unknown' : 'refused';
  }

  /** What a flush that is called now will have made durable. */
  get taken(): readonly Sent[] {
    return this.sent.filter(({ isTaken }) => isTaken);
  }

  /** All of it is durable, unless it was refused. */
  flushed(taken: readonly Sent[]): void {
    for (const sent of taken) {
      if (sent.fate !== 'acknowledged') continue;
      sent.durable = true;
      this.#noteDurable(sent);
    }
  }

  /** What lies below `offset` is on the disk. */
  durableBelow(offset: number): void {
    for (const sent of this.sent) {
      if (sent.receipt === undefined || sent.fate !== 'acknowledged' || sent.durable) continue;
      if (sent.receipt.physicalOffset + sent.receipt.recordBytes > offset) continue;
      sent.durable = true;
      this.#noteDurable(sent);
    }
  }

  /** A message as a reader was given it: which one it is, and that it is that one, and may be there. */
  identify(message: Message): Sent {
    const sent = this.recognize(message);
    must(sent.fate !== 'refused', () => `message ${sent.id} was refused for good and is there, at ${message.physicalOffset}`);
    must(sent.fate !== 'gone', () => `message ${sent.id} was lost or deleted and has come back, at ${message.physicalOffset}`);
    return sent;
  }

  /** The same of a copy, which may have what the store has deleted since. */
  recognize(message: Message): Sent {
    const at = `what lies at ${message.physicalOffset}`;
    const sent = this.sent[Number(message.body.toString('latin1', 0, idDigits))];
    must(sent !== undefined, () => `${at} was never sent`);
    const { body, topic, queueId, keys, tag, properties, flag } = sent.message;
    must(body.equals(message.body), () => `${at}: the body is not that of message ${sent.id}`);
    const fields = JSON.stringify([message.topic, message.queueId, message.keys, message.tag ?? null, message.properties, message.flag]);
    const expected = JSON.stringify([topic, queueId, keys, tag ?? null, properties ?? {}, flag ?? 0]);
    must(fields === expected, () => `message ${sent.id}: ${fields} in place of ${expected}`);
    const { receipt } = sent;
    if (receipt !== undefined) {
      const same =
        receipt.physicalOffset === message.physicalOffset &&
        receipt.queueOffset === message.queueOffset &&
        receipt.recordBytes === message.recordBytes &&
        receipt.storedAt === message.storedAt &&
        receipt.messageId === message.messageId;
      must(same, () => `message ${sent.id}: it is not where its receipt says`);
    }
    return sent;
  }

  saw(message: Message): Sent {
    const sent = this.identify(message);
    sent.seen = true;
    if (sent.fate === 'acknowledged') sent.receipt ??= message;
    return sent;
  }

  /** Those that must be readable: acknowledged, and durable where the store shows nothing else. */
  visible(flush: FlushMode, minOffset: number): readonly Sent[] {
    return this.sent.filter(
      ({ fate, durable, receipt }) =>
        fate === 'acknowledged' && receipt !== undefined && receipt.physicalOffset >= minOffset && (durable || flush === 'async'),
    );
  }

  /** Compares a log that was opened again with what was promised; what it holds is promised from now on. */
  reopened(log: readonly Message[], expectation: Expectation): void {
    const present = this.inOrder(log);
    const firstId = Math.min(...[...present].map(({ id }) => id));
    const isDeleted = ({ id, receipt }: Sent): boolean =>
      receipt === undefined ? expectation.minOffset > 0 && id < firstId : receipt.physicalOffset < expectation.minOffset;
    for (const sent of this.sent) if (!present.has(sent) && !isDeleted(sent)) checkLost(sent, expectation);
    this.#checkSuffix(present, isDeleted);
    this.checkBatches(present, expectation.minOffset);
    for (const message of log) {
      const sent = this.identify(message);
      sent.receipt = message;
      sent.fate = 'acknowledged';
      sent.durable = true;
      this.#noteDurable(sent);
    }
    for (const sent of this.sent) if (!present.has(sent)) sent.fate = 'gone';
  }

  /** In the order of the calls, each once. */
  inOrder(log: readonly Message[]): ReadonlySet<Sent> {
    const present = new Set<Sent>();
    const lastIds = new Map<number | undefined, number>();
    for (const message of log) {
      const sent = this.identify(message);
      const lastId = lastIds.get(sent.stream) ?? -1;
      must(sent.id > lastId, () => `message ${sent.id} lies behind message ${lastId}`);
      lastIds.set(sent.stream, sent.id);
      present.add(sent);
    }
    return present;
  }

  /** Queue numbers are given once: whatever became of it, the place of a durable message is not given again. */
  nextAtLeast(topic: string, queueId: number): number {
    return this.#durableNext.get(`${topic}/${queueId}`) ?? 0;
  }

  get queues(): readonly string[] {
    return [...this.#durableNext.keys()];
  }

  checkBatches(present: ReadonlySet<Sent>, minOffset: number): void {
    const states = new Map<number, boolean>();
    for (const sent of this.sent) {
      if (sent.batch === undefined || (sent.receipt !== undefined && sent.receipt.physicalOffset < minOffset)) continue;
      const state = states.get(sent.batch);
      must(state === undefined || state === present.has(sent), () => `batch ${sent.batch} of message ${sent.id} is torn`);
      states.set(sent.batch, present.has(sent));
    }
  }

  /** Of what was sent in one life, only the end can be missing. */
  #checkSuffix(present: ReadonlySet<Sent>, isDeleted: (sent: Sent) => boolean): void {
    const lostOf = new Map<string, Sent>();
    for (const sent of this.sent) {
      if (sent.fate === 'refused' || sent.fate === 'gone' || isDeleted(sent)) continue;
      const stream = `${sent.life} ${sent.stream}`;
      const lost = lostOf.get(stream);
      if (!present.has(sent)) lostOf.set(stream, lost ?? sent);
      else must(lost === undefined, () => `message ${sent.id} is there, one before it is lost: ${lost && describeSent(lost)}`);
    }
  }

  #checkNeighbours(sent: Sent, receipt: AppendReceipt): void {
    for (let id = sent.id - 1; id >= 0; id -= 1) {
      const before = this.sent[id];
      if (before?.receipt === undefined || before.fate !== 'acknowledged' || before.stream !== undefined) continue;
      const end = before.receipt.physicalOffset + before.receipt.recordBytes;
      must(end <= receipt.physicalOffset, () => `message ${sent.id} at ${receipt.physicalOffset} lies before the end ${end} of ${id}`);
      break;
    }
    must(receipt.queueOffset >= sent.queueOffsetMin, () => `message ${sent.id}: queue offset ${receipt.queueOffset} was given before`);
  }

  #noteDurable({ receipt }: Sent): void {
    if (receipt === undefined) return;
    const queue = `${receipt.topic}/${receipt.queueId}`;
    this.#durableNext.set(queue, Math.max(this.#durableNext.get(queue) ?? 0, receipt.queueOffset + 1));
  }
}

function checkLost(sent: Sent, { writtenCounts, seenCounts }: Expectation): void {
  if (sent.fate === 'gone') return;
  const promised = sent.durable || (writtenCounts && sent.fate === 'acknowledged') || (seenCounts && sent.seen);
  must(!promised, () => `message ${sent.id} is lost: ${describeSent(sent)}`);
}

function describeSent(sent: Sent): string {
  const { id, life, batch, flush, fate, durable, seen, receipt } = sent;
  return JSON.stringify({ id, life, batch, flush, fate, durable, seen, at: receipt?.physicalOffset, bytes: receipt?.recordBytes });
}
