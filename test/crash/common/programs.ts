import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanAtExit } from './cleanups.js';

/**
 * The programs that get killed start thousands of times. Compiled once a run they start in a quarter of the time that a loader
 * needs, from the very sources beside this file: a copied tree tests its own engine.
 */
const repositoryRoot = fileURLToPath(new URL('../../../', import.meta.url));
const programs = ['test/crash/writer/writer.ts', 'test/crash/races/racer.ts'] as const;

export type ProgramName = 'writer/writer' | 'races/racer';

let compiledFolder: string | undefined;

/** The compiled program of that name. */
export function programPath(name: ProgramName): string {
  compiledFolder ??= compile();
  return join(compiledFolder, 'out', 'test', 'crash', `${name}.js`);
}

function compile(): string {
  // Inside node_modules, so that the packages are found from there.
  const parent = join(repositoryRoot, 'node_modules', '.cache');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'stratalog-crash-'));
  cleanAtExit(() => rmSync(folder, { recursive: true, force: true }));
  const configuration = {
    extends: join(repositoryRoot, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      noCheck: true,
      declaration: false,
      isolatedDeclarations: false,
      rootDir: repositoryRoot,
      outDir: './out',
      typeRoots: [join(repositoryRoot, 'node_modules', '@types')],
    },
    include: [],
    files: programs.map((path) => join(repositoryRoot, path)),
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(configuration));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', join(folder, 'tsconfig.json')], { encoding: 'utf8' });
  if (status !== 0 || programs.some((path) => !existsSync(join(folder, 'out', path.replace(/\.ts$/, '.js')))))
    throw new Error(`the programs do not compile:\n${stdout}${stderr}`);
  return folder;
}
