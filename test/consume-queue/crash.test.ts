import { describe, expect, it } from 'vitest';
import { isAllZero } from '../../src/base/bytes.js';
import { isPrefill, queueEntryBytes } from '../../src/format/queue-entry.js';
import { type MemoryPlatform, withFaults } from '../../src/testing/index.js';
import {
  accept,
  directory,
  filesOf,
  type Harness,
  openQueues,
  physicalOffsets,
  preparedPlatform,
  type Row,
  rowsOf,
  systemError,
  tagsCodeOf,
} from './queue-harness.js';

/**
 * The power fails, or the process is killed, at every single call of a history. The log (here: an array) survives up to some
 * record at or above the last safe point; what recovery makes of the files must be the queues of that log.
 */
const entriesPerFile = 4;
const topics = ['a', 'b', 'a'];
const firstOffsets = [0, 6, 0];

interface State {
  /** Records before this one are in the queues that `bounds` describes. */
  safe: number;
  bounds: readonly { slot: number; min: number; max: number }[];
  minPhysicalOffset: number;
}

const log: readonly Row[] = Array.from({ length: 60 }, (_, i) => i % 3).map((slot, i, slots) => ({
  slot,
  queueOffset: (firstOffsets[slot] ?? 0) + slots.slice(0, i).filter((other) => other === slot).length,
  physicalOffset: i * 100,
}));

function open(platform: Harness['platform']): Harness {
  const harness = openQueues(platform, entriesPerFile, 3);
  for (const [slot, topic] of topics.entries()) harness.registry.slotOf(topic, slot);
  return harness;
}

/** Fills `state` as a state file would be replaced. */
async function history(platform: Harness['platform'], state: State): Promise<void> {
  const { queues } = open(platform);
  let end = 0;
  const append = (count: number): void => {
    accept(queues, log.slice(end, end + count));
    end += count;
  };
  const safePoint = async (): Promise<void> => {
    const safe = end;
    const { minPhysicalOffset } = state;
    const done = queues.sync();
    append(1);
    await done;
    Object.assign(state, { safe, bounds: queues.snapshotBounds(), minPhysicalOffset });
  };
  append(8);
  queues.writePending(40);
  await safePoint();
  append(8);
  queues.writePending(1 << 20);
  await queues.close();
  append(3);
  await safePoint();
  append(5);
  state.minPhysicalOffset = 1700;
  await queues.trim(1700);
  append(5);
  queues.writePending(1 << 20);
  await safePoint();
  await queues.rebuild(0, async (put) => {
    for (const row of live(0, log.slice(0, end), 1700)) put(row.queueOffset, row.physicalOffset, 100, tagsCodeOf(row.physicalOffset));
  });
  append(9);
  await safePoint();
  append(6);
  queues.writePending(1 << 20);
  await queues.close();
}

function live(slot: number, rows: readonly Row[], minPhysicalOffset: number): Row[] {
  return rows.filter((row) => row.slot === slot && row.physicalOffset >= minPhysicalOffset);
}

/** What recovery does with the queues; `end` is the number of records that the log still has. */
async function recover(platform: Harness['platform'], state: State, end: number): Promise<Harness> {
  const harness = open(platform);
  const { queues } = harness;
  const replayed = log.slice(state.safe, end);
  for (const [slot] of topics.entries()) {
    const known = state.bounds.find((bounds) => bounds.slot === slot) ?? { min: 0, max: 0 };
    queues.restore(slot, known.min, known.max);
    if (replayed.some((row) => row.slot === slot) || !queues.isCleanBehind(slot, known.max)) await queues.cut(slot, known.max);
  }
  accept(queues, replayed);
  await queues.trim(state.minPhysicalOffset);
  for (const slot of [...queues.damagedSlots]) {
    await queues.rebuild(slot, async (put) => {
      for (const row of live(slot, log.slice(0, end), state.minPhysicalOffset))
        put(row.queueOffset, row.physicalOffset, 100, tagsCodeOf(row.physicalOffset));
    });
  }
  await queues.sync();
  return harness;
}

