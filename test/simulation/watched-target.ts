import type { DispatchTarget, Message } from '../../src/index.js';
import type { Keep, Machine } from './machine.js';
import type { Model, Sent } from './model.js';
import { must } from './violation.js';

interface Given {
  readonly offset: number;
  readonly sent: Sent;
}

interface Durable {
  /** As `sync` was told last; undefined: nothing has been made durable yet. */
  readonly end: number | undefined;
  readonly given: readonly Given[];
}

/**
 * A structure of the user's own beside the store, on the same machine: what it has not made durable when the power goes is lost to it.
 *
 * Promised to it: messages in the order of the log, from the place on that it asked for, none left out; and what it was told to make
 * durable is durable in the log too.
 */
export class WatchedTarget implements DispatchTarget {
  readonly name = 'watched';
  readonly #machine: Machine;
  readonly #model: Model;
  /** How the power goes at once when it has made something durable; undefined: it does not. */
  readonly #powerCut: () => Keep | undefined;
  readonly #onViolation: (error: unknown) => void;
  #durable: Durable = { end: undefined, given: [] };
  #given: Given[] = [];
  #last = -1;

  constructor(machine: Machine, model: Model, powerCut: () => Keep | undefined, onViolation: (error: unknown) => void) {
    this.#machine = machine;
    this.#model = model;
    this.#powerCut = powerCut;
    this.#onViolation = onViolation;
  }

  from(): number | undefined {
    this.#given = [...this.#durable.given];
    this.#last = (this.#durable.end ?? 0) - 1;
    return this.#durable.end;
  }

  dispatch(message: Message): void {
    this.#watching(() => {
      const sent = this.#model.saw(message);
      must(message.physicalOffset > this.#last, () => `a target was given message ${sent.id} behind what lies at ${this.#last}`);
      this.#last = message.physicalOffset;
      this.#given.push({ offset: message.physicalOffset, sent });
    });
  }

  async sync(end: number): Promise<void> {
    const given = this.#given.filter(({ offset }) => offset < end);
    await new Promise<void>((resolve) => this.#machine.clock.nextTurn(resolve));
    this.#watching(() =>
      must(end >= (this.#durable.end ?? 0), () => `a target that is durable up to ${this.#durable.end} was told ${end}`),
    );
    if (this.#machine.isDown) return;
    this.#durable = { end, given };
    const keep = this.#powerCut();
    if (keep !== undefined) this.#machine.armBomb(1, keep);
  }

  /** The store was opened again, and these messages are in its log. `isWhole`: the target has had the time to be given all of them. */
  compare(present: ReadonlySet<Sent>, minOffset: number, end: number, isWhole: boolean): void {
    const durable = this.#durable;
    must((durable.end ?? 0) <= end, () => `a target is durable up to ${durable.end}, the log ends at ${end}`);
    const known = new Set(durable.given.map(({ sent }) => sent));
    for (const sent of known) {
      const isDeleted = (sent.receipt?.physicalOffset ?? -1) < minOffset;
      must(isDeleted || present.has(sent), () => `a target has message ${sent.id}, which is not in the log`);
    }
    for (const sent of present) {
      const isDue = isWhole || (sent.receipt?.physicalOffset ?? 0) < (durable.end ?? 0);
      must(!isDue || known.has(sent), () => `a target was not given message ${sent.id}`);
    }
  }

  #watching(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#onViolation(error);
      throw error;
    }
  }
}
