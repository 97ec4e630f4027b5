import { javaHash } from '../../base/java-hash.js';

/**
 * The order in which a stock broker stores properties: that of a Java HashMap made with room for 128 and filled in the order
 * given. Buckets ascend; inside one, insertion order. (Maps whose buckets became trees, 8 colliding names and more, may differ.)
 */
export function javaPropertyOrder(names: Iterable<string>): string[] {
  const distinct = [...new Set(names)];
  let capacity = 128;
  while (distinct.length > 0.75 * capacity) capacity *= 2;
  const placed = distinct.map((name, order) => {
    const hash = javaHash(name);
    return { name, order, bucket: (hash ^ (hash >>> 16)) & (capacity - 1) };
  });
  return placed.sort((a, b) => a.bucket - b.bucket || a.order - b.order).map(({ name }) => name);
}
