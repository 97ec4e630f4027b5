import { describe, expect, it } from 'vitest';
import type { NewMessage } from '../../src/index.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { failure, openTiny, readLog, refusal, systemError, texts } from './harness.js';

function* numbered(count: number): Generator<NewMessage> {
  for (let i = 0; i < count; i += 1) yield { topic: 'T', queueId: i % 4, body: `m-${i}` };
}
async function* later(count: number): AsyncGenerator<NewMessage> {
  for (const message of numbered(count)) {
    await Promise.resolve();
    yield message;
  }
}
const bodies = (count: number): string[] => Array.from({ length: count }, (_, i) => `m-${i}`);

describe('appendAll', () => {
  it('stores all of an iterable, in order', async () => {
    const store = await openTiny(memoryPlatform());
    expect(await store.appendAll(numbered(500))).toEqual({ count: 500 });
    expect(texts(await readLog(store))).toEqual(bodies(500));
    await store.close();
  });

  it('stores all of an async iterable, in order', async () => {
    const store = await openTiny(memoryPlatform(), { flush: 'async' });
    expect(await store.appendAll(later(500))).toEqual({ count: 500 });
    expect(texts(await readLog(store))).toEqual(bodies(500));
    await store.close();
  });

  it('stores nothing of nothing', async () => {
    const store = await openTiny(memoryPlatform());
    expect(await store.appendAll([])).toEqual({ count: 0 });
    await store.close();
  });

  it('is as durable as asked for when it resolves', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 60_000 });
    await store.appendAll(numbered(200), { flush: 'sync' });
    const again = await openTiny(platform.crash('synced'));
    expect(await readLog(again)).toHaveLength(200);
    await again.close();
  });

  it('tells how far it is, durably, ever further and to the end', async () => {
    const store = await openTiny(memoryPlatform());
    const counts: number[] = [];
    await store.appendAll(numbered(2000), {
      onProgress: ({ count, last }) => {
        counts.push(count);
        expect(last.durable).toBe(true);
        expect(store.stats().flushedOffset).toBeGreaterThanOrEqual(last.physicalOffset + last.recordBytes);
      },
    });
    expect(counts.at(-1)).toBe(2000);
    expect([...counts].sort((a, b) => a - b)).toEqual(counts);
    await store.close();
  });

  it('stops at a message that is refused; what came before is stored', async () => {
    const store = await openTiny(memoryPlatform());
    const messages = [...numbered(10), { topic: 'a b', body: '' }, { topic: 'T', body: 'never' }];
    let progress = 0;
    const options = { onProgress: (done: { readonly count: number }) => void (progress = done.count) };
    expect(await refusal(() => store.appendAll(messages, options))).toBe('TOPIC_INVALID');
    await store.flush();
    const stored = texts(await readLog(store));
    expect(stored).toEqual(bodies(10).slice(0, stored.length));
    expect(stored.length).toBeGreaterThanOrEqual(progress);
    expect((await store.append({ topic: 'T', body: 'x' })).physicalOffset).toBeGreaterThan(0);
    await store.close();
  });

  it('an error of the source is passed on as it is, a prefix is stored, and the store goes on', async () => {
    const store = await openTiny(memoryPlatform());
    const broken = new Error('source');
    async function* source(): AsyncGenerator<NewMessage> {
      yield* later(20);
      throw broken;
    }
    expect(await failure(() => store.appendAll(source()))).toBe(broken);
    await store.flush();
    const stored = texts(await readLog(store));
    expect(stored).toEqual(bodies(20).slice(0, stored.length));
    await store.append({ topic: 'T', body: 'x' });
    await store.close();
  });

  it('closes its source when it fails', async () => {
    const store = await openTiny(memoryPlatform());
    let closed = false;
    function* source(): Generator<NewMessage> {
      try {
        yield { topic: '', body: '' };
        yield* numbered(10);
      } finally {
        closed = true;
      }
    }
    expect(await refusal(() => store.appendAll(source()))).toBe('TOPIC_INVALID');
    expect(closed).toBe(true);
    await store.close();
  });

  it('ends by its signal, with the reason, and a prefix is stored', async () => {
    const store = await openTiny(memoryPlatform());
    const controller = new AbortController();
    const reason = new Error('enough');
    function* endless(): Generator<NewMessage> {
      for (let i = 0; ; i += 1) {
        if (i === 5000) controller.abort(reason);
        yield { topic: 'T', body: `m-${i}` };
      }
    }
    expect(await failure(() => store.appendAll(endless(), { signal: controller.signal }))).toBe(reason);
    await store.flush();
    const stored = texts(await readLog(store));
    expect(stored).toEqual(bodies(stored.length));
    await store.close();
  });

  it('what is not iterable is a wrong call', async () => {
    const store = await openTiny(memoryPlatform());
    for (const wrong of [undefined, 5, {}]) {
      expect(await failure(() => store.appendAll(wrong as unknown as NewMessage[]))).toBeInstanceOf(TypeError);
    }
    await store.close();
  });

  it('a failed sync ends it with a typed error, not with a count', async () => {
    let failing = false;
    const base = memoryPlatform();
    const platform = withFaults(base, (call) => (failing && call.op === 'sync' ? systemError('EIO') : undefined));
    const store = await openTiny(platform);
    await store.append({ topic: 'T', body: 'x' });
    failing = true;
    expect(await refusal(() => store.appendAll(numbered(100)))).toBe('STORE_FAILED');
    failing = false;
    await refusal(() => store.close());
  });

  it('other appends go on beside it', async () => {
    const store = await openTiny(memoryPlatform());
    const importing = store.appendAll(later(1000));
    const others = await Promise.all(Array.from({ length: 50 }, (_, i) => store.append({ topic: 'O', body: `o-${i}` })));
    expect(await importing).toEqual({ count: 1000 });
    expect(others.map((receipt) => receipt.queueOffset)).toEqual(others.map((_, i) => i));
    await store.close();
  });
});
