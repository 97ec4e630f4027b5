import { describe, expect, it } from 'vitest';
import { type Deferred, deferred } from '../../src/base/deferred.js';
import { Flusher } from '../../src/commit-log/flusher.js';
import { manualClock } from '../../src/testing/index.js';
import { turns, watch } from './log-harness.js';

interface Setup {
  readonly flusher: Flusher;
  readonly clock: ReturnType<typeof manualClock>;
  /** Syncs in order of issue, `from-to`. */
  readonly issued: string[];
  readonly synced: string[];
  readonly failed: unknown[];
  /** How far the log can be synced. */
  syncable: number;
  /** Ends the sync that is under way. */
  end(error?: Error): Promise<void>;
}

function setUp(options: { flushIntervalMs?: number; flushed?: number; onSynced?: () => void } = {}): Setup {
  const clock = manualClock();
  const running: Deferred<void>[] = [];
  const setup: Setup = {
    clock,
    issued: [],
    synced: [],
    failed: [],
    syncable: options.flushed ?? 0,
    async end(error) {
      const sync = running.shift();
      if (error === undefined) sync?.resolve();
      else sync?.reject(error);
      await turns(3);
    },
    flusher: new Flusher({
      clock,
      flushIntervalMs: options.flushIntervalMs ?? 500,
      flushed: options.flushed ?? 0,
      syncable: () => setup.syncable,
      sync: (from, to) => {
        setup.issued.push(`${from}-${to}`);
        const sync = deferred();
        running.push(sync);
        return sync.promise;
      },
      onSynced: (flushed, bytes, durationMs) => {
        setup.synced.push(`${flushed} ${bytes} ${durationMs}`);
        options.onSynced?.();
      },
      onFailed: (error) => setup.failed.push(error),
    }),
  };
  return setup;
}

describe('Flusher', () => {
  it('has one sync in flight, which covers what was written when it was issued', async () => {
    const setup = setUp();
    setup.syncable = 100;
    setup.flusher.want(100);
    setup.syncable = 250;
    setup.flusher.want(250);
    setup.flusher.progress();
    expect(setup.issued).toEqual(['0-100']);
    expect(setup.flusher.flushed).toBe(0);
    await setup.end();
    expect(setup.flusher.flushed).toBe(100);
    expect(setup.issued).toEqual(['0-100', '100-250']);
    await setup.end();
    expect(setup.issued).toEqual(['0-100', '100-250']);
    expect(setup.flusher.flushed).toBe(250);
  });

  it('tells how much a sync covered and how long it took', async () => {
    const setup = setUp({ flushed: 40 });
    setup.syncable = 100;
    setup.flusher.progress();
    await setup.clock.advance(7);
    await setup.end();
    expect(setup.synced).toEqual(['100 60 7']);
  });

  it('syncs what was asked for as soon as it has been written, and not before', async () => {
    const setup = setUp();
    setup.flusher.want(100);
    expect(setup.issued).toEqual([]);
    setup.syncable = 60;
    setup.flusher.progress();
    await setup.end();
    setup.syncable = 100;
    setup.flusher.progress();
    expect(setup.issued).toEqual(['0-60', '60-100']);
  });

  it('syncs what nobody asked for once an interval, counted from the end of the sync before', async () => {
    const setup = setUp({ flushIntervalMs: 500 });
    setup.syncable = 10;
    setup.flusher.progress();
    await setup.clock.advance(300);
    await setup.end();
    setup.syncable = 20;
    setup.flusher.progress();
    setup.flusher.progress();
    await setup.clock.advance(499);
    expect(setup.issued).toEqual(['0-10']);
    await setup.clock.advance(1);
    expect(setup.issued).toEqual(['0-10', '10-20']);
  });

  it('does nothing when the interval is over and nothing is new', async () => {
    const setup = setUp();
    setup.syncable = 10;
    setup.flusher.progress();
    await setup.end();
    await setup.clock.advance(5000);
    expect(setup.issued).toEqual(['0-10']);
  });

  it('does not wait for a timer that had no chance to run: progress alone starts what is due', async () => {
    let nowMs = 0;
    const issued: number[] = [];
    let syncable = 0;
    const flusher = new Flusher({
      clock: { nowMs: () => 0, monotonicMs: () => nowMs, nextTurn: () => undefined, schedule: () => () => undefined },
      flushIntervalMs: 10,
      flushed: 0,
      syncable: () => syncable,
      sync: (_, to) => {
        issued.push(to);
        return Promise.resolve();
      },
      onSynced: () => undefined,
      onFailed: () => undefined,
    });
    for (nowMs = 0; nowMs < 40; nowMs += 1) {
      syncable += 1;
      flusher.progress();
      await turns(2);
    }
    expect(issued).toEqual([1, 11, 21, 31]);
  });

  it('syncs earlier than the interval says where somebody comes to wait', async () => {
    const setup = setUp();
    setup.syncable = 10;
    setup.flusher.progress();
    await setup.end();
    setup.syncable = 20;
    setup.flusher.progress();
    setup.flusher.want(15);
    expect(setup.issued).toEqual(['0-10', '10-20']);
    await setup.end();
    await setup.clock.advance(5000);
    expect(setup.issued).toEqual(['0-10', '10-20']);
  });

  it('issues nothing between pause and resume, and pause waits for the sync in flight', async () => {
    const setup = setUp();
    setup.syncable = 10;
    setup.flusher.want(10);
    const paused = watch(setup.flusher.pause());
    setup.syncable = 20;
    setup.flusher.want(20);
    await turns(3);
    expect(paused.settled).toBe(false);
    await setup.end();
    expect([paused.settled, setup.flusher.flushed]).toEqual([true, 10]);
    expect(setup.issued).toEqual(['0-10']);
    await setup.flusher.pause();
    setup.flusher.resume();
    expect(setup.issued).toEqual(['0-10', '10-20']);
  });

  it('is over after its end, which waits for the sync in flight', async () => {
    const setup = setUp();
    setup.syncable = 10;
    setup.flusher.want(10);
    const ends = [watch(setup.flusher.end()), watch(setup.flusher.end())];
    await turns(3);
    expect(ends.map((end) => end.settled)).toEqual([false, false]);
    await setup.end();
    expect(ends.map((end) => end.settled)).toEqual([true, true]);
    setup.syncable = 20;
    setup.flusher.want(20);
    setup.flusher.resume();
    await setup.clock.advance(5000);
    expect(setup.issued).toEqual(['0-10']);
  });

  it('leaves no timer behind at its end', async () => {
    const setup = setUp();
    setup.syncable = 10;
    setup.flusher.progress();
    await setup.end();
    setup.syncable = 20;
    setup.flusher.progress();
    await setup.flusher.end();
    await setup.clock.advance(5000);
    expect(setup.issued).toEqual(['0-10']);
  });

  it('never syncs again after a sync has failed, and does not count what it covered', async () => {
    const setup = setUp();
    setup.syncable = 10;
    setup.flusher.want(10);
    const error = new Error('EIO');
    await setup.end(error);
    expect(setup.failed).toEqual([error]);
    setup.syncable = 20;
    setup.flusher.want(20);
    setup.flusher.resume();
    await setup.clock.advance(5000);
    expect(setup.issued).toEqual(['0-10']);
    expect(setup.flusher.flushed).toBe(0);
  });

  it('takes a failure of those who hear of a sync for a failure of the sync', async () => {
    const error = new Error('deleted');
    const setup = setUp({
      onSynced: () => {
        throw error;
      },
    });
    setup.syncable = 10;
    setup.flusher.want(10);
    await setup.end();
    expect(setup.failed).toEqual([error]);
  });
});
