import { type AppendReceipt, type FlushMode, type NewMessage, type Store, StoreError } from '../../../src/index.js';
import type { Dice } from '../common/dice.js';
import { messageOf } from '../oracle/messages.js';
import type { NotesWriter } from '../oracle/notes.js';
import type { WriterPlan } from './plan.js';

const ways = { one: 45, otherFlush: 10, pipeline: 15, batch: 12, sync: 10, all: 8 } as const;
/** After these the store takes nothing any more. */
const finalCodes: ReadonlySet<string> = new Set(['STORE_FAILED', 'STORE_CLOSED']);
const refusedPauseMs = 5;

/** Appends in every way there is, and tells before each call what it is about to do and after it what came of it. */
export class Producers {
  readonly #store: Store;
  readonly #plan: WriterPlan;
  readonly #notes: NotesWriter;
  #nextId: number;
  #isStopped = false;

  constructor(store: Store, plan: WriterPlan, notes: NotesWriter) {
    this.#store = store;
    this.#plan = plan;
    this.#notes = notes;
    this.#nextId = plan.firstId;
  }

  get nextId(): number {
    return this.#nextId;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async produce(dice: Dice): Promise<void> {
    while (!this.#isStopped) {
      const way = dice.weighted(ways);
      if (way === 'one') await this.#append(this.#plan.world.flush);
      else if (way === 'otherFlush') await this.#append(dice.chance(0.5) ? 'sync' : 'async');
      else if (way === 'pipeline')
        await Promise.all(Array.from({ length: 2 + dice.below(20) }, () => this.#append(this.#plan.world.flush)));
      else if (way === 'batch') await this.#appendBatch(2 + dice.below(5));
      else if (way === 'sync') await this.#appendSync(1 + dice.below(3));
      else await this.#appendAll(5 + dice.below(40));
    }
  }

  #take(kind: string, count: number): { readonly ids: readonly number[]; readonly messages: readonly NewMessage[] } {
    const first = this.#nextId;
    this.#nextId += count;
    this.#notes.write('?', first, kind, count);
    const ids = Array.from({ length: count }, (_, index) => first + index);
    return { ids, messages: ids.map((id) => messageOf(id, this.#plan.world.bodyBytesMax)) };
  }

  async #append(flush: FlushMode): Promise<void> {
    const { ids, messages } = this.#take('append', 1);
    const [id, message] = [ids[0]!, messages[0]!];
    const asked = flush === this.#plan.world.flush ? undefined : { flush: this.#asked(flush) };
    await this.#settle(ids, async () => {
      const receipt = this.#store.append(message, asked);
      if (this.#plan.control === 'early-acknowledgement') this.#notes.write('!', id, 'w', '-', '-');
      this.#acknowledge(id, await receipt, flush);
    });
  }

  async #appendBatch(count: number): Promise<void> {
    const { ids, messages } = this.#take('batch', count);
    await this.#settle(ids, async () => {
      const receipts = await this.#store.appendBatch(messages);
      ids.forEach((id, index) => this.#acknowledge(id, receipts[index]!, this.#plan.world.flush));
    });
  }

  async #appendSync(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const { ids, messages } = this.#take('sync', 1);
      await this.#settle(ids, async () => this.#acknowledge(ids[0]!, this.#store.appendSync(messages[0]!), 'async'));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Each number is noted as tried when its message is asked for. */
  async #appendAll(count: number): Promise<void> {
    const taken: number[] = [];
    const take = this.#take.bind(this);
    const messages = function* (): Generator<NewMessage> {
      for (let index = 0; index < count; index += 1) {
        const one = take('all', 1);
        taken.push(one.ids[0]!);
        yield one.messages[0]!;
      }
    };
    try {
      await this.#store.appendAll(messages());
      for (const id of taken) this.#notes.write('!', id, this.#level(this.#plan.world.flush, false), '-', '-');
    } catch (error) {
      // A prefix of them is stored; which, nobody says.
      await this.#refused(taken, error, 'unknown');
    }
  }

  #acknowledge(id: number, receipt: AppendReceipt, flush: FlushMode): void {
    this.#notes.write('!', id, this.#level(flush, receipt.durable), receipt.physicalOffset, receipt.queueOffset);
  }

  #level(flush: FlushMode, durable: boolean): string {
    return flush === 'sync' || durable ? 'd' : 'w';
  }

  #asked(flush: FlushMode): FlushMode {
    return this.#plan.control === 'claims-sync' ? 'async' : flush;
  }

  async #settle(ids: readonly number[], call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      await this.#refused(ids, error, undefined);
    }
  }

  async #refused(ids: readonly number[], error: unknown, stored: 'unknown' | undefined): Promise<void> {
    if (!StoreError.is(error)) {
      this.#notes.write('e', `an append was rejected with ${String(error).replaceAll('\n', ' ')}`);
      this.stop();
      return;
    }
    if (error.stored === 'unknown' && error.code !== 'STORE_FAILED') this.#notes.write('e', `stored: unknown with ${error.code}`);
    for (const id of ids) this.#notes.write('x', id, stored ?? error.stored, error.code);
    if (finalCodes.has(error.code)) this.stop();
    else await new Promise((resolve) => setTimeout(resolve, refusedPauseMs));
  }
}
