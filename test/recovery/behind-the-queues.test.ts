import { describe, expect, it } from 'vitest';
import { createFile, filesBelow, readFile, writeInto } from '../contract/disk-surgery.js';
import { openTiny, root } from '../contract/harness.js';
import { frozenStore } from './frozen-store.js';

const entryBytes = 20;

describe('entries behind the end of a queue', () => {
  it('are gone from the disk after a crash: nobody takes them for messages', async () => {
    const frozen = await frozenStore('closed', async (store) => {
      for (let i = 0; i < 3; i += 1) await store.append({ topic: 'T', body: Buffer.from(`message ${i}`) });
    });
    const disk = frozen.copy();
    const [path = ''] = filesBelow(disk, `${root}/consumequeue/T/0`);
    const before = await readFile(disk, path);
    // As a crash leaves them: entries of messages that the log has lost, and the sign that the store was in use.
    const stale = before.subarray(2 * entryBytes, 3 * entryBytes);
    await writeInto(disk, path, Buffer.concat([stale, stale]), 3 * entryBytes);
    await createFile(disk, `${root}/abort`);
    const store = await openTiny(disk);
    expect(store.bounds({ topic: 'T', queueId: 0 })).toEqual({ min: 0, max: 3 });
    expect(await readFile(disk, path)).toEqual(before);
    await store.close();
  });
});
