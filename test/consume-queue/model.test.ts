import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Harness, accept, openQueues, physicalOffsets, preparedPlatform, type Row, tagsCodeOf } from './queue-harness.js';

/**
 * Random histories against plain arrays: the log is an array of rows, a queue is what the log holds of it. After every step
 * the bounds are those of the arrays, and at the end every entry is.
 */
const queueCount = 3;
const entriesPerFile = 4;

type Step =
  | { readonly kind: 'accept'; readonly queues: readonly number[] }
  | { readonly kind: 'replay'; readonly count: number }
  | { readonly kind: 'write'; readonly bytes: number }
  | { readonly kind: 'sync' }
  | { readonly kind: 'trim'; readonly share: number }
  | { readonly kind: 'cut'; readonly queue: number; readonly back: number }
  | { readonly kind: 'rebuild'; readonly queue: number }
  | { readonly kind: 'reopen' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('accept' as const),
      queues: fc.array(fc.nat(queueCount - 1), { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replay' as const), count: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), bytes: fc.nat(4000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), queue: fc.nat(queueCount - 1), back: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rebuild' as const), queue: fc.nat(queueCount - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

class Model {
  readonly log: Row[] = [];
  readonly next: number[];
  minPhysicalOffset = 0;
  #physicalEnd = 0;

  constructor(starts: readonly number[]) {
    this.next = [...starts];
  }

  append(slot: number): Row {
    const row = { slot, queueOffset: this.next[slot] ?? 0, physicalOffset: this.#physicalEnd };
    this.#physicalEnd += 100;
    this.next[slot] = row.queueOffset + 1;
    this.log.push(row);
    return row;
  }

  live(slot: number): Row[] {
    return this.log.filter((row) => row.slot === slot && row.physicalOffset >= this.minPhysicalOffset);
  }

  trim(share: number): void {
    this.minPhysicalOffset = Math.max(this.minPhysicalOffset, Math.floor(this.#physicalEnd * share));
  }

  /** As if the last messages of a queue had never been written. */
  cut(slot: number, max: number): void {
    const kept = this.log.filter((row) => row.slot !== slot || row.queueOffset < max);
    this.log.splice(0, this.log.length, ...kept);
    this.next[slot] = Math.min(this.next[slot] ?? 0, max);
  }
}

function open(platform: Harness['platform']): Harness {
  const harness = openQueues(platform, entriesPerFile, 2);
  for (let slot = 0; slot < queueCount; slot += 1) harness.registry.slotOf(`t${slot % 2}`, slot);
  return harness;
}

function check(harness: Harness, model: Model, touched: ReadonlySet<number>): void {
  for (const slot of touched) {
    const live = model.live(slot);
    const max = model.next[slot] ?? 0;
    const min = live[0]?.queueOffset ?? max;
    expect(harness.queues.bounds(slot)).toEqual({ min, max });
    expect(physicalOffsets(harness.queues, slot, min, max, 3)).toEqual(live.map((row) => row.physicalOffset));
  }
}

async function run(step: Step, harness: Harness, model: Model, touched: Set<number>): Promise<Harness> {
  const { queues } = harness;
  if (step.kind === 'accept') {
    for (const slot of step.queues) touched.add(slot);
    accept(
      queues,
      step.queues.map((slot) => model.append(slot)),
    );
  } else if (step.kind === 'replay') {
    accept(
      queues,
      model.log.slice(-step.count).filter((row) => row.physicalOffset >= model.minPhysicalOffset),
    );
  } else if (step.kind === 'write') {
    queues.writePending(step.bytes);
  } else if (step.kind === 'sync') {
    await queues.sync();
  } else if (step.kind === 'trim') {
    model.trim(step.share);
    await queues.trim(model.minPhysicalOffset);
  } else if (step.kind === 'cut') {
    const { min, max } = queues.bounds(step.queue);
    const to = Math.max(min, max - step.back);
    if (!touched.has(step.queue) || to === min) return harness;
    model.cut(step.queue, to);
    await queues.cut(step.queue, to);
  } else if (step.kind === 'rebuild') {
    if (!touched.has(step.queue)) return harness;
    await queues.rebuild(step.queue, async (put) => {
      for (const row of model.live(step.queue)) put(row.queueOffset, row.physicalOffset, 100, tagsCodeOf(row.physicalOffset));
    });
  } else {
    await queues.sync();
    const bounds = queues.snapshotBounds();
    await queues.close();
    const reopened = open(harness.platform);
    for (const { slot, min, max } of bounds) if (touched.has(slot)) reopened.queues.restore(slot, min, max);
    return reopened;
  }
  return harness;
}

it('random histories read like plain arrays', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.constant(0), fc.nat(9), fc.constant(1_000_000_001)), { minLength: queueCount, maxLength: queueCount }),
      fc.array(steps, { maxLength: 25 }),
      fc.nat(),
      async (starts, history, seed) => {
        const model = new Model(starts);
        let harness = open(await preparedPlatform(seed));
        const touched = new Set<number>();
        for (const one of history) {
          harness = await run(one, harness, model, touched);
          check(harness, model, touched);
        }
        await harness.queues.sync();
        expect(harness.queues.pendingBytes).toBe(0);
        expect(harness.queues.damagedSlots.size).toBe(0);
        check(harness, model, touched);
        for (const { topic, queueId } of harness.queues.listOnDisk()) {
          const max = harness.queues.bounds(harness.registry.find(topic, queueId)).max;
          const scanned = harness.queues.scanFiles(topic, queueId).max;
          if (scanned > 0) expect(scanned).toBe(max);
        }
      },
    ),
    { numRuns: 300 },
  );
});
