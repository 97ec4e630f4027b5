/** An invariant of the engine. Failing means a bug here, never bad input; the message names the invariant. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Error(`stratalog: broken invariant: ${invariant}`);
}

/** For values that an index or a map must hold by construction. */
export function defined<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`stratalog: broken invariant: ${what} is missing`);
  return value;
}
