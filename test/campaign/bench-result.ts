/** What a bench writes with `--json`, as far as all benches have it in common. */
export interface BenchResult {
  readonly bench: string;
  readonly seedFrom: number;
  /** How many histories, cycles, stores or inputs there were. */
  readonly count: number;
  readonly acknowledgements: number;
  readonly failures: readonly BenchFailure[];
  readonly skipped: readonly string[];
  readonly durationS: number;
  readonly fileSystem: string | undefined;
  /** `hung`, `died`: there was no result file, the only failure is that. */
  readonly end: 'told' | 'hung' | 'died';
}

export interface BenchFailure {
  readonly what: string;
  readonly seed: number | undefined;
  readonly replay: string | undefined;
}

/** Reads the text of a result file; throws where it is none, so that a bench which wrote nothing cannot pass for a green one. */
export function parseBenchResult(text: string): BenchResult {
  const value = objectOf(JSON.parse(text), 'a result');
  // What was done, where a bench stops early; otherwise what was asked for.
  const count = value['histories'] ?? value['cycles'] ?? value['count'];
  const { bench, seedFrom, durationS, failures } = value;
  if (typeof bench !== 'string' || !isCount(seedFrom) || !isCount(count)) throw new Error('a result without bench, seedFrom and count');
  if (typeof durationS !== 'number' || !Array.isArray(failures)) throw new Error('a result without durationS and failures');
  const { acknowledgements, skipped, fileSystem } = value;
  return {
    bench,
    seedFrom,
    count,
    acknowledgements: isCount(acknowledgements) ? acknowledgements : 0,
    failures: failures.map(failureOf),
    skipped: Array.isArray(skipped) ? skipped.map(skippedOf) : [],
    durationS,
    fileSystem: typeof fileSystem === 'string' && fileSystem !== 'none' ? fileSystem : undefined,
    end: 'told',
  };
}

function failureOf(value: unknown): BenchFailure {
  if (typeof value === 'string') return { what: value, seed: undefined, replay: undefined };
  const failure = objectOf(value, 'a failure');
  const { what, failures, seed, replay } = failure;
  const told = typeof what === 'string' ? what : Array.isArray(failures) ? failures.map(String).join('; ') : JSON.stringify(value);
  return {
    what: told,
    seed: isCount(seed) ? seed : undefined,
    replay: typeof replay === 'string' ? replay : undefined,
  };
}

function skippedOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const { what, why } = objectOf(value, 'what was skipped');
  return typeof what === 'string' && typeof why === 'string' ? `${what}: ${why}` : JSON.stringify(value);
}

export function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return value as Readonly<Record<string, unknown>>;
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
