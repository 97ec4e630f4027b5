import type { SeededRandom } from '../../src/testing/seeded-random.js';
import type { Image } from './image.js';

/** One thing that went wrong with the files of a store, as text: what, where. */
export type Piece = string;

export interface Site {
  readonly image: Image;
  readonly older: Image;
  readonly random: SeededRandom;
  /** Length in bytes of what a log is cut into. */
  readonly segmentBytes: number;
}

/** How often files of a folder are hit, and those at the top by their name. */
const weights: readonly (readonly [prefix: string, weight: number])[] = [
  ['commitlog/', 50],
  ['consumequeue/', 15],
  ['index/', 10],
  ['stratalog/state', 6],
  ['stratalog/watermark', 6],
  ['stratalog/manifest', 4],
  ['checkpoint', 3],
  ['config/', 3],
  ['abort', 2],
  ['stratalog/tmp/', 1],
];

export const partKinds = ['bit', 'bit', 'bit', 'zeroed', 'garbage', 'swapped', 'stale', 'misplaced'] as const;
export const wholeKinds = ['cut', 'longer', 'missing', 'doubled', 'overwritten', 'empty', 'foreign', 'stale file', 'stray'] as const;

/** Does one piece of damage to the image, chosen at random, and says which. */
export function damageAnywhere(site: Site): Piece {
  const path = chooseFile(site);
  const isPart = site.random.chance(path.startsWith('commitlog/') ? 0.82 : 0.7);
  const kind = isPart ? partKinds[site.random.below(partKinds.length)] : wholeKinds[site.random.below(wholeKinds.length)];
  return isPart ? damagePart(site, kind as (typeof partKinds)[number], path) : damageWhole(site, kind as (typeof wholeKinds)[number], path);
}

function chooseFile({ image, random }: Site): string {
  const paths = [...image.keys()].filter((path) => path !== 'lock').sort();
  for (;;) {
    let rest = random.below(weights.reduce((sum, [, weight]) => sum + weight, 0));
    const prefix = weights.find(([, weight]) => (rest -= weight) < 0)?.[0] ?? 'commitlog/';
    const among = paths.filter((path) => path.startsWith(prefix));
    const path = among[random.below(among.length)];
    if (path !== undefined) return path;
    if (paths.length === 0) return 'commitlog/nothing';
  }
}

/** The bytes of a file that hold something: most of a segment or an index file may be a hole. */
function usedBytes(bytes: Buffer): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return Math.min(bytes.length, end + 64);
}

export type PartKind = (typeof partKinds)[number];
export type WholeKind = (typeof wholeKinds)[number];

/** @param hitAt the byte to be hit; chosen at random unless it is given. */
export function damagePart(site: Site, kind: PartKind, path: string, hitAt?: number): Piece {
  const { image, random } = site;
  const bytes = Buffer.from(image.get(path) ?? Buffer.alloc(0));
  if (bytes.length === 0) return `${kind}: ${path} is empty`;
  const at = hitAt ?? random.below(Math.max(1, random.chance(0.9) ? usedBytes(bytes) : bytes.length));
  image.set(path, bytes);
  if (kind === 'bit') {
    const bit = random.below(8);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    return `bit ${bit} of byte ${at} of ${path}`;
  }
  const blockBytes = random.chance(0.75) ? 512 : 4096;
  const from = at - (at % blockBytes);
  const to = Math.min(bytes.length, from + blockBytes);
  const where = `bytes ${from} to ${to} of ${path}`;
  if (kind === 'zeroed') {
    bytes.fill(0, from, to);
    return `zeroed ${where}`;
  }
  if (kind === 'garbage') {
    for (let i = from; i < to; i += 1) bytes[i] = random.uint32() & 0xff;
    return `garbage in ${where}`;
  }
  if (kind === 'stale') {
    const older = site.older.get(path) ?? Buffer.alloc(0);
    bytes.fill(0, from, to);
    older.subarray(from, to).copy(bytes, from);
    return `stale ${where}`;
  }
  // From elsewhere: of the same file mostly, so that it looks like what belongs there.
  const other = random.chance(0.7) ? path : chooseFile(site);
  const source = Buffer.from(image.get(other) ?? Buffer.alloc(0));
  const otherFrom = blockBytes * random.below(Math.max(1, Math.ceil(usedBytes(source) / blockBytes)));
  const taken = Buffer.alloc(to - from);
  source.subarray(otherFrom, otherFrom + taken.length).copy(taken);
  if (kind === 'swapped') {
    const target = other === path ? bytes : source;
    bytes.copy(target, otherFrom, from, Math.min(to, from + Math.max(0, target.length - otherFrom)));
    image.set(other, target);
  }
  taken.copy(bytes, from);
  return `${kind} ${where} with those from ${otherFrom} of ${other}`;
}

