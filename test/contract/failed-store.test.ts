import { describe, expect, it } from 'vitest';
import type { Platform, Store } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { appendMany, collect, failure, openTiny, readLog, readQueue, refusal, systemError, text, texts, turns, until } from './harness.js';

interface Faulty {
  readonly disk: MemoryPlatform;
  readonly platform: Platform;
  fail: (op: string, path: string) => boolean;
}

function faulty(code = 'EIO'): Faulty {
  const disk = memoryPlatform();
  const faults: Faulty = {
    disk,
    platform: withFaults(disk, (call) => (faults.fail(call.op, call.path) ? systemError(code) : undefined)),
    fail: () => false,
  };
  return faults;
}
/** A segment may still go by the name that it was made under. */
const isLog = (path: string): boolean => /\/(?:commitlog|tmp)\//.test(path);
const logSync = (op: string, path: string): boolean => op === 'sync' && isLog(path);
const logWrite = (op: string, path: string): boolean => (op === 'write' || op === 'writeSync') && isLog(path);

async function failedStore(told: unknown[] = []): Promise<{ readonly faults: Faulty; readonly store: Store; readonly errors: unknown[] }> {
  const faults = faulty();
  const store = await openTiny(faults.platform, { listener: { onFailed: ({ error }) => told.push(error) } });
  await appendMany(store, 20, { keys: ['k'] });
  faults.fail = logSync;
  const errors = await Promise.all(
    Array.from({ length: 5 }, (_, i) => failure(() => store.append({ topic: 'T', body: `lost-${i}`, keys: ['lost'] }))),
  );
  faults.fail = () => false;
  return { faults, store, errors };
}

