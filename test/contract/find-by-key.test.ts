import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { appendMany, collect, failure, openTiny, settableClock, texts } from './harness.js';

describe('findByKey', () => {
  it('newest first, each message once, over many index files', async () => {
    const store = await openTiny(memoryPlatform());
    for (let i = 0; i < 100; i += 1) await store.append({ topic: 'T', queueId: i % 3, body: `m-${i}`, keys: [`k${i % 4}`, 'all', 'all'] });
    for (let key = 0; key < 4; key += 1) {
      const expected = Array.from({ length: 25 }, (_, i) => `m-${96 + key - 4 * i}`);
      expect(texts(await collect(store.findByKey({ topic: 'T', key: `k${key}` })))).toEqual(expected);
    }
    expect(await collect(store.findByKey({ topic: 'T', key: 'all' }))).toHaveLength(100);
    expect(await collect(store.findByKey({ topic: 'T', key: 'none' }))).toEqual([]);
    expect(await collect(store.findByKey({ topic: 'Other', key: 'all' }))).toEqual([]);
    await store.close();
  });

  it('keys and topics of equal hash are told apart', async () => {
    const store = await openTiny(memoryPlatform());
    await store.append({ topic: 'T', body: 'a', keys: ['Aa'] });
    await store.append({ topic: 'T', body: 'b', keys: ['BB'] });
    await store.append({ topic: 'TAa', body: 'c', keys: ['k'] });
    await store.append({ topic: 'TBB', body: 'd', keys: ['k'] });
    await store.append({ topic: 'T', body: 'e', keys: ['AaBB', 'BBAa'] });
    expect(texts(await collect(store.findByKey({ topic: 'T', key: 'Aa' })))).toEqual(['a']);
    expect(texts(await collect(store.findByKey({ topic: 'T', key: 'BB' })))).toEqual(['b']);
    expect(texts(await collect(store.findByKey({ topic: 'TBB', key: 'k' })))).toEqual(['d']);
    expect(texts(await collect(store.findByKey({ topic: 'T', key: 'AaBB' })))).toEqual(['e']);
    expect(await collect(store.findByKey({ topic: 'T', key: 'AaAa' }))).toEqual([]);
    await store.close();
  });

  it('finds keys whose hash is the smallest integer, and keys of other scripts', async () => {
    const store = await openTiny(memoryPlatform());
    for (const key of ['aXA4ptp', '订单', '🚀rocket', 'a#b', 'polygenelubricants']) {
      await store.append({ topic: 'TopicTest', body: key, keys: [key] });
      expect(texts(await collect(store.findByKey({ topic: 'TopicTest', key })))).toEqual([key]);
    }
    await store.close();
  });

  it('pages with before and countMax give what one query gives', async () => {
    const store = await openTiny(memoryPlatform());
    for (let i = 0; i < 90; i += 1) await store.append({ topic: 'T', body: `m-${i}`, keys: i % 2 === 0 ? ['Aa'] : ['BB'] });
    const whole = texts(await collect(store.findByKey({ topic: 'T', key: 'Aa' })));
    for (const countMax of [1, 4, 7, 45, 1000]) {
      const paged: string[] = [];
      let before: number | undefined;
      for (;;) {
        const page: Message[] = await collect(store.findByKey({ topic: 'T', key: 'Aa', countMax, before }));
        expect(page.length).toBeLessThanOrEqual(countMax);
        if (page.length === 0) break;
        paged.push(...texts(page));
        before = page.at(-1)!.physicalOffset;
      }
      expect(paged).toEqual(whole);
    }
    expect(whole).toHaveLength(45);
    await store.close();
  });

  it('since is included, until is not, to the millisecond', async () => {
    const clock = settableClock(1_700_000_000_123);
    const store = await openTiny(memoryPlatform({ clock }));
    const times: number[] = [];
    for (let i = 0; i < 60; i += 1) {
      clock.set(1_700_000_000_123 + i * 377);
      times.push((await store.append({ topic: 'T', body: `m-${i}`, keys: ['k'] })).storedAt);
    }
    for (const [from, to] of [
      [0, 60],
      [5, 6],
      [10, 45],
      [59, 60],
      [20, 20],
    ] as const) {
      const query = { topic: 'T', key: 'k', since: times[from]!, until: new Date(times[to] ?? times[59]! + 1) };
      const expected = Array.from({ length: to - from }, (_, i) => `m-${to - 1 - i}`);
      expect(texts(await collect(store.findByKey(query)))).toEqual(expected);
      const tight = { ...query, since: times[from]! + 1 };
      expect(texts(await collect(store.findByKey(tight)))).toEqual(expected.slice(0, Math.max(0, expected.length - 1)));
    }
    await store.close();
  });

  it('finds every key after reopening, after a kill and after a power cut', async () => {
    let platform = memoryPlatform();
    let count = 0;
    for (const end of ['close', 'all', 'synced', 'random', 'close', 'synced'] as const) {
      const store = await openTiny(platform);
      for (let i = 0; i < count; i += 1) expect(texts(await collect(store.findByKey({ topic: 'T', key: `k-${i}` })))).toEqual([`m-${i}`]);
      expect(await collect(store.findByKey({ topic: 'T', key: 'same' }))).toHaveLength(count);
      for (let i = 0; i < 30; i += 1, count += 1) await store.append({ topic: 'T', body: `m-${count}`, keys: [`k-${count}`, 'same'] });
      if (end === 'close') await store.close();
      else platform = platform.crash(end);
    }
  });

  it('a huge countMax is fine', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 3, { keys: ['k'] });
    expect(await collect(store.findByKey({ topic: 'T', key: 'k', countMax: 2 ** 31 - 1 }))).toHaveLength(3);
    await store.close();
  });

  const wrongQueries: readonly (readonly [string, object, RegExp])[] = [
    ['no key', { topic: 'T' }, /key/],
    ['no topic', { key: 'k' }, /topic/],
    ['a number as key', { topic: 'T', key: 5 }, /key/],
    ['a negative countMax', { topic: 'T', key: 'k', countMax: -1 }, /countMax/],
    ['a since that is NaN', { topic: 'T', key: 'k', since: Number.NaN }, /since/],
    ['an until that is text', { topic: 'T', key: 'k', until: 'now' }, /until/],
    ['half a before', { topic: 'T', key: 'k', before: 0.5 }, /before/],
    ['an unknown field', { topic: 'T', key: 'k', limit: 5 }, /limit/],
  ];
  for (const [what, query, name] of wrongQueries) {
    it(`${what}: a wrong call that names it`, async () => {
      const store = await openTiny(memoryPlatform());
      await appendMany(store, 3, { keys: ['k'] });
      const error = await failure(() => collect(store.findByKey(query as { topic: 'T'; key: 'k' })));
      expect(error instanceof TypeError || error instanceof RangeError ? 'wrong call' : error).toBe('wrong call');
      expect((error as Error).message).toMatch(name);
      await store.close();
    });
  }

  it('ends by its signal with the reason', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 30, { keys: ['k'] });
    const reason = new Error('enough');
    expect(await failure(() => collect(store.findByKey({ topic: 'T', key: 'k', signal: AbortSignal.abort(reason) })))).toBe(reason);
    await store.close();
  });

  it('messages that were deleted are left out', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 120, { keys: ['k'] });
    await store.clean({ before: store.stats().flushedOffset });
    const { min, max } = store.bounds({ topic: 'T' });
    expect(await collect(store.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(max - min);
    await store.close();
  });

  it('without an index there is nothing by key, or a refusal, and everything else works', async () => {
    const platform = memoryPlatform();
    let store = await openTiny(platform, { keyIndex: false });
    await appendMany(store, 40, { keys: ['k'] });
    const outcome = await failure(() => collect(store.findByKey({ topic: 'T', key: 'k' })));
    expect(outcome).toBeInstanceOf(Error);
    expect(platform.fs.exists('/store/index') ? platform.fs.list('/store/index') : []).toEqual([]);
    await store.close();
    store = await openTiny(platform, { keyIndex: true });
    await store.append({ topic: 'T', body: 'new', keys: ['n'] });
    expect(texts(await collect(store.findByKey({ topic: 'T', key: 'n' })))).toEqual(['new']);
    await store.close();
  });

  it('an index that was switched off for a while still finds what it should when it is on again', async () => {
    const platform = memoryPlatform();
    for (const keyIndex of [true, false, true]) {
      const store = await openTiny(platform, { keyIndex });
      await appendMany(store, 20, { keys: ['k'] });
      await store.close();
    }
    const store = await openTiny(platform);
    expect(await collect(store.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(60);
    await store.close();
  });
});
