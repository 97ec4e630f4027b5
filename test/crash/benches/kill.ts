import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bench, BenchOptions } from '../common/bench.js';
import { Dice } from '../common/dice.js';
import { type EndedLife, Life } from '../common/lives.js';
import type { Tally } from '../common/result.js';
import { StoreRun } from '../common/store-run.js';
import { randomPoint, randomWorld } from '../common/worlds.js';
import type { KillPoint, WriterPlan } from '../writer/plan.js';

/** Lives of one store, one after the other. */
const livesPerStore = 10;
const randomTimeRatio = 0.4;
const startingRatio = 0.2;
const lifeMsAtPoint = 400;

/** How a control breaks it. */
interface KillBreakage {
  readonly control?: WriterPlan['control'];
  readonly invent?: boolean;
}

/**
 * SIGKILL. A process appends with eight producers and is killed at a random moment, or kills itself at a chosen call; then the store
 * is opened again and compared with what the process had told outside of it. Ten times over the same store.
 */
export const killBench: Bench = {
  name: 'kill',
  about: 'SIGKILL at random moments and at chosen calls',
  cyclesByDefault: 200,
  run: (options, tally) => runKills(options, tally, {}),
  controls: [
    {
      name: 'acknowledges before the append has resolved',
      cyclesMax: 60,
      run: (options, tally) => runKills(options, tally, { control: 'early-acknowledgement' }),
    },
    {
      name: 'oracle with a record that nobody appended',
      cyclesMax: 3,
      run: (options, tally) => runKills(options, tally, { invent: true }),
    },
  ],
};

async function runKills(options: BenchOptions, tally: Tally, breakage: KillBreakage): Promise<void> {
  const cycles = options.cycles ?? killBench.cyclesByDefault;
  const isControl = breakage.control !== undefined || breakage.invent === true;
  for (let store = 0; tally.cycles < cycles; store += 1) {
    await runStore(options.seed + store, Math.min(livesPerStore, cycles - tally.cycles), options, tally, breakage);
    if (isControl && tally.failures.length > 0) return;
  }
}

/** Store number `seed` is the same in every run, so that it can be run by itself. */
async function runStore(seed: number, lives: number, options: BenchOptions, tally: Tally, breakage: KillBreakage): Promise<void> {
  const dice = new Dice(seed);
  const run = new StoreRun(randomWorld(dice, seed % 2 === 0 ? 'sync' : 'async'), dice);
  tally.fileSystems.add('the file system of the temporary folder');
  try {
    for (let life = 0; life < lives; life += 1) {
      const findings = await cycle(run, dice, tally, breakage);
      tally.cycles += 1;
      if (options.verbose) console.log(`store ${seed} life ${life}: ${run.promises.acknowledgedCount} acknowledged`);
      if (findings.length === 0) continue;
      const kept = join(options.keepFolder, `kill-${seed}-${life}`);
      mkdirSync(kept, { recursive: true });
      run.keepCopy(kept);
      const replay = `npm run crash -- kill --seed ${seed} --cycles ${life + 1}`;
      tally.fail({ what: `store ${seed} (${run.world.flush}), life ${life}: ${findings.join('; ')}`, replay, kept });
      return;
    }
  } finally {
    tally.acknowledgements += run.promises.acknowledgedCount;
    run.remove();
  }
}

async function cycle(run: StoreRun, dice: Dice, tally: Tally, breakage: KillBreakage): Promise<readonly string[]> {
  const control = breakage.control === undefined ? {} : { control: breakage.control };
  const findings: string[] = [];
  const point = dice.chance(randomTimeRatio) ? undefined : randomPoint(dice);
  if (point?.name === 'opening') {
    // Something to recover first: a life that is killed and not looked at.
    findings.push(...(await killedAtRandom(run, dice, tally, control)).errors);
  }
  const ended = point === undefined ? await killedAtRandom(run, dice, tally, control) : await killedAt(point, run, tally, control);
  findings.push(...ended.errors);
  if (breakage.invent === true) run.promises.invent();
  return [...findings, ...(await run.check(false))];
}

async function killedAtRandom(run: StoreRun, dice: Dice, tally: Tally, details: Partial<WriterPlan>): Promise<EndedLife> {
  const life = new Life(run.plan({ ...details, lifeMs: 30_000 }));
  if (dice.chance(startingRatio)) {
    await wait(dice.below(400));
  } else {
    await life.opened();
    await wait(dice.below(dice.pick([20, 150])));
  }
  life.kill();
  const ended = await life.ended(run.promises);
  tally.count(ended.end === 'SIGKILL' ? `killed at random (${ended.phase})` : `ended by itself: ${ended.end}`);
  return ended;
}

async function killedAt(point: KillPoint, run: StoreRun, tally: Tally, details: Partial<WriterPlan>): Promise<EndedLife> {
  const lifeMs = point.name === 'closing' || point.name === 'opening' ? 30 : lifeMsAtPoint;
  const ended = await new Life(run.plan({ ...details, point, lifeMs })).ended(run.promises);
  tally.count(ended.end === 'SIGKILL' ? `killed at ${point.name}` : `not reached: ${point.name}`);
  return ended;
}
