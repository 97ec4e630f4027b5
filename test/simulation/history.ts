import type { StoreOptions } from '../../src/index.js';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { type Action, actionTable } from './actions.js';
import { anyFault } from './any-fault.js';
import { Session } from './session.js';
import { pick } from './small.js';
import { must } from './violation.js';

const operationsMin = 100;
const crashesMin = 2;
const livesMax = 40;
/** After so many attempts to open, nothing goes wrong any more. */
const troubledAttemptsMax = 7;

/** One store's fate, from its making to its last closing; the seed decides everything. */
export class History extends Session {
  readonly #kept: StoreOptions;
  readonly #recordChecksum: boolean;

  constructor(seed: number, onLine: ((line: string) => void) | undefined) {
    const random = new SeededRandom(seed);
    const segmentBytes = pick(random, [1024, 2048, 4096, 8192, 16_384]);
    // A record whose properties no checksum covers may come out of a torn write with wrong ones: the format has it so.
    const recordChecksum = random.chance(0.85);
    super({
      seed,
      segmentBytes,
      blockBytes: random.chance(0.7) ? 512 : 4096,
      keeps: recordChecksum ? ['synced', 'random', 'all'] : ['synced', 'all'],
      onLine,
    });
    this.#recordChecksum = recordChecksum;
    this.#kept = {
      segmentBytes,
      queueEntriesPerFile: random.chance(0.1) ? 1 + random.below(4) : 5 + random.below(40),
      indexSlotCount: 1 + random.below(20),
      indexEntryCount: random.chance(0.1) ? 2 + random.below(6) : 8 + random.below(60),
    };
  }

  async run(): Promise<void> {
    await this.#open();
    for (let life = 0; life < livesMax && !this.#isLongEnough(); life += 1) {
      await this.#live();
      await this.end(pick(this.random, ['close', 'crash', 'crash', 'leave'] as const));
      await this.#open();
    }
    must(this.#isLongEnough(), () => `after ${livesMax} lives: ${this.operations} operations, ${this.machine.struckCount} faults`);
    this.machine.clearFaults();
    await this.end('close');
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
    this.throwViolation();
  }

  async #open(): Promise<void> {
    const { machine, random } = this;
    for (let attempt = 0; ; attempt += 1) {
      this.restart();
      const isCalm = attempt >= troubledAttemptsMax;
      if (isCalm || random.chance(0.7)) machine.clearFaults();
      else if (random.chance(0.5)) machine.addFault({ fault: { kind: 'error', code: 'EIO' }, from: 1 + random.below(150) });
      if (!isCalm && random.chance(0.2)) machine.armBomb(1 + random.below(150), pick(random, this.keeps));
      if (await this.tryOpen(this.#randomOptions(), !isCalm && random.chance(0.3))) break;
      must(!isCalm, () => 'the store does not open though nothing is wrong any more');
    }
    await this.check();
  }

  #randomOptions(): StoreOptions {
    const { random, segmentBytes } = this;
    const retention = random.chance(0.5) ? { maxBytes: segmentBytes * (1 + random.below(6)) } : { maxAgeMs: pick(random, [5_000, 60_000]) };
    return {
      ...(random.chance(0.7) || this.model.life === 0 ? this.#kept : {}),
      flush: random.chance(0.6) ? 'sync' : 'async',
      flushIntervalMs: pick(random, [1, 10, 500]),
      recovery: pick(random, ['strict', 'skip', 'truncate']),
      recordChecksum: this.#recordChecksum || random.chance(0.5),
      ...(random.chance(0.08) ? { keyIndex: false } : {}),
      openFilesMax: pick(random, random.chance(0.15) ? [4, 6, 16] : [256]),
      freeBytesMin: 0,
      pendingBytesMax: pick(random, [1, 2000, 64 * 1024 * 1024]),
      unflushedBytesMax: pick(random, [1, 3000, 1024 * 1024 * 1024]),
      ...(random.chance(0.25) ? { retention } : {}),
    };
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
