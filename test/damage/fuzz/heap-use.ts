import { SeededRandom } from '../../../src/testing/seeded-random.js';
import { type Decoder } from './decoders.js';

const ROUND_COUNT = 256;

/**
 * Bytes of the heap that a decoder takes for one byte of input, without what is collected at once: measured over many runs between two
 * looks at the heap, so a collection in between makes it less, never more. The highest of several tries counts.
 */
export function heapBytesPerByte(decoder: Decoder, seed: number): number {
  let highest = 0;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const inputs = Array.from({ length: ROUND_COUNT }, (_, i) =>
      Buffer.from(decoder.input(new SeededRandom(seed + attempt * ROUND_COUNT + i))),
    );
    const inputBytes = inputs.reduce((sum, input) => sum + input.length + 64, 0);
    const before = process.memoryUsage().heapUsed;
    for (const input of inputs) {
      try {
        decoder.read(input);
      } catch {
        // Only its memory is of interest.
      }
    }
    highest = Math.max(highest, (process.memoryUsage().heapUsed - before) / inputBytes);
  }
  return highest;
}
