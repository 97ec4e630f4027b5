import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openStore } from '../../../src/index.js';
import type { Bench, BenchOptions } from '../common/bench.js';
import { cleanAtExit } from '../common/cleanups.js';
import { Dice } from '../common/dice.js';
import type { Tally } from '../common/result.js';
import { Contender } from '../races/contender.js';

const racesPerDirectory = 50;
const leadMs = 8;
/** Within it a lock must be free again after the death of its holder, and what it left be recovered. */
const freeAgainMs = 1000;
const retryMs = 15_000;
const appendCountMax = 12;

/**
 * Two processes for one directory at the same moment: exactly one wins. Half of the races have a holder who is killed while the others
 * try; what it had acknowledged is there for the winner.
 */
export const racesBench: Bench = {
  name: 'races',
  about: 'two processes for one directory, half of them with SIGKILL of the holder',
  cyclesByDefault: 200,
  run: (options, tally) => runRaces(options, tally, 'lock'),
  controls: [{ name: 'a lock that lets everybody in', cyclesMax: 10, run: (options, tally) => runRaces(options, tally, 'no-lock') }],
};

async function runRaces(options: BenchOptions, tally: Tally, locking: 'lock' | 'no-lock'): Promise<void> {
  const cycles = options.cycles ?? racesBench.cyclesByDefault;
  tally.fileSystems.add('the file system of the temporary folder');
  for (let set = 0; tally.cycles < cycles; set += 1) {
    const seed = options.seed + set;
    const races = new RaceSet(seed, locking, tally);
    try {
      for (let race = 0; race < racesPerDirectory && tally.cycles < cycles; race += 1) {
        tally.cycles += 1;
        const finding = await races.race();
        if (finding === undefined) continue;
        tally.fail({
          what: `seed ${seed}, race ${race}: ${finding}`,
          replay: `npm run crash -- races --seed ${seed} --cycles ${race + 1}`,
        });
        if (locking === 'no-lock') return;
        break;
      }
      const finding = await races.checkAtEnd();
      if (finding !== undefined && locking === 'lock')
        tally.fail({ what: `seed ${seed}: ${finding}`, replay: `npm run crash -- races --seed ${seed} --cycles ${racesPerDirectory}` });
    } finally {
      await races.end();
    }
  }
}

class RaceSet {
  readonly #folder = mkdtempSync(join(tmpdir(), 'stratalog-crash-'));
  readonly #directory = join(this.#folder, 'store');
  readonly #notesPath = join(this.#folder, 'notes');
  readonly #forget = cleanAtExit(() => rmSync(this.#folder, { recursive: true, force: true }));
  readonly #dice: Dice;
  readonly #locking: 'lock' | 'no-lock';
  readonly #tally: Tally;
  readonly #contenders: Contender[] = [];
  #spare: Contender;

