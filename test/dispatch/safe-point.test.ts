import { describe, expect, it } from 'vitest';
import { type Deferred, deferred } from '../../src/base/deferred.js';
import type { DerivedState } from '../../src/dispatch/derived-state.js';
import { SafePoint } from '../../src/dispatch/safe-point.js';
import { MIB, turns, watch } from '../commit-log/log-harness.js';

interface Setup {
  readonly calls: string[];
  readonly states: DerivedState[];
  readonly safePoint: SafePoint;
  dispatched: number;
  flushed: number;
  /** Calls whose name begins so fail. */
  failing: string | undefined;
  /** Held calls, by name. */
  readonly held: Map<string, Deferred<void>>;
  damaged: boolean;
  /** What mending mends. */
  mendable: boolean;
  closing: boolean;
}

function setUp(options: { index?: boolean; customs?: number; segmentBytes?: number } = {}): Setup {
  const call = async (name: string): Promise<void> => {
    setup.calls.push(name);
    await setup.held.get(name)?.promise;
    if (setup.failing !== undefined && name.startsWith(setup.failing)) throw new Error(`${name} failed`);
  };
  const setup: Setup = {
    calls: [],
    states: [],
    held: new Map(),
    dispatched: 1000,
    flushed: 900,
    failing: undefined,
    damaged: false,
    mendable: false,
    closing: false,
    safePoint: new SafePoint(
      {
        assertOpen: () => {
          if (setup.closing) throw new Error('closed');
        },
        segmentBytes: options.segmentBytes ?? 1024 * MIB,
        log: {
          get flushed() {
            return setup.flushed;
          },
          assigned: 2000,
          flush: async () => {
            await call('log.flush');
            setup.flushed = 1500;
          },
        },
        dispatched: () => setup.dispatched,
        queues: {
          sync: () => call('queues.sync'),
          snapshotBounds: () => {
            setup.calls.push('queues.bounds');
            return [{ slot: 0, min: 1, max: 2 }];
          },
          trimmedTo: 0,
          damagedSlots: new Set(),
        },
        index:
          options.index === false
            ? undefined
            : {
                sync: async (durableBefore) => {
                  await call(`index.sync ${durableBefore}`);
                  return setup.damaged ? undefined : [{ name: 'i', entryCount: 3, endPhysicalOffset: 4 }];
                },
                get damage() {
                  return setup.damaged ? new Error('of the index') : undefined;
                },
              },
        customs: Array.from({ length: options.customs ?? 1 }, (_, i) => ({ sync: (end: number) => call(`custom${i}.sync ${end}`) })),
        mend: async () => {
          await call('mend');
          if (setup.mendable) setup.damaged = false;
        },
        write: async (state) => {
          await call('write');
          setup.states.push(state);
        },
      },
      { offset: 100, dispatched: 100 },
    ),
  };
  return setup;
}

