import { expect, test } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { flipBit, segmentOf } from '../contract/disk-surgery.js';
import { appendMany, openTiny, root, texts, turns } from '../contract/harness.js';
import type { DispatchTarget, Message, Store } from '../../src/index.js';

test('a target of the user is fed again with everything but what is damaged, in the same segment too', async () => {
  const platform = memoryPlatform();
  const segmentBytes = 16_384;
  const store = await openTiny(platform, { segmentBytes });
  await appendMany(store, 40);
  const { messages } = await store.read({ topic: 'T' }, { from: 'earliest', countMax: 40 });
  await store.close();
  const damaged = messages[17]!;
  const { path, at } = segmentOf(root, segmentBytes, damaged.physicalOffset);
  await flipBit(platform, path, at + 88, 3);
  const fed: Message[] = [];
  const target: DispatchTarget = {
    name: 'all of it',
    from: () => 0,
    dispatch: (message) => void fed.push(message),
    sync: () => Promise.resolve(),
  };
  const again = await openTiny(platform, { segmentBytes, targets: [target] });
  await turns(200);
  expect(texts(fed)).toEqual(texts(messages.filter((message) => message !== damaged)));
  await again.close().catch(() => undefined);
});

test('a target of an asynchronous store is not told to make durable what the log may still lose', async () => {
  const told: { end: number; flushed: number }[] = [];
  const opened: { store?: Store } = {};
  const target = {
    name: 'own',
    from: () => undefined,
    dispatch: () => undefined,
    sync: async (end: number) => {
      told.push({ end, flushed: opened.store?.stats().flushedOffset ?? end });
      await Promise.resolve();
    },
  };
  const store = await openTiny(memoryPlatform(), { flush: 'async', flushIntervalMs: 1_000_000, targets: [target] });
  opened.store = store;
  for (const body of ['a', 'b']) await store.append({ topic: 'T', body });
  await store.snapshot('/copy');
  expect(told.at(-1)?.end).toBe(store.stats().writtenOffset);
  expect(told.filter(({ end, flushed }) => end > flushed)).toEqual([]);
  await store.close();
});
