import type { SeededRandom } from '../../../src/testing/seeded-random.js';

/** Numbers that lengths and counts are likely to be wrong with. */
const edges: readonly number[] = [0, 1, -1, 7, 8, 90, 91, 127, 128, 255, 256, 32_767, 32_768, 65_535, 0x7fffffff, -0x80000000, 0x7ffffffe];
const scratch: Buffer = Buffer.alloc(1024 * 1024);

/** A valid encoding with up to eight mutations, or bytes of which nothing is known. What is returned is valid until the next call. */
export function mutated(random: SeededRandom, valid: readonly Buffer[]): Buffer {
  const way = random.below(16);
  if (way === 0) return noise(random, random.below(200));
  const base = valid[random.below(valid.length)] ?? scratch.subarray(0, 0);
  let length = Math.min(base.length, scratch.length / 2);
  base.copy(scratch, 0, 0, length);
  for (let left = random.below(way === 1 ? 9 : 4); left > 0; left -= 1) length = mutate(random, length, valid);
  return scratch.subarray(0, length);
}

function noise(random: SeededRandom, length: number): Buffer {
  for (let i = 0; i < length; i += 4) scratch.writeInt32BE(random.uint32() | 0, i);
  return scratch.subarray(0, length);
}

/** One change of `scratch[0, length)`; returns its new length. */
function mutate(random: SeededRandom, length: number, valid: readonly Buffer[]): number {
  const at = random.below(Math.max(1, length));
  switch (random.below(9)) {
    case 0:
    case 1:
      scratch[at] = (scratch[at] ?? 0) ^ (1 << random.below(8));
      return length;
    case 2:
      scratch[at] = random.uint32() & 0xff;
      return length;
    case 3:
      scratch.writeInt32BE(edges[random.below(edges.length)] ?? 0, at);
      return length;
    case 4:
      scratch.writeInt16BE(((edges[random.below(edges.length)] ?? 0) << 16) >> 16, at);
      return length;
    case 5:
      scratch.writeInt32BE((scratch.readInt32BE(at) + random.below(5) - 2) | 0, at);
      return length;
    case 6:
      // Cut, or longer by what came before.
      return random.chance(0.5) ? at : Math.min(length + random.below(64), scratch.length / 2);
    case 7: {
      const from = random.below(Math.max(1, length));
      scratch.copyWithin(at, from, Math.min(length, from + random.below(64)));
      return length;
    }
    default: {
      const other = valid[random.below(valid.length)] ?? scratch;
      const bytes = Math.min(other.length, scratch.length / 2 - at, 1 + random.below(200));
      other.copy(scratch, at, 0, bytes);
      return Math.max(length, Math.min(at + bytes, length + 64));
    }
  }
}

const names: readonly string[] = [
  'version',
  'storeId',
  'options',
  'spans',
  'queues',
  'index',
  'safeOffset',
  'clean',
  '__proto__',
  'T',
  '../x',
  '',
];

/** A JSON value of any shape, with the names that decoders look for. */
export function anyJson(random: SeededRandom, depth: number = 0): unknown {
  const way = random.below(depth > 4 ? 6 : 9);
  if (way === 0) return null;
  if (way === 1) return random.chance(0.5);
  if (way === 2) return edges[random.below(edges.length)];
  if (way === 3) return random.fraction() * 2 ** random.below(70);
  if (way === 4) return names[random.below(names.length)];
  if (way === 5) return String.fromCharCode(random.below(0xffff)).repeat(random.below(4));
  if (way < 8) return Array.from({ length: random.below(5) }, () => anyJson(random, depth + 1));
  return Object.fromEntries(Array.from({ length: random.below(5) }, () => [names[random.below(names.length)], anyJson(random, depth + 1)]));
}

/** `value` with one part of it replaced by anything. */
export function changedJson(random: SeededRandom, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.2)) return anyJson(random, 2);
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...(value as unknown[])] : { ...value };
  const keys = Object.keys(copy);
  const key = keys[random.below(keys.length)];
  if (key === undefined) return anyJson(random, 2);
  const parts = copy as Record<string, unknown>;
  parts[key] = changedJson(random, parts[key]);
  return copy;
}
