import { expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { appendMany, collect, openTiny, root, texts } from '../contract/harness.js';

/** Without a record checksum nothing covers a record's number: one bit of it, and its queue goes on four trillion numbers further. */
it('a number far away leaves a gap that nobody walks through number by number', async () => {
  const platform = memoryPlatform();
  const options = { segmentBytes: 16_384, recordChecksum: false };
  const store = await openTiny(platform, options);
  await appendMany(store, 6);
  await store.flush();
  const { messages } = await store.read({ topic: 'T' }, { from: 'earliest' });
  const disk = platform.crash('all');
  const { path, at } = segmentOf(root, options.segmentBytes, messages[3]!.physicalOffset);
  await flipBit(disk, path, at + 22, 2);
  await disk.fs.remove(`${root}/stratalog/state`);

  const again = await openTiny(disk, { ...options, recovery: 'skip' });
  expect(again.bounds({ topic: 'T' }).max).toBeGreaterThan(2 ** 31);
  const found = await collect(again.tail({ topic: 'T' }, { from: 'earliest', until: 'end', onCorrupt: 'skip' }));
  expect(texts(found).slice(0, 3)).toEqual(['m-0', 'm-1', 'm-2']);
  await again.verify();
  await again.repair();
  const repaired = await collect(again.tail({ topic: 'T' }, { from: 'earliest', until: 'end', onCorrupt: 'skip' }));
  expect(texts(repaired).slice(0, 3)).toEqual(['m-0', 'm-1', 'm-2']);

  // Nor are the files that such a queue would have looked for one by one.
  const killed = disk.crash('all');
  const third = await openTiny(killed, { ...options, recovery: 'skip' });
  const afterwards = await collect(third.tail({ topic: 'T' }, { from: 'earliest', until: 'end', onCorrupt: 'skip' }));
  expect(texts(afterwards).slice(0, 3)).toEqual(['m-0', 'm-1', 'm-2']);
  await third.close().catch(() => undefined);
  await again.close().catch(() => undefined);
}, 20_000);
