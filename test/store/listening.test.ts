import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import { diagnosticsChannels, type StoreListener, StoreError } from '../../src/index.js';
import { Listening } from '../../src/store/listening.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { appendMany, failure, openTiny, root, systemError, turns, until } from '../contract/harness.js';

/** Everything published on all channels for one store while `work` runs. */
async function published(work: () => Promise<void>): Promise<{ channel: string; message: Record<string, unknown> }[]> {
  const heard: { channel: string; message: Record<string, unknown> }[] = [];
  const listen = (message: unknown, channel: string | symbol): void => {
    heard.push({ channel: String(channel), message: message as Record<string, unknown> });
  };
  for (const name of Object.values(diagnosticsChannels)) subscribe(name, listen);
  try {
    await work();
  } finally {
    for (const name of Object.values(diagnosticsChannels)) unsubscribe(name, listen);
  }
  return heard;
}

describe('what a listener is told', () => {
  it('comes with what the names promise', async () => {
    const told: Record<string, unknown[]> = {};
    const note = (name: string) => (info: unknown) => void (told[name] ??= []).push(info);
    const listener: StoreListener = {
      onSegmentRolled: note('rolled'),
      onSegmentDeleted: note('deleted'),
      onFlushed: note('flushed'),
      onFailed: note('failed'),
    };
    const store = await openTiny(memoryPlatform(), { listener });
    await appendMany(store, 60);
    await store.clean({ before: 4096 });
    await store.close();
    const segment = (base: number): string => `${root}/commitlog/${String(base).padStart(20, '0')}`;
    expect(told['rolled']).toEqual(expect.arrayContaining([{ path: segment(4096), baseOffset: 4096 }]));
    expect(told['deleted']).toEqual([{ path: segment(0), baseOffset: 0, bytes: 4096, reason: 'request' }]);
    for (const flushed of told['flushed'] as { bytes: number; durationMs: number; waiterCount: number }[]) {
      expect(flushed.bytes).toBeGreaterThanOrEqual(0);
      expect(flushed.durationMs).toBeGreaterThanOrEqual(0);
      expect(Number.isInteger(flushed.waiterCount)).toBe(true);
    }
    expect((told['flushed'] as { bytes: number }[]).reduce((sum, { bytes }) => sum + bytes, 0)).toBe(store.stats().flushedOffset);
    expect(told['failed']).toBeUndefined();
  });

  it('of a failure is the error, once', async () => {
    const errors: StoreError[] = [];
    let failing = false;
    const platform = withFaults(memoryPlatform(), (call) => (failing && call.op === 'sync' ? systemError('EIO') : undefined));
    const store = await openTiny(platform, { listener: { onFailed: ({ error }) => errors.push(error) } });
    await store.append({ topic: 'T', body: 'x' });
    failing = true;
    await failure(() => Promise.all([store.append({ topic: 'T', body: 'x' }), store.append({ topic: 'T', body: 'y' })]));
    expect(errors).toHaveLength(1);
    expect(StoreError.is(errors[0], 'STORE_FAILED')).toBe(true);
    expect(store.writeError).toMatchObject({ code: 'STORE_FAILED', cause: errors[0]?.cause });
    await failure(() => store.close());
  });

  it('may throw, reject or take its `this`: nothing of it reaches the store', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const listener = {
      seen: 0,
      onFlushed(): void {
        this.seen += 1;
        throw new Error('thrown');
      },
      onSegmentRolled: async (): Promise<void> => await Promise.reject(new Error('rejected')),
    };
    const store = await openTiny(memoryPlatform(), { listener }).catch((error: unknown) => error);
    // `seen` is no listener of ours.
    expect(store).toBeInstanceOf(TypeError);
    const { seen: _, ...known } = listener;
    const opened = await openTiny(memoryPlatform(), { listener: known });
    await appendMany(opened, 60);
    await opened.close();
    await turns(3);
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('is called with the listener as `this`', () => {
    const calls: unknown[] = [];
    const listener: StoreListener = {
      onFailed() {
        calls.push(this);
      },
    };
    new Listening(root, listener).tell('onFailed', { error: new StoreError('IO', 'x') });
    expect(calls).toEqual([listener]);
  });
});

describe('diagnostics channels', () => {
  it('carry the directory and what the listener is told', async () => {
    const heard = await published(async () => {
      const store = await openTiny(memoryPlatform());
      await appendMany(store, 60);
      await store.clean({ before: 4096 });
      await store.close();
    });
    expect(heard.every(({ message }) => message['directory'] === root)).toBe(true);
    const of = (name: string): Record<string, unknown>[] => heard.filter(({ channel }) => channel === name).map(({ message }) => message);
    expect(of('stratalog:recovered')).toMatchObject([{ cleanShutdown: true, truncatedBytes: 0, damage: [] }]);
    expect(of('stratalog:segment-rolled')).toEqual(expect.arrayContaining([expect.objectContaining({ baseOffset: 4096 })]));
    expect(of('stratalog:segment-deleted')).toMatchObject([{ baseOffset: 0, reason: 'request' }]);
    expect(of('stratalog:flushed').length).toBeGreaterThan(0);
  });

  it('carry failures and the progress of recovery', async () => {
    const platform = memoryPlatform();
    await appendMany(await openTiny(platform), 60);
    const disk = platform.crash('all');
    let failing = false;
    const heard = await published(async () => {
      const store = await openTiny(withFaults(disk, (call) => (failing && call.op === 'sync' ? systemError('EIO') : undefined)));
      failing = true;
      await failure(() => store.append({ topic: 'T', body: 'x' }));
      await failure(() => store.close());
    });
    const names = new Set(heard.map(({ channel }) => channel));
    expect(names).toContain('stratalog:recovery-progress');
    expect(heard.filter(({ channel }) => channel === 'stratalog:failed')).toMatchObject([{ message: { error: { code: 'STORE_FAILED' } } }]);
  });

  it('carry the name of a structure of one’s own that fails', async () => {
    const broken = new Error('target');
    const target = {
      name: 'mine',
      from: () => undefined,
      dispatch: () => {
        throw broken;
      },
      sync: async () => await Promise.resolve(),
    };
    const heard = await published(async () => {
      const store = await openTiny(memoryPlatform(), { targets: [target] });
      await store.append({ topic: 'T', body: 'x' });
      await until(async () => {
        await turns(1);
        return true;
      });
      await turns(20);
      await store.close().catch(() => undefined);
    });
    expect(heard.filter(({ channel }) => channel === 'stratalog:target-failed')).toMatchObject([
      { message: { name: 'mine', error: broken } },
    ]);
  });

  it('have names that all begin with the name of the package', () => {
    expect(Object.values(diagnosticsChannels).every((name) => /^stratalog:[a-z-]+$/.test(name))).toBe(true);
    expect(new Set(Object.values(diagnosticsChannels)).size).toBe(Object.keys(diagnosticsChannels).length);
  });
});
