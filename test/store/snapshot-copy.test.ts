import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { segmentOf } from '../contract/disk-surgery.js';
import { appendMany, failure, openReader, openTiny, readLog, root, turns } from '../contract/harness.js';

const third = segmentOf(root, 4096, 8192).path;

describe('a segment that is missing while it is copied', () => {
  for (const links of [false, true]) {
    it.each([0, 8192])(`is a loss to the writer, at offset %i too, and nothing is left out for it (links: ${links})`, async (offset) => {
      const platform = memoryPlatform();
      const store = await openTiny(platform);
      await appendMany(store, 200);
      const { path } = segmentOf(root, 4096, offset);
      await platform.fs.remove(path);
      expect(await failure(() => store.snapshot('/copy', { links }))).toMatchObject({ code: 'CORRUPT', path, offset: 0 });
      expect(platform.fs.exists('/copy')).toBe(false);
      await store.close().catch(() => undefined);
    });

    it.each([true, false])(
      `is a loss to a reader where older ones are there (links: ${links}, it was there before: %s)`,
      async (before) => {
        const platform = memoryPlatform();
        const store = await openTiny(platform);
        await appendMany(store, 200);
        if (!before) await platform.fs.remove(third);
        const reader = await openReader(platform);
        if (before) await platform.fs.remove(third);
        expect(await failure(() => reader.snapshot('/copy', { links }))).toMatchObject({ code: 'CORRUPT', path: third, offset: 0 });
        expect(platform.fs.exists('/copy')).toBe(false);
        await reader.close();
        await store.close().catch(() => undefined);
      },
    );
  }

  it('has been deleted by the writer where a reader finds no older one either: the copy begins later', async () => {
    const base = memoryPlatform();
    const store = await openTiny(base);
    await appendMany(store, 200);
    let deleted: Promise<unknown> | undefined;
    const platform = aroundCalls(base, (op, path, call) => {
      if (op !== 'copy' || path !== third || deleted !== undefined) return call();
      deleted = store.clean({ before: 12_288 });
      return deleted.then(() => turns(2)).then(call);
    });
    const reader = await openReader(platform);
    await reader.snapshot('/copy');
    await reader.close();
    const { minOffset } = store.stats();
    expect(minOffset).toBe(12_288);
    const copy = await openStore('/copy', { platform: base, freeBytesMin: 0 });
    expect(copy.stats().minOffset).toBe(minOffset);
    expect((await readLog(copy)).length).toBe((await readLog(store)).length);
    await copy.close();
    await store.close();
  });
});
