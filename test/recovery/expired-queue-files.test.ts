import { expect, it } from 'vitest';
import { removeTree } from '../contract/disk-surgery.js';
import { openTiny, root } from '../contract/harness.js';
import { frozenStore } from './frozen-store.js';

const folder = `${root}/consumequeue/T/0`;
const name = (start: number): string => String(start).padStart(20, '0');

it('of a queue whose first files a deletion took before the crash, the next expired ones are taken by recovery', async () => {
  // 20 messages are two and a half segments, on 16 entries a file: the last live entries lie inside a file, or at the start of one.
  for (const count of [40, 48, 49, 64]) {
    const frozen = await frozenStore('killed', async (store) => {
      for (let i = 0; i < count; i += 1) await store.append({ topic: 'T', body: `m-${i}`.padEnd(300, '.') });
      await store.snapshot('/copy');
    });
    const disk = frozen.copy();
    const minOffset = Math.max(...frozen.records.map(({ offset }) => offset - (offset % 4096)));
    for (let base = 0; base < minOffset; base += 4096) await removeTree(disk, `${root}/commitlog/${name(base)}`);
    await removeTree(disk, `${folder}/${name(0)}`);
    const store = await openTiny(disk);
    const { min, max } = store.bounds({ topic: 'T' });
    expect([min, max]).toEqual([frozen.records.find(({ offset }) => offset >= minOffset)?.queueOffset, count]);
    expect(disk.fs.list(folder)[0]).toBe(name(Math.floor(min / 16) * 320));
    expect((await store.verify()).faults).toEqual([]);
    await store.close();
  }
});
