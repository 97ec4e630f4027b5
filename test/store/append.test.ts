import { describe, expect, it } from 'vitest';
import { type NewMessage, StoreError } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { failure, openTiny, readQueue, texts } from '../contract/harness.js';

const queue = { topic: 'T' };

describe('options of an append', () => {
  it('are checked before anything is stored', async () => {
    const store = await openTiny(memoryPlatform());
    const wrong: readonly [unknown, typeof TypeError | typeof RangeError, RegExp][] = [
      [null, TypeError, /append options must be an object/],
      ['sync', TypeError, /append options must be an object/],
      [{ flsh: 'sync' }, TypeError, /unknown append option "flsh"; did you mean flush/],
      [{ flush: 'never' }, RangeError, /flush must be one of sync, async/],
      [{ flush: 1 }, TypeError, /flush must be one of sync, async/],
      [{ signal: 'x' }, TypeError, /signal must be an AbortSignal/],
    ];
    for (const [options, type, message] of wrong) {
      for (const call of [
        () => store.append({ ...queue, body: 'x' }, options as never),
        () => store.appendBatch([{ ...queue, body: 'x' }], options as never),
        () => store.appendAll([{ ...queue, body: 'x' }], options as never),
      ]) {
        const error = await failure(call);
        expect(error).toBeInstanceOf(type);
        expect((error as Error).message).toMatch(message);
      }
    }
    expect(store.stats().writtenOffset).toBe(0);
    await store.close();
  });

  it('onProgress is for appendAll alone', async () => {
    const store = await openTiny(memoryPlatform());
    expect(await failure(() => store.append({ ...queue, body: 'x' }, { onProgress: () => undefined } as never))).toBeInstanceOf(TypeError);
    await store.close();
  });

  it('a batch is an array; an empty one of a store that cannot write is refused all the same', async () => {
    const store = await openTiny(memoryPlatform());
    for (const messages of [null, {}, 'ab', new Set()])
      expect(await failure(() => store.appendBatch(messages as never))).toBeInstanceOf(TypeError);
    expect(await store.appendBatch([])).toEqual([]);
    await store.close();
    for (const call of [
      () => store.appendBatch([]),
      () => store.append({ ...queue, body: 'x' }),
      () => store.appendSync({ ...queue, body: 'x' }),
      () => store.appendAll([]),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'STORE_CLOSED' });
    }
  });
});

describe('admit', () => {
  it('rewrites every message, however it is appended', async () => {
    const admit = (message: NewMessage): NewMessage => ({ ...message, body: `<${String(message.body)}>` });
    const store = await openTiny(memoryPlatform(), { admit });
    await store.append({ ...queue, body: 'a' });
    await store.appendBatch([
      { ...queue, body: 'b' },
      { ...queue, body: 'c' },
    ]);
    store.appendSync({ ...queue, body: 'd' });
    await store.appendAll([{ ...queue, body: 'e' }]);
    expect(texts(await readQueue(store, queue))).toEqual(['<a>', '<b>', '<c>', '<d>', '<e>']);
    await store.close();
  });

  for (const returned of [undefined, null, 'text', 5]) {
    it(`that returns ${String(returned)} instead of a message refuses it`, async () => {
      const store = await openTiny(memoryPlatform(), { admit: () => returned as never });
      for (const call of [
        () => store.append({ ...queue, body: 'x' }),
        () => store.appendSync({ ...queue, body: 'x' }),
        () => store.appendAll([{ ...queue, body: 'x' }]),
      ]) {
        expect(await failure(call)).toMatchObject({ code: 'MESSAGE_INVALID', stored: 'no' });
      }
      expect(store.stats().writtenOffset).toBe(0);
      await store.close();
    });
  }

  it('that throws refuses a batch as a whole, with what it threw', async () => {
    const refused = new StoreError('MESSAGE_INVALID', 'not this one');
    const admit = (message: NewMessage): NewMessage => {
      if (message.body === 'bad') throw refused;
      return message;
    };
    const store = await openTiny(memoryPlatform(), { admit });
    expect(
      await failure(() =>
        store.appendBatch([
          { ...queue, body: 'good' },
          { ...queue, body: 'bad' },
        ]),
      ),
    ).toBe(refused);
    expect(store.stats().writtenOffset).toBe(0);
    await store.append({ ...queue, body: 'good' });
    await store.close();
  });
});
