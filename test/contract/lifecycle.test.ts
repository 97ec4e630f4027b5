import { describe, expect, it } from 'vitest';
import type { NewMessage, Store, StoreReader } from '../../src/index.js';
import { StoreError } from '../../src/index.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { appendMany, collect, failure, openReader, openTiny, readLog, refusal, root, systemError, texts, turns } from './harness.js';

const message: NewMessage = { topic: 'T', body: 'x' };
const queue = { topic: 'T' };

const reading: readonly (readonly [string, (store: StoreReader) => unknown])[] = [
  ['get', (store) => store.get(0)],
  ['read', (store) => store.read(queue, { from: 'earliest' })],
  ['a long poll', (store) => store.read(queue, { from: 'latest', waitMs: 600_000 })],
  ['tail', (store) => collect(store.tail(queue, { from: 'earliest' }))],
  ['batches', (store) => collect(store.tail(queue, { from: 'earliest' }).batches())],
  ['tailAll', (store) => collect(store.tailAll({ from: 'earliest' }))],
  ['findByKey', (store) => collect(store.findByKey({ topic: 'T', key: 'k' }))],
  ['offsetAt', (store) => store.offsetAt(queue, 0)],
  ['snapshot', (store) => store.snapshot('/copy')],
  ['verify', (store) => store.verify()],
];
const writing: readonly (readonly [string, (store: Store) => unknown])[] = [
  ['append', (store) => store.append(message)],
  ['appendBatch', (store) => store.appendBatch([message])],
  ['appendAll', (store) => store.appendAll([message])],
  ['appendSync', (store) => store.appendSync(message)],
  ['flush', (store) => store.flush()],
  ['hold', (store) => store.hold(0)],
  ['repair', (store) => store.repair()],
  ['clean', (store) => store.clean({ before: 0 })],
];

describe('a closed store', () => {
  for (const [name, call] of [...reading, ...writing]) {
    it(`refuses ${name} with STORE_CLOSED`, async () => {
      const store = await openTiny(memoryPlatform());
      await appendMany(store, 5, { keys: ['k'] });
      await store.close();
      expect(await refusal(() => call(store))).toBe('STORE_CLOSED');
    });
  }

  it('still tells its directory, status, recovery; bounds, topics and stats answer or refuse', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 5);
    await store.close();
    expect([store.directory, store.status, store.recovery.damage]).toEqual([root, 'closed', []]);
    for (const call of [() => store.bounds(queue), () => store.topics(), () => store.stats()]) {
      expect(['none', 'STORE_CLOSED']).toContain(await refusal(call));
    }
  });

  it('may be closed twice, at once and later', async () => {
    const store = await openTiny(memoryPlatform());
    await appendMany(store, 5);
    await Promise.all([store.close(), store.close(), store[Symbol.asyncDispose]()]);
    await store.close();
    expect(store.status).toBe('closed');
  });

  it('that is closing refuses what is called later and finishes what was called before', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    const before = store.append(message);
    const closing = store.close();
    expect(store.status).toBe('closing');
    expect(await refusal(() => store.append(message))).toBe('STORE_CLOSED');
    expect(await refusal(() => store.appendSync(message))).toBe('STORE_CLOSED');
    expect((await before).durable).toBe(true);
    await closing;
    const again = await openTiny(platform);
    expect(await readLog(again)).toHaveLength(1);
    await again.close();
  });

  it('leaves no open file behind, over a hundred openings', async () => {
    const disk = memoryPlatform();
    let open = 0;
    let openMax = 0;
    const platform = {
      ...disk,
      fs: new Proxy(disk.fs, {
        get: (fs, name) => {
          const value: unknown = Reflect.get(fs, name, fs);
          if (name !== 'open') return typeof value === 'function' ? (value.bind(fs) as unknown) : value;
          return (path: string, mode: 'read') => {
            const file = fs.open(path, mode);
            open += 1;
            openMax = Math.max(openMax, open);
            return new Proxy(file, {
              get: (target, key) => {
                const member: unknown = Reflect.get(target, key, target);
                if (key === 'close') {
                  return async () => {
                    open -= 1;
                    await target.close();
                  };
                }
                return typeof member === 'function' ? (member.bind(target) as unknown) : member;
              },
            });
          };
        },
      }),
      randomBytes: (count: number) => disk.randomBytes(count),
    };
    for (let i = 0; i < 20; i += 1) {
      const store = await openTiny(platform, { openFilesMax: 16 });
      for (let q = 0; q < 30; q += 1) await store.append({ topic: `T${q}`, queueId: i, body: 'x', keys: ['k'] });
      await readLog(store);
      for (let q = 0; q < 30; q += 1) await store.read({ topic: `T${q}`, queueId: i }, { from: 0 });
      await store.verify();
      await store.clean({ before: Math.max(0, store.stats().flushedOffset - 8192) });
      expect(openMax).toBeLessThan(16 + 16);
      if (i % 5 === 0) await store.snapshot(`/copy-${i}`);
      await store.close();
      expect(open).toBe(0);
      openMax = 0;
    }
  });

  it('gives up its files and its lock when opening fails', async () => {
    const disk = memoryPlatform();
    const first = await openTiny(disk);
    await appendMany(first, 20);
    await first.close();
    for (let number = 1; number < 200; number += 1) {
      const platform = withFaults(disk, (call) => (call.number === number ? systemError('EIO') : undefined));
      const store = await openTiny(platform).catch((error: unknown) => error);
      if (store instanceof Error) expect([number, StoreError.is(store)]).toEqual([number, true]);
      else await refusal(() => (store as Store).close());
    }
    const last = await openTiny(disk);
    expect(await readLog(last)).toHaveLength(20);
    await last.close();
  });

  it('close with a time limit rejects or succeeds, and never hangs', async () => {
    const disk = memoryPlatform();
    let stuck = false;
    const platform = {
      clock: disk.clock,
      randomBytes: (count: number) => disk.randomBytes(count),
      fs: new Proxy(disk.fs, {
        get: (fs, name) => {
          const value: unknown = Reflect.get(fs, name, fs);
          if (name !== 'open') return typeof value === 'function' ? (value.bind(fs) as unknown) : value;
          return (path: string, mode: 'read') => {
            const file = fs.open(path, mode);
            return new Proxy(file, {
              get: (target, key) => {
                const member: unknown = Reflect.get(target, key, target);
                if (key === 'sync') return (kind: 'data') => (stuck ? new Promise(() => undefined) : target.sync(kind));
                return typeof member === 'function' ? (member.bind(target) as unknown) : member;
              },
            });
          };
        },
      }),
    };
    const store = await openTiny(platform, { flush: 'async' });
    await store.append(message);
    stuck = true;
    const error = await failure(() => store.close({ timeoutMs: 50 }));
    expect(StoreError.is(error)).toBe(true);
  });
});

