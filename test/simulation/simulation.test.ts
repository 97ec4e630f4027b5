import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../repository/repository-files.js';
import { runHistory } from './run-history.js';
import { SimulatedClock } from './simulated-clock.js';

const directory = mkdtempSync(join(tmpdir(), 'stratalog-simulation-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const loader = pathToFileURL(join(repositoryRoot, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href;
let runCount = 0;

interface Run {
  readonly status: number | null;
  readonly output: string;
  readonly summary: Readonly<Record<string, unknown>>;
}

async function run(program: string, args: readonly string[]): Promise<Run> {
  runCount += 1;
  const file = join(directory, `${runCount}.json`);
  const child = spawn(process.execPath, ['--import', loader, join(repositoryRoot, 'test', 'simulation', program), ...args, '--json', file]);
  let output = '';
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString();
  });
  child.stderr.on('data', () => undefined);
  const status = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { status, output, summary: JSON.parse(readFileSync(file, 'utf8')) as Run['summary'] };
}

describe('the simulation', () => {
  it('of a hundred seeds gives the same traces in another process', { timeout: 900_000 }, async () => {
    const args = ['--seed', '1', '--count', '100', '--hashes'];
    const [first, second] = await Promise.all([run('main.ts', args), run('main.ts', args)]);
    expect(first.output.split('\n').filter((line) => /^\d+ [0-9a-f]{64}$/.test(line))).toHaveLength(100);
    expect(second.output).toBe(first.output);
    expect(first.summary).toMatchObject({ bench: 'simulation', seedFrom: 1, histories: 100, failures: [] });
  });

  it('a trace holds every call with a hash of its bytes, and being traced changes nothing', { timeout: 120_000 }, async () => {
    const lines: string[] = [];
    const traced = await runHistory(7, (line) => lines.push(line));
    expect(await runHistory(7)).toEqual(traced);
    expect(lines.filter((line) => /^\d+ [a-z]+/i.test(line)).length).toBe(traced.calls);
    const writes = lines.filter((line) => /^\d+ write/.test(line));
    expect(writes.length).toBeGreaterThan(20);
    expect(writes.filter((line) => !/ #[0-9a-f]{8}/.test(line))).toEqual([]);
  });

  it('a history is no empty one', { timeout: 300_000 }, async () => {
    for (let seed = 1001; seed <= 1010; seed += 1) {
      const { operations, crashes, faults, acknowledgements, failure } = await runHistory(seed);
      expect({ seed, failure }).toEqual({ seed, failure: undefined });
      expect([operations >= 100, crashes >= 2, faults >= 1, acknowledgements > 20]).toEqual([true, true, true, true]);
    }
  });

  it('control: a call that nothing will end is a hang, one that a timer ends is none', async () => {
    const clock = new SimulatedClock();
    await expect(clock.settle(new Promise(() => undefined), 'nothing')).rejects.toThrow('nothing hangs');
    const late = new Promise<string>((resolve) => void clock.schedule(50_000, () => resolve('late')));
    expect(await clock.settle(late, 'a timer')).toBe('late');
    const tooLate = new Promise((resolve) => void clock.schedule(5_000_000, () => resolve('too late')));
    await expect(clock.settle(tooLate, 'a timer')).rejects.toThrow('a timer hangs');
  });
});

describe('the sweep', () => {
  it('over a few calls finds nothing, and tells what it has done', { timeout: 900_000 }, async () => {
    const { status, summary } = await run(join('sweep', 'main.ts'), ['--stride', '397', '--offset', '11']);
    expect(summary).toMatchObject({ bench: 'sweep', failures: [] });
    expect(status).toBe(0);
    expect(Number(summary['points'])).toBeGreaterThan(100);
    expect(Number(summary['faults'])).toBeGreaterThan(50);
    expect(Number(summary['crashes'])).toBeGreaterThan(30);
  });

  it('runs one point by its name', { timeout: 120_000 }, async () => {
    const { status, summary } = await run(join('sweep', 'main.ts'), ['--only', 'sync 40 error EIO once']);
    expect([status, summary['points'], summary['failures']]).toEqual([0, 1, []]);
  });
});
