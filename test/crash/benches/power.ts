import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bench, BenchOptions } from '../common/bench.js';
import { Dice } from '../common/dice.js';
import { Life } from '../common/lives.js';
import type { Tally } from '../common/result.js';
import { StoreRun } from '../common/store-run.js';
import { randomPoint, randomWorld } from '../common/worlds.js';
import { type ImageKind, Mounted, whyNoImage } from '../machine/mounted.js';
import type { WriterPlan } from '../writer/plan.js';

const cutsPerStore = 8;
const kinds: readonly ImageKind[] = ['ext4', 'xfs'];
const pointRatio = 0.6;
const liveCutRatio = 0.5;

interface PowerBreakage {
  readonly control?: WriterPlan['control'];
  readonly invent?: boolean;
}

/**
 * Power cuts on ext4 and xfs: the file system, in an image on a loop device, is stopped without writing anything more, unmounted and
 * mounted again. The process dies before the cut, at a chosen call, or sees the disk go away under it.
 */
export const powerBench: Bench = {
  name: 'power',
  about: 'power cuts on ext4 and xfs (root, loop devices)',
  cyclesByDefault: 40,
  run: (options, tally) => runCuts(options, tally, {}),
  controls: [
    {
      name: 'says sync and does not sync',
      cyclesMax: 20,
      run: (options, tally) => runCuts(options, tally, { control: 'claims-sync' }),
    },
    { name: 'oracle with a record that nobody appended', cyclesMax: 2, run: (options, tally) => runCuts(options, tally, { invent: true }) },
  ],
};

async function runCuts(options: BenchOptions, tally: Tally, breakage: PowerBreakage): Promise<void> {
  const cycles = options.cycles ?? powerBench.cyclesByDefault;
  const isControl = breakage.control !== undefined || breakage.invent === true;
  const possible = kinds.filter((kind) => whyNoImage(kind) === undefined);
  for (const kind of kinds) {
    const why = whyNoImage(kind);
    if (why !== undefined) tally.skip(`power cuts on ${kind}`, why, Math.ceil(cycles / kinds.length));
  }
  if (possible.length === 0) return;
  // What one file system cannot do is not made up by the other.
  const total = Math.floor((cycles * possible.length) / kinds.length);
  for (let store = 0; tally.cycles < total; store += 1) {
    const seed = options.seed + store;
    const kind = kinds[seed % 2]!;
    if (!possible.includes(kind)) continue;
    await runStore(seed, kind, Math.min(cutsPerStore, total - tally.cycles), options, tally, breakage);
    if (isControl && tally.failures.length > 0) return;
  }
}

/** Store number `seed` is the same in every run, so that it can be run by itself. */
async function runStore(
  seed: number,
  kind: ImageKind,
  cuts: number,
  options: BenchOptions,
  tally: Tally,
  breakage: PowerBreakage,
): Promise<void> {
  const dice = new Dice(seed);
  const mounted = Mounted.image(kind);
  tally.fileSystems.add(kind);
  const flush = breakage.control === 'claims-sync' || (seed >> 1) % 4 !== 3 ? 'sync' : 'async';
  const run = new StoreRun(randomWorld(dice, flush), dice, mounted.path);
  try {
    for (let cut = 0; cut < cuts; cut += 1) {
      const findings = await cycle(run, mounted, kind, dice, tally, breakage);
      tally.cycles += 1;
      if (options.verbose) console.log(`store ${seed} (${kind}, ${flush}) cut ${cut}: ${run.promises.acknowledgedCount} acknowledged`);
      if (findings.length === 0) continue;
      const kept = join(options.keepFolder, `power-${seed}-${cut}`);
      mkdirSync(kept, { recursive: true });
      run.keepCopy(kept);
      const replay = `npm run crash -- power --seed ${seed} --cycles ${2 * (cut + 1)}`;
      tally.fail({ what: `store ${seed} (${kind}, ${flush}), cut ${cut}: ${findings.join('; ')}`, replay, kept });
      return;
    }
  } finally {
    tally.acknowledgements += run.promises.acknowledgedCount;
    run.remove();
    mounted.remove();
  }
}

async function cycle(
  run: StoreRun,
  mounted: Mounted,
  kind: ImageKind,
  dice: Dice,
  tally: Tally,
  breakage: PowerBreakage,
): Promise<readonly string[]> {
  const findings: string[] = [];
  const control = breakage.control === undefined ? {} : { control: breakage.control };
  const point = dice.chance(pointRatio) ? randomPoint(dice) : undefined;
  if (point?.name === 'opening') {
    // Something to recover first: a life that is cut and not looked at.
    findings.push(...(await liveAndCut(run.plan({ ...control, lifeMs: 30_000 }), run, mounted, kind, dice, tally)));
  }
  const short = point?.name === 'closing' || point?.name === 'opening';
  const plan = run.plan({ ...control, ...(point === undefined ? { lifeMs: 30_000 } : { point, lifeMs: short ? 30 : 400 }) });
  findings.push(...(await liveAndCut(plan, run, mounted, kind, dice, tally)));
  if (breakage.invent === true) run.promises.invent();
  return [...findings, ...(await run.check(true))];
}

async function liveAndCut(
  plan: WriterPlan,
  run: StoreRun,
  mounted: Mounted,
  kind: ImageKind,
  dice: Dice,
  tally: Tally,
): Promise<readonly string[]> {
  const life = new Life(plan);
  const isLive = plan.point === undefined && dice.chance(liveCutRatio);
  if (plan.point === undefined) {
    await life.opened();
    await wait(dice.below(dice.pick([20, 150])));
    // Either the process dies first, or it sees every call fail.
    if (isLive) await life.frozen(() => mounted.cut());
    else life.kill();
  }
  const ended = await life.ended(run.promises);
  if (!isLive) mounted.cut();
  mounted.unmount();
  mounted.mount();
  const how = isLive ? `under the process (${ended.end})` : plan.point === undefined ? 'after a kill' : `at ${plan.point.name}`;
  const isReached = plan.point === undefined || ended.end === 'SIGKILL';
  tally.count(isReached ? `${kind} cut ${how}` : `${kind} cut after its end: ${plan.point?.name} not reached`);
  return ended.errors;
}
