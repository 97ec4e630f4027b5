import { setTimeout as wait } from 'node:timers/promises';
import { nodePlatform, openStore, type Store, StoreError } from '../../../src/index.js';
import { Dice } from '../common/dice.js';
import { NotesWriter } from '../oracle/notes.js';
import { Chores } from './chores.js';
import { steppedClock } from './clock.js';
import { useUpDescriptors } from './descriptors.js';
import type { WriterPlan } from './plan.js';
import { Producers } from './producers.js';
import { type Doing, killingRun, watchedPlatform } from './watched-platform.js';

/**
 * The process that dies: opens the store, appends with several producers and does chores until it is killed or its time is over.
 * Its one argument is a WriterPlan as JSON. Exit code 0: closed; 3: the store refused to go on, with a typed error; 2: anything else.
 */
const plan = JSON.parse(process.argv[2]!) as WriterPlan;
const notes = new NotesWriter(plan.notesPath);
const dice = new Dice(plan.seed);
const doing: Doing = { phase: 'opening', isSnapshotting: false };
const clock = steppedClock(nodePlatform.clock);
const platform = watchedPlatform({ ...nodePlatform, clock }, killingRun(plan.point, doing));

process.on('uncaughtException', unexpected);
process.on('unhandledRejection', unexpected);

function unexpected(error: unknown): void {
  notes.write('e', `unexpected: ${(error instanceof Error ? (error.stack ?? error.message) : String(error)).replaceAll('\n', ' ')}`);
  process.exit(2);
}

function enter(phase: Doing['phase']): void {
  doing.phase = phase;
  notes.write('p', phase);
}

async function open(): Promise<Store> {
  const { bodyBytesMax: _, ...options } = plan.world;
  const flush = plan.control === 'claims-sync' ? 'async' : options.flush;
  const interval = plan.control === 'claims-sync' ? { flushIntervalMs: 60_000 } : {};
  return openStore(plan.directory, {
    ...options,
    flush,
    ...interval,
    freeBytesMin: plan.freeBytesMin,
    openFilesMax: plan.openFilesMax,
    platform,
  });
}

async function stepClock(): Promise<void> {
  for (const stepMs of plan.clockStepsMs?.slice(1) ?? []) {
    await wait(dice.below(40));
    clock.step(stepMs);
    notes.write('t', 'clock-step');
  }
}

async function live(): Promise<void> {
  enter('opening');
  clock.step(plan.clockStepsMs?.[0] ?? 0);
  const store = await open();
  enter('open');
  process.stdout.write('open\n');
  const giveBack = plan.descriptorsLeft === undefined ? (): void => undefined : useUpDescriptors(plan.descriptorsLeft);
  const producers = new Producers(store, plan, notes);
  const chores = new Chores(store, plan, notes, producers, doing);
  const work = [
    ...Array.from({ length: plan.producerCount }, () => producers.produce(new Dice(dice.seed()))),
    chores.run(new Dice(dice.seed())),
    chores.consume(),
    stepClock(),
  ];
  const ended = Promise.all(work.slice(0, plan.producerCount));
  await Promise.race([wait(plan.lifeMs / 2), ended]);
  giveBack();
  await Promise.race([wait(plan.lifeMs / 2), ended]);
  chores.stop();
  // Closed under the hands of half of those who append; the others are stopped in time.
  if (dice.chance(0.5)) producers.stop();
  enter('closing');
  await store.close();
  enter('closed');
  producers.stop();
  await Promise.all(work);
}

try {
  await live();
  process.exit(0);
} catch (error) {
  if (!StoreError.is(error)) unexpected(error);
  notes.write('t', `${doing.phase}:${(error as StoreError).code}`);
  process.stderr.write(`${(error as Error).message}\n`);
  if ((error as StoreError).code === 'CORRUPT') notes.write('e', `${doing.phase}: ${(error as StoreError).message.replaceAll('\n', ' ')}`);
  process.exit(3);
}
