import type { FlushMode } from '../../../src/index.js';
import type { KillPoint, PointName, World } from '../writer/plan.js';
import type { Dice } from './dice.js';

/** Small enough that everything rolls, fills and wraps within a life. */
export function randomWorld(dice: Dice, flush: FlushMode): World {
  const segmentBytes = dice.pick([4096, 8192, 16_384, 20_000, 65_536]);
  return {
    flush,
    flushIntervalMs: dice.pick([1, 5, 25, 100]),
    segmentBytes,
    queueEntriesPerFile: dice.pick([7, 16, 50]),
    indexSlotCount: dice.pick([3, 13, 101]),
    indexEntryCount: dice.pick([20, 50, 333]),
    recordChecksum: dice.chance(0.8),
    pendingBytesMax: dice.pick([2000, 20_000, 64 * 1024 * 1024]),
    // Six of the largest must fit in one segment, as a batch.
    bodyBytesMax: Math.floor(segmentBytes / 6) - 220,
  };
}

const pointWeights: Readonly<Record<PointName, number>> = {
  'log-write': 12,
  'log-sync': 10,
  roll: 16,
  retention: 12,
  'safe-point': 16,
  watermark: 6,
  'queue-write': 6,
  snapshot: 10,
  closing: 12,
  opening: 14,
};
/** How many calls of a point may pass first: about as many as a life of it makes. */
const passMax: Readonly<Record<PointName, number>> = {
  'log-write': 150,
  'log-sync': 100,
  roll: 60,
  retention: 20,
  'safe-point': 60,
  watermark: 60,
  'queue-write': 200,
  snapshot: 150,
  closing: 50,
  opening: 120,
};

export function randomPoint(dice: Dice): KillPoint {
  const name = dice.weighted(pointWeights);
  // The first calls are as likely as all later ones together.
  const nth = 1 + (dice.chance(0.3) ? dice.below(5) : dice.below(passMax[name]));
  return { name, nth, moment: dice.pick(['before', 'during', 'after']) };
}
