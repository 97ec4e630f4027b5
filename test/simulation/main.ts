import { runHistory } from './history.js';
const seed0 = Number(process.argv[process.argv.indexOf('--seed') + 1] ?? 1);
const count = Number(process.argv[process.argv.indexOf('--count') + 1] ?? 10);
const start = performance.now();
let ops = 0, crashes = 0, faults = 0, acks = 0, calls = 0;
for (let seed = seed0; seed < seed0 + count; seed += 1) {
  const r = await runHistory(seed, process.argv.includes('--trace') ? (line) => console.log(line) : undefined);
  ops += r.operations; crashes += r.crashes; faults += r.faults; acks += r.acknowledgements; calls += r.calls;
  if (r.failure !== undefined) console.log(`seed ${seed}: ${r.failure}`);
}
const s = (performance.now() - start) / 1000;
console.log({ perS: count / s, ops: ops / count, crashes: crashes / count, faults: faults / count, acks: acks / count, calls: calls / count });
