import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bench, BenchOptions } from '../common/bench.js';
import { Dice } from '../common/dice.js';
import { type EndedLife, Life } from '../common/lives.js';
import type { Tally } from '../common/result.js';
import { StoreRun } from '../common/store-run.js';
import { randomWorld } from '../common/worlds.js';
import { FailingDisk, whyNoFailingDisk, whyNotLying } from '../machine/failing-disk.js';
import { type ImageKind, Mounted, whyNoImage } from '../machine/mounted.js';
import { oneThread, randomInjection, straceWith, whyNoStrace } from '../machine/strace.js';

const kinds: readonly ImageKind[] = ['ext4', 'xfs'];
const roundsPerStore = 3;
const openTryCountMax = 4;
const failDeadlineMs = 8000;

/**
 * Failed calls, then the sequence in which data that reads back well is lost: a sync fails, the process ends, the store is opened again
 * and serves what it finds, and the power is cut. Nothing that was served may be missing then.
 *
 * Odd seeds: a disk whose new blocks cannot be written for a while. Even seeds: one system call fails, by strace.
 */
export const ioErrorsBench: Bench = {
  name: 'io-errors',
  about: 'failed writes, reads and syncs, then reopening, then a power cut (root, loop devices, strace)',
  cyclesByDefault: 24,
  run: (options, tally) => runIoErrors(options, tally, false),
  controls: [
    { name: 'oracle with a record that nobody appended', cyclesMax: 2, run: (options, tally) => runIoErrors(options, tally, true) },
    { name: 'a program that syncs again after a failed sync, on ext4', cyclesMax: 1, run: (_, tally) => syncAgain('ext4', tally) },
    { name: 'a program that syncs again after a failed sync, on xfs', cyclesMax: 1, run: (_, tally) => syncAgain('xfs', tally) },
  ],
};

/** It must lose: a disk on which it does not proves nothing. */
async function syncAgain(kind: ImageKind, tally: Tally): Promise<void> {
  const why = whyNoFailingDisk(kind);
  if (why !== undefined) return tally.skip(`failing disk with ${kind}`, why, 1);
  const disk = new FailingDisk(kind);
  tally.cycles += 1;
  tally.fileSystems.add(kind);
  try {
    if (whyNotLying(disk) === undefined)
      tally.fail({ what: 'synced data that is gone after a power cut', replay: 'npm run crash -- io-errors --control' });
  } finally {
    disk.remove();
  }
}

async function runIoErrors(options: BenchOptions, tally: Tally, invents: boolean): Promise<void> {
  const cycles = options.cycles ?? ioErrorsBench.cyclesByDefault;
  for (let cycle = 0; tally.cycles < cycles && cycle < cycles; cycle += 1) {
    const seed = options.seed + cycle;
    const kind = kinds[(seed >> 1) % 2]!;
    const isDisk = seed % 2 === 1;
    const rounds = Math.min(roundsPerStore, cycles - tally.cycles);
    const why = isDisk ? whyNoFailingDisk(kind) : whyNoStrace();
    if (why !== undefined) {
      tally.skip(isDisk ? `failing disk with ${kind}` : 'calls that fail by strace', why, rounds);
      continue;
    }
    await runStore(seed, kind, isDisk, rounds, options, tally, invents);
    if (invents && tally.failures.length > 0) return;
  }
}

interface Machine {
  readonly disk: FailingDisk | undefined;
  /** Undefined: no image can be made here, the process is killed and that is all. */
  readonly mounted: Mounted | undefined;
  remove(): void;
}

function machine(kind: ImageKind, isDisk: boolean, tally: Tally): Machine {
  if (isDisk) {
    const disk = new FailingDisk(kind);
    return { disk, mounted: disk.mounted, remove: () => disk.remove() };
  }
  const why = whyNoImage(kind);
  if (why !== undefined) {
    tally.skip(`power cut on ${kind} after a failed call`, why, roundsPerStore);
    return { disk: undefined, mounted: undefined, remove: () => undefined };
  }
  const mounted = Mounted.image(kind);
  return { disk: undefined, mounted, remove: () => mounted.remove() };
}

