import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { wholeNumber } from '../../../bench/common/option-values.js';
import { countAllocations } from './counted-memory.js';
import { decoders } from './decoders.js';
import { heapBytesPerByte } from './heap-use.js';
import { type FuzzFinding, runDecoder } from './run-decoder.js';

/** Feeds decoders bytes that nobody vouches for. Exits with 1 if one threw what it must not, took too long or too much memory. */
interface Options {
  readonly decoder: string;
  readonly seed: number;
  readonly count: number;
  readonly json: string | undefined;
}

const program = new Command('fuzz')
  .option('--decoder <names>', `all, or some of: ${Object.keys(decoders).join(', ')}`, 'all')
  .option('--seed <number>', 'the first input', wholeNumber(0), 1)
  .option('--count <number>', 'inputs, over all decoders', wholeNumber(1), 1_000_000)
  .option('--json <file>', 'write the result there')
  .parse();
const options = program.opts<Options>();
const chosen = Object.entries(decoders).filter(([name]) => options.decoder === 'all' || options.decoder.split(',').includes(name));
if (chosen.length === 0) program.error(`no decoder is called ${options.decoder}`);

const startMs = performance.now();
const findings: FuzzFinding[] = [];
const heap = Object.fromEntries(chosen.map(([name, decoder]) => [name, heapBytesPerByte(decoder, options.seed)]));
countAllocations();
const perDecoder = Math.ceil(options.count / chosen.length);
const results = chosen.map(([name, decoder]) => {
  const beganMs = performance.now();
  const result = runDecoder(name, decoder, options.seed, perDecoder);
  const perSecond = (result.count / (performance.now() - beganMs)) * 1000;
  console.log(
    `${name}: ${result.count} inputs, ${Math.round(perSecond)} a second, ${result.refused} refused, slowest ${result.slowestMs.toFixed(1)} ms, ` +
      `${result.mostExtraBytes} bytes beyond twice the input, ${(heap[name] ?? 0).toFixed(1)} bytes of heap a byte`,
  );
  const heapMost = decoder.heapFactor ?? 20;
  if ((heap[name] ?? 0) > heapMost) {
    findings.push({
      decoder: name,
      seed: options.seed,
      what: `${heap[name]?.toFixed(1)} bytes of heap a byte, at most ${heapMost}`,
      inputHex: '',
    });
  }
  for (const finding of result.findings) {
    findings.push(finding);
    console.log(
      `${finding.what}\n  input ${finding.inputHex}\n  again: npm run fuzz -- --decoder '${name}' --seed ${finding.seed} --count 1`,
    );
  }
  return { name, ...result, findings: result.findings.length, perSecond, heapBytesPerByte: heap[name] };
});
const result = {
  bench: 'fuzz',
  seedFrom: options.seed,
  count: results.reduce((sum, each) => sum + each.count, 0),
  slowestMs: Math.max(...results.map((each) => each.slowestMs)),
  mostExtraBytes: Math.max(...results.map((each) => each.mostExtraBytes)),
  decoders: results,
  failures: findings,
  durationS: (performance.now() - startMs) / 1000,
};
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
console.log(`${result.count} inputs in ${result.durationS.toFixed(1)} s, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