describe('a store whose sync has failed', () => {
  it('rejects what waited for it with STORE_FAILED, stored unknown, with the cause', async () => {
    const { store, errors } = await failedStore();
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'STORE_FAILED', stored: 'unknown', retryable: false });
    }
    expect(JSON.stringify(errors.map((error) => chain(error)))).toContain('EIO');
    await refusal(() => store.close());
  });

  it('says so: status, writeError, listener', async () => {
    const told: unknown[] = [];
    const { store } = await failedStore(told);
    expect(store.status).toBe('failed');
    expect(store.writeError).toMatchObject({ code: 'STORE_FAILED' });
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ code: 'STORE_FAILED' });
    await refusal(() => store.close());
  });

  it('refuses every way of writing, for good, though the disk is healthy again', async () => {
    const { store } = await failedStore();
    for (let round = 0; round < 2; round += 1) {
      expect(await refusal(() => store.append({ topic: 'T', body: 'x' }))).toBe('STORE_FAILED');
      expect(await refusal(() => store.append({ topic: 'T', body: 'x' }, { flush: 'async' }))).toBe('STORE_FAILED');
      expect(await refusal(() => store.appendBatch([{ topic: 'T', body: 'x' }]))).toBe('STORE_FAILED');
      expect(await refusal(() => store.appendAll([{ topic: 'T', body: 'x' }]))).toBe('STORE_FAILED');
      expect(await refusal(() => store.appendSync({ topic: 'T', body: 'x' }))).toBe('STORE_FAILED');
      expect(await refusal(() => store.flush())).toBe('STORE_FAILED');
      await turns(20);
    }
    await refusal(() => store.close());
  });

  it('goes on reading what was readable, in every way, and shows nothing more', async () => {
    const { store } = await failedStore();
    const expected = Array.from({ length: 20 }, (_, i) => `m-${i}`);
    expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(expected);
    expect(texts(await readLog(store))).toEqual(expected);
    expect(store.bounds({ topic: 'T' })).toEqual({ min: 0, max: 20 });
    expect(await collect(store.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(20);
    expect(await collect(store.findByKey({ topic: 'T', key: 'lost' }))).toEqual([]);
    expect(text((await store.get(0))!)).toBe('m-0');
    expect(await store.offsetAt({ topic: 'T' }, 0)).toBe(0);
    expect(store.topics()).toEqual([{ topic: 'T', queueIds: [0] }]);
    expect(store.stats().flushedOffset).toBeGreaterThan(0);
    await refusal(() => store.close());
  });

  it('a tail hands out what there is and then throws STORE_FAILED where it would wait', async () => {
    const { store } = await failedStore();
    for (const tail of [store.tail({ topic: 'T' }, { from: 'earliest' }), store.tailAll({ from: 'earliest' })]) {
      const seen: string[] = [];
      const loop = async (): Promise<void> => {
        for await (const message of tail) seen.push(text(message));
      };
      expect(await refusal(loop)).toBe('STORE_FAILED');
      expect(seen).toHaveLength(20);
    }
    await refusal(() => store.close());
  });

  it('a tail and a long poll that wait when it happens do not wait for ever', async () => {
    const faults = faulty();
    const store = await openTiny(faults.platform);
    await appendMany(store, 3);
    const tail = refusal(() => collect(store.tail({ topic: 'T' }, { from: 'latest' })));
    const all = refusal(() => collect(store.tailAll({ from: 'latest' })));
    const poll = refusal(() => store.read({ topic: 'T' }, { from: 'latest', waitMs: 600_000 }));
    await turns(10);
    faults.fail = logSync;
    expect(await refusal(() => store.append({ topic: 'T', body: 'x' }))).toBe('STORE_FAILED');
    expect(await tail).toBe('STORE_FAILED');
    expect(await all).toBe('STORE_FAILED');
    expect(['STORE_FAILED', 'none']).toContain(await poll);
    await refusal(() => store.close());
  });

  it('close rejects, releases the lock, and is settled for good', async () => {
    const { store, faults } = await failedStore();
    const error = await failure(() => store.close());
    expect(error).toMatchObject({ name: 'StoreError' });
    expect(store.status).toBe('closed');
    const again = await openTiny(faults.disk);
    expect(again.recovery.cleanShutdown).toBe(false);
    const stored = texts(await readLog(again));
    expect(stored.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => `m-${i}`));
    expect(stored.slice(20)).toEqual(Array.from({ length: stored.length - 20 }, (_, i) => `lost-${i}`));
    await again.append({ topic: 'T', body: 'x' });
    await again.close();
  });

  it('what reopening serves of the unknown is durable, though the pages were clean', async () => {
    const { store, faults } = await failedStore();
    await refusal(() => store.close());
    const again = await openTiny(faults.disk);
    const served = texts(await readLog(again));
    const third = await openTiny(faults.disk.crash('synced'));
    expect(texts(await readLog(third))).toEqual(served);
    await third.close();
  });

  it('clean, repair and hold end in typed errors or work, and never hang', async () => {
    const { store } = await failedStore();
    expect(['none', 'STORE_FAILED']).toContain(await refusal(() => store.clean({ before: 4096 })));
    expect(['none', 'STORE_FAILED']).toContain(await refusal(() => store.repair()));
    expect(['none', 'STORE_FAILED']).toContain(
      await refusal(() => {
        store.hold(0).release();
      }),
    );
    expect((await store.verify()).faults).toEqual([]);
    expect(['none', 'STORE_FAILED']).toContain(await refusal(() => store.snapshot('/copy')));
    await refusal(() => store.close());
  });
});

describe('sync number N fails', () => {
  it('for each N: nothing is acknowledged that was not synced', { timeout: 120_000 }, async () => {
    for (let n = 1; n < 60; n += 1) {
      const disk = memoryPlatform({ seed: n });
      let syncs = 0;
      const platform = withFaults(disk, (call) => (call.op === 'sync' && (syncs += 1) === n ? systemError('EIO') : undefined));
      const acknowledged: string[] = [];
      const opened = await openTiny(platform).catch(() => undefined);
      for (let i = 0; i < 40; i += 1) {
        const body = `m-${i}`.padEnd(200, '.');
        await opened?.append({ topic: 'T', body }).then(
          () => acknowledged.push(body),
          () => undefined,
        );
      }
      const store = await openTiny(disk.crash('synced'));
      expect([n, texts(await readLog(store)).slice(0, acknowledged.length)]).toEqual([n, acknowledged]);
      await store.close();
      await refusal(() => opened?.close());
    }
  });
});