  constructor(seed: number, locking: 'lock' | 'no-lock', tally: Tally) {
    this.#dice = new Dice(seed);
    this.#locking = locking;
    this.#tally = tally;
    writeFileSync(this.#notesPath, '');
    this.#contenders.push(this.#start(), this.#start());
    this.#spare = this.#start();
  }

  /** Undefined: as it must be. */
  async race(): Promise<string | undefined> {
    const isKill = this.#dice.chance(0.5);
    return isKill ? await this.#raceForKilled() : await this.#raceForFree();
  }

  async #raceForFree(): Promise<string | undefined> {
    const atMs = Date.now() + leadMs;
    const answers = await Promise.all(this.#contenders.map((each) => each.ask(`try ${this.#directory} ${atMs} 0`)));
    this.#tally.count('for a free directory');
    const winners = this.#contenders.filter((_, i) => answers[i]![0] === 'won');
    const losers = answers.filter((answer) => answer[0] === 'lost' && answer[1] === 'STORE_LOCKED');
    if (winners.length !== 1 || losers.length !== 1)
      return `not one winner and one loser: ${answers.map((each) => each.join(' ')).join('; ')}`;
    const wrong = this.#acknowledgedMissing(answers);
    if (wrong !== undefined) return wrong;
    const appended = await winners[0]!.ask(`append ${1 + this.#dice.below(appendCountMax)}`);
    const left = await winners[0]!.ask('leave');
    return appended[0] === 'appended' && left[0] === 'left'
      ? undefined
      : `the winner cannot work: ${appended.join(' ')}; ${left.join(' ')}`;
  }

  /** One holds; the other two try; the holder is killed in the midst of its appends. */
  async #raceForKilled(): Promise<string | undefined> {
    const [holder, second] = this.#contenders as [Contender, Contender];
    const held = await holder.ask(`try ${this.#directory} 0 ${Date.now() + retryMs}`);
    if (held[0] !== 'won') return `a free directory was not to be had: ${held.join(' ')}`;
    const others = [second, this.#spare];
    const atMs = Date.now() + leadMs;
    const asked = others.map(async (each) => ({ each, answer: await each.ask(`try ${this.#directory} ${atMs} ${atMs + retryMs}`) }));
    const appending = holder.ask(`append ${1 + this.#dice.below(appendCountMax)}`);
    await wait(leadMs + this.#dice.below(15));
    await holder.kill();
    const killedMs = performance.now();
    await appending;
    this.#contenders.splice(0, 2, second, this.#spare);
    this.#spare = this.#start();
    this.#tally.count('with the holder killed');
    const first = await Promise.race(asked);
    if (first.answer[0] !== 'won') return `after the holder was killed: ${first.answer.join(' ')}`;
    if (performance.now() - killedMs > freeAgainMs) this.#tally.count('won more than a second after the kill');
    return this.#acknowledgedMissing([first.answer]) ?? (await this.#handOver(first.each, asked));
  }

  /** While the winner is in, the other must stay out; once it has left, the other gets in. */
  async #handOver(
    winner: Contender,
    asked: readonly Promise<{ readonly each: Contender; readonly answer: readonly string[] }>[],
  ): Promise<string | undefined> {
    let isIn = true;
    let intruder: string | undefined;
    const others = asked.map(async (one) => {
      const { each, answer } = await one;
      if (each === winner) return;
      if (isIn) intruder = `two winners: the second said ${answer.join(' ')}`;
      else if (answer[0] !== 'won') intruder = `it was not let in after the first had left: ${answer.join(' ')}`;
      else await each.ask('leave');
    });
    await winner.ask(`append ${1 + this.#dice.below(appendCountMax)}`);
    await wait(this.#dice.below(10));
    // From here on it may be free at any moment.
    isIn = false;
    await winner.ask('leave');
    await Promise.all(others);
    return intruder;
  }

  #acknowledgedMissing(answers: readonly (readonly string[])[]): string | undefined {
    const acknowledged = this.#acknowledged().length;
    for (const [word, count] of answers)
      if (word === 'won' && Number(count) < acknowledged) return `the winner finds ${count} messages, ${acknowledged} were acknowledged`;
    return undefined;
  }

  #acknowledged(): readonly string[] {
    return readFileSync(this.#notesPath, 'latin1').split('\n').slice(0, -1);
  }

  async checkAtEnd(): Promise<string | undefined> {
    for (const each of [...this.#contenders, this.#spare]) await each.kill();
    const store = await openStore(this.#directory, { freeBytesMin: 0 });
    try {
      const offsets = new Set<string>();
      for await (const message of store.tailAll({ from: 'earliest', until: 'end' })) offsets.add(String(message.physicalOffset));
      const acknowledged = this.#acknowledged();
      this.#tally.acknowledgements += acknowledged.length;
      const lost = acknowledged.filter((offset) => !offsets.has(offset));
      if (lost.length > 0) return `${lost.length} of ${acknowledged.length} acknowledged messages are lost, the first at ${lost[0]}`;
      if (new Set(acknowledged).size !== acknowledged.length) return 'two messages were acknowledged at the same place';
      const { faults } = await store.verify();
      return faults.length === 0 ? undefined : `verify: ${faults[0]?.where} at ${faults[0]?.offset}: ${faults[0]?.what}`;
    } finally {
      await store.close();
    }
  }

  async end(): Promise<void> {
    for (const each of [...this.#contenders, this.#spare]) await each.kill();
    this.#forget();
  }

  #start(): Contender {
    return new Contender(this.#notesPath, this.#locking);
  }
}
