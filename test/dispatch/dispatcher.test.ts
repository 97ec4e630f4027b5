import { describe, expect, it } from 'vitest';
import { Dispatcher } from '../../src/dispatch/dispatcher.js';
import type { FactsTarget } from '../../src/format/record-facts.js';
import { MIB } from '../commit-log/log-harness.js';

interface Setup {
  readonly calls: string[];
  readonly dispatcher: Dispatcher;
  readonly log: { visible: number; flushed: number; handOver(targets: readonly FactsTarget[]): number };
  readonly pending: { queues: number; index: number };
}

function setUp(withIndex: boolean): Setup {
  const calls: string[] = [];
  const pending = { queues: 0, index: 0 };
  const accept = (): void => undefined;
  const queues = {
    name: 'queues',
    accept,
    get pendingBytes() {
      return pending.queues;
    },
    writePending: (bytesMax: number) => calls.push(`queues ${bytesMax}`),
  };
  const index = {
    name: 'index',
    accept,
    get pendingBytes() {
      return pending.index;
    },
    writePending: (durableBefore: number, bytesMax: number) => calls.push(`index ${durableBefore} ${bytesMax}`),
  };
  const log = {
    visible: 100,
    flushed: 50,
    handOver(targets: readonly FactsTarget[]) {
      calls.push(`handOver ${targets.map((target) => target.name).join(' ')} at ${setup.dispatcher.dispatched}`);
      return 3;
    },
  };
  const feeder = { name: 'feeder', accept };
  const dispatcher = new Dispatcher({
    log,
    queues,
    index: withIndex ? index : undefined,
    indexFeeder: withIndex ? feeder : undefined,
    start: 100,
  });
  const setup = { calls, dispatcher, log, pending };
  return setup;
}

describe('Dispatcher', () => {
  it('hands over what has become visible, once, to queues first', () => {
    const { calls, dispatcher, log } = setUp(true);
    dispatcher.run();
    expect(calls).toEqual([]);
    log.visible = 250;
    dispatcher.run();
    dispatcher.run();
    // Rows that are handed over count as dispatched already: who reads the log up to there meets them.
    expect(calls).toEqual(['handOver queues feeder at 250']);
    expect([dispatcher.dispatched, dispatcher.dispatchedCount]).toEqual([250, 3]);
  });

  it('writes what has piled up, a part at a time, and index entries only of records that are durable', () => {
    const { calls, dispatcher, log, pending } = setUp(true);
    Object.assign(pending, { queues: 8 * MIB, index: 8 * MIB });
    log.visible = 200;
    dispatcher.run();
    expect(calls).toHaveLength(1);
    Object.assign(pending, { queues: 8 * MIB + 1, index: 8 * MIB + 1 });
    log.visible = 300;
    dispatcher.run();
    expect(calls.slice(2)).toEqual([`queues ${2 * MIB}`, `index 50 ${2 * MIB}`]);
  });

  it('does without an index', () => {
    const { calls, dispatcher, log, pending } = setUp(false);
    pending.index = 100 * MIB;
    log.visible = 200;
    dispatcher.run();
    expect(calls).toEqual(['handOver queues at 200']);
  });
});
