import { describe, expect, it } from 'vitest';
import type { Platform, Store } from '../../src/index.js';
import { openStore } from '../../src/index.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { createFile, filesBelow } from '../contract/disk-surgery.js';
import { appendMany, openReader, openTiny, readQueue, refusal, root, systemError } from '../contract/harness.js';

const offsets = `${root}/config/consumerOffset.json`;

/** `base`, whose next opening of that file fails once `isArmed` says so. */
function failingOnce(base: Platform, path: string, code: string, isArmed: () => boolean): Platform {
  let isDone = false;
  return withFaults(base, (call) => {
    if (isDone || !isArmed() || call.op !== 'open' || call.path !== path) return undefined;
    isDone = true;
    return systemError(code);
  });
}

async function storeWithOffsets(platform: Platform, base: Platform): Promise<Store> {
  const store = await openTiny(platform);
  await appendMany(store, 3);
  await createFile(base, offsets, Buffer.from('{"offsetTable":{"T@G":{0:1}}}'));
  return store;
}

describe('a file that a snapshot copies whole', () => {
  it.each(['EMFILE', 'EIO', 'EACCES'])('is not left out because it could not be opened: %s', async (code) => {
    const base = memoryPlatform();
    let isArmed = false;
    const store = await storeWithOffsets(
      failingOnce(base, offsets, code, () => isArmed),
      base,
    );
    isArmed = true;
    expect(await refusal(() => store.snapshot('/copy'))).toBe('IO');
    expect(base.fs.exists('/copy')).toBe(false);
    await store.snapshot('/copy');
    expect(base.fs.list('/copy/config')).toContain('consumerOffset.json');
    await store.close();
  });

  it.each(['ENOENT', 'EISDIR', 'ELOOP', 'EINVAL', 'ENXIO'])('is left out where it is gone, or no file: %s', async (code) => {
    const base = memoryPlatform();
    let isArmed = false;
    const store = await storeWithOffsets(
      failingOnce(base, offsets, code, () => isArmed),
      base,
    );
    isArmed = true;
    await store.snapshot('/copy');
    expect(base.fs.list('/copy/config')).toEqual(['topics.json']);
    await store.close();
  });

  it('is not left out of the queues of a store without a state either', async () => {
    const base = memoryPlatform();
    const writer = await openTiny(base);
    await appendMany(writer, 40);
    await writer.close();
    await base.fs.remove(`${root}/stratalog/state`);
    const queueFile = filesBelow(base, `${root}/consumequeue/T/0`)[0] ?? '';
    let isArmed = false;
    const reader = await openReader(failingOnce(base, queueFile, 'EMFILE', () => isArmed));
    isArmed = true;
    expect(await refusal(() => reader.snapshot('/copy'))).toBe('IO');
    await reader.snapshot('/copy');
    await reader.close();
    const copy = await openStore('/copy', { platform: base, freeBytesMin: 0 });
    expect(await readQueue(copy, { topic: 'T' })).toHaveLength(40);
    await copy.close();
  });
});
