import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { freshPath, repositoryRoot, runProgram, runScript } from './run-program.js';

const programMsMax = 180_000;

describe('the main job', () => {
  it(
    'stores, answers, survives the kill, proves it, and leaves a closed store that holds all of it',
    async () => {
      const directory = freshPath();
      const { exitCode, output, errors } = await runProgram('main-job/main.ts', ['--count', '4000', '--directory', directory]);
      expect(errors).toBe('');
      expect(output).toMatch(/events stored +1,707 /);
      expect(output).toMatch(/the whole log, in order +4,000 found .*as expected/);
      expect(output.match(/ as expected$/gm)).toHaveLength(7);
      expect(output).toMatch(/recovery found that it had not been closed/);
      expect(output).toMatch(/PROVEN: every one of the [\d,]+ acknowledged events is there\./);
      expect(output).toMatch(/closed cleanly +yes/);
      expect(output).toMatch(/everything was as it must be/);
      expect(exitCode).toBe(0);
      expect(existsSync(join(directory, 'abort'))).toBe(false);
      await using store = await openStore(directory, { readOnly: true });
      const queues = store.topics().find(({ topic }) => topic === 'earthquakes')?.queueIds ?? [];
      const counts = queues.map((queueId) => store.bounds({ topic: 'earthquakes', queueId }).max);
      expect(counts.reduce((left, right) => left + right, 0)).toBe(4_000);
    },
    programMsMax,
  );

  it(
    'control: a process that acknowledges what it never stores is found out, loudly and by the exit code',
    async () => {
      const directory = freshPath();
      const copy = join(dirname(directory), 'copy');
      cpSync(join(repositoryRoot, 'bench'), join(copy, 'bench'), { recursive: true });
      for (const name of ['src', 'data', 'node_modules', 'package.json', 'tsconfig.json'])
        symlinkSync(join(repositoryRoot, name), join(copy, name));
      const child = join(copy, 'bench', 'main-job', 'child.ts');
      const opened = 'const notes = new AcknowledgedNotes(notesPath);\n';
      const source = readFileSync(child, 'utf8');
      expect(source).toContain(opened);
      writeFileSync(child, source.replace(opened, `${opened}notes.note('live-99999999');\n`));
      const { exitCode, output, errors } = await runScript(
        join(copy, 'bench', 'main-job', 'main.ts'),
        ['--count', '2000', '--directory', directory],
        dirname(directory),
      );
      expect(errors).toMatch(/NOT PROVEN: 1 of [\d,]+ acknowledged events are missing: live-99999999/);
      expect(output).not.toMatch(/ PROVEN/);
      expect(output).toContain('SOMETHING WAS NOT AS IT MUST BE');
      expect(exitCode).toBe(1);
    },
    programMsMax,
  );

  it(
    'refuses a directory that it did not make, says so, and touches nothing in it',
    async () => {
      const directory = freshPath();
      mkdirSync(directory);
      writeFileSync(join(directory, 'thesis.txt'), 'years of work');
      const { exitCode, errors } = await runProgram('main-job/main.ts', ['--count', '4000', '--directory', directory]);
      expect(exitCode).toBe(2);
      expect(errors).toContain('no store of an earlier run');
      expect(readdirSync(directory)).toEqual(['thesis.txt']);
    },
    programMsMax,
  );

  it(
    'tells its options',
    async () => {
      const { exitCode, output } = await runProgram('main-job/main.ts', ['--help']);
      expect(exitCode).toBe(0);
      for (const option of ['--directory', '--count', '--body-bytes', '--flush', '--seed', '--keep']) expect(output).toContain(option);
    },
    programMsMax,
  );
});
