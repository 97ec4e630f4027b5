import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { nodePlatform, openStore, StoreError } from '../../../src/index.js';
import type { Bench, BenchOptions } from '../common/bench.js';
import { Dice } from '../common/dice.js';
import { Life } from '../common/lives.js';
import type { Tally } from '../common/result.js';
import { StoreRun } from '../common/store-run.js';
import { randomWorld } from '../common/worlds.js';
import { makeReadOnly, whyNoReadOnly } from '../machine/error-read-only.js';
import { Mounted, whyNoImage } from '../machine/mounted.js';
import { steppedClock } from '../writer/clock.js';

const parts = ['descriptors', 'read-only while open', 'read-only while closed', 'clock'] as const;
type Part = (typeof parts)[number];
const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;
const stepsMs: readonly number[] = [hourMs, -hourMs, 10 * yearMs, -10 * yearMs];
const descriptorLimit = 96;
/** So many fit, with what node itself has open. */
const storeDescriptors = 24;
const livesPerCycle = 3;

/** What the machine gives runs out or changes: descriptors, the right to write, the time of day. */
export const limitsBench: Bench = {
  name: 'limits',
  about: 'descriptors exhausted, a file system that goes read-only (root), clock steps of an hour and of ten years',
  cyclesByDefault: 12,
  run: (options, tally) => runLimits(options, tally, false),
  controls: [{ name: 'oracle with a record that nobody appended', cyclesMax: 4, run: (options, tally) => runLimits(options, tally, true) }],
};

async function runLimits(options: BenchOptions, tally: Tally, invents: boolean): Promise<void> {
  const cycles = options.cycles ?? limitsBench.cyclesByDefault;
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    const seed = options.seed + cycle;
    const part = parts[seed % parts.length]!;
    const why = whyNot(part);
    if (why !== undefined) {
      tally.skip(part, why, 1);
      continue;
    }
    tally.cycles += 1;
    await runOne(seed, part, options, tally, invents);
    if (invents && tally.failures.length > 0) return;
  }
}

function whyNot(part: Part): string | undefined {
  if (part === 'descriptors') return process.platform === 'win32' ? 'no ulimit on Windows' : undefined;
  if (part === 'read-only while open') return whyNoReadOnly();
  return part === 'clock' ? undefined : whyNoImage('ext4');
}

async function runOne(seed: number, part: Part, options: BenchOptions, tally: Tally, invents: boolean): Promise<void> {
  const dice = new Dice(seed);
  const mounted = part.startsWith('read-only') ? Mounted.image('ext4', { mountOptions: ['errors=remount-ro'] }) : undefined;
  tally.fileSystems.add(mounted === undefined ? 'the file system of the temporary folder' : 'ext4');
  const run = new StoreRun(randomWorld(dice, dice.chance(0.5) ? 'sync' : 'async'), dice, mounted?.path);
  try {
    const findings: string[] = [];
    for (let life = 0; life < livesPerCycle && findings.length === 0; life += 1) {
      if (part === 'descriptors') findings.push(...(await outOfDescriptors(run, dice, tally)));
      else if (part === 'clock') findings.push(...(await clockSteps(run, dice, tally)));
      else if (part === 'read-only while open') findings.push(...(await readOnlyWhileOpen(run, mounted!, dice, tally)));
      else findings.push(...(await readOnlyWhileClosed(run, mounted!, dice, tally)));
      if (invents) run.promises.invent();
      findings.push(...(await checkUnderAnotherTime(run, part, dice)));
      if (options.verbose) console.log(`seed ${seed} (${part}) life ${life}: ${run.promises.acknowledgedCount} acknowledged`);
    }
    if (findings.length === 0) return;
    const kept = join(options.keepFolder, `limits-${seed}`);
    mkdirSync(kept, { recursive: true });
    run.keepCopy(kept);
    tally.fail({
      what: `seed ${seed} (${part}): ${findings.join('; ')}`,
      replay: `npm run crash -- limits --seed ${seed} --cycles 1`,
      kept,
    });
  } finally {
    tally.acknowledgements += run.promises.acknowledgedCount;
    run.remove();
    mounted?.remove();
  }
}

