/**
 * Short texts met again and again (names of properties, tags): making a string of bytes is a call that costs more than to
 * find the one made before. Direct-mapped, so bounded; only ASCII is kept, which compares byte by character.
 */
const slotCount = 512;
const keptBytesMax = 32;

export class ShortTexts {
  readonly #texts: string[] = new Array<string>(slotCount).fill('');

  /** `bytes[start, end)` as text. */
  get(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > keptBytesMax) return bytes.toString('utf8', start, end);
    let hash = length;
    let all = 0;
    for (let i = start; i < end; i += 1) {
      const byte = bytes[i] as number;
      hash = (Math.imul(hash, 31) + byte) | 0;
      all |= byte;
    }
    if (all > 0x7f) return bytes.toString('utf8', start, end);
    const slot = (hash ^ (hash >>> 15)) & (slotCount - 1);
    const kept = this.#texts[slot] as string;
    if (kept.length === length && isSame(kept, bytes, start)) return kept;
    const made = bytes.toString('latin1', start, end);
    this.#texts[slot] = made;
    return made;
  }
}

function isSame(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
