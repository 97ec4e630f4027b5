declare const kind: unique symbol;

/**
 * Byte position of a record in the commit log. A safe integer; at run time a plain number.
 * The mark is optional: any number may be given, the other kind of offset may not.
 */
export type PhysicalOffset = number & { readonly [kind]?: 'physical' };
/** Ordinal of a message within one queue: 0, 1, 2, … Marked in the same way. */
export type QueueOffset = number & { readonly [kind]?: 'queue' };
/** Milliseconds since the Unix epoch. */
export type EpochMs = number;
