import { describe, expect, it } from 'vitest';
import type { NewMessage } from '../../src/index.js';
import { faultyPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { failure, openTiny, readQueue, refusal, systemError, texts } from '../contract/harness.js';

const queue = { topic: 'T' };

function* numbered(count: number, bytes = 20): Generator<NewMessage> {
  for (let i = 0; i < count; i += 1) yield { ...queue, body: `m-${i}`.padEnd(bytes, '.') };
}

describe('appendAll', () => {
  it('tells its progress part by part, each as durable as was asked for, up to the last', async () => {
    const store = await openTiny(memoryPlatform(), { segmentBytes: 1024 * 1024 });
    const told: { count: number; durable: boolean }[] = [];
    const count = 12_000;
    const result = await store.appendAll(numbered(count), {
      onProgress: (done) => {
        expect(done.last.queueOffset).toBe(done.count - 1);
        expect(store.stats().flushedOffset).toBeGreaterThanOrEqual(done.last.physicalOffset + done.last.recordBytes);
        told.push({ count: done.count, durable: done.last.durable });
      },
    });
    expect(result).toEqual({ count });
    expect(told.length).toBeGreaterThan(2);
    expect(told.at(-1)).toEqual({ count, durable: true });
    expect(told.map((each) => each.count)).toEqual([...told].map((each) => each.count).sort((a, b) => a - b));
    expect(told.every((each) => each.durable)).toBe(true);
    await store.close();
  });

  it('of nothing is nothing, and tells nothing', async () => {
    const store = await openTiny(memoryPlatform());
    const told: unknown[] = [];
    expect(await store.appendAll([], { onProgress: (done) => told.push(done) })).toEqual({ count: 0 });
    expect(told).toEqual([]);
    await store.close();
  });

  it('of what cannot be iterated is a wrong call', async () => {
    const store = await openTiny(memoryPlatform());
    for (const messages of [undefined, null, 5, {}, 'text'])
      expect(await failure(() => store.appendAll(messages as never))).toBeInstanceOf(TypeError);
    expect(await failure(() => store.appendAll([], { onProgress: 5 as never }))).toBeInstanceOf(TypeError);
    await store.close();
  });

  it('stores a prefix when the iterable throws, and rejects with what it threw', async () => {
    const store = await openTiny(memoryPlatform());
    const broken = new Error('source');
    const source = async function* (): AsyncGenerator<NewMessage> {
      yield* numbered(30);
      await Promise.resolve();
      throw broken;
    };
    let told = 0;
    expect(await failure(() => store.appendAll(source(), { onProgress: ({ count }) => (told = count) }))).toBe(broken);
    expect(await readQueue(store, queue)).toHaveLength(30);
    expect(told).toBe(30);
    await store.close();
  });

  it('stores a prefix when a message is refused, and the source is told to stop', async () => {
    const store = await openTiny(memoryPlatform());
    let closed = false;
    const source = function* (): Generator<NewMessage> {
      try {
        yield* numbered(7);
        yield { topic: 'a b', body: 'x' };
        yield* numbered(7);
      } finally {
        closed = true;
      }
    };
    expect(await failure(() => store.appendAll(source()))).toMatchObject({ code: 'TOPIC_INVALID' });
    expect(closed).toBe(true);
    expect(texts(await readQueue(store, queue))).toEqual([...numbered(7)].map((message) => message.body));
    await store.close();
  });

  it('ends by its signal with the reason; what was taken by then is stored', async () => {
    const store = await openTiny(memoryPlatform());
    const controller = new AbortController();
    const reason = new Error('enough');
    const source = function* (): Generator<NewMessage> {
      for (const [i, message] of [...numbered(100)].entries()) {
        if (i === 40) controller.abort(reason);
        yield message;
      }
    };
    expect(await failure(() => store.appendAll(source(), { signal: controller.signal }))).toBe(reason);
    expect(await readQueue(store, queue)).toHaveLength(40);
    await store.close();
  });

  it('more than may be pending waits for room and stores all', async () => {
    const store = await openTiny(memoryPlatform(), { pendingBytesMax: 1000 });
    expect(await store.appendAll(numbered(500))).toEqual({ count: 500 });
    expect(await readQueue(store, queue)).toHaveLength(500);
    await store.close();
  });

  it('a source of its own pace is waited for', async () => {
    const store = await openTiny(memoryPlatform());
    const source = async function* (): AsyncGenerator<NewMessage> {
      for (const message of numbered(20)) {
        await new Promise<void>((resolve) => {
          setImmediate(resolve);
        });
        yield message;
      }
    };
    expect(await store.appendAll(source(), { flush: 'async' })).toEqual({ count: 20 });
    await store.close();
  });

  it('rejects when the disk fails, and what it had reported is stored', async () => {
    const base = memoryPlatform();
    let failing = false;
    const platform = withFaults(base, (call) =>
      failing && call.op === 'sync' && /(commitlog|tmp)\/\d{20}$/.test(call.path) ? systemError('EIO') : undefined,
    );
    const store = await openTiny(platform);
    let told = 0;
    const source = function* (): Generator<NewMessage> {
      for (const [i, message] of [...numbered(9000)].entries()) {
        if (i === 8500) failing = true;
        yield message;
      }
    };
    const error = await failure(() => store.appendAll(source(), { onProgress: ({ count }) => (told = count) }));
    expect(error).toMatchObject({ code: 'STORE_FAILED', stored: 'unknown' });
    await failure(() => store.close());
    const again = await openTiny(base);
    expect(again.bounds(queue).max).toBeGreaterThanOrEqual(told);
    await again.close();
  });

  it('is refused by a store that has failed before it asks for the first message', async () => {
    const platform = withFaults(memoryPlatform(), (call) =>
      call.op === 'sync' && call.path.includes('/tmp/000') ? systemError('EIO') : undefined,
    );
    const store = await openTiny(platform);
    await failure(() => store.append({ ...queue, body: 'x' }));
    expect(store.status).toBe('failed');
    expect(await failure(() => store.appendAll(numbered(1)))).toMatchObject({ code: 'STORE_FAILED' });
    await failure(() => store.close());
  });

  for (const flush of ['sync', 'async'] as const) {
    for (const write of [1, 2, 3, 4]) {
      it(`where the disk is full at write ${write} it ends, stores a prefix, and has told of no more (${flush})`, async () => {
        const disk = memoryPlatform();
        const rule = {
          ops: ['write', 'writeSync'],
          path: /commitlog|tmp.0{19}/,
          from: write,
          fault: { kind: 'error', code: 'ENOSPC' },
        } as const;
        const store = await openTiny(faultyPlatform(disk, { rules: [rule] }), { flush, pendingBytesMax: 500 });
        let told = 0;
        const source = [300, 2000, 20, 300, 20, 2000, 300, 20].map((bytes, i) => ({ ...queue, body: `m-${i}`.padEnd(bytes, '.') }));
        expect(await refusal(() => store.appendAll(source, { onProgress: ({ count }) => (told = count) }))).toBe('DISK_FULL');
        await store.flush();
        const stored = texts(await readQueue(store, queue));
        expect(stored).toEqual(source.slice(0, stored.length).map(({ body }) => body));
        expect(stored.length).toBeGreaterThanOrEqual(told);
        expect(stored.length).toBeLessThan(source.length);
        await store.close();
      });
    }
  }
});
