import createHasher from 'xxhash-wasm';

const hasher = await createHasher();

/** XXH64 of bytes, as 16 lower-case hex digits. */
export function xxh64Hex(bytes: Uint8Array): string {
  return hasher.h64Raw(bytes).toString(16).padStart(16, '0');
}

/** The queue, 0 to `queueCount` - 1, that `key` belongs to: XXH64 of its UTF-8 bytes, modulo. The same in every version. */
export function queueFor(key: string, queueCount: number): number {
  if (typeof key !== 'string') throw new TypeError(`key must be a string, not ${typeof key}`);
  if (!Number.isSafeInteger(queueCount) || queueCount < 1) {
    throw new RangeError(`queueCount must be a whole number of at least 1, not ${String(queueCount)}`);
  }
  return Number(hasher.h64(key) % BigInt(queueCount));
}
