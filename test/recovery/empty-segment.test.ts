import { expect, it } from 'vitest';
import { createFile, truncateFile } from '../contract/disk-surgery.js';
import { failure, openTiny } from '../contract/harness.js';
import { frozenStore, placeOf } from './frozen-store.js';
import { linesOf, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

it('a last segment without bytes is removed, so that the next opening is a clean one', async () => {
  const frozen = await frozenStore('closed', storeOfThreeQueues);
  const disk = frozen.copy();
  const { path } = placeOf(7 * 4096);
  await createFile(disk, path);
  await (await openTiny(disk)).close();
  expect(disk.fs.exists(path)).toBe(false);
  const again = await openTiny(disk);
  expect(again.recovery.cleanShutdown).toBe(true);
  expect(await survivorsOf(again)).toEqual(linesOf(frozen.records));
  await again.close();
});

it('a last segment that ends below the safe offset of the state voids the state: strict refuses', async () => {
  const frozen = await frozenStore('closed', storeOfThreeQueues);
  const disk = frozen.copy();
  const victim = frozen.records.at(-1)!;
  const { path, at } = placeOf(victim.offset);
  await truncateFile(disk, path, at + 10);
  expect(await failure(() => openTiny(disk))).toMatchObject({ code: 'CORRUPT', path });
  const store = await openTiny(disk, { recovery: 'skip' });
  expect(await survivorsOf(store)).toEqual(
    linesOf(frozen.records.filter((record) => record.offset < victim.offset || placeOf(record.offset).path !== path)),
  );
  expect((await store.verify()).faults).toEqual([]);
  await store.close();
});

it('a segment that lacks nothing but zeros at its end is given its length again', async () => {
  const frozen = await frozenStore('closed', storeOfThreeQueues);
  for (const which of [1, 2]) {
    const disk = frozen.copy();
    const { path } = placeOf(which * 4096);
    const last = frozen.records.filter((record) => record.offset < (which + 1) * 4096).at(-1)!;
    await truncateFile(disk, path, last.offset + last.bytes + 8 - which * 4096);
    const store = await openTiny(disk, { recovery: 'skip' });
    expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
    await store.close();
    const again = await openTiny(disk);
    expect(again.recovery.cleanShutdown).toBe(true);
    await again.close();
  }
});
