import { expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { segmentOf, writeInto } from '../contract/disk-surgery.js';
import { openTiny, readLog, root } from '../contract/harness.js';

const placeCount = 60;

it('mending many damaged places does not read what lies behind once for each of them', async () => {
  const disk = memoryPlatform();
  const store = await openTiny(disk);
  const places: number[] = [];
  for (let i = 0; i < 10 * placeCount; i += 1)
    places.push((await store.append({ topic: 'T', body: `${i}`.padEnd(100, '.') })).physicalOffset);
  await store.close();
  for (let i = 0; i < placeCount; i += 1) {
    const { path, at } = segmentOf(root, 4096, places[10 * i + 5]!);
    await writeInto(disk, path, Buffer.alloc(20), at + 20);
  }
  let readBytes = 0;
  const platform = aroundCalls(disk, (op, path, call) => {
    const result = call();
    if (op !== 'read' || !path.startsWith(`${root}/commitlog/`)) return result;
    return Promise.resolve(result).then((bytes) => {
      readBytes += Number(bytes);
      return bytes;
    });
  });
  const again = await openTiny(platform, { recovery: 'skip' });
  readBytes = 0;
  expect((await again.repair()).damage.length).toBe(placeCount);
  expect(readBytes).toBeLessThan(20 * again.stats().writtenOffset);
  expect((await readLog(again)).length).toBe(9 * placeCount);
  expect((await again.verify()).faults).toEqual([]);
  await again.close();
});