describe('a write that fails', () => {
  it('EIO ends the instance; reads go on; reopening has all that was acknowledged', async () => {
    const faults = faulty();
    const store = await openTiny(faults.platform);
    await appendMany(store, 20);
    faults.fail = logWrite;
    const error = await failure(() => store.append({ topic: 'T', body: 'x' }));
    expect(error).toMatchObject({ code: 'STORE_FAILED' });
    faults.fail = () => false;
    expect(store.status).toBe('failed');
    expect(await readLog(store)).toHaveLength(20);
    await refusal(() => store.close());
    const again = await openTiny(faults.disk);
    expect(texts(await readLog(again)).slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => `m-${i}`));
    await again.close();
  });

  it('ENOSPC is DISK_FULL, undone, and the next append works by itself', async () => {
    for (const code of ['ENOSPC', 'EDQUOT']) {
      const faults = faulty(code);
      const store = await openTiny(faults.platform);
      await appendMany(store, 10);
      faults.fail = logWrite;
      const errors = await Promise.all(Array.from({ length: 4 }, () => failure(() => store.append({ topic: 'T', body: 'refused' }))));
      for (const error of errors) expect(error).toMatchObject({ code: 'DISK_FULL', stored: 'no', retryable: true });
      faults.fail = () => false;
      await until(async () => (await refusal(() => store.append({ topic: 'T', body: 'after' }))) === 'none');
      expect(store.writeError).toBeUndefined();
      expect(store.status).toBe('open');
      const expected = [...Array.from({ length: 10 }, (_, i) => `m-${i}`), 'after'];
      expect(texts(await readLog(store))).toEqual(expected);
      expect(store.bounds({ topic: 'T' })).toEqual({ min: 0, max: 11 });
      const again = await openTiny(faults.disk.crash('synced'));
      expect(texts(await readLog(again))).toEqual(expected);
      await again.close();
    }
  });

  it('a queue or index file that cannot be written rejects no append, and loses nothing', async () => {
    for (const code of ['EIO', 'ENOSPC', 'EROFS']) {
      const faults = faulty(code);
      const store = await openTiny(faults.platform);
      faults.fail = (op, path) => ['write', 'writeSync', 'sync', 'open'].includes(op) && /\/(?:consumequeue|index)\//.test(path);
      await appendMany(store, 60, { keys: ['k'] });
      expect(texts(await readLog(store))).toHaveLength(60);
      faults.fail = () => false;
      await appendMany(store, 20, { keys: ['k'] }, 'n');
      const expected = [...Array.from({ length: 60 }, (_, i) => `m-${i}`), ...Array.from({ length: 20 }, (_, i) => `n-${i}`)];
      expect(texts(await readQueue(store, { topic: 'T' }))).toEqual(expected);
      expect(await collect(store.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(80);
      await refusal(() => store.close());
      const again = await openTiny(faults.disk);
      expect(texts(await readQueue(again, { topic: 'T' }))).toEqual(expected);
      expect(await collect(again.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(80);
      expect((await again.verify()).faults).toEqual([]);
      await again.close();
    }
  });

  it('a segment that is deleted under the store fails it: nothing more is acknowledged', async () => {
    const disk = memoryPlatform();
    const store = await openTiny(disk);
    await appendMany(store, 3);
    for (const name of disk.fs.list('/store/commitlog')) await disk.fs.remove(`/store/commitlog/${name}`);
    expect(await refusal(() => store.append({ topic: 'T', body: 'x' }))).toBe('STORE_FAILED');
    expect(store.status).toBe('failed');
    await refusal(() => store.close());
  });

  it('a read that fails is IO with the cause, and the next one works', async () => {
    const faults = faulty();
    let store = await openTiny(faults.platform);
    await appendMany(store, 60);
    await store.close();
    store = await openTiny(faults.platform);
    faults.fail = (op) => op === 'read' || op === 'readSync' || op === 'open';
    for (const call of [() => store.get(0), () => readQueue(store, { topic: 'T' }), () => readLog(store)]) {
      const error = await failure(call);
      expect(error).toMatchObject({ code: 'IO' });
      expect(JSON.stringify(chain(error))).toContain('EIO');
    }
    faults.fail = () => false;
    expect(await readQueue(store, { topic: 'T' })).toHaveLength(60);
    expect(store.status).toBe('open');
    await store.close();
  });
});

function chain(error: unknown): string[] {
  return error instanceof Error ? [`${error.message} ${(error as { code?: string }).code ?? ''}`, ...chain(error.cause)] : [];
}
