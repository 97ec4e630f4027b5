import { SeededRandom } from '../../../src/testing/seeded-random.js';
import { allocatedBytes } from './counted-memory.js';
import { type Decoder } from './decoders.js';

export interface FuzzFinding {
  readonly decoder: string;
  readonly seed: number;
  readonly what: string;
  readonly inputHex: string;
}

export interface FuzzResult {
  count: number;
  refused: number;
  slowestMs: number;
  /** Outside of the heap, by one input: beyond twice its length. */
  mostExtraBytes: number;
  readonly findings: FuzzFinding[];
}

const SLOW_MS = 100;
const EXTRA_BYTES_MAX = 64 * 1024;
const FINDING_COUNT_MAX = 20;

/** One input for each seed of [from, from + count); the same seed gives the same input. */
export function runDecoder(name: string, decoder: Decoder, from: number, count: number, slowMs: number = SLOW_MS): FuzzResult {
  const result: FuzzResult = { count: 0, refused: 0, slowestMs: 0, mostExtraBytes: 0, findings: [] };
  const found = (seed: number, what: string, input: Buffer): void => {
    if (result.findings.length < FINDING_COUNT_MAX)
      result.findings.push({ decoder: name, seed, what, inputHex: input.subarray(0, 512).toString('hex') });
  };
  for (let seed = from; seed < from + count; seed += 1) {
    const input = decoder.input(new SeededRandom(seed));
    const bytesBefore = allocatedBytes();
    const startMs = performance.now();
    try {
      decoder.read(input);
    } catch (error) {
      if (decoder.isTyped?.(error) === true) result.refused += 1;
      else found(seed, error instanceof Error ? (error.stack ?? error.message) : String(error), input);
    }
    const tookMs = performance.now() - startMs;
    const extraBytes = allocatedBytes() - bytesBefore - 2 * input.length;
    result.count += 1;
    if (extraBytes > result.mostExtraBytes) result.mostExtraBytes = extraBytes;
    if (extraBytes > EXTRA_BYTES_MAX) found(seed, `${extraBytes} bytes beyond twice the input`, input);
    if (tookMs <= result.slowestMs) continue;
    // A pause of the machine or of the collector is not the decoder's: it is asked again.
    const againMs = Math.min(tookMs, secondTimeMs(decoder, seed));
    result.slowestMs = Math.max(result.slowestMs, againMs);
    if (againMs > slowMs) found(seed, `took ${againMs.toFixed(0)} ms`, decoder.input(new SeededRandom(seed)));
  }
  return result;
}

/** Of several tries the least, in time of the processor: that of the machine's other work does not count. */
function secondTimeMs(decoder: Decoder, seed: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const input = decoder.input(new SeededRandom(seed));
    const before = process.cpuUsage();
    try {
      decoder.read(input);
    } catch {
      // What it throws has been looked at.
    }
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
