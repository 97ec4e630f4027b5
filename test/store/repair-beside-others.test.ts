import { expect, it } from 'vitest';
import { deferred } from '../../src/base/deferred.js';
import { openStore } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { contents, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readLog, readQueue, refusal, root, turns, until } from '../contract/harness.js';

const body = 'x'.padEnd(100, '.');

it('a repair is not content with a queue that a read has begun to make anew before the log was repaired', async () => {
  const disk = memoryPlatform();
  const gate = deferred();
  let isHeld = false;
  let isRepaired = false;
  const platform = aroundCalls(disk, (op, path, call) => {
    if (op === 'sync' && isHeld && path.startsWith(`${root}/commitlog/`)) isRepaired = true;
    if (op !== 'sync' || isHeld || !path.includes('/rebuild/queue')) return call();
    isHeld = true;
    return gate.promise.then(() => call());
  });
  const store = await openTiny(platform);
  const places = [];
  for (let i = 0; i < 6; i += 1) places.push(await store.append({ topic: 'U', body }));
  for (let i = 0; i < 40; i += 1) await store.append({ topic: 'T', body });
  await store.snapshot('/copy');
  const [fifth, sixth] = [places[4]!, places[5]!];
  const { path, at } = segmentOf(root, 4096, fifth.physicalOffset);
  await writeInto(disk, path, Buffer.alloc(sixth.physicalOffset + sixth.recordBytes - fifth.physicalOffset), at);
  // With its entry as it was, the queue would be good, and not made anew.
  await writeInto(disk, `${root}/consumequeue/U/0/${'0'.repeat(20)}`, Buffer.alloc(20), 5 * 20);
  const reading = refusal(() => store.read({ topic: 'U' }, { from: 5 }));
  await until(() => isHeld);
  const repairing = refusal(() => store.repair());
  await until(() => isRepaired);
  await turns(200);
  gate.resolve();
  expect(await repairing).toBe('none');
  await reading;
  expect((await readQueue(store, { topic: 'U' })).length).toBe(4);
  await store.close();
});

for (const links of [true, false])
  it(`a snapshot ${links ? 'by links' : 'by copying'} waits for a repair, and is not changed by it`, async () => {
    const disk = memoryPlatform();
    const gate = deferred();
    let isHeld = false;
    const platform = aroundCalls(disk, (op, path, call) => {
      if (op !== 'sync' || isHeld || !path.startsWith(`${root}/stratalog/aside/`)) return call();
      isHeld = true;
      return gate.promise.then(() => call());
    });
    const store = await openTiny(platform);
    const places = [];
    for (let i = 0; i < 60; i += 1) places.push(await store.append({ topic: 'T', body }));
    const { path, at } = segmentOf(root, 4096, places[5]!.physicalOffset);
    await writeInto(disk, path, Buffer.alloc(20), at + 110);
    const repairing = store.repair();
    await until(() => isHeld);
    let isCopied = false;
    const copying = store.snapshot('/copy', { links }).then(() => {
      isCopied = true;
    });
    await turns(200);
    expect(isCopied).toBe(false);
    gate.resolve();
    await Promise.all([repairing, copying]);
    const copied = await contents(disk, '/copy/commitlog');
    expect((await store.repair()).damage).toEqual([]);
    await store.append({ topic: 'T', body });
    expect(await contents(disk, '/copy/commitlog')).toEqual(copied);
    const copy = await openStore('/copy', { platform: disk, readOnly: true });
    expect((await readLog(copy)).length).toBe(59);
    await copy.close();
    await store.close();
  });
