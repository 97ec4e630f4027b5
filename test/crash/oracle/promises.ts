import type { Message, StoreReader } from '../../../src/index.js';
import { idOf } from './messages.js';
import { type AppendKind, readNotes } from './notes.js';

type Level = 'none' | 'written' | 'durable';
/** `open`: nobody knows yet. `kept`: an opening has found it. `gone`: an opening has not, so it must never come back. */
type Fate = 'open' | 'refused' | 'kept' | 'gone' | 'expired';

export interface Sent {
  readonly id: number;
  readonly life: number;
  readonly kind: AppendKind;
  /** First number of the call that it belongs to. */
  readonly callId: number;
  level: Level;
  fate: Fate;
  physicalOffset: number | undefined;
  queueOffset: number | undefined;
  isAcknowledged: boolean;
  /** A reader was given it. */
  seen: boolean;
}

export interface SnapshotMade {
  readonly name: string;
  readonly acknowledgedIds: readonly number[];
  isMade: boolean;
}

export interface LifeTold {
  readonly phase: string;
  readonly errors: readonly string[];
  readonly told: readonly string[];
}

/** All that the processes which wrote one store have promised so far; kept outside of the store. */
export class Promises {
  readonly sent: Map<number, Sent> = new Map();
  readonly snapshots: SnapshotMade[] = [];
  readonly #seenIsDurable: boolean;
  #life = 0;
  cleanedBefore = 0;
  acknowledgedCount = 0;

  /** @param seenIsDurable In a sync store a reader is given only what survives a power cut. */
  constructor(seenIsDurable: boolean) {
    this.#seenIsDurable = seenIsDurable;
  }

  get nextId(): number {
    return this.sent.size;
  }

  /** Takes in what one life has told. What comes after the first `bindingBytes` promises nothing. */
  read(path: string, bindingBytes: number): LifeTold {
    this.#life += 1;
    const told: { phase: string; errors: string[]; told: string[] } = { phase: 'starting', errors: [], told: [] };
    for (const [mark, ...fields] of readNotes(path, 0, bindingBytes))
      if (!this.#takeHistory(mark!, fields, told)) this.#takePromise(mark!, fields, told);
    for (const [mark, ...fields] of readNotes(path, bindingBytes, Number.POSITIVE_INFINITY)) this.#takeHistory(mark!, fields, told);
    return told;
  }

  /** What has happened, whether it binds or not. */
  #takeHistory(mark: string, fields: readonly string[], told: { phase: string; errors: string[]; told: string[] }): boolean {
    const id = Number(fields[0]);
    if (mark === '?') this.#tried(id, fields[1] as AppendKind, Number(fields[2]));
    else if (mark === 'x') this.#refused(id, fields, told);
    else if (mark === 'c') this.cleanedBefore = Math.max(this.cleanedBefore, id);
    else if (mark === 's') this.#snapshotBegun(fields[0]!);
    else if (mark === 'e') told.errors.push(fields.join(' '));
    else if (mark === 't') told.told.push(fields.join(' '));
    else return false;
    return true;
  }