describe('an aborted signal', () => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  const calls: readonly (readonly [string, (store: Store) => unknown])[] = [
    ['read', (store) => store.read(queue, { from: 0, signal })],
    ['tail', (store) => collect(store.tail(queue, { from: 0, signal }))],
    ['tailAll', (store) => collect(store.tailAll({ from: 'earliest', signal }))],
    ['findByKey', (store) => collect(store.findByKey({ topic: 'T', key: 'k', signal }))],
    ['verify', (store) => store.verify({ signal })],
    ['snapshot', (store) => store.snapshot('/copy', { signal })],
    ['repair', (store) => store.repair({ signal })],
  ];
  for (const [name, call] of calls) {
    it(`ends ${name} with its reason, and the store goes on`, async () => {
      const platform = memoryPlatform();
      const store = await openTiny(platform);
      await appendMany(store, 5, { keys: ['k'] });
      expect(await failure(() => call(store))).toBe(reason);
      expect(platform.fs.exists('/copy')).toBe(false);
      expect((await store.append(message)).queueOffset).toBe(5);
      await store.close();
    });
  }

  it('ends flush with its reason or finds it done', async () => {
    const store = await openTiny(memoryPlatform());
    await store.append(message);
    expect(['none', 'Error: enough']).toContain(await refusal(() => store.flush({ signal })));
    await store.close();
  });
});

describe('a read-only store', () => {
  for (const [name, call] of writing) {
    it(`refuses ${name} with STORE_READ_ONLY`, async () => {
      const platform = memoryPlatform();
      const writer = await openTiny(platform);
      await appendMany(writer, 5);
      const reader = (await openReader(platform)) as Store;
      expect(await refusal(() => call(reader))).toBe('STORE_READ_ONLY');
      await reader.close();
      await writer.close();
    });
  }

  for (const [name, call] of reading) {
    it(`refuses ${name} with STORE_CLOSED once it is closed`, async () => {
      const platform = memoryPlatform();
      const writer = await openTiny(platform);
      await appendMany(writer, 5);
      const reader = await openReader(platform);
      await reader.close();
      await reader.close();
      expect(await refusal(() => call(reader))).toBe('STORE_CLOSED');
      await writer.close();
    });
  }
});

