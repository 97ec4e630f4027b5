import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Store, StoreError } from '../../../src/index.js';
import type { Dice } from '../common/dice.js';
import { idOf, queueCount, topics } from '../oracle/messages.js';
import type { NotesWriter } from '../oracle/notes.js';
import type { WriterPlan } from './plan.js';
import type { Producers } from './producers.js';
import type { Doing } from './watched-platform.js';

const weights = { flush: 25, clean: 25, snapshot: 12, read: 20, byTime: 8, verify: 3, hold: 7 } as const;
const keptSegmentCount = 4;

/** What else is done with a store while others append to it. */
export class Chores {
  readonly #store: Store;
  readonly #plan: WriterPlan;
  readonly #notes: NotesWriter;
  readonly #producers: Producers;
  readonly #doing: Doing;
  #isStopped = false;
  #snapshotCount = 0;

  constructor(store: Store, plan: WriterPlan, notes: NotesWriter, producers: Producers, doing: Doing) {
    this.#store = store;
    this.#plan = plan;
    this.#notes = notes;
    this.#producers = producers;
    this.#doing = doing;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(dice: Dice): Promise<void> {
    while (!this.#isStopped) {
      await wait(dice.below(this.#plan.chorePauseMs + 1));
      if (this.#isStopped) return;
      const chore = dice.weighted(weights);
      try {
        await this.#do(chore, dice);
      } catch (error) {
        if (!StoreError.is(error)) return this.#notes.write('e', `${chore} was rejected with ${String(error).replaceAll('\n', ' ')}`);
        this.#notes.write('t', `${chore}:${error.code}`);
        if (error.code === 'CORRUPT') this.#notes.write('e', `${chore}: ${error.message.replaceAll('\n', ' ')}`);
        if (error.code === 'STORE_CLOSED') return;
      }
    }
  }

  /** Reads from the oldest message on and tells what it is given. */
  async consume(): Promise<void> {
    try {
      for await (const batch of this.#store.tailAll({ from: 'earliest', onExpired: 'skip' }).batches(64))
        for (const message of batch) this.#notes.write('v', idOf(message));
    } catch (error) {
      if (!StoreError.is(error) || error.code === 'CORRUPT')
        this.#notes.write('e', `reading was rejected with ${String(error).replaceAll('\n', ' ')}`);
      else this.#notes.write('t', `tail:${error.code}`);
    }
  }

  async #do(chore: keyof typeof weights, dice: Dice): Promise<void> {
    const queue = { topic: dice.pick(topics), queueId: dice.below(queueCount) };
    if (chore === 'flush') await this.#flush();
    else if (chore === 'clean') await this.#clean();
    else if (chore === 'snapshot') await this.#snapshot(dice.chance(0.4));
    else if (chore === 'read') await this.#store.read(queue, { from: dice.chance(0.5) ? 'earliest' : 'latest', waitMs: dice.below(5) });
    else if (chore === 'byTime') await this.#store.offsetAt(queue, Date.now() - dice.below(200));
    else if (chore === 'hold') this.#hold();
    else if (!(await this.#store.verify()).ok && this.#store.status === 'open')
      this.#notes.write('e', 'verify of the living store is not content');
  }

  async #flush(): Promise<void> {
    const before = this.#producers.nextId;
    await this.#store.flush();
    this.#notes.write('f', before);
  }

  async #clean(): Promise<void> {
    const before = this.#store.stats().flushedOffset - keptSegmentCount * this.#plan.world.segmentBytes;
    if (before <= 0 || !this.#plan.cleans) return;
    this.#notes.write('c', before);
    const { deletedSegmentCount } = await this.#store.clean({ before });
    if (deletedSegmentCount > 0) this.#notes.write('t', 'cleaned');
  }

  async #snapshot(links: boolean): Promise<void> {
    this.#snapshotCount += 1;
    const name = `${this.#plan.firstId}-${this.#snapshotCount}`;
    this.#notes.write('s', name, this.#producers.nextId);
    this.#doing.isSnapshotting = true;
    try {
      await this.#store.snapshot(join(this.#plan.snapshotFolder, name), { links });
      this.#notes.write('S', name);
    } finally {
      this.#doing.isSnapshotting = false;
    }
  }

  #hold(): void {
    const held = this.#store.hold(this.#store.stats().minOffset);
    setTimeout(() => held.release(), 5);
  }
}