  #takePromise(mark: string, fields: readonly string[], told: { phase: string; errors: string[] }): void {
    const id = Number(fields[0]);
    if (mark === '!') this.#acknowledged(id, fields);
    else if (mark === 'v') this.#seen(id, told.errors);
    else if (mark === 'f') this.#flushed(id);
    else if (mark === 'S') this.#snapshotMade(fields[0]!);
    else if (mark === 'p') told.phase = this.#entered(fields[0]!);
  }

  /** For the control of the oracle: a promise that nobody made. */
  invent(): void {
    const id = this.nextId;
    this.#tried(id, 'append', 1);
    this.sent.get(id)!.level = 'durable';
  }

  get(id: number): Sent | undefined {
    return this.sent.get(id);
  }

  #tried(first: number, kind: AppendKind, count: number): void {
    for (let id = first; id < first + count; id += 1) {
      const place = { physicalOffset: undefined, queueOffset: undefined, isAcknowledged: false, seen: false };
      this.sent.set(id, { id, life: this.#life, kind, callId: first, level: 'none', fate: 'open', ...place });
    }
  }

  #acknowledged(id: number, [, level, physicalOffset, queueOffset]: readonly string[]): void {
    const sent = this.sent.get(id)!;
    sent.level = level === 'd' ? 'durable' : 'written';
    sent.isAcknowledged = true;
    if (physicalOffset !== '-') sent.physicalOffset = Number(physicalOffset);
    if (queueOffset !== '-') sent.queueOffset = Number(queueOffset);
    this.acknowledgedCount += 1;
  }

  #refused(id: number, [, stored, code]: readonly string[], told: { readonly errors: string[]; readonly told: string[] }): void {
    const sent = this.sent.get(id)!;
    if (sent.isAcknowledged) told.errors.push(`message ${id} was acknowledged and then refused`);
    if (sent.seen && stored === 'no') told.errors.push(`message ${id} was read and then refused as not stored`);
    if (stored === 'no') sent.fate = 'refused';
    told.told.push(`refused:${code}`);
  }

  #seen(id: number, errors: string[]): void {
    const sent = this.sent.get(id);
    if (sent === undefined || sent.fate === 'refused' || sent.fate === 'gone') {
      errors.push(`a reader was given message ${id}, which is ${sent?.fate ?? 'unknown'}`);
      return;
    }
    sent.seen = true;
    if (this.#seenIsDurable) sent.level = 'durable';
    else if (sent.level === 'none') sent.level = 'written';
  }

  #flushed(before: number): void {
    for (const sent of this.sent.values()) if (sent.id < before && sent.level === 'written') sent.level = 'durable';
  }

  #snapshotBegun(name: string): void {
    const acknowledgedIds = [...this.sent.values()].filter(({ level, fate }) => level !== 'none' && fate !== 'expired').map(({ id }) => id);
    this.snapshots.push({ name, acknowledgedIds, isMade: false });
  }

  #snapshotMade(name: string): void {
    const snapshot = this.snapshots.find((each) => each.name === name);
    if (snapshot !== undefined) snapshot.isMade = true;
  }

  #entered(phase: string): string {
    // Opening has written again and synced whatever it found: from here on nothing of an earlier life may vanish.
    if (phase === 'open')
      for (const sent of this.sent.values()) if (sent.life < this.#life && sent.level === 'written') sent.level = 'durable';
    return phase;
  }

  /** After a comparison: what was found is promised from now on, what was not must stay away. */
  settle(present: ReadonlyMap<number, Message>, minOffset: number): void {
    for (const sent of this.sent.values()) {
      const message = present.get(sent.id);
      if (message !== undefined) {
        sent.fate = 'kept';
        sent.level = 'durable';
        sent.physicalOffset = message.physicalOffset;
        sent.queueOffset = message.queueOffset;
      } else if (sent.fate === 'open' || sent.fate === 'kept') {
        sent.fate = sent.physicalOffset !== undefined && sent.physicalOffset < minOffset ? 'expired' : 'gone';
        if (sent.fate === 'gone') sent.level = 'none';
      }
    }
  }
}

/** All messages in the order of the log, by number; a number that comes twice is told to `onTwice`. */
export async function readLog(
  store: StoreReader,
  onTwice: (id: number) => void,
): Promise<{ readonly log: readonly Message[]; readonly present: ReadonlyMap<number, Message> }> {
  const log: Message[] = [];
  const present = new Map<number, Message>();
  const tail = store.tailAll({ from: 'earliest', until: 'end' });
  for await (const batch of tail.batches(512)) {
    for (const message of batch) {
      const id = idOf(message);
      if (present.has(id)) onTwice(id);
      present.set(id, message);
      log.push(message);
    }
  }
  return { log, present };
}
