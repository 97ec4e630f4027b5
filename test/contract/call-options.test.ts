import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { failure, openTiny } from './harness.js';

const calls: Readonly<Record<string, (store: Store, options: never) => Promise<unknown>>> = {
  append: (store, options) => store.append({ topic: 'T', body: 'x' }, options),
  appendBatch: (store, options) => store.appendBatch([{ topic: 'T', body: 'x' }], options),
  flush: (store, options) => store.flush(options),
  clean: (store, options) => store.clean(options),
  repair: (store, options) => store.repair(options),
  verify: (store, options) => store.verify(options),
  snapshot: (store, options) => store.snapshot('/copy', options),
  close: (store, options) => store.close(options),
};

describe('options of a call', () => {
  for (const [name, call] of Object.entries(calls)) {
    it(`${name}: what is no object, or has a field that nobody knows, is a wrong call and does nothing`, async () => {
      const platform = memoryPlatform();
      const store = await openTiny(platform);
      for (const options of [5, true, 'sync', null, { unknown: 1 }]) {
        expect(await failure(() => call(store, options as never))).toBeInstanceOf(TypeError);
      }
      expect([store.status, store.stats().appendedCount, platform.fs.exists('/copy')]).toEqual(['open', 0, false]);
      await store.close();
    });
  }

  for (const name of ['append', 'flush', 'repair', 'verify', 'snapshot']) {
    it(`${name}: a signal that is none is a wrong call`, async () => {
      const store = await openTiny(memoryPlatform());
      const error = await failure(() => (calls[name] as (typeof calls)[string])(store, { signal: 'x' } as never));
      expect(String(error)).toMatch(/^TypeError: signal must be an AbortSignal/);
      expect(store.stats().appendedCount).toBe(0);
      await store.close();
    });
  }

  it('verify: progress is told to a function', async () => {
    const store = await openTiny(memoryPlatform());
    await store.append({ topic: 'T', body: 'x' });
    expect(String(await failure(() => store.verify({ onProgress: 5 as never })))).toBe('TypeError: onProgress must be a function');
    await store.close();
  });
});
