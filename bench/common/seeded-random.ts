/** The first numbers of small seeds are alike. */
const skippedCount = 16;

/** Numbers in [0, 1) that are the same for the same seed (xorshift, 32 bits): what a run asks for can be asked again. */
export function seededRandom(seed: number): () => number {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
  for (let skipped = 0; skipped < skippedCount; skipped += 1) next();
  return next;
}
