import { describe, expect, it } from 'vitest';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { appendMany, failure, openTiny, systemError } from '../contract/harness.js';

describe('clean', () => {
  it('refuses options that are none, names its own, and deletes nothing then', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 100);
    const wrong: readonly [unknown, typeof TypeError | typeof RangeError][] = [
      [null, TypeError],
      ['all', TypeError],
      [{ befor: 5 }, TypeError],
      [{ before: '5' }, TypeError],
      [{ before: -1 }, RangeError],
      [{ before: 1.5 }, RangeError],
    ];
    for (const [options, type] of wrong) expect(await failure(() => store.clean(options as never))).toBeInstanceOf(type);
    expect(((await failure(() => store.clean({ befor: 5 } as never))) as Error).message).toContain('did you mean before?');
    expect(store.stats().minOffset).toBe(0);
    await store.close();
  });

  it('of a store that has failed is refused with what it failed of', async () => {
    let failing = false;
    const store = await openTiny(withFaults(memoryPlatform(), (call) => (failing && call.op === 'sync' ? systemError('EIO') : undefined)));
    await appendMany(store, 100);
    failing = true;
    await failure(() => store.append({ topic: 'T', body: 'x' }));
    expect(await failure(() => store.clean({ before: 4096 }))).toMatchObject({ code: 'STORE_FAILED' });
    expect(store.stats().minOffset).toBe(0);
    await failure(() => store.close());
  });

  it('tells a typed error when the disk refuses the deletion, and can be called again', async () => {
    let failing = false;
    const store = await openTiny(
      withFaults(memoryPlatform(), (call) => (failing && call.op === 'syncDirectory' ? systemError('EIO') : undefined)),
    );
    await appendMany(store, 100);
    failing = true;
    expect(await failure(() => store.clean({ before: 4096 }))).toMatchObject({ code: 'IO' });
    failing = false;
    await store.clean({ before: 8192 });
    expect(store.stats().minOffset).toBe(8192);
    await store.close();
  });
});

describe('hold', () => {
  it('needs an offset that is one', async () => {
    const store = await openTiny(memoryPlatform());
    for (const offset of [undefined, '5', null]) expect(() => store.hold(offset as never)).toThrow(TypeError);
    for (const offset of [-1, 0.5, Number.NaN]) expect(() => store.hold(offset)).toThrow(RangeError);
    await store.close();
    expect(await failure(() => store.hold(0))).toMatchObject({ code: 'STORE_CLOSED' });
  });
});
