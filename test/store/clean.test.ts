import { describe, expect, it } from 'vitest';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { flipBit, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { appendMany, failure, openTiny, readLog, root, systemError } from '../contract/harness.js';

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

  it('leaves the bounds of a queue right that could not be read for a moment', async () => {
    let isFailing = false;
    const platform = withFaults(memoryPlatform(), ({ op, path }) => {
      if (!isFailing || op !== 'readSync' || !path.includes('consumequeue')) return undefined;
      isFailing = false;
      return systemError('EIO');
    });
    const store = await openTiny(platform);
    await appendMany(store, 100);
    await store.flush();
    await store.snapshot('/copy');
    isFailing = true;
    await store.clean({ before: 8192 });
    expect(isFailing).toBe(false);
    const [first] = await readLog(store);
    expect(store.bounds({ topic: 'T' }).min).toBe(first!.queueOffset);
    await store.close();
  });

  it('as does the opening of a store whose oldest segments somebody has taken away', async () => {
    const base = memoryPlatform();
    const filled = await openTiny(base);
    await appendMany(filled, 100);
    await filled.close();
    await base.fs.remove(`${root}/commitlog/${'0'.repeat(20)}`);
    let isFailing = true;
    const platform = withFaults(base, ({ op, path }) => {
      if (!isFailing || op !== 'readSync' || !path.includes('consumequeue')) return undefined;
      isFailing = false;
      return systemError('EIO');
    });
    const store = await openTiny(platform);
    expect(store.recovery.cleanShutdown).toBe(true);
    const [first] = await readLog(store);
    expect(store.bounds({ topic: 'T' }).min).toBe(first!.queueOffset);
    await store.close();
  });

  it('leaves the bounds of a queue right that cannot be made anew, one deletion after the other', async () => {
    const base = memoryPlatform();
    const store = await openTiny(base);
    await appendMany(store, 100);
    const last = (await readLog(store)).at(-1)!;
    await appendMany(store, 100, { topic: 'U' });
    await store.snapshot('/copy');
    const messages = (await readLog(store)).filter((message) => message.topic === 'T');
    const { path, at } = segmentOf(root, 4096, last.physicalOffset);
    await flipBit(base, path, at + 91);
    await writeInto(base, `${root}/consumequeue/T/0/${'0'.repeat(20)}`, Buffer.alloc(20), 5 * 20);
    // The read has it made anew, which is not tried again so soon for another one.
    await failure(() => store.read({ topic: 'T' }, { from: 5, countMax: 1 }));
    for (const before of [4096, 8192]) {
      await failure(() => store.clean({ before }));
      const first = messages.find((message) => message.physicalOffset >= before)!;
      expect({ before, min: store.bounds({ topic: 'T' }).min }).toEqual({ before, min: first.queueOffset });
    }
    await failure(() => store.close());
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
