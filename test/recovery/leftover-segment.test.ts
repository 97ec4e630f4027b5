import { expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { createFile, readFile } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readLog, readQueue, root, texts, until } from '../contract/harness.js';

const segmentBytes = 4096;
const second = '00000000000000004096';
const making = `${root}/stratalog/tmp/${second}`;

/** The second segment of a log, as a store has it that nothing was wrong with. */
async function secondSegment(): Promise<Buffer> {
  const platform = memoryPlatform();
  const store = await openTiny(platform, { segmentBytes });
  await appendMany(store, 60, { topic: 'T' }, 'stale');
  await store.close();
  return await readFile(platform, `${root}/commitlog/${second}`);
}

it('a segment that an earlier run has left half made does not come back after a power cut in place of its successor', async () => {
  const base = memoryPlatform();
  const empty = await openTiny(base, { segmentBytes });
  await empty.append({ topic: 'T', body: 'm-0' });
  await empty.close();
  await createFile(base, making, await secondSegment());
  let isLinking = false;
  const platform = aroundCalls(base, (op, path, call) => {
    if (op !== 'rename' || path !== making) return call();
    isLinking = true;
    return new Promise(() => undefined);
  });
  const store = await openTiny(platform, { segmentBytes });
  const appending = appendMany(store, 60, { topic: 'T' });
  await until(() => isLinking);
  const again = await openTiny(base.crash('synced'), { segmentBytes });
  appending.catch(() => undefined);
  expect(again.stats().writtenOffset).toBe(segmentBytes);
  const log = texts(await readLog(again));
  expect(log.filter((text) => text.startsWith('stale'))).toEqual([]);
  expect(texts(await readQueue(again, { topic: 'T' }))).toEqual(log);
  await again.close();
});
