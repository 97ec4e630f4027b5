export type BenchName = 'simulation' | 'sweep' | 'kill' | 'power' | 'full' | 'io-errors' | 'races' | 'limits' | 'damage' | 'fuzz' | 'tests';

/** A bench as it can be run: by a program, with a seed and a count, writing a result file. */
export interface BenchSpec {
  readonly name: BenchName;
  /** One sentence for the page. */
  readonly about: string;
  /** Of what there is a count, in the plural. */
  readonly unit: string;
  /** How many of them are aimed at. */
  readonly goal: number;
  /** Sources whose change makes the counts begin again. */
  readonly covers: readonly string[];
  readonly program: string;
  readonly args: (seedFrom: number, count: number) => readonly string[];
  /** How many seeds a run of `count` uses up. */
  readonly seedsOf: (count: number) => number;
  /** Of the first run, when nothing is known of its speed; and the steps in which controls are looked for. */
  readonly countFirst: number;
  /** Of one run, if it is bounded. */
  readonly countMax?: number;
  /** How many are tried with a control that the bench need not notice. */
  readonly countInVain: number;
  /** Of what controls count, where that is not `unit`. */
  readonly controlUnit?: string;
}

const logic: readonly string[] = [
  'src/base',
  'src/format',
  'src/segment',
  'src/commit-log',
  'src/consume-queue',
  'src/key-index',
  'src/dispatch',
  'src/recovery',
  'src/retention',
  'src/store',
  'src/open-store.ts',
];
export const wholeEngine: readonly string[] = [...logic, 'src/platform'];
const seedAndCount = (seedFrom: number, count: number): readonly string[] => ['--seed', `${seedFrom}`, '--count', `${count}`];
/** Calls of the scenario are taken one out of so many. */
const sweepSlices = 499;
const oneEach = (count: number): number => count;

/** Of the real machine: one process, or one mount, a cycle. */
function crashBench(name: BenchName, about: string, unit: string, goal: number, countFirst: number, countInVain: number): BenchSpec {
  return {
    name,
    about,
    unit,
    goal,
    covers: wholeEngine,
    program: 'test/crash/main.ts',
    args: (seedFrom, count) => [name, '--seed', `${seedFrom}`, '--cycles', `${count}`],
    seedsOf: oneEach,
    countFirst,
    countInVain,
  };
}

export const benches: readonly BenchSpec[] = [
  {
    name: 'simulation',
    about: 'Random histories of one store, on a disk in memory that fails, loses power and tears blocks, against a small model.',
    unit: 'histories',
    goal: 1_000_000,
    covers: logic,
    program: 'test/simulation/main.ts',
    args: (seedFrom, count) => [...seedAndCount(seedFrom, count), '--failures-max', '1'],
    seedsOf: oneEach,
    countFirst: 200,
    countInVain: 60,
  },
  {
    name: 'sweep',
    about: 'One scenario in which every part is used; every call of it fails in every way, and loses power in every way.',
    unit: 'points',
    goal: 56_000,
    covers: logic,
    program: 'test/simulation/sweep/main.ts',
    // A slice of the calls; the seed says which.
    args: (seedFrom) => ['--stride', `${sweepSlices}`, '--offset', `${seedFrom % sweepSlices}`, '--failures-max', '1'],
    seedsOf: oneEach,
    countFirst: 1,
    countMax: 1,
    countInVain: 1,
    controlUnit: `slices of ${sweepSlices}`,
  },
  crashBench(
    'kill',
    'A process that appends is killed with SIGKILL, and the store is compared with what it had acknowledged.',
    'kills',
    10_000,
    20,
    40,
  ),
  crashBench(
    'power',
    'The file system (ext4, xfs) is stopped without writing anything more, and mounted again.',
    'power cuts',
    1_000,
    8,
    16,
  ),
  crashBench('full', 'A small file system is filled, refuses, is freed, and goes on.', 'fillings', 500, 4, 8),
  crashBench('io-errors', 'System calls of the process are made to fail with EIO, then the power is cut.', 'failed calls', 1_000, 4, 12),
  crashBench('races', 'Two processes want one directory at the same moment; half of the holders are killed.', 'races', 2_000, 10, 20),
  crashBench(
    'limits',
    'No descriptors left, a disk that turns read-only, a clock that jumps by an hour and by ten years.',
    'cases',
    500,
    4,
    8,
  ),
  {
    name: 'damage',
    about: 'Files are damaged by blocks, bits, lengths and names; then everything is read, verified and repaired.',
    unit: 'damaged stores',
    goal: 1_000_000,
    covers: logic,
    program: 'test/damage/main.ts',
    args: seedAndCount,
    seedsOf: oneEach,
    countFirst: 20,
    countInVain: 200,
  },
  {
    name: 'fuzz',
    about: 'Every decoder is fed bytes that nobody vouches for, and must neither crash nor hang nor take memory by their choice.',
    unit: 'inputs',
    goal: 100_000_000,
    covers: ['src/base', 'src/format', 'src/recovery'],
    program: 'test/damage/fuzz/main.ts',
    args: seedAndCount,
    seedsOf: oneEach,
    countFirst: 200_000,
    countInVain: 200_000,
  },
  {
    name: 'tests',
    about: 'The tests of the store by name, each of one behaviour; of the folders that decide over data.',
    unit: 'tests',
    goal: 1,
    covers: wholeEngine,
    program: 'test/campaign/named-tests.ts',
    args: seedAndCount,
    seedsOf: () => 1,
    countFirst: 1,
    countInVain: 1,
  },
];

export function benchOf(name: string): BenchSpec {
  const found = benches.find((spec) => spec.name === name);
  if (found === undefined) throw new Error(`there is no bench ${name}; there are ${benches.map((spec) => spec.name).join(', ')}`);
  return found;
}
