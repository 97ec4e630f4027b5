import { openStore } from '../../src/index.js';
import type { Action } from './actions.js';
import { anyFault } from './any-fault.js';
import type { Session } from './session.js';
import { readBack } from './read-back.js';
import { pick, removeTree } from './small.js';
import { must } from './violation.js';

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

export async function clean(session: Session): Promise<void> {
  const { store, random, deletions, segmentBytes } = session;
  const { writtenOffset, minOffset } = store.stats();
  const before = random.chance(0.3) ? undefined : Math.max(0, minOffset + random.below(Math.max(1, writtenOffset - minOffset)));
  deletions.asked(before ?? 0);
  // Beside a snapshot, which holds what it copies, less may go.
  const isAlone = random.chance(0.5);
  const work = async (): Promise<void> => {
    const { lowestHold } = deletions;
    const { flushedOffset } = store.stats();
    try {
      const { deletedSegmentCount, freedBytes } = await store.clean(before === undefined ? {} : { before });
      must(freedBytes === deletedSegmentCount * segmentBytes, () => `clean freed ${freedBytes} bytes with ${deletedSegmentCount} segments`);
      const limit = Math.min(before ?? 0, flushedOffset, lowestHold);
      const wanted = Math.floor(limit / segmentBytes) * segmentBytes;
      const now = store.stats().minOffset;
      must(
        now >= wanted || !isAlone || session.isDisturbed,
        () => `clean up to ${before} left the log beginning at ${now} in place of ${wanted}`,
      );
    } catch (error) {
      session.permit(error, 'clean', session.codesOfClosing);
    }
  };
  if (isAlone) await session.settle(work(), 'clean');
  else session.float(work());
}

async function hold(session: Session): Promise<void> {
  const { store, random, deletions, machine } = session;
  try {
    const { minOffset, writtenOffset } = store.stats();
    const offset = minOffset + random.below(Math.max(1, writtenOffset - minOffset));
    const held = store.hold(offset);
    const forget = deletions.hold(offset);
    const release = (): void => {
      forget();
      held.release();
    };
    if (random.chance(0.7)) machine.clock.schedule(1 + random.below(200), release);
  } catch (error) {
    session.permit(error, 'hold');
  }
  await Promise.resolve();
}

/** A copy, made beside everything else that goes on, has what was durable when it was asked for, and stays whole. */
export async function snapshot(session: Session): Promise<void> {
  const { store, model, machine, random } = session;
  session.snapshotCount += 1;
  const directory = `/copies/copy-${session.snapshotCount}`;
  const work = async (): Promise<void> => {
    const before = model.sent.filter(({ fate, durable }) => fate === 'acknowledged' && durable);
    const marks = await store.snapshot(directory, { links: random.chance(0.4) });
    if (machine.isDown) return;
    const copy = await openStore(directory, { platform: machine.bare, readOnly: true });
    const log = await readBack(copy, random, session.options.keyIndex !== false);
    const present = model.inOrder(log);
    for (const sent of before) {
      const { receipt } = sent;
      const isIn = receipt !== undefined && receipt.physicalOffset >= marks.minOffset;
      must(!isIn || present.has(sent), () => `message ${sent.id} was durable and is not in the snapshot`);
    }
    model.checkBatches(present, copy.stats().minOffset);
    await copy.close();
    session.snapshots.push({ directory, ids: [...present].map(({ id }) => id) });
  };
  try {
    await session.settle(work(), 'a snapshot');
  } catch (error) {
    session.permit(error, 'a snapshot');
    if (!machine.isDown && machine.bare.fs.exists(`${directory}.partial`)) {
      await session.settle(removeTree(machine.bare.fs, `${directory}.partial`), 'removing what is left of a snapshot');
    }
  }
}

export async function repair(session: Session): Promise<void> {
  try {
    const { skippedBytes } = await session.settle(session.store.repair(), 'repair');
    must(skippedBytes === 0, () => `repair skipped ${skippedBytes} bytes of an undamaged log`);
  } catch (error) {
    session.permit(error, 'repair');
  }
}

export const machineActions: readonly Action[] = [
  { name: 'turns', weight: 6, run: async ({ machine, random }) => await turns(machine.clock, 1 + random.below(12)) },
  { name: 'time passes', weight: 4, run: async ({ machine, random }) => await machine.clock.pass(1 + random.below(60)) },
  { name: 'much time passes', weight: 1, run: async ({ machine, random }) => await machine.clock.pass(random.below(90_000)) },
  {
    name: 'the clock is set',
    weight: 1,
    run: async ({ machine, random }) => {
      machine.clock.jump(pick(random, [hourMs, -hourMs, 10 * yearMs, -10 * yearMs, 1, -1]));
      await Promise.resolve();
    },
  },
  { name: 'clean', weight: 3, run: clean },
  { name: 'hold', weight: 1, run: hold },
  { name: 'snapshot', weight: 1, run: snapshot },
  { name: 'repair', weight: 0.5, run: repair },
  {
    name: 'fault',
    weight: 1.5,
    run: async ({ machine, random }) => {
      machine.addFault(anyFault(random));
      await Promise.resolve();
    },
  },
  {
    name: 'faults end',
    weight: 1,
    run: async ({ machine }) => {
      machine.clearFaults();
      await Promise.resolve();
    },
  },
  {
    name: 'bomb',
    weight: 1,
    run: async ({ machine, random, keeps }) => {
      machine.armBomb(1 + random.below(60), pick(random, keeps));
      await Promise.resolve();
    },
  },
];

async function turns(clock: Session['machine']['clock'], count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await clock.turn();
}
