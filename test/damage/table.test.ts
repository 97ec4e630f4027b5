import { beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { checkStore, type Mode, modes, type Outcome } from './check-store.js';
import { copyOf, type Image } from './image.js';
import type { MadeStore } from './made-store.js';
import { damagePart, damageWhole, type PartKind, type WholeKind } from './pieces.js';
import { pathLike, placeInLog, tableStore } from './table-store.js';
import { changedInLog } from './touched.js';

/**
 * What is to be expected of each kind of damage, to each file, in each mode. Whatever the row says, `checkStore` holds every store to the
 * rest: no wrong byte, nothing missing that is not named, all errors typed, queues and index whole after `repair`, a clean close, the
 * same messages after opening again.
 *
 *   whole     opens, nothing is lost, the report names no damage
 *   noted     opens, nothing is lost, the report names what was put aside
 *   refused   CORRUPT, and no byte was changed
 *   found     opens without a word; reads and `verify` name what is damaged, and `repair` loses no more than was touched
 *   skipped   opens, the report names it, no more is lost than was touched
 *   cut       opens, the report names it, all from there on is gone
 */
type Expected = 'whole' | 'noted' | 'refused' | 'found' | 'skipped' | 'cut';
type Row = readonly [
  kinds: readonly (PartKind | WholeKind)[],
  ending: 'killed' | 'closed',
  strict: Expected,
  skip: Expected,
  truncate: Expected,
];
interface Site {
  readonly what: string;
  /** The file, and for damage to a part of it the byte that is hit. */
  readonly at: (made: MadeStore) => { readonly path: string; readonly at: number };
  readonly rows: readonly Row[];
}

const blocks = ['zeroed', 'garbage', 'swapped', 'misplaced'] as const;
const parts = ['bit', ...blocks, 'stale'] as const;
const wholes = ['cut', 'longer', 'missing', 'empty', 'foreign', 'stale file', 'stray'] as const;
const everything = [...parts, ...wholes, 'doubled', 'overwritten'] as const;

/** Bytes below the watermark of a killed store: damage. Of a closed store the log is not read when it is opened. */
const inTheLog: readonly Row[] = [
  [parts, 'killed', 'refused', 'skipped', 'cut'],
  [parts, 'closed', 'found', 'found', 'found'],
];
/** Everything but the log can be made anew, or is only there to save time. */
const derived: readonly Row[] = [
  [everything, 'killed', 'whole', 'whole', 'whole'],
  [everything, 'closed', 'whole', 'whole', 'whole'],
];

const fields: Readonly<Record<string, number>> = {
  size: 2,
  magic: 5,
  'body checksum': 9,
  'queue id': 15,
  flag: 18,
  'queue offset': 26,
  'own place': 34,
  'system flags': 39,
  'time of birth': 45,
  'host of birth': 50,
  'time of storing': 62,
  'host of storing': 66,
  'body length': 86,
  body: 90,
};

const sites: readonly Site[] = [
  ...Object.entries(fields).map(
    ([name, inside]): Site => ({
      what: `log, ${name} of a record in the middle`,
      at: (made) => placeInLog(made, 17, inside),
      rows: [
        [['bit'], 'killed', 'refused', 'skipped', 'cut'],
        [['bit'], 'closed', 'found', 'found', 'found'],
      ],
    }),
  ),
  { what: 'log, a block in the middle', at: (made) => placeInLog(made, 20, 60), rows: inTheLog },
  { what: 'log, the block of the last record', at: (made) => placeInLog(made, 35, 60), rows: inTheLog },
  {
    what: 'log, the blank that ends a segment',
    at: (made) => {
      const { path, at } = placeInLog(made, made.messages.findIndex((message) => message.physicalOffset >= 8192) - 1, 0);
      return {
        path,
        at:
          at +
          (made.messages.find(
            (message) => message.physicalOffset % 4096 === at && message.physicalOffset < 8192 && message.physicalOffset >= 4096,
          )?.recordBytes ?? 0) +
          5,
      };
    },
    rows: [
      [['bit'], 'killed', 'refused', 'noted', 'cut'],
      // No message is touched: `verify` names it, and `repair` puts it right.
      [['bit'], 'closed', 'whole', 'whole', 'whole'],
    ],
  },
  {
    what: 'log, a segment in the middle',
    at: () => ({ path: `commitlog/${'4096'.padStart(20, '0')}`, at: 0 }),
    rows: [
      [['cut', 'missing', 'empty', 'foreign', 'stale file'], 'killed', 'refused', 'skipped', 'cut'],
      [['cut', 'missing', 'empty', 'stale file'], 'closed', 'refused', 'skipped', 'cut'],
      // Of its right length: the log of a closed store is not read when it is opened.
      [['foreign'], 'closed', 'found', 'found', 'found'],
      [['longer'], 'killed', 'refused', 'noted', 'noted'],
      [['longer'], 'closed', 'refused', 'noted', 'noted'],
      [['stray'], 'killed', 'whole', 'whole', 'whole'],
      [['stray'], 'closed', 'whole', 'whole', 'whole'],
    ],
  },
  {
    what: 'log, the last segment',
    at: () => ({ path: `commitlog/${'8192'.padStart(20, '0')}`, at: 0 }),
    rows: [
      [['cut', 'missing', 'empty', 'foreign', 'stale file'], 'killed', 'refused', 'skipped', 'cut'],
      [['cut', 'missing', 'empty', 'stale file'], 'closed', 'refused', 'skipped', 'cut'],
      [['foreign', 'overwritten'], 'closed', 'found', 'found', 'found'],
      [['overwritten'], 'killed', 'refused', 'skipped', 'cut'],
      [['doubled'], 'killed', 'noted', 'noted', 'noted'],
      [['doubled'], 'closed', 'noted', 'noted', 'noted'],
    ],
  },
  { what: 'a queue entry', at: (made) => ({ path: pathLike(made.image, 'consumequeue/T/1/', 0), at: 27 }), rows: derived },
  { what: 'the last file of a queue', at: (made) => ({ path: pathLike(made.image, 'consumequeue/T/0/', -1), at: 3 }), rows: derived },
  { what: 'the header of the index', at: (made) => ({ path: pathLike(made.image, 'index/', -1), at: 39 }), rows: derived },
  { what: 'a slot of the index', at: (made) => ({ path: pathLike(made.image, 'index/', 0), at: 43 }), rows: derived },
  { what: 'an entry of the index', at: (made) => ({ path: pathLike(made.image, 'index/', 0), at: 40 + 20 + 20 * 3 + 7 }), rows: derived },
  { what: 'the checkpoint', at: () => ({ path: 'checkpoint', at: 6 }), rows: derived },
  { what: 'topics.json', at: () => ({ path: 'config/topics.json', at: 60 }), rows: derived },
  { what: 'the manifest', at: () => ({ path: 'stratalog/manifest', at: 30 }), rows: derived },
  { what: 'the state', at: () => ({ path: 'stratalog/state', at: 30 }), rows: derived },
  { what: 'the watermark', at: () => ({ path: 'stratalog/watermark', at: 4096 + 50 }), rows: derived },
  { what: 'abort', at: () => ({ path: 'abort', at: 0 }), rows: [[everything, 'killed', 'whole', 'whole', 'whole']] },
];

function nameOf(outcome: Outcome): Expected | 'something else' {
  const { opened, touchedCount, lostCount, notedCount, isEndLost } = outcome;
  if (!opened) return 'refused';
  if (lostCount === 0 && touchedCount === 0) return notedCount > 0 ? 'noted' : 'whole';
  if (lostCount <= touchedCount && notedCount === 0) return 'found';
  if (outcome.mode === 'truncate' && isEndLost && notedCount > 0) return 'cut';
  return lostCount <= touchedCount ? 'skipped' : 'something else';
}

const isPart = (kind: PartKind | WholeKind): kind is PartKind => (parts as readonly string[]).includes(kind);

function damaged(made: MadeStore, site: Site, kind: PartKind | WholeKind): Image {
  const image = copyOf(made.image);
  const { path, at } = site.at(made);
  const where = { image, older: made.older, random: new SeededRandom(7), segmentBytes: made.options.segmentBytes };
  if (isPart(kind)) damagePart(where, kind, path, at);
  else damageWhole(where, kind, path);
  return image;
}

/** Damage that left every byte as it was is none: a stale block may be the same as the block. */
function isChanged(made: MadeStore, image: Image): boolean {
  return [...image].some(([path, bytes]) => made.image.get(path)?.equals(bytes) !== true) || image.size !== made.image.size;
}

const made: Partial<Record<'killed' | 'closed', MadeStore>> = {};
beforeAll(async () => {
  for (const ending of ['killed', 'closed'] as const) made[ending] = await tableStore(ending);
});

for (const site of sites) {
  describe(site.what, () => {
    for (const [kinds, ending, ...expected] of site.rows) {
      for (const kind of kinds) {
        it(`${kind}, ${ending}: ${modes.map((mode, i) => `${mode} ${expected[i]}`).join(', ')}`, async () => {
          const store = made[ending]!;
          const image = damaged(store, site, kind);
          if (!isChanged(store, image)) return;
          const found: Partial<Record<Mode, string>> = {};
          for (const mode of modes) {
            const outcome = await checkStore(store, image, mode);
            expect({ mode, failures: outcome.failures }).toEqual({ mode, failures: [] });
            found[mode] = nameOf(outcome);
          }
          const isLogChanged = changedInLog(store, image).length > 0;
          const named = Object.fromEntries(modes.map((mode, i) => [mode, isLogChanged || kind !== 'stale' ? expected[i] : 'whole']));
          expect(found).toEqual(named);
        });
      }
    }
  });
}
