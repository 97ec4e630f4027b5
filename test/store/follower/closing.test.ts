import { expect, it } from 'vitest';
import { deferred } from '../../../src/base/deferred.js';
import { memoryPlatform } from '../../../src/testing/index.js';
import { aroundCalls } from '../../contract/around-calls.js';
import { appendMany, openReader, openTiny, root, turns } from '../../contract/harness.js';

it('a reader is closed only when the manifest is that it has read within a turn', async () => {
  const disk = memoryPlatform();
  const gate = deferred();
  let isOpened = false;
  const platform = aroundCalls(disk, (op, path, call) =>
    isOpened && op === 'close' && path === `${root}/stratalog/manifest` ? gate.promise.then(() => call()) : call(),
  );
  const store = await openTiny(disk);
  await appendMany(store, 3);
  const reader = await openReader(platform);
  isOpened = true;
  await store.close();
  // Another run of the writer: its manifest is read again.
  const again = await openTiny(disk);
  await appendMany(again, 3);
  await new Promise((resolve) => {
    setTimeout(resolve, 60);
  });
  await reader.read({ topic: 'T' }, { from: 0 });
  let isClosed = false;
  const closing = reader.close().then(() => {
    isClosed = true;
  });
  await turns(20);
  expect(isClosed).toBe(false);
  gate.resolve();
  await closing;
  await again.close();
});
