import { SeededRandom } from '../../src/testing/seeded-random.js';
import { checkStore, type Mode, modes, type Outcome } from './check-store.js';
import { copyOf } from './image.js';
import { type MadeStore, makeStore } from './made-store.js';
import { damageAnywhere, type Piece } from './pieces.js';

/** As many neighbouring seeds begin with the same undamaged store: making it costs as much as asking one everything. */
const STORES_PER_MAKING = 8;
const PIECE_COUNT_MAX = 4;

export interface Finding {
  readonly seed: number;
  readonly mode: Mode;
  readonly ending: string;
  readonly pieces: readonly Piece[];
  readonly failures: readonly string[];
}

export interface DamagedStore extends Outcome {
  readonly ending: string;
  readonly pieces: readonly Piece[];
}

let made: MadeStore | undefined;

/** The store of one seed, damaged in 1 to 4 places, in each of the modes asked for; `undefined`: in the one that the seed says. */
export async function damagedStores(seed: number, all: readonly Mode[] | undefined): Promise<readonly DamagedStore[]> {
  const makingSeed = Math.floor(seed / STORES_PER_MAKING);
  if (made?.seed !== makingSeed) made = await makeStore(makingSeed);
  const { older, ending, options } = made;
  const random = new SeededRandom(seed * 7919 + 3);
  const image = copyOf(made.image);
  const pieces: Piece[] = [];
  for (let left = 1 + random.below(PIECE_COUNT_MAX); left > 0; left -= 1) {
    pieces.push(damageAnywhere({ image, older, random, segmentBytes: options.segmentBytes }));
  }
  const stores: DamagedStore[] = [];
  for (const mode of all ?? [modes[random.below(modes.length)] ?? 'skip']) {
    const outcome = await checkStore(made, image, mode, seed).catch((error: unknown) => thrown(mode, error));
    stores.push({ ...outcome, ending, pieces });
  }
  return stores;
}

/** Anything but an error of the store's own is a finding. */
function thrown(mode: Mode, error: unknown): Outcome {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const nothing = { touchedCount: 0, lostCount: 0, cutCount: 0, betweenCount: 0, notedCount: 0, isEndLost: false };
  return { mode, opened: true, ...nothing, failures: [`thrown: ${what}`] };
}
