import { expect, it } from 'vitest';
import { memoryPlatform } from '../../../src/testing/index.js';
import { aroundCalls } from '../../contract/around-calls.js';
import { flipBit, removeTree, segmentOf } from '../../contract/disk-surgery.js';
import { openReader, openTiny, root, texts, until } from '../../contract/harness.js';

const QUEUES = 600;
const openFilesMax = 64;
const segmentBytes = 1 << 20;

it('a follower that meets damage, or a missing segment, looks into many queues and opens few files for it', async () => {
  const disk = memoryPlatform();
  const filled = await openTiny(disk, { segmentBytes });
  for (let queueId = 0; queueId < QUEUES; queueId += 1) filled.appendSync({ topic: 'Q', queueId, body: `${queueId}` });
  await filled.close();
  const store = await openTiny(disk, { segmentBytes });
  let openCount = 0;
  let openMax = 0;
  const counting = aroundCalls(disk, (op, _, call) => {
    const result = call();
    if (op === 'open') openMax = Math.max(openMax, (openCount += 1));
    if (op === 'close') void Promise.resolve(result).then(() => (openCount -= 1));
    return result;
  });
  const reader = await openReader(counting, { openFilesMax });
  const damaged = await store.append({ topic: 'A', body: 'a-0' });
  await store.append({ topic: 'A', body: 'a-1' });
  const place = segmentOf(root, segmentBytes, damaged.physicalOffset);
  await flipBit(disk, place.path, place.at + 5, 1);
  await until(() => reader.bounds({ topic: 'A' }).max >= 2);
  const end = async (): Promise<void> => void (await store.append({ topic: 'A', body: 'x'.repeat(100_000) }));
  while (store.stats().writtenOffset < 2 * segmentBytes) await end();
  await removeTree(disk, segmentOf(root, segmentBytes, segmentBytes).path);
  await store.append({ topic: 'B', body: 'b-0' });
  await until(() => reader.bounds({ topic: 'B' }).max >= 1);
  expect(texts((await reader.read({ topic: 'B' }, { from: 0 })).messages)).toEqual(['b-0']);
  expect(openMax).toBeLessThan(2 * openFilesMax);
  await reader.close();
  expect(openCount).toBe(0);
  await store.close().catch(() => undefined);
}, 20_000);
