/**
 * The string hash of the format: h = 31 h + c over UTF-16 code units, modulo 2^32, as a signed 32-bit integer.
 * `seed` is the hash of a prefix, so that what many strings have in common is hashed once.
 */
export function javaHash(text: string, seed: number = 0): number {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}
