import { expect, test } from 'vitest';
import type { IndexFileState } from '../../src/key-index/index-file.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/memory-platform.js';
import { type PlatformCall, withFaults } from '../../src/testing/with-faults.js';
import { accept, expectedRows, foundRows, makeIndex, makeRoot, type Row } from './index-harness.js';

const keys = ['Aa', 'BB', 'aXA4ptp', 'order-1', 'order-2'];

/** 30 records of 0 to 5 keys each: 75 entries, 19 files of 4. */
const log: readonly Row[] = Array.from({ length: 30 }, (_, i) => ({
  physicalOffset: 1000 + i * 100,
  storedAt: 1_700_000_000_000 + i * 700,
  keys: keys.slice(0, i % 6),
}));
const minOffset = 1700;

interface StateFile {
  states: readonly IndexFileState[];
  safeOffset: number;
  /** Files are on their way out that the state still names: the index must say that it lost them. */
  isResetting?: boolean;
}

/** The same calls every time: writes, three safe points, a rebuild, a trim, a clean close and an opening after it. */
async function live(platform: ReturnType<typeof withFaults>, state: StateFile): Promise<void> {
  let index = makeIndex(platform.fs);
  await index.open([], false);
  const safePoint = async (before: number): Promise<void> => {
    const states = await index.sync(before);
    if (states === undefined) throw new Error('damaged');
    state.states = states;
    state.safeOffset = before;
  };
  accept(index, log.slice(0, 10));
  index.writePending(1500, 100);
  await safePoint(1800);
  state.isResetting = true;
  await index.reset();
  state.isResetting = false;
  state.states = [];
  state.safeOffset = 0;
  accept(index, log.slice(0, 20));
  index.writePending(2500, 200);
  await safePoint(2500);
  await index.trim(minOffset);
  await safePoint(3000);
  await index.close();
  index = makeIndex(platform.fs);
  await index.open(state.states, true, minOffset);
  accept(index, log.slice(20));
  index.writePending(3500, 1_000_000);
  await safePoint(3700);
}

async function checkAfter(platform: MemoryPlatform, state: StateFile): Promise<void> {
  const index = makeIndex(platform.fs);
  const { refeedFrom } = await index.open(state.states, false, minOffset);
  const held = log.filter((row) => row.physicalOffset >= minOffset);
  const from = Math.min(state.safeOffset, refeedFrom ?? state.safeOffset);
  accept(
    index,
    held.filter((row) => row.physicalOffset >= from),
  );
  if (state.isResetting !== true) expect(refeedFrom).toBeUndefined();
  for (const key of keys) expect(await foundRows(index, held, key)).toEqual(expectedRows(held, key));
  expect(index.damaged).toBe(false);
  // And once more, so that what recovery left is itself a state to recover from.
  state.states = (await index.sync(3000)) ?? [];
  state.safeOffset = 3000;
  state.isResetting = false;
}

async function crashAt(callNumber: number, seed: number, keep: 'synced' | 'random' | 'all'): Promise<boolean> {
  const base = memoryPlatform({ seed });
  await makeRoot(base.fs);
  const state: StateFile = { states: [], safeOffset: 0 };
  let after: MemoryPlatform | undefined;
  const platform = withFaults(base, (call: PlatformCall) => {
    if (call.number >= callNumber) after ??= base.crash(keep);
    return undefined;
  });
  await live(platform, state).catch(() => undefined);
  if (after === undefined) return false;
  try {
    await checkAfter(after, state);
    await checkAfter(after.crash(keep), state);
  } catch (cause) {
    throw new Error(`after a crash at call ${callNumber}, seed ${seed}, keeping ${keep}: ${String(cause)}`, { cause });
  }
  return true;
}

for (const keep of ['synced', 'random', 'all'] as const) {
  test(`after a crash at any call every key is found exactly once (${keep})`, async () => {
    let callNumber = 1;
    while (await crashAt(callNumber, callNumber, keep)) callNumber += 1;
    expect(callNumber).toBeGreaterThan(100);
  }, 60_000);
}

test('a failed sync voids the safe point and marks the index for rebuilding', async () => {
  const base = memoryPlatform();
  await makeRoot(base.fs);
  let isFailing = true;
  const platform = withFaults(base, (call) =>
    call.op === 'sync' && isFailing ? Object.assign(new Error('ENOSPC: no space left, fdatasync'), { code: 'ENOSPC' }) : undefined,
  );
  const index = makeIndex(platform.fs);
  await index.open([], true);
  accept(index, log.slice(0, 10));
  expect(await index.sync(Infinity)).toBeUndefined();
  expect(index.damaged).toBe(true);
  isFailing = false;
  expect(await index.sync(Infinity)).toBeUndefined();
  await index.reset();
  expect(index.damaged).toBe(false);
  accept(index, log.slice(0, 10));
  expect(await index.sync(Infinity)).toHaveLength(6);
});
