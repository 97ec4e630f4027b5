/** Log segments and queue files are named after the offset they begin at: 20 decimal digits. */
export function segmentName(baseOffset: number): string {
  return String(baseOffset).padStart(20, '0');
}

/** The offset of exactly such a name, `undefined` for every other (and for offsets that no store can have). */
export function parseSegmentName(name: string): number | undefined {
  if (!/^\d{20}$/.test(name)) return undefined;
  const offset = Number(name);
  return Number.isSafeInteger(offset) ? offset : undefined;
}
