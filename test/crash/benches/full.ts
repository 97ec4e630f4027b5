import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { StoreError } from '../../../src/index.js';
import type { Bench, BenchOptions } from '../common/bench.js';
import { Dice } from '../common/dice.js';
import { type EndedLife, Life } from '../common/lives.js';
import type { Tally } from '../common/result.js';
import { StoreRun } from '../common/store-run.js';
import { randomWorld } from '../common/worlds.js';
import { whyNoImage, whyNoMemory } from '../machine/mounted.js';
import { makePressure, type Pressure, type PressureKind } from '../machine/pressure.js';

const kinds: readonly PressureKind[] = ['tmpfs', 'ext4', 'ext4 inodes'];
const fillDeadlineMs = 20_000;
const goOnDeadlineMs = 10_000;
const guardBytes = 128 * 1024;

interface FullBreakage {
  /** The oracle takes what was refused for stored. */
  readonly believesRefused?: boolean;
}

/**
 * A full disk: small file systems are filled beside the store, which must refuse with DISK_FULL, lose nothing, and go on by itself
 * when there is room again; also when it is killed, cut or closed while full, and opened again while still full.
 */
export const fullBench: Bench = {
  name: 'full',
  about: 'ENOSPC on a small tmpfs and small ext4 images, bytes and inodes (root)',
  cyclesByDefault: 12,
  run: (options, tally) => runFull(options, tally, {}),
  controls: [
    {
      name: 'oracle that takes refused messages for stored',
      cyclesMax: 6,
      run: (options, tally) => runFull(options, tally, { believesRefused: true }),
    },
  ],
};

function whyNot(kind: PressureKind): string | undefined {
  return kind === 'tmpfs' ? whyNoMemory() : whyNoImage('ext4');
}

async function runFull(options: BenchOptions, tally: Tally, breakage: FullBreakage): Promise<void> {
  const cycles = options.cycles ?? fullBench.cyclesByDefault;
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    const seed = options.seed + cycle;
    const kind = kinds[seed % kinds.length]!;
    const why = whyNot(kind);
    if (why !== undefined) {
      tally.skip(`full ${kind}`, why, 1);
      continue;
    }
    tally.cycles += 1;
    await runOne(seed, kind, options, tally, breakage);
    if (breakage.believesRefused === true && tally.failures.length > 0) return;
  }
}

async function runOne(seed: number, kind: PressureKind, options: BenchOptions, tally: Tally, breakage: FullBreakage): Promise<void> {
  const dice = new Dice(seed);
  const pressure = makePressure(kind);
  tally.fileSystems.add(kind.split(' ')[0]!);
  const world = randomWorld(dice, dice.chance(0.7) ? 'sync' : 'async');
  const run = new StoreRun(
    { ...world, segmentBytes: kind === 'ext4 inodes' ? 4096 : world.segmentBytes, bodyBytesMax: 460 },
    dice,
    pressure.mounted.path,
  );
  try {
    const findings: string[] = [];
    for (let life = 0; life < 3 && findings.length === 0; life += 1) {
      const filled = await fillOnce(run, pressure, kind, dice, tally);
      findings.push(...filled.findings);
      if (breakage.believesRefused === true)
        for (const sent of run.promises.sent.values()) if (sent.fate === 'refused') sent.level = 'durable';
      findings.push(...(await reopen(run, pressure, dice, tally, filled.wasCut, breakage)));
      if (options.verbose) console.log(`seed ${seed} (${kind}) life ${life}: ${run.promises.acknowledgedCount} acknowledged`);
    }
    if (findings.length === 0) return;
    const kept = join(options.keepFolder, `full-${seed}`);
    mkdirSync(kept, { recursive: true });
    run.keepCopy(kept);
    tally.fail({ what: `seed ${seed} (${kind}): ${findings.join('; ')}`, replay: `npm run crash -- full --seed ${seed} --cycles 1`, kept });
  } finally {
    tally.acknowledgements += run.promises.acknowledgedCount;
    run.remove();
    pressure.mounted.remove();
  }
}

interface Filled {
  readonly findings: readonly string[];
  readonly wasCut: boolean;
}

