import { describe, expect, it } from 'vitest';
import { QueueRegistry } from '../../src/base/queue-registry.js';
import { queueEntryBytes, writeQueueEntry } from '../../src/format/queue-entry.js';
import { type PlacedQueues, placesIn } from '../../src/recovery/queue-places.js';

type Entry = readonly [physicalOffset: number, recordBytes: number];

/** Queues that hold just these entries; `undefined`: one that cannot be read. */
function queuesOf(lists: readonly (readonly Entry[] | undefined)[], readMax = 1024): { queues: PlacedQueues; registry: QueueRegistry } {
  const registry = new QueueRegistry();
  for (const [i] of lists.entries()) registry.slotOf('T', i);
  const list = (slot: number): readonly Entry[] => {
    const found = lists[slot];
    if (found === undefined) throw new Error('damaged');
    return found;
  };
  const queues: PlacedQueues = {
    bounds: (slot) => ({ min: 0, max: lists[slot]?.length ?? 7 }),
    readEntries: (slot, from, into, count) => {
      const entries = list(slot).slice(from, from + Math.min(count, readMax));
      for (const [i, [physicalOffset, recordBytes]] of entries.entries())
        writeQueueEntry(into, i * queueEntryBytes, physicalOffset, recordBytes, 0);
      return entries.length;
    },
    firstHeld: (_, from) => from,
  };
  return { queues, registry };
}

function offsets(lists: readonly (readonly Entry[] | undefined)[], from: number, to: number, readMax?: number): number[] {
  const { queues, registry } = queuesOf(lists, readMax);
  return placesIn(queues, registry, from, to).map((place) => place.physicalOffset);
}

describe('places that queue entries name', () => {
  it('are those in the stretch, of all queues, ascending', () => {
    const lists: Entry[][] = [
      [
        [0, 10],
        [30, 10],
        [50, 10],
      ],
      [
        [10, 20],
        [40, 10],
      ],
      [],
    ];
    expect(offsets(lists, 0, 100)).toEqual([0, 10, 30, 40, 50]);
    expect(offsets(lists, 10, 50)).toEqual([10, 30, 40]);
    expect(offsets(lists, 11, 30)).toEqual([]);
  });

  it('come with queue, number and size', () => {
    const { queues, registry } = queuesOf([
      [],
      [
        [10, 20],
        [40, 30],
      ],
    ]);
    expect(placesIn(queues, registry, 30, 100)).toEqual([
      { topic: 'T', queueId: 1, queueOffset: 1, physicalOffset: 40, recordBytes: 30, tagsCode: 0 },
    ]);
  });

  it('are none for entries of no size, and none of a queue that cannot be read', () => {
    expect(
      offsets(
        [
          undefined,
          [
            [10, 0],
            [20, 5],
          ],
        ],
        0,
        100,
      ),
    ).toEqual([20]);
  });

  it('are found around damaged entries, and around a file that is missing', () => {
    const good = Array.from({ length: 3000 }, (_, i): Entry => [i * 10, 10]);
    for (const from of [0, 700, 1499, 2740]) {
      for (const damaged of [
        [0, 0],
        [0, -5],
        [2 ** 40, 10],
        [Number.MAX_SAFE_INTEGER + 2, 10],
      ] as const) {
        const many = good.map((entry, i): Entry => (i >= from && i < from + 200 ? damaged : entry));
        const expected = many.filter(([offset, bytes]) => bytes > 0 && offset >= 5000 && offset < 25_000).map(([offset]) => offset);
        expect(offsets([many], 5000, 25_000)).toEqual(expected);
      }
    }
    const { queues, registry } = queuesOf([good]);
    const broken: PlacedQueues = {
      ...queues,
      readEntries: (slot, at, into, count) => {
        if (at >= 1000 && at < 1100) throw new Error('missing');
        return queues.readEntries(slot, at, into, at < 1000 ? Math.min(count, 1000 - at) : count);
      },
    };
    const found = placesIn(broken, registry, 5000, 25_000).map((place) => place.queueOffset);
    expect(found.slice(0, 500)).toEqual(Array.from({ length: 500 }, (_, i) => 500 + i));
    expect(found.slice(-1200)).toEqual(Array.from({ length: 1200 }, (_, i) => 1300 + i));
  });

  it('are found in parts, and reading ends where entries do', () => {
    const many = Array.from({ length: 3000 }, (_, i): Entry => [i * 10, 10]);
    expect(offsets([many], 0, 100_000)).toHaveLength(3000);
    expect(offsets([many], 0, 100_000, 7)).toHaveLength(3000);
    expect(offsets([many], 0, 100_000, 0)).toEqual([]);
  });
});
