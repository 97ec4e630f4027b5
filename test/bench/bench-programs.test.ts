import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { watchProcess } from '../../bench/common/process-use.js';
import type { BenchRun } from '../../bench/page/figures.js';
import { measureLimits } from '../../bench/load/limits-round.js';
import { freshPath, repositoryRoot, runProgram } from './run-program.js';

const programMsMax = 180_000;
const uPlotInstalled = existsSync(join(repositoryRoot, 'bench', 'compare', 'node_modules', 'uplot'));

/** Every program with as little to do as it takes, and one thing that its JSON must hold. */
const tinyRuns: readonly (readonly [program: string, words: readonly string[], path: readonly (string | number)[]])[] = [
  ['limits', ['--total-bytes', '2mi', '--sync-seconds', '1', '--rounds', '1'], ['medians', 'syncsPerSecondPreallocated']],
  ['open-loop', ['--messages-per-second', '500', '--seconds', '1', '--mode', 'sync'], ['round', 'latencyUs', 'sampleCount']],
  ['tail', ['--count', '2000', '--rounds', '1', '--mode', 'sync'], ['medians', 'readPerSecond']],
  ['mixed', ['--seconds', '1', '--writers', '2', '--readers', '1'], ['round', 'reads', 'perSecond']],
  ['opening', ['--log-bytes', '500k', '--tail-bytes', '100k', '--rounds', '1'], ['killed', 0, 'recovery', 'scannedBytes']],
  ['retention', ['--segment-bytes', '1mi', '--max-bytes', '2mi', '--total-bytes', '6mi'], ['round', 'deletedSegmentCount']],
  ['soak', ['--seconds', '1', '--sample-ms', '100', '--growth-bytes-max', '1g'], ['round', 'messageCount']],
];

describe('load programs of a few seconds', () => {
  it.each(tinyRuns)(
    '%s does its work, prints what it found and leaves nothing behind',
    async (program, words, path) => {
      const directory = freshPath();
      const { exitCode, output, errors } = await runProgram(`load/${program}.ts`, [...words, '--directory', directory]);
      expect({ exitCode, errors }).toMatchObject({ exitCode: 0 });
      const report = JSON.parse(output) as Record<string, unknown>;
      expect(report['program']).toBe(program);
      expect(report['environment']).toMatchObject({ node: process.version });
      const found = path.reduce<unknown>((value, name) => (value as Record<string | number, unknown>)[name], report);
      expect(found).toBeGreaterThan(0);
      expect(existsSync(directory)).toBe(false);
    },
    programMsMax,
  );

  it.each(tinyRuns.map(([program]) => program))(
    '%s says what is wrong with an option',
    async (program) => {
      const { exitCode, errors } = await runProgram(`load/${program}.ts`, ['--faster']);
      expect(errors).toContain("unknown option '--faster'");
      expect(exitCode).toBe(1);
    },
    programMsMax,
  );

  it('limits are measured in the directory that was asked for, and its files are deleted', () => {
    const directory = freshPath();
    mkdirSync(directory);
    const limits = measureLimits(directory, { totalBytes: 1024 ** 2, syncedPieceBytes: 300, syncSeconds: 0.05 });
    for (const [name, value] of Object.entries(limits)) expect([name, value > 0]).toEqual([name, true]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('control: a blocked event loop and kept memory are seen', async () => {
    const endWatch = watchProcess();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const blockedUntil = performance.now() + 150;
    while (performance.now() < blockedUntil);
    const kept = Buffer.alloc(32 * 1024 ** 2, 1);
    await new Promise((resolve) => setTimeout(resolve, 250));
    const use = endWatch();
    expect(use.eventLoopDelayMs.max).toBeGreaterThan(100);
    expect(Math.max(...use.eventLoopDelayOverTime.map(({ maxMs }) => maxMs))).toBeGreaterThan(100);
    expect(use.externalBytesMax).toBeGreaterThan(kept.length);
    expect(use.openFilesMax ?? 1).toBeGreaterThan(0);
  });
});

describe('npm run bench', () => {
  it(
    'measures a section and leaves its figures and its page',
    async () => {
      const out = freshPath();
      const words = ['--quick', '--only', 'limits', '--no-install', '--out', out];
      const { exitCode, errors } = await runProgram('run/main.ts', words);
      expect(errors).toContain('limits: What this machine can do at all');
      expect(exitCode).toBe(0);
      const run = JSON.parse(readFileSync(join(out, 'latest.json'), 'utf8')) as BenchRun;
      expect(run).toMatchObject({ selection: 'quick', failures: [] });
      expect(run.sections.map(({ name }) => name)).toEqual(['limits']);
      expect(run.sections[0]?.bars[0]?.bars.every(({ value }) => value > 0)).toBe(true);
      if (uPlotInstalled) expect(readFileSync(join(out, 'latest.html'), 'utf8')).toContain('memory to memory');
      else expect(errors).toContain('no page');
    },
    programMsMax,
  );

  it(
    'names its sections, and refuses one that it does not have',
    async () => {
      const listed = await runProgram('run/main.ts', ['--list']);
      const names = listed.output
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0]);
      expect(names).toEqual(
        expect.arrayContaining(['compare', 'body-size', 'latency', 'producers', 'queues', 'store-size', 'event-loop', 'limits']),
      );
      const { exitCode, errors } = await runProgram('run/main.ts', ['--only', 'everything']);
      expect(errors).toContain('There is no section everything');
      expect(exitCode).toBe(1);
    },
    programMsMax,
  );
});
