import { javaHash } from '../base/java-hash.js';

/** The hash of `topic#key` as the index keeps it: its absolute value, and 0 for the one that has none in 32 bits. */
export function indexHashOf(hash: number): number {
  return hash >= 0 ? hash : hash === -2_147_483_648 ? 0 : -hash;
}

export function indexKeyHash(topic: string, key: string): number {
  return indexHashOf(javaHash(key, Math.imul(javaHash(topic), 31) + 35));
}
