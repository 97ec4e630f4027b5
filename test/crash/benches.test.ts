import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BenchResult } from './common/result.js';
import { whyNoImage } from './machine/mounted.js';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const limitMs = 240_000;
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stratalog-benches-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function crash(...args: readonly string[]): {
  readonly status: number | null;
  readonly output: string;
  readonly result: BenchResult | undefined;
} {
  const json = join(folder, 'result.json');
  rmSync(json, { force: true });
  const given = ['--import', 'tsx', main, ...args, '--json', json, '--keep', join(folder, 'kept')];
  const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: 'utf8' });
  let result: BenchResult | undefined;
  try {
    result = JSON.parse(readFileSync(json, 'utf8')) as BenchResult;
  } catch {
    // It has written none.
  }
  return { status, output: stdout + stderr, result };
}

/** The result of a run that must be good; what it printed, if it is not. */
function goodRun(...args: readonly string[]): BenchResult {
  const { status, output, result } = crash(...args);
  if (status !== 0 || result === undefined) throw new Error(`exit code ${status}:\n${output}`);
  return result;
}

describe('npm run crash', () => {
  it('kills a few writers, loses nothing, and writes down what it did', { timeout: limitMs }, () => {
    const result = goodRun('kill', '--cycles', '4', '--seed', '21');
    expect(result).toMatchObject({ bench: 'kill', seedFrom: 21, cycles: 4, failures: [], skipped: [] });
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(['fileSystem', 'kernel', 'acknowledgements', 'durationS', 'counts', 'failures', 'skipped']),
    );
  });

  it('notices a writer that acknowledges too early, and says how to run it again', { timeout: limitMs }, () => {
    const { controls } = goodRun('kill', '--control', '--seed', '100');
    expect(controls?.map((control) => control.caught)).toEqual([true, true]);
  });

  it('races a few times for a directory', { timeout: limitMs }, () => {
    expect(goodRun('races', '--cycles', '6', '--seed', '3')).toMatchObject({ cycles: 6, failures: [] });
  });

  it('says by name and count what this machine cannot do, or does it', { timeout: limitMs }, () => {
    const { failures, cycles, skipped } = goodRun('power', '--cycles', '2', '--seed', '6');
    expect(failures).toEqual([]);
    expect(cycles + skipped.reduce((sum, each) => sum + each.cycles, 0)).toBe(2);
    for (const { what, why } of skipped) expect([what, why].every((text) => text.length > 0)).toBe(true);
  });

  it('refuses a bench that there is not', { timeout: limitMs }, () => {
    const { status, output } = crash('thunder');
    expect(status).not.toBe(0);
    expect(output).toContain('no bench thunder');
  });

  it.skipIf(whyNoImage('ext4') !== undefined)(
    'leaves no mount and no folder behind when it is interrupted',
    { timeout: limitMs },
    async () => {
      const started = spawn(process.execPath, ['--import', 'tsx', main, 'power', '--cycles', '500', '--seed', '2'], {
        stdio: 'ignore',
        env: { ...process.env, TMPDIR: folder },
      });
      const exited = once(started, 'exit');
      while (!readFileSync('/proc/mounts', 'utf8').includes(folder)) {
        expect(started.exitCode).toBeNull();
        await wait(20);
      }
      started.kill('SIGINT');
      await exited;
      expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(folder);
      expect(readdirSync(folder).filter((name) => name.startsWith('stratalog-crash-'))).toEqual([]);
    },
  );
});
