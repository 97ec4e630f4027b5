import { describe, expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { readFile } from './disk-surgery.js';
import { appendMany, failure, openTiny, readLog, refusal, text } from './harness.js';

describe('get', () => {
  it('gives the record that begins there and nothing anywhere else', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 60);
    const starts = new Map((await readLog(store)).map((message) => [message.physicalOffset as number, text(message)]));
    for (let at = 0; at < store.stats().writtenOffset + 100; at += 1) {
      const found = await store.get(at);
      expect(found === undefined ? undefined : text(found)).toBe(starts.get(at));
    }
    await store.close();
  });

  it('does not take a record for one that was forged inside a body', async () => {
    const store = await openTiny(memoryPlatform());
    const first = await store.append({ topic: 'T', body: 'victim', keys: ['k'] });
    const platform = memoryPlatform();
    const other = await openTiny(platform);
    await other.append({ topic: 'T', body: 'forged!' });
    await other.close();
    const forged = (await readFile(platform, '/store/commitlog/00000000000000000000')).subarray(0, 200);
    const carrier = await store.append({ topic: 'T', body: forged });
    for (let at = carrier.physicalOffset + 1; at < carrier.physicalOffset + carrier.recordBytes; at += 1) {
      expect(await store.get(at)).toBeUndefined();
    }
    expect(text((await store.get(first.physicalOffset))!)).toBe('victim');
    await store.close();
  });

  it('far above the end there is nothing', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3);
    for (const at of [store.stats().writtenOffset, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]) expect(await store.get(at)).toBeUndefined();
    await store.close();
  });

  it('what can be no place in the log is a wrong call', async () => {
    const store = await openTiny(memoryPlatform());
    for (const at of [0.5, Number.NaN, Number.POSITIVE_INFINITY, undefined, {}, 'xyz', '', '7F000001']) {
      const error = await failure(() => store.get(at as number));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
    }
    const negative = await refusal(() => store.get(-1));
    expect(negative === 'none' || negative.startsWith('RangeError')).toBe(true);
    await store.close();
  });

  it('of a message id far above every file there is nothing', async () => {
    const store = await openTiny(memoryPlatform());
    const outcome = await refusal(async () => expect(await store.get('7F00000100002A9FFFFFFFFFFFFFFFFF')).toBeUndefined());
    expect(outcome === 'none' || outcome.startsWith('RangeError')).toBe(true);
    await store.close();
  });

  it('what was deleted is not there', async () => {
    const store = await openTiny(memoryPlatform());
    const first = await store.append({ topic: 'T', body: 'old' });
    await appendMany(store, 100);
    await store.clean({ before: store.stats().flushedOffset });
    expect(await store.get(first.physicalOffset)).toBeUndefined();
    expect(await store.get(first.messageId)).toBeUndefined();
    await store.close();
  });
});
