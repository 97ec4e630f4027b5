import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/deferred.js';
import { IndexFeeder, type ResettableIndex } from '../../src/dispatch/index-feeder.js';
import type { RecordFacts } from '../../src/format/record-facts.js';
import { closeLog, KIB, type LogHarness, message, messages, openLog, preparedPlatform, turns, watch } from '../commit-log/log-harness.js';
import { type Gates, gatesOver } from '../commit-log/gates.js';

class FakeIndex implements ResettableIndex {
  readonly name = 'fake';
  offsets: number[] = [];
  damage: unknown;
  pendingBytes = 0;
  readonly written: string[] = [];
  resetGate: Promise<void> = Promise.resolve();
  resetCount = 0;

  accept(facts: RecordFacts, from: number, to: number): void {
    for (let i = from; i < to; i += 1) this.offsets.push(facts.physicalOffset[i] ?? -1);
    this.pendingBytes += (to - from) * 2 * KIB;
  }

  async reset(): Promise<void> {
    this.resetCount += 1;
    await this.resetGate;
    this.offsets = [];
    this.damage = undefined;
  }

  markDamaged(cause: unknown): void {
    this.damage = cause;
  }

  writePending(durableBefore: number, bytesMax: number): void {
    this.written.push(`${durableBefore} ${bytesMax}`);
    this.pendingBytes = 0;
  }
}

interface Setup {
  readonly gates: Gates;
  readonly harness: LogHarness;
  readonly index: FakeIndex;
  readonly feeder: IndexFeeder;
  readonly offsets: number[];
  append(count: number): Promise<void>;
}

/** A log whose rows go to the feeder as soon as they are written, as the dispatcher does it. */
async function setUp(seed: number = 1): Promise<Setup> {
  const gates = gatesOver(await preparedPlatform(seed));
  const index = new FakeIndex();
  let dispatched = 0;
  const offsets: number[] = [];
  const setup: Partial<Setup> & { feeder?: IndexFeeder } = { gates, index, offsets };
  const harness = await openLog(gates, {
    segmentBytes: 64 * KIB,
    onVisible: ({ log, handed }) => {
      dispatched = log.visible;
      // The harness has taken the rows over; they are told to the feeder as a batch would be.
      for (const row of handed.splice(0)) {
        offsets.push(row.physicalOffset);
        setup.feeder?.accept({ physicalOffset: [row.physicalOffset] } as never, 0, 1);
      }
    },
  });
  const feeder = new IndexFeeder(
    index,
    harness.segments,
    harness.registry,
    () => dispatched,
    () => harness.log.flushed,
  );
  setup.feeder = feeder;
  return {
    gates,
    harness,
    index,
    feeder,
    offsets,
    append: async (count) => {
      await Promise.all(messages(count, 100).map((each) => harness.log.append(each, 'async', undefined)));
    },
  };
}

describe('IndexFeeder', () => {
  it('passes rows on while the index is whole', async () => {
    const { harness, index, feeder, offsets, append } = await setUp();
    await append(5);
    expect(index.offsets).toEqual(offsets);
    expect([feeder.isRebuilding, feeder.name]).toEqual([false, 'key index']);
    await closeLog(harness);
  });

  it('makes the index anew from the whole log', async () => {
    const { harness, index, feeder, offsets, append } = await setUp();
    await append(2000);
    index.offsets = [1, 2, 3];
    await feeder.rebuild();
    expect(index.offsets).toEqual(offsets);
    await append(3);
    expect(index.offsets).toEqual(offsets);
    await closeLog(harness);
  });

  it('misses no row and doubles none, however many come in while it is made anew', async () => {
    for (let seed = 1; seed <= 15; seed += 1) {
      const { harness, index, feeder, offsets, append } = await setUp(seed);
      await append(500);
      const gate = deferred();
      index.resetGate = gate.promise;
      const rebuilt = watch(feeder.rebuild());
      await append(50);
      gate.resolve();
      for (let round = 0; !rebuilt.settled; round += 1) {
        if (round < 30) await append(seed);
        else await turns(1);
      }
      expect(rebuilt.error).toBeUndefined();
      await append(10);
      expect(index.offsets).toEqual(offsets);
      await closeLog(harness);
    }
  });

  it('is made anew once for all who ask meanwhile', async () => {
    const { harness, index, feeder, append } = await setUp();
    await append(5);
    const first = feeder.rebuild();
    expect(feeder.isRebuilding).toBe(true);
    expect(feeder.rebuild()).toBe(first);
    await first;
    expect([index.resetCount, feeder.isRebuilding]).toEqual([1, false]);
    await closeLog(harness);
  });

  it('writes on the way what has piled up, as far as it is durable', async () => {
    const { harness, index, feeder, append } = await setUp();
    await append(9000);
    await harness.log.flush();
    index.pendingBytes = 0;
    await feeder.rebuild();
    expect(index.written).toEqual([`${harness.log.flushed} ${4 * 1024 * KIB}`, `${harness.log.flushed} ${4 * 1024 * KIB}`]);
    await closeLog(harness);
  });

  it('leaves an index that could not be made anew marked as damaged, and makes it whole at the next try', async () => {
    const { gates, harness, index, feeder, offsets, append } = await setUp();
    await append(1000);
    gates.fail((call) => (call.op === 'read' ? new Error('EIO') : undefined));
    await expect(feeder.rebuild()).rejects.toThrow('EIO');
    expect(index.damage).toEqual(new Error('EIO'));
    gates.fail(() => undefined);
    await append(10);
    await feeder.rebuild();
    await append(10);
    expect([index.damage, index.offsets]).toEqual([undefined, offsets]);
    await closeLog(harness);
  });

  it('loses no row that comes in just when it has caught up', async () => {
    const { harness, index, append, offsets } = await setUp();
    await append(5);
    const after = harness.log.written;
    let looks = 0;
    const dispatched = (): number => {
      looks += 1;
      // The next thing that happens after the look at which nothing is left to read.
      if (looks === 2) queueMicrotask(() => feeder.accept({ physicalOffset: [after] } as never, 0, 1));
      return after;
    };
    const feeder = new IndexFeeder(index, harness.segments, harness.registry, dispatched, () => 0);
    await feeder.rebuild();
    await turns(2);
    expect([looks, index.offsets]).toEqual([2, [...offsets, after]]);
    await closeLog(harness);
  });

  it('has nothing to read in an empty log', async () => {
    const { harness, index, feeder, append, offsets } = await setUp();
    await feeder.rebuild();
    await append(1);
    expect(index.offsets).toEqual(offsets);
    expect(harness.log.written).toBeGreaterThan(message('m').body.length);
    await closeLog(harness);
  });
});
