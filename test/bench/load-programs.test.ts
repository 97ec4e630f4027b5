import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appendWays } from '../../bench/load/append-ways.js';
import { readWays } from '../../bench/load/read-ways.js';
import { freshPath, runProgram } from './run-program.js';

const programMsMax = 120_000;

interface AppendReport {
  readonly options: { readonly how: string };
  readonly environment: { readonly node: string };
  readonly store: readonly {
    readonly messageCount: number;
    readonly recordBytes: number;
    readonly latencyUs: { readonly sampleCount: number };
  }[];
  readonly raw: readonly { readonly each: { readonly pieceCount: number; readonly pieceBytes: number } }[];
}

describe('load programs', () => {
  it.each(appendWays)(
    'append, %s: stores as many as asked, in both modes, and leaves nothing behind',
    async (how) => {
      for (const mode of ['async', 'sync']) {
        const directory = freshPath();
        const words = ['--how', how, '--mode', mode, '--count', '2000', '--rounds', '1', '--sample-every', '1', '--directory', directory];
        const { exitCode, output, errors } = await runProgram('load/append.ts', words);
        expect(errors).toContain('median of 1');
        expect(exitCode).toBe(0);
        const report = JSON.parse(output) as AppendReport;
        expect(report.options.how).toBe(how);
        expect(report.environment.node).toBe(process.version);
        expect(report.store[0]?.messageCount).toBe(2_000);
        expect(report.store[0]?.recordBytes).toBeGreaterThan(2_000 * 191);
        expect(report.store[0]?.latencyUs.sampleCount).toBe({ append: 2_000, batch: 20, sync: 2_000, all: 0 }[how]);
        expect(report.raw[0]?.each.pieceBytes).toBe(Math.round((report.store[0]?.recordBytes ?? 0) / 2_000));
        expect(existsSync(directory)).toBe(false);
        expect(readdirSync(dirname(directory))).toEqual([]);
      }
    },
    programMsMax,
  );

  it(
    'read: finds what it stored in every way',
    async () => {
      const directory = freshPath();
      const words = ['--count', '3000', '--calls', '200', '--rounds', '1', '--directory', directory];
      const { exitCode, output, errors } = await runProgram('load/read.ts', words);
      expect(errors).toContain('medians of 1');
      expect(exitCode).toBe(0);
      const { rounds } = JSON.parse(output) as { readonly rounds: Readonly<Record<string, readonly { readonly messageCount: number }[]>> };
      expect(Object.keys(rounds)).toEqual(Object.keys(readWays));
      for (const each of Object.values(rounds)) expect([200, 3_000]).toContain(each[0]?.messageCount);
      expect(existsSync(directory)).toBe(false);
    },
    programMsMax,
  );

  it(
    'refuse a directory that is not empty',
    async () => {
      const directory = dirname(import.meta.dirname);
      const { exitCode, errors } = await runProgram('load/append.ts', ['--count', '1', '--directory', directory]);
      expect(exitCode).not.toBe(0);
      expect(errors).toContain('not empty');
      expect(existsSync(directory)).toBe(true);
    },
    programMsMax,
  );
});
