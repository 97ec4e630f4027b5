import { expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { openTiny, refusal, root, systemError } from '../contract/harness.js';

it('a repair whose safe point finds that the log cannot be synced writes nothing into it any more', async () => {
  const disk = memoryPlatform();
  let isFailing = false;
  const written: string[] = [];
  const platform = aroundCalls(disk, (op, path, call) => {
    // A segment that is being written keeps the name under which it was made.
    if (isFailing && /\/(commitlog|tmp)\/\d{20}$/.test(path)) {
      if (op === 'sync') throw systemError('EIO');
      if (op === 'write' || op === 'truncate') written.push(`${op} ${path}`);
    }
    return call();
  });
  const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 60_000 });
  const first = await store.append({ topic: 'T', body: 'first'.padEnd(100, '.') });
  await store.append({ topic: 'T', body: 'second' });
  await store.flush();
  const { path, at } = segmentOf(root, 4096, first.physicalOffset);
  await flipBit(disk, path, at + 100);
  await store.append({ topic: 'T', body: 'not synced yet' });
  isFailing = true;
  expect(await refusal(() => store.repair())).toBe('STORE_FAILED');
  expect(store.status).toBe('failed');
  expect(written).toEqual([]);
  await store.close().catch(() => undefined);
});