describe('flush', () => {
  it('makes everything appended before it durable and readable', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 600_000 });
    for (let i = 0; i < 50; i += 1) store.appendSync({ topic: 'T', body: `m-${i}` });
    const marks = await store.flush();
    expect(marks.minOffset).toBe(0);
    expect(marks.flushedOffset).toBeGreaterThanOrEqual((await readLog(store)).at(-1)!.physicalOffset);
    expect(marks.writtenOffset).toBeGreaterThanOrEqual(marks.flushedOffset);
    expect(marks.dispatchedOffset).toBeLessThanOrEqual(marks.writtenOffset);
    const again = await openTiny(platform.crash('synced'));
    expect(await readLog(again)).toHaveLength(50);
    await again.close();
  });

  it('of nothing returns at once, many at once join', async () => {
    const store = await openTiny(memoryPlatform());
    await store.flush();
    await Promise.all(Array.from({ length: 1000 }, () => store.flush()));
    await store.close();
  });

  it('includes appends that were not awaited', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 600_000 });
    const pending = Array.from({ length: 50 }, () => store.append(message));
    await store.flush();
    const after = platform.crash('synced');
    await Promise.allSettled(pending);
    const again = await openTiny(after);
    expect(await readLog(again)).toHaveLength(50);
    await again.close();
  });
});

describe('back-pressure', () => {
  it('above pendingBytesMax appends wait, in order; appendSync throws OVERLOADED; a signal ends the waiting', async () => {
    const disk = memoryPlatform();
    let gate: Promise<void> = Promise.resolve();
    let open: () => void = () => undefined;
    const platform = {
      clock: disk.clock,
      randomBytes: (count: number) => disk.randomBytes(count),
      fs: new Proxy(disk.fs, {
        get: (fs, name) => {
          const value: unknown = Reflect.get(fs, name, fs);
          if (name !== 'open') return typeof value === 'function' ? (value.bind(fs) as unknown) : value;
          return (path: string, mode: 'read') => {
            const file = fs.open(path, mode);
            return new Proxy(file, {
              get: (target, key) => {
                const member: unknown = Reflect.get(target, key, target);
                if (key === 'write') {
                  return async (parts: readonly Uint8Array[], at: number) => {
                    await gate;
                    await target.write(parts, at);
                  };
                }
                return typeof member === 'function' ? (member.bind(target) as unknown) : member;
              },
            });
          };
        },
      }),
    };
    const store = await openTiny(platform, { segmentBytes: 2 ** 25, pendingBytesMax: 2 ** 20, flush: 'async' });
    await store.append(message);
    gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const reason = new Error('enough');
    const controller = new AbortController();
    const body = Buffer.alloc(65_536, 1);
    const pending = Array.from({ length: 100 }, () => store.append({ topic: 'T', body }));
    const aborted = failure(() => store.append({ topic: 'T', body: 'aborted' }, { signal: controller.signal }));
    const last = store.append({ topic: 'T', body: 'last' });
    await turns(10);
    const overloaded = await failure(() => store.appendSync({ topic: 'T', body: 'sync' }));
    expect(overloaded).toMatchObject({ code: 'OVERLOADED', stored: 'no', retryable: true });
    expect(store.stats().pendingBytes).toBeLessThan(2 ** 21 + 2 ** 20);
    controller.abort(reason);
    expect(await aborted).toBe(reason);
    open();
    expect((await Promise.all(pending)).map((receipt) => receipt.queueOffset)).toEqual(pending.map((_, i) => i + 1));
    expect((await last).queueOffset).toBe(101);
    expect(texts((await store.read(queue, { from: 101 })).messages)).toEqual(['last']);
    await store.close();
  });

  it('with too many waiting the next is OVERLOADED', async () => {
    const store = await openTiny(memoryPlatform(), { segmentBytes: 2 ** 24, pendingBytesMax: 1000, flush: 'async' });
    const outcomes = await Promise.allSettled(Array.from({ length: 66_000 }, () => store.append({ topic: 'T', body: 'x'.repeat(200) })));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(500);
    for (const outcome of refused) expect(outcome.reason).toMatchObject({ code: 'OVERLOADED', stored: 'no' });
    expect(await readLog(store)).toHaveLength(66_000 - refused.length);
    expect(store.status).toBe('open');
    await store.close();
  });
});
