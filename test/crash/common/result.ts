import { writeFileSync } from 'node:fs';
import { release } from 'node:os';

/** What a run of a bench comes to, as it is written with `--json`. */
export interface BenchResult {
  readonly bench: string;
  readonly fileSystem: string;
  readonly kernel: string;
  readonly seedFrom: number;
  readonly cycles: number;
  /** Appends that were acknowledged and then looked for. */
  readonly acknowledgements: number;
  readonly failures: readonly Failure[];
  /** Parts that this machine cannot run, by name, with the count of cycles left out. */
  readonly skipped: readonly { readonly what: string; readonly why: string; readonly cycles: number }[];
  readonly durationS: number;
  /** How often each thing happened: kill points, kinds of cut, error codes. */
  readonly counts: Readonly<Record<string, number>>;
  /** With `--control`: what was broken on purpose, and whether the bench noticed. */
  readonly controls?: readonly { readonly name: string; readonly caught: boolean; readonly cycles: number; readonly by: string }[];
}

export interface Failure {
  readonly what: string;
  /** The command that runs it again. */
  readonly replay: string;
  /** The store as it was found, if it was kept. */
  readonly kept?: string;
}

/** Collects what a bench does. */
export class Tally {
  readonly bench: string;
  readonly seedFrom: number;
  readonly fileSystems: Set<string> = new Set();
  readonly failures: Failure[] = [];
  readonly counts: Record<string, number> = {};
  readonly #skipped = new Map<string, { what: string; why: string; cycles: number }>();
  readonly #startMs = performance.now();
  cycles = 0;
  acknowledgements = 0;

  constructor(bench: string, seedFrom: number) {
    this.bench = bench;
    this.seedFrom = seedFrom;
  }

  count(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by;
  }

  skip(what: string, why: string, cycles: number): void {
    const known = this.#skipped.get(what);
    this.#skipped.set(what, { what, why, cycles: (known?.cycles ?? 0) + cycles });
  }

  fail(failure: Failure): void {
    this.failures.push(failure);
    const kept = failure.kept === undefined ? '' : `\n  kept:   ${failure.kept}`;
    console.error(`\nFINDING in ${this.bench}: ${failure.what}\n  replay: ${failure.replay}${kept}`);
  }

  result(controls?: BenchResult['controls']): BenchResult {
    return {
      bench: this.bench,
      fileSystem: [...this.fileSystems].join(', ') || 'none',
      kernel: release(),
      seedFrom: this.seedFrom,
      cycles: this.cycles,
      acknowledgements: this.acknowledgements,
      failures: this.failures,
      skipped: [...this.#skipped.values()],
      durationS: Math.round((performance.now() - this.#startMs) / 100) / 10,
      counts: Object.fromEntries(Object.entries(this.counts).sort(([a], [b]) => (a < b ? -1 : 1))),
      ...(controls === undefined ? {} : { controls }),
    };
  }
}

export function printResult(result: BenchResult, jsonPath: string | undefined): void {
  const { bench, fileSystem, cycles, acknowledgements, failures, skipped, durationS, counts, controls } = result;
  console.log(`${bench} on ${fileSystem}, seed ${result.seedFrom}: ${cycles} cycles, ${acknowledgements} acknowledged, ${durationS} s`);
  console.log(
    `  ${Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
  for (const { what, why, cycles: left } of skipped) console.log(`  skipped: ${what} (${left} cycles): ${why}`);
  for (const { name, caught, cycles: needed, by } of controls ?? []) {
    console.log(`  control ${name}: ${caught ? `caught after ${needed} cycles: ${by}` : `NOT CAUGHT in ${needed} cycles`}`);
  }
  console.log(failures.length === 0 ? '  no finding' : `  ${failures.length} FINDINGS`);
  if (jsonPath !== undefined) writeFileSync(jsonPath, `${JSON.stringify(result, null, 2)}\n`);
}