describe('SafePoint', () => {
  it('mends, then syncs the log for the sake of the targets, then derived files, then the log, then the index, and the state last of all', async () => {
    const setup = setUp({ customs: 2 });
    await setup.safePoint.take(false);
    expect(setup.calls).toEqual([
      'mend',
      'log.flush',
      'custom0.sync 1000',
      'custom1.sync 1000',
      'queues.sync',
      'queues.bounds',
      'log.flush',
      'index.sync 1000',
      'write',
    ]);
    expect(setup.states).toEqual([
      {
        safeOffset: 1000,
        clean: false,
        trimmedTo: 0,
        bounds: [{ slot: 0, min: 1, max: 2 }],
        index: [{ name: 'i', entryCount: 3, endPhysicalOffset: 4 }],
      },
    ]);
    expect(setup.safePoint.offset).toBe(1000);
  });

  it('vouches for no more than was dispatched when it began', async () => {
    const setup = setUp();
    const sync = deferred();
    setup.held.set('queues.sync', sync);
    const taken = setup.safePoint.take(true);
    await turns(2);
    setup.dispatched = 1200;
    sync.resolve();
    await taken;
    expect(setup.states[0]).toMatchObject({ safeOffset: 1000, clean: true });
  });

  it('has the index write only entries of durable records', async () => {
    const setup = setUp();
    setup.dispatched = 5000;
    await setup.safePoint.take(false);
    expect(setup.calls).toContain('index.sync 1500');
  });

  it('does without an index, and says that there is none', async () => {
    const setup = setUp({ index: false });
    await setup.safePoint.take(false);
    expect(setup.states[0]?.index).toBeUndefined();
    expect(setup.calls.at(-1)).toBe('write');
  });

  for (const failing of ['mend', 'custom0', 'queues.sync', 'log.flush', 'index.sync', 'write']) {
    it(`leaves the older one standing where ${failing} fails, and can be taken again`, async () => {
      const setup = setUp();
      setup.failing = failing;
      await expect(setup.safePoint.take(false)).rejects.toThrow(failing);
      expect([setup.states, setup.safePoint.offset]).toEqual([[], 100]);
      setup.failing = undefined;
      await setup.safePoint.take(false);
      expect(setup.safePoint.offset).toBe(1000);
    });
  }

  it('is not taken over an index that is damaged, nor tried more than twice', async () => {
    const setup = setUp();
    setup.damaged = true;
    await expect(setup.safePoint.take(false)).rejects.toMatchObject({
      message: 'the key index is damaged',
      cause: new Error('of the index'),
    });
    expect(setup.states).toEqual([]);
    expect(setup.calls.filter((name) => name === 'mend')).toHaveLength(2);
  });

  it('is tried once more where the index turned out to be damaged only after mending', async () => {
    const setup = setUp();
    const sync = deferred();
    setup.held.set('index.sync 1000', sync);
    const taken = watch(setup.safePoint.take(true));
    await turns(10);
    setup.damaged = true;
    setup.mendable = true;
    setup.dispatched = 1200;
    setup.held.clear();
    sync.resolve();
    await turns(20);
    expect([taken.settled, taken.error]).toEqual([true, undefined]);
    expect(setup.states).toMatchObject([{ safeOffset: 1200, clean: true }]);
  });

  it('is not tried again where something fails and nothing is damaged', async () => {
    const setup = setUp();
    setup.failing = 'queues.sync';
    await expect(setup.safePoint.take(true)).rejects.toThrow('queues.sync');
    expect(setup.calls.filter((name) => name === 'mend')).toHaveLength(1);
  });

  it('is taken one at a time, each covering what was dispatched when its turn came', async () => {
    const setup = setUp();
    const write = deferred();
    setup.held.set('write', write);
    const takes = [watch(setup.safePoint.take(false)), watch(setup.safePoint.take(false)), watch(setup.safePoint.take(true))];
    const settled = watch(setup.safePoint.settled());
    await turns(3);
    expect([setup.calls.filter((name) => name === 'mend').length, settled.settled]).toEqual([1, false]);
    setup.dispatched = 3000;
    setup.held.clear();
    write.resolve();
    await turns(20);
    expect(takes.map((take) => take.settled)).toEqual([true, true, true]);
    expect(settled.settled).toBe(true);
    expect(setup.states.map((state) => [state.safeOffset, state.clean])).toEqual([
      [1000, false],
      [3000, false],
      [3000, true],
    ]);
    await setup.safePoint.settled();
  });

  it('is not begun once the store is closing, nor when it has waited, except for the clean one', async () => {
    const setup = setUp();
    const write = deferred();
    setup.held.set('write', write);
    const takes = [false, false, true].map((clean) => watch(setup.safePoint.take(clean)));
    const settled = watch(setup.safePoint.settled());
    setup.closing = true;
    const late = watch(setup.safePoint.take(false));
    setup.held.clear();
    write.resolve();
    await turns(20);
    expect([...takes, late].map((take) => String(take.error))).toEqual(['undefined', 'Error: closed', 'undefined', 'Error: closed']);
    expect(setup.states.map((state) => state.clean)).toEqual([false, true]);
    expect(settled.settled).toBe(true);
    await expect(setup.safePoint.take(false)).rejects.toThrow('closed');
  });

  it('is settled only when those that wait for their turn are done as well', async () => {
    const setup = setUp();
    const writes = [deferred(), deferred()];
    setup.held.set('write', writes[0]!);
    void setup.safePoint.take(false);
    void setup.safePoint.take(true);
    const settled = watch(setup.safePoint.settled());
    await turns(3);
    setup.held.set('write', writes[1]!);
    writes[0]!.resolve();
    await turns(20);
    expect([setup.states.length, settled.settled]).toEqual([1, false]);
    writes[1]!.resolve();
    await turns(20);
    expect([setup.states.length, settled.settled]).toEqual([2, true]);
  });

  it('goes on behind one that fails', async () => {
    const setup = setUp();
    const mend = deferred();
    setup.held.set('mend', mend);
    const first = watch(setup.safePoint.take(false));
    const second = watch(setup.safePoint.take(false));
    await turns(2);
    setup.held.clear();
    mend.reject(new Error('broken'));
    await turns(20);
    expect([String(first.error), second.error, setup.states.length]).toEqual(['Error: broken', undefined, 1]);
  });

  it('can be left: what takes it away waits for one that is being taken, and another waits for that', async () => {
    const setup = setUp();
    const held = deferred();
    setup.held.set('queues.sync', held);
    const first = setup.safePoint.take(false);
    const left = setup.safePoint.leave(async () => {
      setup.calls.push('void');
      expect(setup.safePoint.offset).toBe(1000);
      await Promise.resolve();
    });
    const second = setup.safePoint.take(false);
    await turns(5);
    expect(setup.calls).not.toContain('void');
    held.resolve();
    await Promise.all([first, left]);
    expect(setup.states.length).toBe(1);
    expect(setup.safePoint.offset).toBe(0);
    await second;
    expect(setup.calls.filter((name) => name === 'void' || name === 'write' || name === 'queues.sync')).toEqual([
      'queues.sync',
      'write',
      'void',
      'queues.sync',
      'write',
    ]);
  });

  it('is taken in the background each time that 256 MiB have been dispatched, and after a failure when as much has been again', async () => {
    const setup = setUp();
    const taken = async (dispatched: number): Promise<number> => {
      setup.dispatched = dispatched;
      const before = setup.calls.filter((name) => name === 'mend').length;
      setup.safePoint.maybe();
      setup.safePoint.maybe();
      await turns(10);
      return setup.calls.filter((name) => name === 'mend').length - before;
    };
    expect(await taken(100 + 256 * MIB - 1)).toBe(0);
    expect(await taken(100 + 256 * MIB)).toBe(1);
    expect(setup.safePoint.offset).toBe(100 + 256 * MIB);
    setup.failing = 'queues';
    expect(await taken(100 + 512 * MIB)).toBe(1);
    expect(setup.safePoint.offset).toBe(100 + 256 * MIB);
    setup.failing = undefined;
    expect(await taken(100 + 768 * MIB - 1)).toBe(0);
    expect(await taken(100 + 768 * MIB)).toBe(1);
    expect(setup.safePoint.offset).toBe(100 + 768 * MIB);
  });

  for (const [segmentBytes, intervalBytes] of [
    [1024 * MIB, 256 * MIB],
    [16 * MIB, 64 * MIB],
    [MIB, 4 * MIB],
    [4096, MIB],
  ] as const) {
    it(`lies no more than four segments of ${segmentBytes} bytes behind, and no less than 1 MiB`, async () => {
      const setup = setUp({ segmentBytes });
      setup.dispatched = 100 + intervalBytes - 1;
      setup.safePoint.maybe();
      await turns(10);
      expect(setup.calls).toEqual([]);
      setup.dispatched += 1;
      setup.safePoint.maybe();
      await turns(10);
      expect(setup.safePoint.offset).toBe(100 + intervalBytes);
    });
  }
});