/** One life into the full disk, and out of it or not. */
async function fillOnce(run: StoreRun, pressure: Pressure, kind: PressureKind, dice: Dice, tally: Tally): Promise<Filled> {
  const findings: string[] = [];
  const left = kind === 'ext4 inodes' ? 30 + dice.below(60) : 100_000 + dice.below(400_000);
  pressure.fill(left);
  const way = dice.pick(['goes on', 'killed while full', 'closed while full', 'cut while full'] as const);
  const hasGuard = kind !== 'ext4 inodes' && dice.chance(0.3);
  const lifeMs = way === 'closed while full' ? 3000 : 60_000;
  const life = new Life(run.plan({ lifeMs, cleans: dice.chance(0.3), freeBytesMin: hasGuard ? guardBytes : 0, chorePauseMs: 30 }));
  await life.opened();
  const isFull = await waitFor(life, (text) => text.includes('DISK_FULL'), fillDeadlineMs);
  if (way === 'goes on' && isFull) {
    for (let time = 0; time < 2 && findings.length === 0; time += 1) {
      await wait(dice.below(50));
      pressure.free();
      const known = acknowledgedLines(life);
      if (!(await waitFor(life, () => acknowledgedLines(life) > known + 50, goOnDeadlineMs)) && !life.hasEnded)
        findings.push('there is room again, and appends are still refused');
      pressure.fill(left);
      await wait(dice.below(100));
    }
  }
  const ended = await end(life, way, run, pressure, kind, dice);
  if (!isFull && way !== 'closed while full' && ended.end !== '3') findings.push(`never full: ${ended.told.slice(0, 5).join(', ')}`);
  tally.count(`${kind} ${way} (${ended.end})`);
  for (const code of new Set(ended.told)) tally.count(code, ended.told.filter((each) => each === code).length);
  return { findings: [...findings, ...ended.errors], wasCut: way === 'cut while full' && kind !== 'tmpfs' };
}

async function end(life: Life, way: string, run: StoreRun, pressure: Pressure, kind: PressureKind, dice: Dice): Promise<EndedLife> {
  if (way !== 'closed while full') {
    await wait(dice.below(50));
    life.kill();
  }
  const ended = await life.ended(run.promises);
  if (way === 'cut while full' && kind !== 'tmpfs') {
    pressure.mounted.cut();
    pressure.mounted.unmount();
    pressure.mounted.mount();
  }
  return ended;
}

/** While the disk is still full: it opens, or says with a typed error why not. With room it opens, and nothing is lost. */
async function reopen(
  run: StoreRun,
  pressure: Pressure,
  dice: Dice,
  tally: Tally,
  wasCut: boolean,
  breakage: FullBreakage,
): Promise<readonly string[]> {
  if (dice.chance(0.6)) {
    try {
      const store = await run.open();
      tally.count('opened while full');
      const findings = breakage.believesRefused === true ? [] : await run.compare(store, wasCut);
      await store.close().catch((error: unknown) => tally.count(`close while full: ${codeOf(error)}`));
      if (findings.length > 0) return findings;
    } catch (error) {
      if (!StoreError.is(error) || (error.code !== 'DISK_FULL' && error.code !== 'IO')) return [`opening on a full disk: ${String(error)}`];
      tally.count(`open while full: ${error.code}`);
    }
  }
  pressure.freeAll();
  return run.check(wasCut);
}

function codeOf(error: unknown): string {
  return StoreError.is(error) ? error.code : String(error);
}

function acknowledgedLines(life: Life): number {
  return existsSync(life.plan.notesPath) ? (readFileSync(life.plan.notesPath, 'latin1').match(/^!/gm)?.length ?? 0) : 0;
}

async function waitFor(life: Life, isSo: (notes: string) => boolean, deadlineMs: number): Promise<boolean> {
  const until = performance.now() + deadlineMs;
  while (performance.now() < until && !life.hasEnded) {
    if (existsSync(life.plan.notesPath) && isSo(readFileSync(life.plan.notesPath, 'latin1'))) return true;
    await wait(20);
  }
  return false;
}