function checkUnderAnotherTime(run: StoreRun, part: Part, dice: Dice): Promise<readonly string[]> {
  // A file system that stops for an error does not write what it had only in memory: no better than a power cut.
  if (part !== 'clock') return run.check(part === 'read-only while open');
  const clock = steppedClock(nodePlatform.clock);
  clock.step(dice.pick([0, ...stepsMs]));
  return run.check(false, { ...nodePlatform, clock });
}

function countTold(tally: Tally, told: readonly string[]): void {
  for (const one of new Set(told)) tally.count(one, told.filter((each) => each === one).length);
}

/** All but a few descriptors are taken for the first half of its life, then given back: it must go on by itself. */
async function outOfDescriptors(run: StoreRun, dice: Dice, tally: Tally): Promise<readonly string[]> {
  const plan = run.plan({
    lifeMs: 1500,
    descriptorsLeft: dice.pick([0, 1, 2, 3, 5, 8, 13]),
    openFilesMax: storeDescriptors,
    cleans: dice.chance(0.5),
  });
  const shell = ['sh', '-c', `ulimit -n ${descriptorLimit} && exec "$@"`, 'sh'];
  const ended = await new Life(plan, { prefix: shell }).ended(run.promises);
  tally.count(`descriptors: ended with ${ended.end}`);
  countTold(tally, ended.told);
  if (ended.end === '0') return ended.errors;
  return [...ended.errors, `with descriptors again it ended with ${ended.end}: ${ended.stderr}`];
}

async function clockSteps(run: StoreRun, dice: Dice, tally: Tally): Promise<readonly string[]> {
  const steps = Array.from({ length: 4 }, (_, i) => (i === 0 ? dice.pick([0, ...stepsMs]) : dice.pick(stepsMs)));
  const life = new Life(run.plan({ clockStepsMs: steps, lifeMs: 400 }));
  await life.opened();
  await wait(dice.below(250));
  if (dice.chance(0.7)) life.kill();
  const ended = await life.ended(run.promises);
  tally.count(`clock: ended with ${ended.end}`);
  countTold(
    tally,
    ended.told.filter((one) => one === 'clock-step'),
  );
  return ended.errors;
}

/** The file system turns read-only under it, as ext4 does when it finds itself damaged. */
async function readOnlyWhileOpen(run: StoreRun, mounted: Mounted, dice: Dice, tally: Tally): Promise<readonly string[]> {
  const life = new Life(run.plan({ lifeMs: 700 }));
  await life.opened();
  await wait(dice.below(150));
  makeReadOnly(mounted);
  const ended = await life.ended(run.promises);
  tally.count(`read-only while open: ended with ${ended.end}`);
  countTold(tally, ended.told);
  const findings = [...ended.errors];
  if (ended.end !== '3') findings.push(`a store on a read-only file system ended with ${ended.end}`);
  mounted.unmount();
  mounted.mount();
  return findings;
}

/** Opening for writing is refused with a typed error and changes nothing; opening for reading works. */
async function readOnlyWhileClosed(run: StoreRun, mounted: Mounted, dice: Dice, tally: Tally): Promise<readonly string[]> {
  const findings: string[] = [];
  const life = new Life(run.plan({ lifeMs: 150 }));
  const isKill = dice.chance(0.5);
  await life.opened();
  if (isKill) {
    await wait(dice.below(100));
    life.kill();
  }
  findings.push(...(await life.ended(run.promises)).errors);
  if (!isKill) findings.push(...(await run.check(false)));
  mounted.remount('ro');
  try {
    const store = await openStore(run.directory, { freeBytesMin: 0 });
    findings.push('a store on a read-only file system opens for writing');
    await store.close().catch(() => undefined);
  } catch (error) {
    if (!StoreError.is(error) || error.code !== 'IO') findings.push(`opening on a read-only file system: ${String(error)}`);
    else tally.count('open for writing: IO');
  }
  try {
    const reader = await openStore(run.directory, { readOnly: true });
    let count = 0;
    for await (const batch of reader.tailAll({ from: 'earliest', until: 'end' }).batches()) count += batch.length;
    if (!isKill) {
      const kept = [...run.promises.sent.values()].filter((sent) => sent.fate === 'kept').length;
      if (count !== kept) findings.push(`a reader on a read-only file system finds ${count} messages of ${kept}`);
    }
    await reader.close();
    tally.count('opened for reading');
  } catch (error) {
    findings.push(`a reader on a read-only file system: ${String(error)}`);
  }
  mounted.remount('rw');
  return findings;
}