function checkQueues({ queues }: Harness, state: State, end: number): void {
  for (const [slot] of topics.entries()) {
    const all = log.slice(0, end).filter((row) => row.slot === slot);
    const left = live(slot, all, state.minPhysicalOffset);
    const max = all.length === 0 ? 0 : (all.at(-1)?.queueOffset ?? 0) + 1;
    expect(queues.bounds(slot)).toEqual({ min: left[0]?.queueOffset ?? max, max });
    expect(physicalOffsets(queues, slot, left[0]?.queueOffset ?? max, max)).toEqual(left.map((row) => row.physicalOffset));
  }
}

/** Every file is whole, holds an entry, follows the one before, and nothing stands behind the end. */
function checkFiles(platform: Harness['platform'], harness?: Harness): void {
  if (!platform.fs.exists(directory)) return;
  for (const topic of platform.fs.list(directory)) {
    for (const queueId of platform.fs.list(`${directory}/${topic}`)) {
      const files = filesOf(platform, topic, Number(queueId));
      for (const { bytes } of files) {
        expect(bytes).toHaveLength(entriesPerFile * queueEntryBytes);
        const entries = [0, 20, 40, 60].filter((at) => !isPrefill(bytes, at) && !isAllZero(bytes, at, at + 20));
        expect(entries.length).toBeGreaterThan(0);
      }
      files.slice(1).forEach((file, i) => expect(Number(file.name) - Number(files[i]?.name)).toBe(80));
      const max = harness?.queues.bounds(Number(queueId)).max;
      if (max === undefined || files.length === 0) continue;
      const whole = Buffer.concat(files.map((file) => file.bytes));
      expect(isAllZero(whole, max * queueEntryBytes - Number(files[0]?.name))).toBe(true);
    }
  }
}

/** Runs `work` on a platform whose power fails at call `at`; returns whether it came to an end before that. */
async function until(platform: MemoryPlatform, at: number, work: (platform: Harness['platform']) => Promise<unknown>): Promise<boolean> {
  let reached = false;
  const failing = withFaults(platform, (call) => {
    if (call.number < at) return undefined;
    reached = true;
    return systemError('EIO');
  });
  await work(failing).catch(() => undefined);
  return !reached;
}

function startState(): State {
  return { safe: 0, bounds: [], minPhysicalOffset: 0 };
}

describe('after a crash at any call', () => {
  for (const keep of ['all', 'random', 'synced'] as const) {
    it(`replay gives the queues of the log: ${keep === 'all' ? 'the process is killed' : `the power fails, ${keep} is kept`}`, async () => {
      let callCount = 0;
      for (let at = 1; ; at += 1) {
        const state = startState();
        const memory = await preparedPlatform(at);
        const finished = await until(memory, at, (platform) => history(platform, state));
        const after = memory.crash(keep);
        if (keep === 'all') checkFiles(after);
        const lost = keep === 'all' ? 0 : at % 5;
        const end = Math.max(state.safe, 46 - lost, Math.ceil(state.minPhysicalOffset / 100));
        const recovered = await recover(after, state, end);
        checkQueues(recovered, state, end);
        checkFiles(after, recovered);
        const bounds = recovered.queues.snapshotBounds();
        const again = await recover(after.crash('synced'), { ...state, safe: end, bounds }, end);
        expect(again.queues.damagedSlots.size).toBe(0);
        checkQueues(again, state, end);
        if (finished) break;
        callCount = at;
      }
      expect(callCount).toBeGreaterThan(150);
    });
  }

  it('a crash of recovery itself, at any of its calls, is recovered from', async () => {
    for (let at = 20; at < 260; at += 17) {
      for (let inner = 1; ; inner += 1) {
        const state = startState();
        const memory = await preparedPlatform(at);
        await until(memory, at, (platform) => history(platform, state));
        const once = memory.crash('random');
        const end = Math.max(state.safe, 40);
        const finished = await until(once, inner, (platform) => recover(platform, state, end));
        const twice = once.crash(inner % 2 === 0 ? 'random' : 'all');
        const recovered = await recover(twice, state, end);
        checkQueues(recovered, state, end);
        checkFiles(twice, recovered);
        if (finished) break;
      }
    }
  });
});

it('the history is one that the log could have', () => {
  expect(log.filter((row) => row.slot === 1).map((row) => row.queueOffset)).toEqual(rowsOf(1, 6, 20).map((row) => row.queueOffset));
});