async function runStore(
  seed: number,
  kind: ImageKind,
  isDisk: boolean,
  rounds: number,
  options: BenchOptions,
  tally: Tally,
  invents: boolean,
): Promise<void> {
  const dice = new Dice(seed);
  const { disk, mounted, remove } = machine(kind, isDisk, tally);
  tally.fileSystems.add(mounted === undefined ? 'the file system of the temporary folder' : kind);
  const run = new StoreRun(randomWorld(dice, dice.chance(0.8) ? 'sync' : 'async'), dice, mounted?.path);
  try {
    for (let round = 0; round < rounds; round += 1) {
      tally.cycles += 1;
      const failed = disk === undefined ? await failCall(run, dice, tally) : await failDisk(run, disk, kind, dice, tally);
      const findings = [...failed.errors, ...(await serveAndCut(run, mounted, dice, tally))];
      if (invents) run.promises.invent();
      findings.push(...(await run.check(mounted !== undefined)));
      if (options.verbose) console.log(`seed ${seed} (${kind}) round ${round}: ${run.promises.acknowledgedCount} acknowledged`);
      if (findings.length === 0) continue;
      const kept = join(options.keepFolder, `io-errors-${seed}-${round}`);
      mkdirSync(kept, { recursive: true });
      run.keepCopy(kept);
      const replay = `npm run crash -- io-errors --seed ${seed} --cycles ${round + 1}`;
      tally.fail({ what: `seed ${seed} (${kind}, ${run.world.flush}): ${findings.join('; ')}`, replay, kept });
      return;
    }
  } finally {
    tally.acknowledgements += run.promises.acknowledgedCount;
    run.remove();
    remove();
  }
}

async function failCall(run: StoreRun, dice: Dice, tally: Tally): Promise<EndedLife> {
  const injection = randomInjection(dice);
  const plan = run.plan({ lifeMs: 300 + dice.below(500) });
  const ended = await new Life(plan, { prefix: straceWith(injection), environment: oneThread }).ended(run.promises);
  tally.count(`${injection.call} ${injection.error}: ended with ${ended.end}`);
  for (const told of new Set(ended.told)) tally.count(told);
  return ended;
}

async function failDisk(run: StoreRun, disk: FailingDisk, kind: ImageKind, dice: Dice, tally: Tally): Promise<EndedLife> {
  const life = new Life(run.plan({ lifeMs: failDeadlineMs }));
  await life.opened();
  await wait(dice.below(100));
  disk.fail();
  const ended = await life.ended(run.promises);
  disk.heal();
  tally.count(`${kind} disk: ended with ${ended.end}`);
  for (const told of new Set(ended.told)) tally.count(told);
  return ended;
}

/** Lives that open the store again and read all of it while the kernel still has the pages; then the power is cut. */
async function serveAndCut(run: StoreRun, mounted: Mounted | undefined, dice: Dice, tally: Tally): Promise<readonly string[]> {
  const findings: string[] = [];
  for (let tries = 1; ; tries += 1) {
    const life = new Life(run.plan({ lifeMs: 30_000 }));
    await life.opened();
    await wait(20 + dice.below(100));
    life.kill();
    const ended = await life.ended(run.promises);
    findings.push(...ended.errors);
    // The kernel reports an error of the past to the next who syncs that file, so the first opening may fail.
    if (ended.end === 'SIGKILL') break;
    tally.count(`opening after it ended with ${ended.told.join(', ')}`);
    if (tries === openTryCountMax) {
      findings.push(`the store does not open in ${tries} tries: ${ended.told.join(', ')}`);
      break;
    }
  }
  if (mounted !== undefined) {
    mounted.cut();
    mounted.unmount();
    mounted.mount();
  }
  return findings;
}