export function damageWhole(site: Site, kind: WholeKind, path: string): Piece {
  const { image, random } = site;
  const bytes = image.get(path) ?? Buffer.alloc(0);
  switch (kind) {
    case 'cut': {
      const length = random.below(Math.max(1, random.chance(0.5) ? usedBytes(bytes) : bytes.length));
      image.set(path, Buffer.from(bytes.subarray(0, length)));
      return `${path} cut to ${length} bytes`;
    }
    case 'longer': {
      const more = Buffer.alloc(1 + random.below(5000), random.below(256));
      image.set(path, Buffer.concat([bytes, more]));
      return `${path} longer by ${more.length} bytes`;
    }
    case 'missing':
      image.delete(path);
      return `${path} missing`;
    case 'doubled':
      return doubled(site, path, bytes);
    case 'overwritten':
      return overwritten(site, path, bytes);
    case 'empty':
      image.set(path, Buffer.alloc(0));
      return `${path} empty`;
    case 'foreign':
      image.set(path, random.chance(0.5) ? random.bytes(Math.min(bytes.length, 8192)) : Buffer.from('{"not":"ours"}\n'));
      return `${path} replaced by something else`;
    case 'stale file': {
      const older = site.older.get(path);
      if (older === undefined) image.delete(path);
      else image.set(path, older);
      return `${path} as it was before`;
    }
    case 'stray':
      return strayBeside(site, path);
    default:
      return kind satisfies never;
  }
}

function strayBeside({ image, random }: Site, path: string): Piece {
  const name = ['.DS_Store', 'x.tmp', 'notes.txt', '123', '00000000000000000000.bak'][random.below(5)] ?? 'x';
  const stray = `${path.slice(0, path.lastIndexOf('/') + 1)}${name}`;
  image.set(stray, random.bytes(random.below(100)));
  return `a stray ${stray}`;
}

/** A copy under another name of the same kind: of a later segment, of more of a queue, of another time. */
function doubled({ image, random, segmentBytes }: Site, path: string, bytes: Buffer): Piece {
  const slash = path.lastIndexOf('/');
  const folder = path.slice(0, slash + 1);
  const name = path.slice(slash + 1);
  const step = path.startsWith('commitlog/') ? segmentBytes * (1 + random.below(3)) : bytes.length;
  let target = `${path}.copy`;
  if (/^\d{20}$/.test(name)) target = `${folder}${String(Number(name) + step).padStart(20, '0')}`;
  if (/^\d{17}$/.test(name)) target = `${folder}${String(BigInt(name) + BigInt(1 + random.below(1000))).padStart(17, '0')}`;
  image.set(target, bytes);
  return `${path} also as ${target}`;
}

/** Written in place of a file beside it. */
function overwritten({ image, random, segmentBytes }: Site, path: string, bytes: Buffer): Piece {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const beside = [...image.keys()].filter((each) => each.startsWith(folder) && each !== path && !each.slice(folder.length).includes('/'));
  const target = beside[random.below(beside.length)];
  if (target === undefined || target === 'lock') return doubled({ image, older: image, random, segmentBytes }, path, bytes);
  image.set(target, bytes);
  return `${target} overwritten with ${path}`;
}
