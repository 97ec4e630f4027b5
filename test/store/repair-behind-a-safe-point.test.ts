import { expect, it } from 'vitest';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { flipBit, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readLog, root } from '../contract/harness.js';

/**
 * A safe point stands right behind a damaged place; behind it are ten good messages, then another damaged one. One queue cannot be made
 * anew, so that repair() can take no safe point and makes the one that there is void. That was all that told where those ten begin.
 */
it('a repair that is killed once it has made the safe point void costs no message behind it', async () => {
  const disk = memoryPlatform();
  let killed: MemoryPlatform | undefined;
  let isRepairing = false;
  const platform = aroundCalls(disk, (op, path, call) => {
    if (isRepairing && op === 'syncDirectory' && path === `${root}/stratalog`) killed ??= disk.crash('all');
    return call();
  });
  const store = await openTiny(platform);
  const places: number[] = [];
  const append = async (topic: string, i: number): Promise<{ readonly at: number; readonly end: number }> => {
    const { physicalOffset: at, recordBytes } = await store.append({ topic, body: `${i}`.padEnd(60, '.') });
    places.push(at);
    return { at, end: at + recordBytes };
  };
  for (let i = 0; i < 90; i += 1) await append(['T', 'U', 'V'][i % 3]!, i);
  await store.snapshot('/first');
  const ends = [];
  for (let i = 0; i < 4; i += 1) ends.push(await append('W', i));
  await store.snapshot('/second');
  const behind = [];
  for (let i = 90; i < 120; i += 1) behind.push(await append(['T', 'U', 'V'][i % 3]!, i));

  const [third, fourth, flipped] = [ends[2]!, ends[3]!, behind[10]!];
  const zeroed = segmentOf(root, 4096, third.at);
  await writeInto(disk, zeroed.path, Buffer.alloc(fourth.end - third.at), zeroed.at);
  const bit = segmentOf(root, 4096, flipped.at);
  await flipBit(disk, bit.path, bit.at + 100);
  await flipBit(disk, `${root}/consumequeue/W/0/00000000000000000000`, 6);
  await store.read({ topic: 'W' }, { from: 0 }).catch(() => undefined);
  isRepairing = true;
  await store.repair().catch(() => undefined);

  const again = await openTiny(killed!, { recovery: 'skip' });
  await again.repair();
  const lost = new Set([third.at, fourth.at, flipped.at]);
  expect((await readLog(again)).map(({ physicalOffset }) => physicalOffset)).toEqual(places.filter((at) => !lost.has(at)));
  await again.close();
});
