import { expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { openTiny, refusal, root, systemError } from '../contract/harness.js';

/** Killed in front of a write of `checkpoint` in the second of two safe points; then the last durable record is damaged. */
async function killedAtWrite(nth: number, isFirstSyncFailing: boolean): Promise<MemoryPlatform> {
  const disk = memoryPlatform();
  let step: 'none' | 'first' | 'second' = 'none';
  let killed: MemoryPlatform | undefined;
  let writeCount = 0;
  const platform = aroundCalls(disk, (op, path, call) => {
    if (path !== `${root}/checkpoint`) return call();
    if (step === 'first' && op === 'sync' && isFirstSyncFailing)
      return Promise.resolve(call()).then(() => {
        throw systemError('EIO');
      });
    if (step === 'second' && op === 'write' && (writeCount += 1) === nth) killed = disk.crash('all');
    return call();
  });
  const store = await openTiny(platform);
  for (let i = 0; i < 10; i += 1) await store.append({ topic: 'T', body: `${i}` });
  step = 'first';
  await store.snapshot('/first').catch(() => undefined);
  let place = { physicalOffset: 0 };
  for (let i = 0; i < 3; i += 1) {
    // Each with a time of its own: that is what `checkpoint` holds.
    await new Promise((resolve) => {
      setTimeout(resolve, 3);
    });
    place = await store.append({ topic: 'T', body: 'later'.padEnd(100, '.') });
  }
  step = 'second';
  await store.snapshot('/second').catch(() => undefined);
  const { path, at } = segmentOf(root, 4096, place.physicalOffset);
  await flipBit(killed!, path, at + 100);
  return killed!;
}

for (const [what, isFirstSyncFailing, nth, expected] of [
  ['after a safe point that succeeded', false, 1, 'none'],
  // The old state counts still, and the damage lies above it.
  ['after one whose sync of it failed, before that has been made good', true, 1, 'CORRUPT'],
  ['after one whose sync of it failed', true, 2, 'none'],
] as const)
  it(`a kill in front of a write of checkpoint is not taken for a run of somebody else: ${what}`, async () => {
    const killed = await killedAtWrite(nth, isFirstSyncFailing);
    // To somebody else's a damaged last record is a torn tail, and goes without a word.
    expect(await refusal(async () => expect((await openTiny(killed)).bounds({ topic: 'T' })).toEqual({ min: 0, max: 13 }))).toBe(expected);
  });
